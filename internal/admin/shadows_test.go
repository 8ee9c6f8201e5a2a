package admin

import (
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/shadow"
)

type copied []shadow.Status

func (c copied) Shadows() []shadow.Status { return c }

func TestShadows(t *testing.T) {
	ratio := 1.25
	all := copied{
		{Route: "code", Target: "b/new", Percent: 2.5, Dropped: map[string]int64{}},
		{
			Route: "chat", Target: "a/new", Percent: 10, InFlight: 1, Copied: 7, Dropped: map[string]int64{"budget": 2}, Failed: 3, SpentToday: llm.Dollar / 2,
			BudgetPerDay: 5 * llm.Dollar, Compared: shadow.Comparison{Count: 6, BothOK: 4, TargetFailed: 2, LatencyRatio: &ratio},
		},
	}
	const want = `"data":{"shadows":[{"route":"chat","target":"a/new","percent":10,"in_flight":1,"copied":7,"dropped":{"budget":2},"failed":3,` +
		`"spent_today":0.5,"budget_per_day":5,"compared":{"count":6,"both_ok":4,"target_failed":2,"latency_ratio":1.25,"output_token_ratio":null,"cost_ratio":null,`
	w := ask(Options{Token: token, Shadows: all}, "GET", "/admin/v1/shadows", "Authorization", "Bearer "+token)
	if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, want) || strings.Index(body, `"route":"code"`) < strings.Index(body, `"route":"chat"`) {
		t.Errorf("%d %s", w.Code, body)
	}
	if w := ask(Options{Token: token, Shadows: all}, "GET", "/admin/v1/shadows"); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	if w := ask(Options{Token: token}, "GET", "/admin/v1/shadows", "Authorization", "Bearer "+token); w.Code != 404 {
		t.Errorf("without shadows: %d", w.Code)
	}
}
