package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/notify"
	"github.com/llm-gateway/llm-gateway/internal/server"
)

// view asks the operators' API and reads the data of the answer.
func view[T any](t *testing.T, r *running, path string) T {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.app.OperatorsURL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var env struct{ Data T }
	if err := json.NewDecoder(resp.Body).Decode(&env); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
	}
	return env.Data
}

const watched = `
providers:
  broken: {type: openai, base_url: "URL", keys: [sk-test-0001, sk-test-0002], retry: {max: 0}, breaker: {min_requests: 2}, limits: {concurrency: 7}}
  mock: {type: mock}
models:
  chat:
    aliases: [talk]
    targets: [{provider: broken, model: gpt-4o}, {provider: mock, model: echo}]
limits: {rps: 50, budget: {day: 5}}
`

// TestOperatorsSeeAFailingProvider: an upstream that fails shows in every view
// from which an operator would tell.
func TestOperatorsSeeAFailingProvider(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	defer upstream.Close()
	r := start(t, strings.ReplaceAll(watched, "URL", upstream.URL), map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken})
	for range 4 {
		if status, _, body := r.do(t, "POST", "/v1/generate", `{"model":"chat","prompt":"hi"}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	type circuit struct{ State string }
	providers := view[struct {
		Providers []struct {
			Name, Host  string
			Credentials int
			Limits      *struct{ Concurrency int }
			Targets     []struct {
				Model   string
				Circuit *circuit
			}
		}
	}](t, r, "/admin/v1/providers").Providers
	if p := providers[0]; p.Name != "broken" || p.Host != strings.TrimPrefix(upstream.URL, "http://") || p.Credentials != 2 || p.Limits.Concurrency != 7 ||
		len(p.Targets) != 1 || p.Targets[0].Model != "gpt-4o" || p.Targets[0].Circuit.State != "open" {
		t.Errorf("providers: %+v", p)
	}
	routes := view[struct {
		Routes []struct {
			Name    string
			Aliases []string
			Targets []struct{ Provider, Circuit string }
		}
	}](t, r, "/admin/v1/routes").Routes
	if len(routes) != 1 || routes[0].Aliases[0] != "talk" || routes[0].Targets[0].Circuit != "open" || routes[0].Targets[1].Circuit != "closed" {
		t.Errorf("routes: %+v", routes)
	}
	requests := view[struct {
		Requests []struct {
			Route, Provider, Path string
			Status                int
		}
	}](t, r, "/admin/v1/requests").Requests
	if len(requests) != 4 || requests[0].Route != "chat" || requests[0].Provider != "mock" || !strings.HasPrefix(requests[0].Path, "broken/gpt-4o:") {
		t.Errorf("requests: %+v", requests)
	}
	alerts := view[struct{ Alerts map[string]int }](t, r, "/admin/v1/status").Alerts
	if len(alerts) != len(notify.Kinds()) || alerts[notify.CircuitOpened] != 1 || alerts[notify.BudgetExceeded] != 0 {
		t.Errorf("alerts: %v", alerts)
	}
	total := view[struct {
		Total struct{ Requests, Errors, Fallbacks int }
	}](t, r, "/admin/v1/overview").Total
	if total.Requests != 4 || total.Errors != 0 || total.Fallbacks != 4 {
		t.Errorf("overview: %+v", total)
	}
	credentials := view[struct {
		Credentials []struct {
			Provider, State string
			Requests        int
		}
	}](t, r, "/admin/v1/credentials").Credentials
	if len(credentials) != 2 || credentials[0].State != "in_use" || credentials[0].Requests+credentials[1].Requests != 2 {
		t.Errorf("credentials: %+v", credentials)
	}
	limits := view[struct {
		Limits []struct {
			Scope, Name string
			Requests    *struct{ RPS float64 }
			Day         *struct{ Budget float64 }
			Concurrency *struct{ Limit int }
		}
	}](t, r, "/admin/v1/limits").Limits
	if len(limits) != 2 || limits[0].Scope != "gateway" || limits[0].Requests.RPS != 50 || limits[0].Day.Budget != 5 || limits[1].Name != "broken" || limits[1].Concurrency.Limit != 7 {
		t.Errorf("limits: %+v", limits)
	}
}

func TestOperatorsSeeTheConfiguration(t *testing.T) {
	r := start(t, strings.ReplaceAll(watched, "URL", "http://127.0.0.1:9"), map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken})
	text := view[struct{ YAML string }](t, r, "/admin/v1/config").YAML
	if !strings.Contains(text, "gpt-4o") || strings.Contains(text, "sk-test") || strings.Contains(text, adminToken) {
		t.Errorf("config: %s", text)
	}
	status := view[struct {
		Version, State string
		Ledger         struct{ Store string }
		Configuration  struct{ Files, Warnings []string }
		Anonymous      bool
		Overload       *struct{ Bound int }
	}](t, r, "/admin/v1/status")
	if status.Version != "test" || status.State != "ready" || !status.Anonymous || status.Ledger.Store == "" || len(status.Configuration.Files) == 0 || status.Configuration.Warnings == nil {
		t.Errorf("status: %+v", status)
	}
}

// TestOperatorsReload: the callback's outcome is the answer, and what it changed.
func TestOperatorsReload(t *testing.T) {
	r := start(t, "limits: {rps: 10}", map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken})
	v := inspector{r.app}
	if _, err := v.Reload(t.Context()); !errors.Is(err, errNoReload) {
		t.Errorf("without a callback: %v", err)
	}
	next := load(t, "limits: {rps: 20}", map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken})
	r.app.OnReload(func(ctx context.Context) error { return r.app.Reload(ctx, next) })
	changes, err := v.Reload(t.Context())
	if err != nil || !strings.Contains(strings.Join(changes, "\n"), "limits.rps") {
		t.Errorf("%v, %v", changes, err)
	}
	fault := errors.New("line 3")
	r.app.OnReload(func(context.Context) error { return fault })
	if _, err := v.Reload(t.Context()); !errors.Is(err, fault) {
		t.Errorf("a fault: %v", err)
	}
}

// TestNothingIsKeptWithoutToken: no operators, no memory of calls.
func TestNothingIsKeptWithoutToken(t *testing.T) {
	r := start(t, "", nil)
	if status, _, body := r.do(t, "POST", "/v1/generate", `{"prompt":"hi"}`); status != 200 {
		t.Fatal(body)
	}
	if got := r.app.ops.monitor.Recent(10); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	e := &server.Snapshot{}
	r.app.withOperators(e, r.app.o.Config)
	if e.Watch != nil || e.Admin != nil {
		t.Error("operators without a token")
	}
}
