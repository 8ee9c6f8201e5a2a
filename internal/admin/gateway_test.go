package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/monitor"
)

// gateway is every room that the API shows.
type gateway struct {
	limitErr  error
	reloadErr error
	changes   []string
}

func (gateway) Status() Status { return Status{Version: "v1", State: "ready"} }
func (g gateway) Providers(context.Context) ([]Provider, error) {
	return []Provider{{Name: "openai"}}, g.limitErr
}
func (gateway) Routes() []Route { return []Route{{Name: "chat", Targets: []RouteTarget{{Model: "m"}}}} }
func (gateway) Credentials() []Credential {
	return []Credential{{Fingerprint: "0123456789ab", State: InUse}}
}
func (g gateway) Limits(_ context.Context, most int) ([]LimitRow, bool, error) {
	return []LimitRow{{Scope: "gateway", Day: &LimitMoney{Budget: 5 * llm.Dollar, Spent: llm.Dollar / 2}}}, most < 5, g.limitErr
}
func (gateway) WriteConfig(w io.Writer) error {
	_, err := io.WriteString(w, "server:\n  addr: \":8080\"\n")
	return err
}
func (g gateway) Reload(context.Context) ([]string, error) { return g.changes, g.reloadErr }

func rooms(g gateway) Options {
	m := monitor.New(nil)
	m.Ended(&monitor.Call{
		RequestID: "req_a", Route: "chat", Routed: true, Provider: "openai", Status: 200, Attempts: 2, Path: "a/b:timeout>openai/m", Priced: true,
		Cost: llm.Dollar / 4, Took: 1500 * time.Microsecond, FirstToken: time.Millisecond, Stream: true, Usage: llm.Usage{Input: 3, Output: 4},
	})
	m.Ended(&monitor.Call{RequestID: "req_b", Route: "nothing", Status: 404, Kind: "not_found"})
	return Options{Token: token, Gateway: g, Credentials: g, Limits: g, Settings: g, Traffic: m, Usage: &reader{}}
}

func signed(o Options, method, target string, header ...string) *httptest.ResponseRecorder {
	return ask(o, method, target, append(header, "Authorization", "Bearer "+token)...)
}

func TestViews(t *testing.T) {
	for target, want := range map[string][]string{
		"/admin/v1/status":      {`"version":"v1"`, `"overload":null`, `"redis":null`},
		"/admin/v1/providers":   {`"providers":[{"name":"openai"`},
		"/admin/v1/routes":      {`"routes":[{"name":"chat"`, `"model":"m"`},
		"/admin/v1/credentials": {`"fingerprint":"0123456789ab"`, `"last_used":null`},
		"/admin/v1/limits":      {`"scope":"gateway"`, `"spent":0.5`, `"truncated":false`},
		"/admin/v1/config":      {`"yaml":"server:\n  addr: \":8080\"\n"`},
		"/admin/v1/requests":    {`"request_id":"req_b"`, `"kind":"not_found"`, `"cost":null`, `"cost":0.25`, `"ttft_ms":1`, `"ms":1.5`, `"path":"a/b:timeout\u003eopenai/m"`},
		"/admin/v1/overview":    {`"step_seconds":10`, `"requests":2`, `"refused":1`, `"fallbacks":1`, `"routes":[{"name":"chat"`, `"cost":0.25`},

		"/admin/v1/overview?window=60m": {`"step_seconds":60`},
	} {
		w := signed(rooms(gateway{}), "GET", target)
		if w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		for _, part := range want {
			if !strings.Contains(w.Body.String(), part) {
				t.Errorf("%s lacks %s: %s", target, part, w.Body)
			}
		}
	}
}

func TestRequestsLimit(t *testing.T) {
	w := signed(rooms(gateway{}), "GET", "/admin/v1/requests?limit=1")
	if n := strings.Count(w.Body.String(), "request_id\":\"req_"); n != 2 { // the envelope has one of its own
		t.Errorf("%d ids in %s", n, w.Body)
	}
	for _, q := range []string{"?limit=0", "?limit=501", "?limit=-1", "?limit=x"} {
		if w := signed(rooms(gateway{}), "GET", "/admin/v1/requests"+q); w.Code != 400 {
			t.Errorf("%s: %d", q, w.Code)
		}
	}
	if w := signed(rooms(gateway{}), "GET", "/admin/v1/overview?window=1d"); w.Code != 400 {
		t.Errorf("window: %d", w.Code)
	}
}

func TestConfigAsText(t *testing.T) {
	w := signed(rooms(gateway{}), "GET", "/admin/v1/config", "Accept", "application/yaml")
	if w.Body.String() != "server:\n  addr: \":8080\"\n" || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

// TestAbsentRooms: what is not there is unknown, and all of it needs the token.
func TestAbsentRooms(t *testing.T) {
	for _, r := range (&API{}).routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		if strings.Contains(path, "{") {
			path = path[:strings.Index(path, "{")] + "x"
		}
		if w := signed(Options{Token: token}, method, path); w.Code != 404 {
			t.Errorf("%s without its room: %d", r.pattern, w.Code)
		}
		if w := ask(rooms(gateway{}), method, path); w.Code != 401 {
			t.Errorf("%s without a token: %d", r.pattern, w.Code)
		}
	}
}

func TestLimitsThatCannotBeRead(t *testing.T) {
	for _, path := range []string{"/admin/v1/limits", "/admin/v1/providers"} {
		w := signed(rooms(gateway{limitErr: errors.New("dial tcp 10.0.0.7: refused")}), "GET", path)
		if w.Code != 503 || strings.Contains(w.Body.String(), "10.0.0.7") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestReload(t *testing.T) {
	for name, tc := range map[string]struct {
		g     gateway
		code  int
		parts []string
		log   string
	}{
		"changes": {gateway{changes: []string{"limits.rps: 100 -> 50"}}, 200, []string{`"changes":["limits.rps: 100 -\u003e 50"]`}, "1 changes"},
		"none":    {gateway{}, 200, []string{`"changes":[]`}, "0 changes"},
		"bad":     {gateway{reloadErr: errors.New("gateway.yaml:3: limits.rps: must not be negative")}, 400, []string{"gateway.yaml:3", "stays"}, "refused"},
	} {
		var log strings.Builder
		o := rooms(tc.g)
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		w := signed(o, "POST", "/admin/v1/reload")
		if w.Code != tc.code {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		for _, part := range tc.parts {
			if !strings.Contains(w.Body.String(), part) {
				t.Errorf("%s lacks %s: %s", name, part, w.Body)
			}
		}
		for _, part := range []string{`msg="operator changed something"`, "action=reload", tc.log, "remote=192.0.2.1", "request_id=req_1"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("%s: the audit lacks %s: %s", name, part, log.String())
			}
		}
	}
}
