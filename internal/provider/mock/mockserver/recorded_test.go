package mockserver_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

// fixtures returns the folder of recorded traffic, which is no part of the
// repository and stands beside it.
func fixtures(t *testing.T) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for root != "/" {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Dir(root)
	}
	dir := filepath.Join(root, "..", "shared", "providers", "fixtures", "openai")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIPPED: there is no recorded traffic beside the repository")
	}
	return dir
}

func readJSON(t *testing.T, path string, v any) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return true
}

type recordedMeta struct {
	URL    string `json:"url"`
	Status int    `json:"status"`
}

// TestRecordedRequests: what the real API took, the mock takes. Strictness
// that refuses real traffic would be worth nothing.
func TestRecordedRequests(t *testing.T) {
	dir := fixtures(t)
	r := upstream(t, mockserver.Options{Engine: mock.New(mock.Options{Aliases: map[string]string{"*": "chat"}})})
	list, err := filepath.Glob(filepath.Join(dir, "*.request.json"))
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, path := range list {
		var meta recordedMeta
		var body json.RawMessage
		if !readJSON(t, strings.Replace(path, ".request.", ".meta.", 1), &meta) || !readJSON(t, path, &body) {
			continue
		}
		if meta.Status != 0 && meta.Status != http.StatusOK || !strings.HasSuffix(meta.URL, "/chat/completions") && !strings.HasSuffix(meta.URL, "/embeddings") {
			continue
		}
		asked++
		p := chatPath
		if strings.HasSuffix(meta.URL, "/embeddings") {
			p = "/v1/embeddings"
		}
		if a := r.do(t, http.MethodPost, p, string(body)); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", filepath.Base(path), a.status, a.body)
		}
	}
	if asked < 3 {
		t.Errorf("only %d recorded requests were asked", asked)
	}
}

// TestRecordedErrors: the body of an error has the members of the recorded
// ones, and where the mock has the same reason, the same words.
func TestRecordedErrors(t *testing.T) {
	dir := fixtures(t)
	r := upstream(t, mockserver.Options{})
	for file, body := range map[string]string{
		"error-400-web-search.response.json":          `{"model":"chat","messages":[{"role":"user","content":"x"}],"web_search_options":{}}`,
		"error-404-model.response.json":               `{"model":"gpt-5.2-proo","messages":[{"role":"user","content":"x"}]}`,
		"reasoning-model-legacy-parameter-error.json": chat("reasoner", "x", `,"max_tokens":1`),
		"reasoning-model-temperature-error.json":      chat("reasoner", "x", `,"temperature":0.1`),
		"openai-error.1.json":                         chat("quota", "x", ""),
	} {
		var want completion
		if !readJSON(t, filepath.Join(dir, file), &want) {
			t.Errorf("%s is missing", file)
			continue
		}
		got := parse(t, r.post(t, body).body)
		if got.Error == nil || got.Error.Type != want.Error.Type || str(got.Error.Code) != str(want.Error.Code) {
			t.Errorf("%s: %+v, recorded %+v", file, got.Error, want.Error)
			continue
		}
		// The mock's 404 lists its words and its quota says who asked for it.
		if own := got.Error.Type == "insufficient_quota" || str(want.Error.Code) == "model_not_found"; !own && (got.Error.Message != want.Error.Message || str(got.Error.Param) != str(want.Error.Param)) {
			t.Errorf("%s: %q of %s, recorded %q of %s", file, got.Error.Message, str(got.Error.Param), want.Error.Message, str(want.Error.Param))
		}
	}
}

// TestRecordedStreams: a stream of the mock goes through the same steps as the
// recorded ones do.
func TestRecordedStreams(t *testing.T) {
	dir := fixtures(t)
	r := upstream(t, mockserver.Options{})
	usage := streaming + `,"stream_options":{"include_usage":true}`
	for file, body := range map[string]string{
		"chat-stream-text.response.sse":           chat("lorem-8", "x", usage),
		"chat-stream-parallel-tools.response.sse": chat("chat", "get_weather and get_time", tools+usage),
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Error(err)
			continue
		}
		recorded, _ := chunks(t, b)
		mine, done := chunks(t, r.post(t, body).body)
		if want, got := steps(recorded), steps(mine); !done || !slices.Equal(want, got) {
			t.Errorf("%s: steps\n%v, recorded\n%v", file, got, want)
		}
		for _, name := range []string{"id", "object", "created", "model", "choices"} {
			if !slices.Contains(keys(t, mine[0].raw), name) {
				t.Errorf("%s: a chunk has no %s", file, name)
			}
		}
	}
}

// steps words what each chunk brings, repetitions left out.
func steps(list []completion) []string {
	var out []string
	for _, c := range list {
		step := "usage"
		if len(c.Choices) > 0 {
			d := c.Choices[0].Delta
			switch {
			case c.Choices[0].Finish != nil:
				step = "finish " + *c.Choices[0].Finish
			case d.Role != nil:
				step = "role"
			case len(d.ToolCalls) > 0 && d.ToolCalls[0].ID != "":
				step = "call"
			case len(d.ToolCalls) > 0:
				step = "arguments"
			default:
				step = "content"
			}
		}
		if len(out) == 0 || out[len(out)-1] != step {
			out = append(out, step)
		}
	}
	return out
}

func keys(t *testing.T, raw string) []string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &m); err != nil {
		t.Fatal(err)
	}
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
