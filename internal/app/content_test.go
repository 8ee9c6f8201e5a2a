package app

import (
	"strings"
	"testing"
)

const contentYAML = `
providers:
  m: {type: mock}
models:
  told: {targets: [{provider: m, model: echo}], log_bodies: LOG}
  plain: {targets: [{provider: m, model: echo}]}
`

// TestRoutesThatAskAreRecorded: and no other route is; a reload switches it.
func TestRoutesThatAskAreRecorded(t *testing.T) {
	r := start(t, strings.Replace(contentYAML, "LOG", "true", 1), nil)
	recorded := func(word, path, body string) bool {
		t.Helper()
		if status, _, answer := r.do(t, "POST", path, strings.ReplaceAll(body, "WORD", word)); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
		return strings.Contains(r.log.String(), word)
	}
	const chat = `{"model":"told","messages":[{"role":"user","content":"say WORD"}]}`
	if !recorded("alpha", "/v1/chat/completions", chat) || !strings.Contains(r.log.String(), `"msg":"call content"`) {
		t.Error("a whole answer is not recorded")
	}
	if !recorded("beta", "/v1/chat/completions", strings.Replace(chat, `"model"`, `"stream":true,"model"`, 1)) {
		t.Error("a stream is not recorded")
	}
	if !recorded("gamma", "/v1/generate/batch", `{"requests":[{"model":"told","prompt":"say WORD"}]}`) {
		t.Error("an item of a batch is not recorded")
	}
	if recorded("delta", "/v1/chat/completions", strings.Replace(chat, "told", "plain", 1)) {
		t.Error("a route that does not ask is recorded")
	}
	if err := r.app.Reload(t.Context(), load(t, strings.Replace(contentYAML, "LOG", "false", 1), nil)); err != nil {
		t.Fatal(err)
	}
	if recorded("epsilon", "/v1/chat/completions", chat) {
		t.Error("a reload does not switch it off")
	}
}
