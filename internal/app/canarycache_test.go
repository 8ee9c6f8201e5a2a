package app

import (
	"fmt"
	"strings"
	"testing"
)

// TestCacheRestsDuringACanary: while the callers are divided nothing is kept,
// and what the candidate alone has answered is not given when it is gone.
func TestCacheRestsDuringACanary(t *testing.T) {
	yaml := strings.Replace(fmt.Sprintf(canaryYAML, "mock/chat", "1h"), "    canary:", "    cache: {ttl: 1h}\n    canary:", 1)
	r := start(t, yaml, nil)
	ask := func() (cached, model string) {
		status, h, body := r.do(t, "POST", "/v1/chat/completions", `{"model":"chat","user":"u1","messages":[{"role":"user","content":"hi"}]}`)
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		return h.Get("X-Gateway-Cache"), h.Get("X-Gateway-Model")
	}
	want := func(what, cached, model string) {
		t.Helper()
		if c, m := ask(); c != cached || model != "" && m != model {
			t.Errorf("%s: cache %q, model %q; want %q, %q", what, c, m, cached, model)
		}
	}
	want("divided", "", "")
	want("divided, again", "", "")
	for r.canary(t).Percent < 100 {
		if status, _ := r.steer(t, "promote"); status != 200 {
			t.Fatalf("promote: %d", status)
		}
	}
	want("the candidate alone", "miss", "mock/chat")
	want("the candidate alone, again", "hit", "mock/chat")
	if status, _ := r.steer(t, "rollback"); status != 200 {
		t.Fatalf("rollback: %d", status)
	}
	want("rolled back", "miss", "mock/echo")
	want("rolled back, again", "hit", "mock/echo")
}
