package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/llm-gateway/llm-gateway/internal/notify"
)

// told is a webhook's other side.
type told struct {
	mu     sync.Mutex
	kinds  []string
	bodies []string
	srv    *httptest.Server
}

const hookSecret = "hook-secret-0000"

func newTold(t *testing.T) *told {
	t.Helper()
	h := &told{}
	h.srv = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var p struct {
			Kind, Subject, Message, Gateway string
			Time                            time.Time
			Facts                           map[string]string
		}
		if err != nil || json.Unmarshal(body, &p) != nil || p.Message == "" || p.Gateway == "" || p.Time.IsZero() || p.Kind != r.Header.Get(notify.HeaderEvent) {
			t.Errorf("a webhook was told %s, %v", body, err)
		}
		var at int64
		if _, err := fmt.Sscanf(r.Header.Get(notify.HeaderSignature), "t=%d,", &at); err != nil ||
			r.Header.Get(notify.HeaderSignature) != notify.Sign(hookSecret, time.Unix(at, 0), body) {
			t.Errorf("signature %q", r.Header.Get(notify.HeaderSignature))
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.kinds, h.bodies = append(h.kinds, p.Kind), append(h.bodies, string(body))
	}))
	t.Cleanup(h.srv.Close)
	return h
}

// yaml is the webhook's part of a configuration.
func (h *told) yaml() string {
	return fmt.Sprintf("\nwebhooks: [{url: '%s/secret-path', secret: %s}]\n", h.srv.URL, hookSecret)
}

// expect waits until the kinds were told, each as often as it stands there.
func (h *told) expect(t *testing.T, kinds ...string) {
	t.Helper()
	slices.Sort(kinds)
	var got []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		h.mu.Lock()
		got = slices.Clone(h.kinds)
		h.mu.Unlock()
		slices.Sort(got)
		if slices.Equal(got, kinds) {
			return
		}
	}
	t.Fatalf("told %v, want %v", got, kinds)
}

// TestOperatorsAreTold follows each thing that operators must know from its
// cause to the webhook, the log and the metric.
func TestOperatorsAreTold(t *testing.T) {
	mr := miniredis.RunT(t)
	h := newTold(t)
	yaml := fmt.Sprintf(`
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s], retry: {max: 0}, breaker: {min_requests: 2, window: 30s, cooldown: 10ms}}
models:
  flaky: {targets: [{provider: up, model: mock/status-503}]}
  refused: {targets: [{provider: up, model: mock/status-401}]}
redis: {url: "redis://%[3]s"}
`, mockUpstream(t), provKey, mr.Addr()) + h.yaml()
	r := start(t, yaml, nil)
	post := func(model string) {
		r.do(t, "POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`)
	}
	for range 4 {
		post("flaky") // opens the circuit; the trials after it fail too
	}
	want := []string{notify.CircuitOpened}
	h.expect(t, want...)

	post("refused")
	post("refused") // told once
	want = append(want, notify.CredentialRefused)
	h.expect(t, want...)

	r.app.ReloadFailed(fmt.Errorf("gw.yaml:3: nonsense"))
	want = append(want, notify.ReloadFailed)
	h.expect(t, want...)

	mr.Close()
	want = append(want, notify.RedisLost)
	for len(want) == 4 && r.app.redis.Up() {
		<-time.After(5 * time.Millisecond)
		post("flaky")
	}
	h.expect(t, want...)
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	want = append(want, notify.RedisRestored)
	h.expect(t, want...)

	_, _, metrics := r.do(t, "GET", "/metrics", "")
	for _, kind := range want {
		if !strings.Contains(metrics, `gateway_alerts_total{kind="`+kind+`"} 1`) {
			t.Errorf("the metric does not tell of %s", kind)
		}
		if !strings.Contains(r.log.String(), `"alert":"`+kind+`"`) {
			t.Errorf("the log does not tell of %s", kind)
		}
	}
	for _, secret := range []string{provKey, hookSecret, "secret-path"} {
		if strings.Contains(r.log.String()+strings.Join(h.bodies, ""), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	if !strings.Contains(strings.Join(h.bodies, ""), `"credential":"`+fingerprint(provKey)+`"`) {
		t.Errorf("the refused credential is not named: %s", h.bodies)
	}
}

// TestReloadChangesWebhooks: the new address is told, and a circuit that closes
// is, too.
func TestReloadChangesWebhooks(t *testing.T) {
	h := newTold(t)
	yaml := "providers: {m: {type: mock}}\n"
	r := start(t, yaml, nil)
	r.app.ReloadFailed(fmt.Errorf("nobody is told"))
	if err := r.app.Reload(t.Context(), load(t, yaml+h.yaml(), nil)); err != nil {
		t.Fatal(err)
	}
	r.app.ReloadFailed(fmt.Errorf("told"))
	h.expect(t, notify.ReloadFailed)
}

func TestRefusalsAreToldSeldom(t *testing.T) {
	var r refusals
	now := time.Unix(1e9, 0)
	for i, tc := range []struct {
		key   string
		after time.Duration
		news  bool
	}{{"a", 0, true}, {"a", 9 * time.Minute, false}, {"b", 9 * time.Minute, true}, {"a", 10 * time.Minute, true}, {"a", 11 * time.Minute, false}} {
		if got := r.news(credentialKey{"p", tc.key}, now.Add(tc.after)); got != tc.news {
			t.Errorf("step %d: %v", i, got)
		}
	}
	for i := range 3 * maxRefusals {
		r.news(credentialKey{"p", fmt.Sprint(i)}, now)
	}
	if len(r.last) > maxRefusals {
		t.Errorf("%d are remembered", len(r.last))
	}
}
