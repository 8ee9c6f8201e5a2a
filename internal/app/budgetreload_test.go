package app

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

const addedBudgetYAML = `
providers: {m: {type: openai, base_url: "%s/v1", keys: [%s]%s}}
models: {chat: {targets: [{provider: m, model: mock/echo}]%s}}
auth:
  keys: [{name: app, key: %q, tenant: team%s}]
  tenants: {team: {models: [chat]%s}}
usage: {unknown_price: 5, database: %q}
`

// TestAddedBudgetKnowsTheLedger: a budget that a reload adds counts what was
// spent before it, whatever it is a budget of; one that is not used up lets on.
func TestAddedBudgetKnowsTheLedger(t *testing.T) {
	t.Run("memory", func(t *testing.T) { addedBudget(t, nil) })
	t.Run("redis", func(t *testing.T) {
		mr := miniredis.RunT(t)
		addedBudget(t, func() map[string]string {
			mr.FlushAll() // another gateway's
			return map[string]string{"REDIS_URL": "redis://" + mr.Addr()}
		})
	})
}

func addedBudget(t *testing.T, env func() map[string]string) {
	for i, scope := range []string{"provider", "route", "key", "tenant", "gateway"} {
		t.Run(scope, func(t *testing.T) {
			up, db := mockUpstream(t), filepath.Join(t.TempDir(), "ledger.db")
			yaml := func(budget string) string {
				var parts [5]string
				if budget != "" {
					parts[i] = ", limits: {budget: {month: " + budget + "}}"
				}
				s := fmt.Sprintf(addedBudgetYAML, up, provKey, parts[0], parts[1], clientKey, parts[2], parts[3], db)
				if parts[4] != "" {
					s += parts[4][2:] + "\n"
				}
				return s
			}
			var vars map[string]string
			if env != nil {
				vars = env()
			}
			r := start(t, yaml(""), vars)
			reload := func(budget string) {
				t.Helper()
				if err := r.app.Reload(t.Context(), load(t, yaml(budget), vars)); err != nil {
					t.Fatal(err)
				}
			}
			ask := func(want int) {
				t.Helper()
				if status, _, body := r.chat(t, "chat", ""); status != want {
					t.Errorf("%d %s, want %d", status, body, want)
				}
			}
			for range 3 { // at 40 millionths each
				ask(200)
			}
			reload("0.00012")
			ask(402)
			reload("0.00013")
			ask(200)
			ask(402)
			reload("")
			ask(200)
			reload("0.00021")
			ask(200) // 200 millionths: no call is counted twice
			ask(402)
		})
	}
}
