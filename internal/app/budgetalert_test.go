package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/notify"
)

const alertYAML = `
providers:
  up: {type: openai, base_url: "%s/v1", keys: ["` + provKey + `"]}
models:
  chat: {targets: [{provider: up, model: mock/echo}]}
auth:
  keys: [{name: app, key: "` + clientKey + `", tenant: team}]
  tenants: {team: {limits: {budget: {day: %s}}}}
limits: {budget_alerts: [%s]}
usage: {unknown_price: 5}
`

// TestBudgetAlerts follows a budget from its first half to its end.
func TestBudgetAlerts(t *testing.T) {
	h := newTold(t)
	// A call takes 8 tokens, 40 millionths of a dollar.
	r := start(t, fmt.Sprintf(alertYAML, mockUpstream(t), "0.0001", "50, 80, 100")+h.yaml(), nil)
	var want []string
	for i, tells := range [][]string{nil, {notify.BudgetAlert, notify.BudgetAlert}, {notify.BudgetExceeded}} {
		if status, _, body := r.chat(t, "chat", ""); status != 200 {
			t.Fatalf("call %d: %d %s", i, status, body)
		}
		want = append(want, tells...)
		h.expect(t, slices.Clone(want)...)
	}
	if status, _, _ := r.chat(t, "chat", ""); status != 402 {
		t.Errorf("the budget is spent, and the answer is %d", status)
	}
	_, _, metrics := r.do(t, "GET", "/metrics", "")
	if !strings.Contains(metrics, `gateway_budget_spent_ratio{name="team",period="day",scope="tenant"} 1.2`) {
		t.Error("the metric does not tell what is spent")
	}
	all := strings.Join(h.bodies, "\n")
	if !strings.Contains(all, `"subject":"tenant team","message":"the tenant team has spent 0.00008 dollars: 80 % of its budget of 0.0001 dollars for this day (UTC) are reached"`) ||
		!strings.Contains(all, `"facts":{"budget":"0.0001","name":"team","percent":"100","period":"day","scope":"tenant","spent":"0.00012"}`) {
		t.Errorf("told: %s", all)
	}
	// A reload tells nothing again; a budget that grows has shares of its own.
	for _, budget := range []string{"0.0001", "0.0002"} {
		if err := r.app.Reload(t.Context(), load(t, fmt.Sprintf(alertYAML, mockUpstream(t), budget, "50, 80, 100")+h.yaml(), nil)); err != nil {
			t.Fatal(err)
		}
		r.chat(t, "chat", "")
	}
	h.expect(t, append(want, notify.BudgetAlert, notify.BudgetAlert)...)
}

// TestReplicasTellABudgetOnce: two gateways with one Redis.
func TestReplicasTellABudgetOnce(t *testing.T) {
	mr := miniredis.RunT(t)
	h := newTold(t)
	yaml := fmt.Sprintf(alertYAML, mockUpstream(t), "0.0001", "10, 100") + fmt.Sprintf("redis: {url: 'redis://%s', timeout: 2s}", mr.Addr()) + h.yaml()
	replicas := []*running{start(t, yaml, nil), start(t, yaml, nil)}
	for i := range 6 {
		replicas[i%2].chat(t, "chat", "")
	}
	h.expect(t, notify.BudgetAlert, notify.BudgetExceeded)
	for _, r := range replicas {
		if err := r.stop(); err != nil { // all that waits is told
			t.Error(err)
		}
	}
	h.expect(t, notify.BudgetAlert, notify.BudgetExceeded)
	for _, k := range mr.Keys() {
		if mr.TTL(k) <= 0 {
			t.Errorf("%s stays for ever", k)
		}
	}
}

func TestCrossingsAreRememberedWithinBounds(t *testing.T) {
	var b budgetAlerts
	for i := range 2*maxCrossings + 5 {
		if !b.first(fmt.Sprint(i)) {
			t.Fatalf("%d was seen before", i)
		}
	}
	if b.first(fmt.Sprint(2*maxCrossings+4)) || len(b.told) > maxCrossings {
		t.Errorf("%d are remembered", len(b.told))
	}
	if crossingName(limits.Crossing{Share: 1}) == crossingName(limits.Crossing{Budget: 1}) {
		t.Error("a budget that is changed is the same")
	}
}
