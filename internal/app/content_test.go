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

// TestKeptAnswersAreRecorded: an answer from the cache is recorded like a fresh
// one, whole and as a stream, and says where it came from.
func TestKeptAnswersAreRecorded(t *testing.T) {
	r := start(t, `
providers:
  up: {type: openai, base_url: "`+mockUpstream(t)+`/v1", keys: ["`+provKey+`"]}
models:
  told: {targets: [{provider: up, model: mock/echo}], log_bodies: true, cache: {ttl: 1m}}
`, nil)
	lines := func(part ...string) (n int) {
		for line := range strings.Lines(r.log.String()) {
			all := strings.Contains(line, `"msg":"call content"`)
			for _, p := range part {
				all = all && strings.Contains(line, p)
			}
			if all {
				n++
			}
		}
		return n
	}
	for i, tc := range []struct{ path, more, word, cached string }{
		{"/v1/chat/completions", "", "alpha", "miss"},
		{"/v1/chat/completions", "", "alpha", "hit"},
		{"/v1/chat/completions", `"stream":true,`, "beta", "miss"},
		{"/v1/chat/completions", `"stream":true,`, "beta", "hit"},
		{"/v1/messages", `"max_tokens":50,`, "gamma", "miss"},
		{"/v1/messages", `"max_tokens":50,`, "gamma", "hit"},
	} {
		status, h, body := r.do(t, "POST", tc.path, `{`+tc.more+`"model":"told","messages":[{"role":"user","content":"say `+tc.word+`"}]}`)
		if status != 200 || h.Get("X-Gateway-Cache") != tc.cached {
			t.Fatalf("call %d: %d %s %s", i, status, h.Get("X-Gateway-Cache"), body)
		}
		if n := lines(`"cache":"`+tc.cached+`"`, tc.word, `"outcome":"complete"`, `say `+tc.word, `\"assistant\"`); n != 1 {
			t.Errorf("call %d (%s, %s): %d lines: %s", i, tc.word, tc.cached, n, r.log.String())
		}
	}
}
