package app

import (
	"fmt"
	"strings"
	"testing"
)

// TestProviderTokens: an account whose tokens are used up passes the call on to
// the next target, or to nobody with 429; a reload fills nothing.
func TestProviderTokens(t *testing.T) {
	yaml := fmt.Sprintf(`
providers:
  small: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s], limits: {tpm: 100, max_wait: 0s}}
  large: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s]}
models:
  both: {targets: [{provider: small, model: mock/echo}, {provider: large, model: mock/echo}]}
  one: {targets: [{provider: small, model: mock/echo}]}
`, mockUpstream(t), provKey)
	r := start(t, yaml, nil)
	by := func(model string) string {
		t.Helper()
		status, h, body := r.do(t, "POST", "/v1/chat/completions", `{"model":"`+model+`","max_tokens":70,"messages":[{"role":"user","content":"hi"}]}`)
		if status == 429 && !strings.Contains(body, "the limit of tokens per minute for this provider account is reached") {
			t.Errorf("%s", body)
		}
		return fmt.Sprint(status, " ", h.Get("X-Gateway-Provider"))
	}
	if got := by("both"); got != "200 small" { // takes 8 of the 90 that were reserved
		t.Errorf("first: %s", got)
	}
	if got := by("both"); got != "200 small" {
		t.Errorf("what was not used did not come back: %s", got)
	}
	for _, want := range []string{"200 large", "200 large"} {
		if got := by("both"); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
		if got := by("one"); got != "429 small" {
			t.Errorf("without a second target: %s", got)
		}
		if err := r.app.Reload(t.Context(), load(t, yaml+"limits: {rps: 50}\n", nil)); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(r.log.String(), "not acted upon") {
		t.Error("the setting is said to do nothing")
	}
}
