package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const accountShadowYAML = `
limits: {rps: 0}
providers:
  m: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s]}
  copy: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s], limits: {rps: 0.0001, burst: 3, tpm: 1000000, concurrency: 2, max_wait: 0s, budget: {month: 1}}}
models:
  chat:
    targets: [{provider: m, model: mock/echo}]
    shadow: {target: {provider: copy, model: mock/echo}, percent: 100, budget_per_day: 5}
auth:
  keys: [{name: app, key: "` + clientKey + `", tenant: team, models: [chat]}]
  tenants: {team: {models: [chat]}}
server: {admin: {token: ` + adminToken + `}}
usage: {unknown_price: 5}
`

// TestShadowCopiesCountOnTheAccount: they take of all limits of the account that
// they go to, in memory and in Redis; what it refuses is not sent, and no client
// sees anything of it.
func TestShadowCopiesCountOnTheAccount(t *testing.T) {
	for _, engine := range []string{"memory", "redis"} {
		t.Run(engine, func(t *testing.T) {
			yaml := fmt.Sprintf(accountShadowYAML, mockUpstream(t), provKey)
			if engine == "redis" {
				yaml += "redis: {url: \"redis://" + miniredis.RunT(t).Addr() + "\", timeout: 2s}\n"
			}
			r := start(t, yaml, nil)
			const calls = 5 // three copies pass
			for n := range calls {
				if status, h, body := r.chat(t, "chat", ""); status != 200 || h == "" {
					t.Fatalf("the client sees %d %s", status, body)
				}
				awaitOperator(t, r, "/admin/v1/shadows", fmt.Sprintf(`"compared":{"count":%d,"both_ok":%d,"target_failed":%d,`, n+1, min(n+1, 3), max(n-2, 0)))
			}
			// A copy takes 8 tokens, 40 millionths of a dollar.
			for _, want := range []string{
				`"requests":{"rps":0.0001,"burst":3,"remaining":0,`, `"tokens":{"tpm":1000000,"used":24,`,
				`"concurrency":{"limit":2,"used":0,"remaining":2}`, `"month":{"budget":1,"spent":0.00012,`,
			} {
				awaitOperator(t, r, "/admin/v1/limits", want)
			}
			if err := r.app.ledger.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			awaitOperator(t, r, "/admin/v1/usage?group_by=provider", `"provider":"copy","requests":0,"attempts":3`)
		})
	}
}

func awaitOperator(t *testing.T, r *running, path, want string) {
	t.Helper()
	seen := ""
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(seen, want); <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s never says %s: %s", path, want, seen)
		}
		_, seen = r.operator(t, path, adminToken)
	}
}
