package admin

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// everything is an API with all its rooms.
func everything(log *bytes.Buffer) Options {
	o := rooms(gateway{})
	o.Keys, o.Canaries = &keeper{}, &steered{}
	o.Logger = slog.New(slog.NewJSONHandler(log, nil))
	return o
}

// TestChangesAreAudited: whatever changes something writes one line that says
// what, to what, from where and in which request. A new row that changes
// something needs a case here.
func TestChangesAreAudited(t *testing.T) {
	cases := map[string]struct{ path, body, action, subject string }{
		"POST /admin/v1/reload":           {"/admin/v1/reload", "", "reload", "0 changes"},
		"POST /admin/v1/keys":             {"/admin/v1/keys", `{"name":"app"}`, "create key", "app"},
		"DELETE /admin/v1/keys/{name}":    {"/admin/v1/keys/app", "", "revoke key", "app"},
		"POST /admin/v1/canaries/{route}": {"/admin/v1/canaries/chat", `{"action":"pause"}`, "canary.pause", "chat"},
	}
	for _, r := range (&API{}).routes() {
		method, _, _ := strings.Cut(r.pattern, " ")
		if method == http.MethodGet {
			continue
		}
		tc, ok := cases[r.pattern]
		if !ok {
			t.Errorf("%s changes something: is it audited? Add a case", r.pattern)
			continue
		}
		var log bytes.Buffer
		w := send(everything(&log), method, tc.path, tc.body)
		if w.Code != 200 {
			t.Errorf("%s: %d %s", r.pattern, w.Code, w.Body)
		}
		want := `"msg":"operator changed something","action":"` + tc.action + `","subject":"` + tc.subject + `","remote":"192.0.2.1:1234","request_id":"req_1"}`
		if n := strings.Count(log.String(), "operator changed something"); n != 1 || !strings.Contains(log.String(), want) {
			t.Errorf("%s: %d lines of audit: %s", r.pattern, n, &log)
		}
	}
}

// TestSignInIsAudited: also one that fails, and the token is in no line.
func TestSignInIsAudited(t *testing.T) {
	var log bytes.Buffer
	o := everything(&log)
	o.Token, o.Sessions = token, NewSessions()
	b := &browser{t: t, api: New(o), now: clock()}
	b.do("POST", sessionPath, `{"token":"a wrong token 00000"}`)
	b.signIn()
	b.do("DELETE", sessionPath, "")
	for _, want := range []string{`"action":"sign-in","subject":"refused"`, `"action":"sign-in","subject":"granted"`, `"action":"sign-out","subject":"done"`} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("not once: %s in %s", want, &log)
		}
	}
	if strings.Contains(log.String(), token) || strings.Contains(log.String(), "a wrong token") {
		t.Error("a token is in the log")
	}
}

// TestReadingChangesNothing: a GET leaves no line of a change, and what changes
// something is refused without the token before anything happens.
func TestReadingChangesNothing(t *testing.T) {
	var log bytes.Buffer
	k, s := &keeper{}, &steered{}
	o := everything(&log)
	o.Keys, o.Canaries = k, s
	for _, r := range (&API{}).routes() {
		method, path, _ := strings.Cut(r.pattern, " ")
		path = strings.NewReplacer("{name}", "heap", "{route}", "chat").Replace(path)
		if method == http.MethodGet {
			send(o, method, path, "")
			continue
		}
		if w := ask(o, method, path); w.Code != 401 {
			t.Errorf("%s without the token: %d", r.pattern, w.Code)
		}
	}
	if strings.Contains(log.String(), "operator changed something") || len(k.made)+len(k.revoked)+len(s.got) != 0 {
		t.Errorf("something changed: %v %v %v %s", k.made, k.revoked, s.got, &log)
	}
}

// TestPageOfTheAPI: docs/admin-api.md has a row for each endpoint, and no other.
func TestPageOfTheAPI(t *testing.T) {
	text, err := os.ReadFile("../../docs/admin-api.md")
	if err != nil {
		t.Fatal(err)
	}
	var told, routed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+ /admin/v1/[^`?]+)").FindAllSubmatch(text, -1) {
		told = append(told, string(m[1]))
	}
	for _, r := range (&API{}).routes() {
		routed = append(routed, r.pattern)
	}
	slices.Sort(told)
	slices.Sort(routed)
	if !slices.Equal(told, routed) {
		t.Errorf("the page has:\n%s\nrouted:\n%s", strings.Join(told, "\n"), strings.Join(routed, "\n"))
	}
}

// TestProfilesNeedTheToken: every profile, the dump of goroutines too.
func TestProfilesNeedTheToken(t *testing.T) {
	o := Options{Token: token}
	for _, name := range []string{"heap", "allocs", "threadcreate", "goroutine?debug=2", "goroutine", "profile?seconds=0", "trace?seconds=0", "block?seconds=0", "mutex?seconds=0", "cmdline"} {
		path := "/admin/v1/debug/pprof/" + name
		for _, header := range [][]string{nil, {"Authorization", "Bearer " + token + "x"}, {"Authorization", "Basic " + token}, {"X-Api-Key", token}} {
			if w := ask(o, "GET", path, header...); w.Code != 401 || strings.Contains(w.Body.String(), "goroutine ") {
				t.Errorf("%s with %v: %d", name, header, w.Code)
			}
		}
		if w := ask(Options{}, "GET", path, "Authorization", "Bearer "); w.Code != 404 {
			t.Errorf("%s where no token is configured: %d", name, w.Code)
		}
	}
}
