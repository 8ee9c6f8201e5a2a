package dashscope

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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
	ID       string
	Text     string // itself when short, otherwise the first bytes of its SHA-256
	Thinking string
	Calls    []string
	Finish   llm.FinishReason
	Native   string
	Usage    [4]int64 // input, cached, output, reasoning
}

func digest(s string) string {
	if len(s) < 24 {
		return s
	}
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:6])
}

func counts(u llm.Usage) [4]int64 {
	return [4]int64{u.Input, u.CachedInput, u.Output, u.Reasoning}
}

func TestRecordedAnswers(t *testing.T) {
	for name, want := range recordedAnswers {
		t.Run(name, func(t *testing.T) {
			r, err := codec.DecodeResponse(llm.OpChat, dialecttest.Fixture(t, "dashscope/"+name+".response.json"))
			if err != nil {
				t.Fatal(err)
			}
			got := gist{ID: r.ID, Text: digest(r.Text()), Thinking: digest(r.ReasoningText()), Finish: r.Finish, Native: r.NativeFinish, Usage: counts(r.Usage)}
			for _, c := range r.ToolCalls() {
				got.Calls = append(got.Calls, c.Name+c.Arguments)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n%#v", diff, got)
			}
		})
	}
}

// recordedStream returns a recorded stream. Some recordings have lost the blank
// lines between events.
func recordedStream(t *testing.T, name string) []byte {
	t.Helper()
	var out []byte
	for line := range bytes.Lines(dialecttest.Fixture(t, "dashscope/"+name+".response.sse")) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0:
			continue
		case bytes.HasPrefix(line, []byte("id:")) && len(out) > 0:
			out = append(out, '\n')
		}
		out = append(append(out, line...), '\n')
	}
	return append(out, '\n')
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
			got := gist{ID: a.ID, Text: digest(a.Text), Finish: a.Finish, Native: a.Native, Usage: counts(a.Usage)}
			for i := range a.Reasoning {
				got.Thinking += a.Reasoning[i].Text
			}
			got.Thinking = digest(got.Thinking)
			for i := range a.Calls {
				got.Calls = append(got.Calls, a.Calls[i].Name+a.Calls[i].Arguments)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n%#v", diff, got)
			}
			checkAgain(t, events, a)
		})
	}
}

// checkAgain writes the events for a client and reads them: the same answer.
func checkAgain(t *testing.T, events []llm.Event, want dialecttest.Answer) {
	t.Helper()
	again, err := dialecttest.Decode(codec.NewStreamDecoder(), stream("qwen-plus", events, nil))
	if err != nil {
		t.Fatal(err)
	}
	got := dialecttest.Collect(again)
	got.Native = want.Native // older models say stop for a call
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written again: %s", diff)
	}
}

// TestRecordedSplits splits a recording at each byte.
func TestRecordedSplits(t *testing.T) {
	dialecttest.Splits(t, codec.NewStreamDecoder, recordedStream(t, "single-generation-message-with-parallel-tools-sse"))
}

func TestRecordedErrors(t *testing.T) {
	e := codec.DecodeError(401, dialecttest.Fixture(t, "dashscope/auth-error-nosse.response.json"))
	if e.Kind != llm.KindUpstreamAuth {
		t.Errorf("%v", e)
	}
	e = codec.DecodeError(400, dialecttest.Fixture(t, "dashscope/parameter-error-nosse.response.json"))
	if e.Kind != llm.KindInvalidRequest || !strings.HasPrefix(e.Message, "Role must be") {
		t.Errorf("%v", e)
	}
	_, err := dialecttest.Decode(codec.NewStreamDecoder(), recordedStream(t, "parameter-error-sse"))
	if e := llmError(t, err); e.Kind != llm.KindInvalidRequest || e.Status != 400 {
		t.Errorf("%v", e)
	}
}

func TestRecordedOthers(t *testing.T) {
	r, err := codec.DecodeResponse(llm.OpEmbed, dialecttest.Fixture(t, "dashscope/text-embedding-nosse.response.json"))
	if err != nil || len(r.Embeddings) != 1 || len(r.Embeddings[0].Vector) != 1536 || r.Usage.Input != 3 {
		t.Errorf("%v, %d vectors, %+v", err, len(r.Embeddings), r.Usage)
	}
	r, err = codec.DecodeResponse(llm.OpCountTokens, dialecttest.Fixture(t, "dashscope/tokenization-nosse.response.json"))
	if err != nil || r.Usage.Input != 3 {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestRecordedRequests reads what an SDK sent. Those in the old forms are
// refused by name.
func TestRecordedRequests(t *testing.T) {
	for name, param := range map[string]string{
		"multimodal-generation-message-with-parallel-function-call-sse": "",
		"multimodal-generation-vl-nosse":                                "",
		"parameter-error-nosse":                                         "parameters.result_format",
		"single-generation-message-json-nosse":                          "",
		"single-generation-message-nosse":                               "",
		"single-generation-message-reasoning-effort-nosse":              "",
		"single-generation-message-reasoning-sse":                       "",
		"single-generation-message-with-parallel-tools-sse":             "",
		"single-generation-message-with-tools-nosse":                    "",
		"single-generation-message-with-tools-sse":                      "",
		"single-generation-text-nosse":                                  "parameters.result_format",
	} {
		t.Run(name, func(t *testing.T) {
			body := dialecttest.Fixture(t, "dashscope/"+name+".request.json")
			r, err := codec.DecodeRequest(llm.OpChat, body)
			if param != "" {
				if err == nil || llmError(t, err).Param != param {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s := dialect.SupportDashScope(r.Model)
			s.Same = true
			if _, _, err := dialect.Fit(r, s, false); err != nil {
				t.Errorf("does not fit: %v", err)
			}
			first := encode(t, chat(r.Model, r.Stream), r)
			second := encode(t, chat(r.Model, r.Stream), decode(t, string(first)))
			if !bytes.Equal(first, second) {
				t.Errorf("%s\nbecame\n%s", first, second)
			}
		})
	}
}
