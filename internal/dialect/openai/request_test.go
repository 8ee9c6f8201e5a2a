package openai

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// again decodes what r encodes to.
func again(t testing.TB, op llm.Op, r *llm.Request) *llm.Request {
	t.Helper()
	k := Codec{ReasoningField: "reasoning_details"}
	body, err := k.AppendRequest(nil, &llm.Call{Op: op, Model: r.Model, Stream: r.Stream}, r)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(body) {
		t.Fatalf("not JSON: %s", body)
	}
	back, err := k.DecodeRequest(op, body)
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return back
}

func TestRecordedRequests(t *testing.T) {
	for _, file := range []string{
		"openai/chat-stream-parallel-tools.request.json", "openai/chat-stream-tools-complex-1.request.json",
		"openai/error-400-web-search.request.json", "openai-compatible/groq-midstream-error-tool-use-failed.request.json",
		"openai-compatible/openrouter-cache-stream.request.json", "openai-compatible/zai-thinking-stream.request.json",
		"azure/error-429.request.json", "openai-compatible/openrouter-error-429.request.json",
	} {
		t.Run(file, func(t *testing.T) {
			r, err := Codec{}.DecodeRequest(llm.OpChat, fixture(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Messages) == 0 || r.Model == "" {
				t.Errorf("got %+v", r)
			}
			r.IncludeUsage = r.Stream // an upstream is always asked
			if diff := cmp.Diff(r, again(t, llm.OpChat, r), ignoreCacheMarks); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// ignoreCacheMarks leaves out what this codec does not write back, and allows
// JSON text to be laid out differently.
var ignoreCacheMarks = cmp.Options{
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".CacheControl" }, cmp.Ignore()),
	cmp.Comparer(func(a, b json.RawMessage) bool {
		var x, y any
		if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
			return string(a) == string(b)
		}
		return cmp.Equal(x, y)
	}),
}

func kindAndParam(err error) (llm.Kind, string) {
	var e *llm.Error
	if !errors.As(err, &e) {
		return llm.KindCount, ""
	}
	return e.Kind, e.Param
}
