package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// keeper is a KeyKeeper that remembers.
type keeper struct {
	keys    []Key
	made    []NewKey
	revoked []string
	err     error
}

func (k *keeper) Keys() []Key { return k.keys }

func (k *keeper) CreateKey(_ context.Context, n NewKey) (Key, string, error) {
	if k.err != nil {
		return Key{}, "", k.err
	}
	k.made = append(k.made, n)
	return Key{Name: n.Name, Source: SourceRuntime}, "gw_secret_0000", nil
}

func (k *keeper) RevokeKey(_ context.Context, name string) error {
	k.revoked = append(k.revoked, name)
	return k.err
}

func send(o Options, method, target, body string, header ...string) *httptest.ResponseRecorder {
	o.Now, o.Token = clock, token
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "req_1")
	New(o).ServeHTTP(w, req)
	return w
}

func TestCreateKey(t *testing.T) {
	var log bytes.Buffer
	k := &keeper{}
	w := send(Options{Keys: k, Logger: slog.New(slog.NewTextHandler(&log, nil))}, "POST", "/admin/v1/keys", `{"name":"app","tenant":"team",
		"models":["chat","mock-*"],"labels":{"a":"b c"},"limits":{"rps":2,"budget":{"day":0.5}},"expires_at":"2026-03-14T17:00:00+01:00"}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"models":[],"labels":{}`) || !strings.Contains(w.Body.String(), `"key":"gw_secret_0000"`) {
		t.Fatal(w.Code, w.Body)
	}
	want := []NewKey{{
		Name: "app", Tenant: "team", Models: []string{"chat", "mock-*"}, Labels: map[string]string{"a": "b c"},
		Limits: llm.Limits{RPS: 2, Day: llm.Dollar / 2}, Expires: time.Date(2026, 3, 14, 16, 0, 0, 0, time.UTC),
	}}
	if d := cmp.Diff(want, k.made); d != "" {
		t.Error(d)
	}
	for _, part := range []string{`msg="operator changed something"`, `action="create key"`, "subject=app", "remote=192.0.2.1", "request_id=req_1"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the audit lacks %s: %s", part, &log)
		}
	}
	if strings.Contains(log.String(), "gw_secret") {
		t.Error("the key is in the log")
	}
	if w := send(Options{Keys: k}, "POST", "/admin/v1/keys", `{"name":"b","tenant":null,"models":null,"labels":null,"limits":null,"expires_at":null}`); w.Code != 200 {
		t.Error(w.Code, w.Body)
	}
}

func TestBadKeys(t *testing.T) {
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	var labels []string
	for i := range maxLabels + 1 {
		labels = append(labels, fmt.Sprintf(`"l%d":""`, i))
	}
	for body, want := range map[string]struct {
		param  string
		status int
	}{
		``: {"", 400}, `[]`: {"", 400}, `null`: {"", 400}, `{"name":"a"} x`: {"", 400},
		`{}`: {"name", 400}, `{"name":5}`: {"name", 400}, `{"name":"-a"}`: {"name", 400}, `{"name":"a b"}`: {"name", 400}, `{"name":"a/b"}`: {"name", 400},
		`{"name":"` + strings.Repeat("a", 129) + `"}`:                {"name", 400},
		`{"name":"jwt:ada"}`:                                         {"name", 400},
		`{"name":"a","key":"gw_mine"}`:                               {"key", 400},
		`{"name":"a","Tenant":"x"}`:                                  {"Tenant", 400},
		`{"name":"a","tenant":["x"]}`:                                {"tenant", 400},
		`{"name":"a","tenant":"x y"}`:                                {"tenant", 400},
		`{"name":"a","models":"chat"}`:                               {"models", 400},
		`{"name":"a","models":["chat",""]}`:                          {"models[1]", 400},
		`{"name":"a","models":[` + many(maxModels+1, `"m"`) + `]}`:   {"models", 400},
		`{"name":"a","labels":{"a":5}}`:                              {"labels", 400},
		`{"name":"a","labels":{"a b":""}}`:                           {"labels", 400},
		`{"name":"a","labels":{` + strings.Join(labels, ",") + `}}`:  {"labels", 400},
		`{"name":"a","limits":5}`:                                    {"limits", 400},
		`{"name":"a","limits":{"rps":-1}}`:                           {"limits.rps", 400},
		`{"name":"a","limits":{"budget":{"day":2,"month":1}}}`:       {"limits.budget.day", 400},
		`{"name":"a","limits":{"rpm":1}}`:                            {"limits.rpm", 400},
		`{"name":"a","expires_at":"tomorrow"}`:                       {"expires_at", 400},
		`{"name":"a","expires_at":"2026-03-14T15:09:26Z"}`:           {"expires_at", 400},
		`{"name":"a","x":"` + strings.Repeat("x", maxKeyBody) + `"}`: {"", 413},
	} {
		k := &keeper{}
		w := send(Options{Keys: k}, "POST", "/admin/v1/keys", body)
		var got struct{ Error struct{ Param string } }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != want.status || got.Error.Param != want.param || len(k.made) != 0 {
			t.Errorf("%.80s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := send(Options{Keys: &keeper{}}, "POST", "/admin/v1/keys", `{"name":"a"}`, "Content-Type", "text/plain"); w.Code != 415 {
		t.Error(w.Code, w.Body)
	}
}

func TestKeysThatStandInTheWay(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
	}{
		{Conflict("name", "taken"), 409}, {llm.Errorf(llm.KindNotFound, "none"), 404}, {llm.Errorf(llm.KindOverloaded, "away"), 503},
	} {
		var log bytes.Buffer
		o := Options{Keys: &keeper{err: tc.err}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		for _, w := range []*httptest.ResponseRecorder{send(o, "POST", "/admin/v1/keys", `{"name":"a"}`), send(o, "DELETE", "/admin/v1/keys/a", "")} {
			if w.Code != tc.status || !strings.Contains(w.Body.String(), fmt.Sprintf(`"code":%d`, tc.status)) {
				t.Errorf("%v: %d %s", tc.err, w.Code, w.Body)
			}
		}
		if strings.Contains(log.String(), "operator changed") {
			t.Error("a change is told that was not made")
		}
	}
}

func TestRevokeAndList(t *testing.T) {
	k := &keeper{keys: []Key{{Name: "app"}}}
	w := send(Options{Keys: k}, "DELETE", "/admin/v1/keys/team:app%2B1@x", "")
	if w.Code != 200 || fmt.Sprint(k.revoked) != "[team:app+1@x]" {
		t.Error(w.Code, w.Body, k.revoked)
	}
	w = send(Options{Keys: k}, "GET", "/admin/v1/keys", "")
	if !strings.Contains(w.Body.String(), `{"keys":[{"name":"app","tenant":"","models":[],"labels":{},"limits":{`) {
		t.Error(w.Body)
	}
	if w := send(Options{Keys: &keeper{}}, "GET", "/admin/v1/keys", ""); !strings.Contains(w.Body.String(), `"keys":[]`) {
		t.Error(w.Body)
	}
	if k.keys[0].Models != nil {
		t.Error("the keeper's list was changed")
	}
}

type tenants []Tenant

func (t tenants) Tenants() []Tenant { return t }

func TestTenants(t *testing.T) {
	w := send(Options{Tenants: tenants{{Name: "team", Keys: []string{"app"}, Limits: llm.Limits{TPM: 5}}}}, "GET", "/admin/v1/tenants", "")
	if want := `{"tenants":[{"name":"team","models":[],"limits":{"rps":0,"burst":0,"tpm":5,"concurrency":0,"budget":{"day":0,"month":0}},"keys":["app"]}]}`; !strings.Contains(w.Body.String(), want) {
		t.Error(w.Body)
	}
	if w := send(Options{Tenants: tenants(nil)}, "GET", "/admin/v1/tenants", ""); !strings.Contains(w.Body.String(), `"tenants":[]`) {
		t.Error(w.Body)
	}
}

// FuzzNewKey: whatever is sent is refused with the member at fault, or is a key
// that may be made.
func FuzzNewKey(f *testing.F) {
	f.Add([]byte(`{"name":"app","tenant":"t","models":["m"],"labels":{"a":"b"},"limits":{"rps":1},"expires_at":"2199-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"name":"jwt:x"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := parseNewKey(raw, clock())
		if err != nil {
			if e := llm.AsError(err); e.Kind != llm.KindInvalidRequest {
				t.Fatal(e)
			}
			return
		}
		if !keyName.MatchString(n.Name) || strings.HasPrefix(n.Name, "jwt:") || len(n.Models) > maxModels || !n.Expires.IsZero() && !n.Expires.After(clock()) {
			t.Fatalf("%+v", n)
		}
	})
}
