package gemini

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
	Thoughts  string // as Text
	Signed    int    // calls and texts with a signature
	Calls     []string
	Finish    llm.FinishReason
	Native    string
	Usage     [4]int64 // input, cached, output, reasoning
}

func digest(s string) string {
	if len(s) < 24 {
		return s
	}
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:6])
}

func counts(u llm.Usage) [4]int64 { return [4]int64{u.Input, u.CachedInput, u.Output, u.Reasoning} }

// called is name{arguments}, without spaces.
func called(t *testing.T, c *llm.ToolCall) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(c.Arguments), &v); err != nil {
		t.Fatalf("arguments %s: %v", c.Arguments, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return c.Name + digest(string(b))
}

func (g *gist) fill(t *testing.T, calls []*llm.ToolCall, thoughts []*llm.Reasoning) {
	t.Helper()
	var all strings.Builder
	for _, r := range thoughts {
		all.WriteString(r.Text)
		if r.Signature != "" && r.Origin == llm.DialectGemini {
			g.Signed++
		}
	}
	g.Thoughts = digest(all.String())
	for _, c := range calls {
		g.Calls = append(g.Calls, called(t, c))
		if c.Signature != "" {
			g.Signed++
		}
		if c.ID == "" {
			t.Error("a call without id")
		}
	}
}

func TestRecordedAnswers(t *testing.T) {
	for name, want := range recordedAnswers {
		t.Run(name, func(t *testing.T) {
			r, err := codec.DecodeResponse(llm.OpChat, dialecttest.Fixture(t, "gemini/"+name))
			if err != nil {
				t.Fatal(err)
			}
			got := gist{ID: r.ID, Model: r.Model, Text: digest(r.Text()), Finish: r.Finish, Native: r.NativeFinish, Usage: counts(r.Usage)}
			var thoughts []*llm.Reasoning
			for _, p := range r.Parts {
				if p.Type == llm.PartReasoning {
					thoughts = append(thoughts, p.Reasoning)
				}
			}
			got.fill(t, r.ToolCalls(), thoughts)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func recordedStream(t *testing.T, name string) []byte {
	t.Helper()
	raw := dialecttest.Fixture(t, "gemini/"+name)
	if strings.HasSuffix(name, ".jsonl") {
		return dialecttest.Chunks(raw)
	}
	return raw
}

func TestRecordedStreams(t *testing.T) {
	for name, want := range recordedStreams {
		t.Run(name, func(t *testing.T) {
			events, err := dialecttest.Decode(codec.NewStreamDecoder(), recordedStream(t, name))
			if err != nil {
				t.Fatal(err)
			}
			a := dialecttest.Collect(events)
			if a.Starts != 1 || a.Finishes != 1 {
				t.Errorf("%d starts, %d finishes", a.Starts, a.Finishes)
			}
			got := gist{ID: a.ID, Model: a.Model, Text: digest(a.Text), Finish: a.Finish, Native: a.Native, Usage: counts(a.Usage)}
			calls := make([]*llm.ToolCall, len(a.Calls))
			for i := range a.Calls {
				calls[i] = &a.Calls[i]
			}
			thoughts := make([]*llm.Reasoning, len(a.Reasoning))
			for i := range a.Reasoning {
				thoughts[i] = &a.Reasoning[i]
			}
			got.fill(t, calls, thoughts)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			again, err := dialecttest.Decode(codec.NewStreamDecoder(), stream(events, nil))
			if err != nil {
				t.Fatal(err)
			}
			b := dialecttest.Collect(again)
			if a.ID == "" { // then it is the encoder's own
				b.ID = ""
				for i := range b.Calls {
					a.Calls[i].ID, b.Calls[i].ID = "", ""
				}
			}
			if a.Model == "" {
				b.Model = ""
			}
			if _, ok := finishes[a.Native]; !ok {
				b.Native = a.Native // a word that nobody knows is not passed on
			}
			a.Text, a.Refusal = a.Text+a.Refusal, ""
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("written for a client and read again:\n%s", diff)
			}
		})
	}
}

func TestRecordedStreamSplits(t *testing.T) {
	dialecttest.Splits(t, codec.NewStreamDecoder, recordedStream(t, "stream-tool-thought-signature-0.response.sse"))
}

func TestRecordedFailures(t *testing.T) {
	streams := map[string]struct {
		kind   llm.Kind
		status int
	}{
		"vertexai-streaming-failure-error-mid-stream.sse":  {llm.KindUpstreamError, 499},
		"vertexai-streaming-failure-http-error.sse":        {llm.KindInvalidRequest, 400},
		"vertexai-streaming-failure-invalid-json.sse":      {llm.KindUpstreamError, 0},
		"vertexai-streaming-failure-malformed-content.sse": {llm.KindUpstreamError, 0},
	}
	for name, want := range streams {
		t.Run(name, func(t *testing.T) {
			raw := append(recordedStream(t, name), "\n\n"...) // the exchange ends a last event that is whole
			_, err := dialecttest.Decode(codec.NewStreamDecoder(), raw)
			if e := llmError(t, err); e.Kind != want.kind || e.Status != want.status {
				t.Errorf("%s, status %d: %v", e.Kind, e.Status, e)
			}
		})
	}
	bodies := map[string]struct {
		status    int
		kind      llm.Kind
		code      string
		permanent bool
	}{
		"embeddings-error-404.response.json":                             {404, llm.KindNotFound, "model_not_found", false},
		"error-400-key.response.json":                                    {400, llm.KindUpstreamAuth, "", false},
		"error-404-model.response.json":                                  {404, llm.KindNotFound, "model_not_found", false},
		"error-429-retryinfo.response.json":                              {429, llm.KindUpstreamRateLimited, "", false},
		"google-429-retry-info.json":                                     {429, llm.KindUpstreamRateLimited, "", false},
		"googleai-unary-failure-api-key.json":                            {400, llm.KindUpstreamAuth, "", false},
		"googleai-unary-failure-generativelanguage-api-not-enabled.json": {403, llm.KindUpstreamAuth, "", false},
		"googleai-unary-failure-unknown-model.json":                      {404, llm.KindNotFound, "model_not_found", false},
		"vertex-error-400-too-long.response.json":                        {400, llm.KindInvalidRequest, "context_length_exceeded", false},
		"vertex-error-400-url-robots.response.json":                      {400, llm.KindInvalidRequest, "", false},
		"vertexai-unary-failure-iam-permission-denied.json":              {403, llm.KindUpstreamAuth, "", false},
		"vertexai-unary-failure-invalid-location-url-not-found.html":     {404, llm.KindNotFound, "model_not_found", false},
		"vertexai-unary-failure-model-not-found.json":                    {404, llm.KindNotFound, "model_not_found", false},
		"vertexai-unary-failure-quota-exceeded.json":                     {429, llm.KindUpstreamRateLimited, "insufficient_quota", true},
		"vertexai-unary-failure-unsupported-user-location.json":          {400, llm.KindUpstreamAuth, "", false},
	}
	for name, want := range bodies {
		t.Run(name, func(t *testing.T) {
			e := codec.DecodeError(want.status, dialecttest.Fixture(t, "gemini/"+name))
			if e.Kind != want.kind || e.Code != want.code || e.Permanent != want.permanent || e.Message == "" {
				t.Errorf("%s %q permanent %v: %s", e.Kind, e.Code, e.Permanent, e.Message)
			}
			if strings.Contains(name, "retry") && e.RetryAfter <= 0 {
				t.Error("no wait")
			}
			if strings.Contains(e.Message, "348715329010") || strings.Contains(e.Message, "<") {
				t.Errorf("message %q", e.Message)
			}
		})
	}
}

// TestRecordedRequests: what real clients send is understood, and what is sent
// in its place reads the same.
func TestRecordedRequests(t *testing.T) {
	for _, name := range []string{"error-400-key", "error-404-model", "error-429-retryinfo", "stream-parallel-tools-0", "stream-parallel-tools-1",
		"stream-tool-thought-signature-0", "stream-tool-thought-signature-1", "stream-usage-live", "vertex-error-400-too-long", "vertex-error-400-url-robots"} {
		t.Run(name, func(t *testing.T) {
			r := decode(t, llm.OpChat, string(dialecttest.Fixture(t, "gemini/"+name+".request.json")))
			const model = "gemini-3-pro-preview"
			s := dialect.SupportVertex(model)
			s.Same = true
			if _, _, err := dialect.Fit(r, s, false); err != nil && name != "error-429-retryinfo" {
				t.Fatal(err)
			}
			again := decode(t, llm.OpChat, string(encode(t, codec, chat(model), r)))
			for i := range r.Tools {
				if noArguments(r.Tools[i].Parameters) {
					r.Tools[i].Parameters = nil
				}
			}
			if diff := cmp.Diff(r, again); diff != "" {
				t.Error(diff)
			}
		})
	}
}
