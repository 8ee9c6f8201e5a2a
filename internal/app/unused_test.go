package app

import (
	"strings"
	"testing"
)

// TestSettingsWithoutEffectAreNamed: nobody shall rely on what is only read.
func TestSettingsWithoutEffectAreNamed(t *testing.T) {
	r := start(t, `
providers:
  m: {type: mock, on_client_gone: drain, limits: {tpm: 5000}}
models:
  chat:
    targets: [{provider: m, model: echo}]
    log_bodies: true
  plain: {targets: [{provider: m, model: echo}]}
`, nil)
	for _, key := range []string{"models.chat.log_bodies"} {
		if !strings.Contains(r.log.String(), `"key":"`+key+`"`) {
			t.Errorf("the log does not name %s", key)
		}
	}
	if strings.Contains(r.log.String(), "models.plain") {
		t.Error("a route without such settings is named")
	}
}
