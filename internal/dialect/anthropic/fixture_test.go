package anthropic

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// gist is what of a recorded answer is checked: enough to see that nothing got
// lost, without a copy of the recording.
type gist struct {
	ID, Model string
	Text      string // itself when short, otherwise the first bytes of its SHA-256
	Thinking  int    // reasoning blocks
	Signed    int    // of these, with a signature or opaque
	Calls     []string
	Finish    llm.FinishReason
	Native    string
	Usage     [6]int64 // input, cached, written, written for an hour, output, reasoning
}

func digest(s string) string {
	if len(s) < 24 {
		return s
	}
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:6])
}

func counts(u llm.Usage) [6]int64 {
	return [6]int64{u.Input, u.CachedInput, u.CacheWrite, u.CacheWrite1h, u.Output, u.Reasoning}
}

func (g *gist) thought(r *llm.Reasoning) {
	g.Thinking++
	if (r.Signature != "" || r.Redacted != "") && r.Origin == llm.DialectAnthropic {
		g.Signed++
	}
}

func gistOf(r *llm.Response) gist {
	g := gist{ID: r.ID, Model: r.Model, Text: digest(r.Text()), Finish: r.Finish, Native: r.NativeFinish, Usage: counts(r.Usage)}
	for _, p := range r.Parts {
		if p.Type == llm.PartReasoning {
			g.thought(p.Reasoning)
		}
	}
	for _, c := range r.ToolCalls() {
		g.Calls = append(g.Calls, c.Name+c.Arguments)
	}
	return g
}

func gistOfStream(a dialecttest.Answer) gist {
	g := gist{ID: a.ID, Model: a.Model, Text: digest(a.Text), Finish: a.Finish, Native: a.Native, Usage: counts(a.Usage)}
	for i := range a.Reasoning {
		g.thought(&a.Reasoning[i])
	}
	for _, c := range a.Calls {
		g.Calls = append(g.Calls, c.Name+c.Arguments)
	}
	return g
}

func TestRecordedAnswers(t *testing.T) {
	for name, want := range recordedAnswers {
		t.Run(name, func(t *testing.T) {
			body := dialecttest.Fixture(t, "anthropic/"+name)
			r, err := codec.DecodeResponse(llm.OpChat, body)
			if err != nil {
				t.Fatal(err)
			}
			got := gistOf(r)
			for i := range got.Calls {
				got.Calls[i] = compact(t, got.Calls[i])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n%#v", diff, got)
			}
			u, fin, err := codec.Inspect(llm.OpChat, body)
			if err != nil || u != r.Usage || fin != r.Finish {
				t.Errorf("passing it is %+v, %s, %v", u, fin, err)
			}
		})
	}
}

// compact takes the spaces out of name{arguments}.
func compact(t *testing.T, s string) string {
	t.Helper()
	i := strings.IndexByte(s, '{')
	var v json.RawMessage
	if err := json.Unmarshal([]byte(s[i:]), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return s[:i] + string(b)
}

func recordedStream(t *testing.T, name string) []byte {
	t.Helper()
	raw := dialecttest.Fixture(t, "anthropic/"+name)
	if strings.HasSuffix(name, ".jsonl") {
		return dialecttest.Chunks(raw)
	}
	return raw
}

func TestRecordedStreams(t *testing.T) {
	for name, want := range recordedStreams {
		t.Run(name, func(t *testing.T) {
			raw := recordedStream(t, name)
			events, err := dialecttest.Decode(codec.NewStreamDecoder(), raw)
			if err != nil {
				t.Fatal(err)
			}
			a := dialecttest.Collect(events)
			if a.Starts != 1 || a.Finishes != 1 {
				t.Errorf("%d starts, %d finishes", a.Starts, a.Finishes)
			}
			got := gistOfStream(a)
			for i := range got.Calls {
				got.Calls[i] = compact(t, got.Calls[i])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n%#v", diff, got)
			}
			again, err := dialecttest.Decode(codec.NewStreamDecoder(), stream(events, nil))
			if err != nil {
				t.Fatal(err)
			}
			a.Text, a.Refusal = a.Text+a.Refusal, "" // the dialect has no place for a refusal's words
			if diff := cmp.Diff(a, dialecttest.Collect(again)); diff != "" {
				t.Errorf("written for a client and read again:\n%s", diff)
			}
			w, err := watch(raw)
			if err != nil || w.Usage != a.Usage || w.Finish != a.Finish || w.Last != 1 {
				t.Errorf("passing it is %+v, %s, %d, %v", w.Usage, w.Finish, w.Last, err)
			}
		})
	}
}

func TestRecordedStreamSplits(t *testing.T) {
	dialecttest.Splits(t, codec.NewStreamDecoder, recordedStream(t, "stream-tool-use.response.sse"))
}

func TestRecordedErrors(t *testing.T) {
	cases := map[string]struct {
		status int
		kind   llm.Kind
		code   string
	}{
		"error-400-effort":          {400, llm.KindInvalidRequest, ""},
		"error-400-prompt-too-long": {400, llm.KindInvalidRequest, "context_length_exceeded"},
		"error-401":                 {401, llm.KindUpstreamAuth, ""},
		"error-404-count-tokens":    {404, llm.KindNotFound, "model_not_found"},
		"error-404-model":           {404, llm.KindNotFound, "model_not_found"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := codec.DecodeError(c.status, dialecttest.Fixture(t, "anthropic/"+name+".response.json"))
			if e.Kind != c.kind || e.Code != c.code || e.Message == "" {
				t.Errorf("%s %q %q", e.Kind, e.Code, e.Message)
			}
		})
	}
}

// TestRecordedRequests: what real clients send is understood, and what is sent
// in its place reads the same.
func TestRecordedRequests(t *testing.T) {
	cases := map[string]string{ // what Fit refuses, if anything
		"error-400-effort":               "",
		"stream-high-max-tokens":         "",
		"stream-tool-use":                "tools[2]",
		"thinking-part-0":                "",
		"thinking-part-1":                "",
		"thinking-part-redacted-0":       "",
		"thinking-part-redacted-1":       "",
		"thinking-part-stream-0":         "",
		"tool-use-200-with-retry-after":  "",
		"tool-use-200-ratelimit-headers": "",
	}
	for name, refused := range cases {
		t.Run(name, func(t *testing.T) {
			r := decode(t, string(dialecttest.Fixture(t, "anthropic/"+name+".request.json")))
			s := dialect.SupportAnthropic(r.Model)
			_, _, err := dialect.Fit(r, s, false)
			if refused != "" {
				if e := llmError(t, err); e.Param != refused {
					t.Errorf("refused %s, want %s", e.Param, refused)
				}
				return
			}
			if name != "error-400-effort" && err != nil {
				t.Fatal(err)
			}
			again := decode(t, string(encode(t, &llm.Call{Op: llm.OpChat, Model: r.Model, Stream: r.Stream}, r)))
			if diff := cmp.Diff(r, again); diff != "" {
				t.Error(diff)
			}
		})
	}
}
