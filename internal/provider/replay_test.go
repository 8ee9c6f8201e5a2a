package provider

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// recordings returns the recorded exchanges, which are kept beside the
// repository and not in it.
func recordings(t *testing.T, names ...string) (metas []string) {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/providers/fixtures")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIPPED: no recorded exchanges beside the repository: nothing was replayed")
	}
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		metas = append(metas, found...)
	}
	return metas
}

// recording is one exchange: what was asked and what came.
type recording struct {
	URL     string
	Status  int
	Headers map[string]string
	request []byte
	body    []byte
}

func load(t *testing.T, meta string) *recording {
	t.Helper()
	base := strings.TrimSuffix(meta, ".meta.json")
	var r recording
	b, err := os.ReadFile(meta)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.request, _ = os.ReadFile(base + ".request.json")
	if r.body, err = os.ReadFile(base + ".response.json"); err != nil {
		if r.body, err = os.ReadFile(base + ".response.sse"); err != nil {
			return nil
		}
	}
	return &r
}

func (r *recording) stream() bool {
	return strings.HasPrefix(r.Headers["content-type"], "text/event-stream")
}

// answer is the recording as it is on the wire.
func (r *recording) answer() string {
	var headers []string
	for name, value := range r.Headers {
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding", "content-encoding", "connection", "date":
		default:
			headers = append(headers, name, value)
		}
	}
	if r.stream() {
		return providertest.Stream(string(r.body), headers...)
	}
	return providertest.Answer(r.Status, string(r.body), headers...)
}

// calls returns the call that was recorded, as one that passes through and as
// one that is translated.
func (r *recording) calls(t *testing.T) []*llm.Call {
	t.Helper()
	body := r.request
	if body == nil {
		body = []byte(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	}
	peek, err := dialect.Peek(body)
	if err != nil {
		t.Fatal(err)
	}
	peek.IncludeUsage = true // show all
	pass := &llm.Call{
		Op: llm.OpChat, Model: peek.Model, Stream: r.stream(), Dialect: llm.DialectOpenAI, Raw: body, Peek: peek, Meta: &llm.Meta{},
		Request: func() (*llm.Request, error) { return fakeRequest, nil },
	}
	if strings.HasSuffix(r.URL, "/embeddings") {
		pass.Op = llm.OpEmbed
		pass.Request = func() (*llm.Request, error) { return openai.Codec{}.DecodeRequest(llm.OpEmbed, body) }
	}
	translate := *pass
	translate.Raw = nil
	return []*llm.Call{pass, &translate}
}

// result is what a call came to, as far as both forms must agree.
type result struct {
	Kind      llm.Kind
	Permanent bool
	Failed    bool
	Usage     llm.Usage
	Finish    llm.FinishReason
}

func run(t *testing.T, p llm.Provider, c *llm.Call) (res result, raw string) {
	t.Helper()
	fail := func(err error) {
		e := llm.AsError(err)
		res = result{Failed: true, Kind: e.Kind, Permanent: e.Permanent}
		if e.Kind == llm.KindInternal || e.Message == "" {
			t.Errorf("judged as %+v", e)
		}
	}
	r, err := p.Do(t.Context(), c)
	if err != nil {
		fail(err)
		return res, ""
	}
	defer r.Close()
	res.Usage, res.Finish, raw = r.Usage, r.Finish, string(r.Raw)
	if r.Stream == nil {
		return res, raw
	}
	for {
		ev, err := r.Stream.Recv()
		if err == io.EOF {
			return res, raw
		}
		if err != nil {
			fail(err)
			return res, raw
		}
		raw += string(ev.Raw)
		if ev.Usage != nil {
			res.Usage = *ev.Usage
		}
		if ev.Finish != "" {
			res.Finish = ev.Finish
		}
	}
}

// comments takes comment lines and the blank ones behind them out of a stream,
// as a relay may.
func comments(stream []byte) string {
	var out []string
	for block := range strings.SplitSeq(string(bytes.ReplaceAll(stream, []byte("\r\n"), []byte("\n"))), "\n\n") {
		if block != "" && !strings.HasPrefix(block, ":") {
			out = append(out, block)
		}
	}
	return strings.Join(out, "\n\n")
}

func TestReplay(t *testing.T) {
	metas := recordings(t, "openai/*.meta.json", "openai-compatible/*.meta.json", "azure/*.meta.json")
	up := providertest.NewUpstream(t, nil)
	tr := NewTransport(TransportOptions{})
	t.Cleanup(tr.CloseIdleConnections)
	p, err := NewOpenAI(OpenAIOptions{Name: "replay", BaseURL: up.URL(), Keys: []string{"sk-test-0000"}, Client: NewClient(tr)})
	if err != nil {
		t.Fatal(err)
	}
	replayed := 0
	for _, meta := range metas {
		r := load(t, meta)
		if r == nil || strings.Contains(r.URL, "/responses") {
			continue
		}
		replayed++
		t.Run(filepath.Base(filepath.Dir(meta))+"/"+strings.TrimSuffix(filepath.Base(meta), ".meta.json"), func(t *testing.T) {
			up.Play(providertest.Say(r.answer()))
			calls := r.calls(t)
			passed, raw := run(t, p, calls[0])
			translated, _ := run(t, p, calls[1])
			if passed != translated {
				t.Errorf("passed through: %+v\ntranslated:     %+v", passed, translated)
			}
			if failed := r.Status != http.StatusOK || strings.Contains(string(r.body), `"error":{`); failed != passed.Failed {
				t.Errorf("status %d: %+v", r.Status, passed)
			}
			if !passed.Failed && comments([]byte(raw)) != comments(r.body) {
				t.Errorf("passed on\n%s\nwant\n%s", raw, r.body)
			}
			if !passed.Failed && passed.Usage.Source != llm.UsageReported && bytes.Contains(r.body, []byte(`"prompt_tokens"`)) {
				t.Error("the usage was missed")
			}
		})
	}
	if replayed < 20 {
		t.Errorf("only %d exchanges were found", replayed)
	}
}
