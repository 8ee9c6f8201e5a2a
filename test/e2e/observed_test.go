package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// observedConfig makes every kind of event that the dashboard and the alerts
// know: retries, a fallback, an open circuit, a refused credential, refusals,
// a canary that is steered, copies for a shadow and copies dropped, kept
// answers, a budget, events at a webhook, and more calls than there is room for.
const observedConfig = `
server: {addr: "127.0.0.1:0", shutdown_grace: 0s, admin: {token: adm-test-0000}}
providers:
  demo: {type: mock}
  broken: {type: mock, retry: {base: 1ms}, breaker: {min_requests: 5}}
  revoked: {type: openai, base_url: "%[1]s/v1", keys: [sk-e2e-revoked-0000]}
models:
  chat: {targets: [{provider: broken, model: status-503}, {provider: demo, model: lorem-20}]}
  plain: {targets: [{provider: demo, model: lorem-30+pace-2ms}]}
  shut: {targets: [{provider: revoked, model: mock/echo}]}
  slow: {targets: [{provider: demo, model: lorem-5+delay-200ms}]}
  kept: {targets: [{provider: demo, model: lorem-6}], cache: {ttl: 10m}}
  copied:
    targets: [{provider: demo, model: lorem-7}]
    shadow: {target: {provider: demo, model: lorem-8+delay-100ms}, percent: 100, max_in_flight: 1}
  new:
    targets: [{provider: demo, model: lorem-9}]
    canary: {candidate: {provider: demo, model: lorem-10}, steps: [20, 100], step_interval: 1h}
auth:
  keys: [{name: app, key: %[2]s}]
limits: {rps: 0, budget: {day: 1000, month: 20000}}
overload: {min_concurrency: 8, max_concurrency: 24, max_wait: 1ms}
webhooks: [{url: "%[3]s"}]
`

// asked is one kind of call, and how it is answered; when the gateway is full,
// each may be refused with 503.
type asked struct {
	path, body, key string
	want            int
	at              int // calls at once
}

func observedCalls() []asked {
	const hello = `,"messages":[{"role":"user","content":"hello"}]}`
	return []asked{
		{"/v1/generate", `{"model":"chat","prompt":"hello"}`, clientKey, 200, 1},
		{"/v1/generate", `{"model":"plain","prompt":"hello","stream":true}`, clientKey, 200, 1},
		{"/v1/chat/completions", `{"model":"plain","stream":true` + hello, clientKey, 200, 1},
		{"/v1/chat/completions", `{"model":"shut"` + hello, clientKey, 502, 1},
		{"/v1/generate", `{"prompt":"hello"}`, "gw_wrong", 401, 1},
		{"/v1/chat/completions", `{"model":"slow"` + hello, clientKey, 200, 30},
		{"/v1/generate", `{"model":"kept","prompt":"hello"}`, clientKey, 200, 1},
		{"/v1/generate", `{"model":"copied","prompt":"hello"}`, clientKey, 200, 1},
		{"/v1/generate", `{"model":"new","prompt":"hello"}`, clientKey, 200, 1},
	}
}

// load keeps asking, with and without streams, well and badly, and steers the
// canary, until stopped.
func load(t *testing.T, base string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, ask := range observedCalls() {
		for range ask.at {
			wg.Go(func() {
				for ctx.Err() == nil {
					status, err := send(ctx, base+ask.path, ask.body, ask.key)
					if ctx.Err() == nil && (err != nil || status != ask.want && status != 503) {
						t.Errorf("load %d: status %d, want %d; %v", i, status, ask.want, err)
						return
					}
					pause(ctx, 20*time.Millisecond*time.Duration(ask.at))
				}
			})
		}
	}
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			action := []string{"pause", "resume"}[i%2]
			if status, err := send(ctx, base+"/admin/v1/canaries/new", fmt.Sprintf(`{"action":%q}`, action), "adm-test-0000"); ctx.Err() == nil && (err != nil || status != 200) {
				t.Errorf("%s: %d, %v", action, status, err)
				return
			}
			pause(ctx, 300*time.Millisecond)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
