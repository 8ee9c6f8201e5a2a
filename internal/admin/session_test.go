package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// browser is a page on a gateway whose clock the test moves.
type browser struct {
	t      *testing.T
	api    http.Handler
	now    time.Time
	cookie *http.Cookie
}

func open(t *testing.T, secret string, s *Sessions) *browser {
	b := &browser{t: t, now: clock()}
	o := rooms(gateway{})
	o.Token, o.Sessions, o.Now = secret, s, func() time.Time { return b.now }
	b.api = New(o)
	return b
}

// do sends a request as the page's scripts do; header lines are "Name: value",
// and one without a value takes the header away.
func (b *browser) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, "http://gateway.test"+path, strings.NewReader(body))
	r.Header.Set("Origin", "http://gateway.test")
	r.Header.Set(csrfHeader, "1")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookie = c
	}
	return w
}

func (b *browser) signIn() *httptest.ResponseRecorder {
	b.t.Helper()
	w := b.do("POST", sessionPath, `{"token":"`+token+`"}`)
	if w.Code != 200 {
		b.t.Fatalf("sign-in: %d %s", w.Code, w.Body)
	}
	return w
}

func TestSignIn(t *testing.T) {
	b := open(t, token, NewSessions())
	if w := b.do("GET", "/admin/v1/status", ""); w.Code != 401 {
		t.Fatalf("before: %d", w.Code)
	}
	w := b.signIn()
	c := b.cookie
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Secure || c.MaxAge != 3600 || strings.Contains(w.Body.String()+c.Value, token) {
		t.Errorf("cookie %+v, %s", c, w.Body)
	}
	for method, path := range map[string]string{"GET": "/admin/v1/status", "POST": "/admin/v1/reload"} {
		if w := b.do(method, path, ""); w.Code != 200 {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	}
	if w := b.do("GET", "/admin/v1/status", "", "Authorization: Bearer wrong"); w.Code != 401 {
		t.Errorf("a wrong token beside a session: %d", w.Code)
	}
	b.do("POST", sessionPath, `{"token":"`+token+`"}`, "X-Forwarded-Proto: https")
	if !b.cookie.Secure {
		t.Error("behind TLS the cookie must be Secure")
	}
}

// TestForgery: another page cannot change anything with the operator's cookie.
func TestForgery(t *testing.T) {
	b := open(t, token, NewSessions())
	b.signIn()
	for name, header := range map[string][]string{
		"no header":     {csrfHeader + ": "},
		"other origin":  {"Origin: http://evil.test"},
		"opaque origin": {"Origin: null"},
		"other port":    {"Origin: http://gateway.test:81"},
		"other site":    {"Origin: ", "Sec-Fetch-Site: cross-site"},
	} {
		if w := b.do("POST", "/admin/v1/reload", "", header...); w.Code != 403 {
			t.Errorf("%s: %d", name, w.Code)
		}
		if w := b.do("POST", sessionPath, `{"token":"`+token+`"}`, header...); w.Code != 403 {
			t.Errorf("%s, sign-in: %d", name, w.Code)
		}
		if w := b.do("DELETE", sessionPath, "", header...); w.Code != 403 {
			t.Errorf("%s, sign-out: %d", name, w.Code)
		}
	}
	if w := b.do("GET", "/admin/v1/status", "", csrfHeader+": ", "Origin: "); w.Code != 200 {
		t.Errorf("reading: %d", w.Code)
	}
}

func TestSessionsEnd(t *testing.T) {
	b := open(t, token, NewSessions())
	b.signIn()
	for range 11 { // used all the time, it lasts for its life
		b.now = b.now.Add(59 * time.Minute)
		if w := b.do("GET", "/admin/v1/status", ""); w.Code != 200 {
			t.Fatalf("in use: %d", w.Code)
		}
	}
	b.now = b.now.Add(72 * time.Minute)
	if w := b.do("GET", "/admin/v1/status", ""); w.Code != 401 {
		t.Errorf("past its life: %d", w.Code)
	}
	b.signIn()
	b.now = b.now.Add(sessionIdle)
	if w := b.do("GET", "/admin/v1/status", ""); w.Code != 401 {
		t.Errorf("idle: %d", w.Code)
	}
	b.signIn()
	kept := *b.cookie
	if w := b.do("DELETE", sessionPath, ""); w.Code != 200 || b.cookie.MaxAge >= 0 {
		t.Errorf("sign-out: %d %+v", w.Code, b.cookie)
	}
	b.cookie = &kept
	if w := b.do("GET", "/admin/v1/status", ""); w.Code != 401 {
		t.Errorf("signed out: %d", w.Code)
	}
}

// TestReplicasShareSessions: a cookie of one is good at another with the same
// token, and at none with another.
func TestReplicasShareSessions(t *testing.T) {
	one, two, other := open(t, token, NewSessions()), open(t, token, NewSessions()), open(t, token+"2", NewSessions())
	one.signIn()
	two.cookie, other.cookie = one.cookie, one.cookie
	if w := two.do("GET", "/admin/v1/status", ""); w.Code != 200 {
		t.Errorf("the same token: %d", w.Code)
	}
	if w := other.do("GET", "/admin/v1/status", ""); w.Code != 401 {
		t.Errorf("another token: %d", w.Code)
	}
	for i := range one.cookie.Value {
		c := *one.cookie
		flip := byte('A')
		if c.Value[i] == flip {
			flip = 'Q'
		}
		c.Value = c.Value[:i] + string(flip) + c.Value[i+1:]
		two.cookie = &c
		if w := two.do("GET", "/admin/v1/status", ""); w.Code != 401 {
			t.Fatalf("changed at %d: %d", i, w.Code)
		}
	}
}

func TestWrongTokensAreSlow(t *testing.T) {
	b := open(t, token, NewSessions())
	for i := range signInBurst {
		if w := b.do("POST", sessionPath, `{"token":"wrong"}`); w.Code != 401 {
			t.Fatalf("try %d: %d", i, w.Code)
		}
	}
	w := b.do("POST", sessionPath, `{"token":"`+token+`"}`)
	if w.Code != 429 || w.Header().Get("Retry-After") != "10" || b.cookie != nil {
		t.Fatalf("too many: %d %v", w.Code, w.Header())
	}
	b.now = b.now.Add(signInPause)
	b.signIn()
}

func TestSessionsAreBounded(t *testing.T) {
	s, now := NewSessions(), clock()
	for i := range 3 * maxAddresses {
		s.mistaken(strings.Repeat("x", i%7)+http.StatusText(i)+time.Duration(i).String(), now)
		s.end(nonce{byte(i), byte(i >> 8)}, now.Add(time.Duration(i)))
	}
	if len(s.wrong) > maxAddresses || len(s.ended) > maxSignedOut {
		t.Errorf("%d addresses, %d sessions", len(s.wrong), len(s.ended))
	}
}

func TestPageFiles(t *testing.T) {
	b := open(t, token, NewSessions())
	total := 0
	for path, kind := range map[string]string{
		"": "text/html", "/": "text/html", "/style.css": "text/css", "/app.js": "text/javascript", "/api.js": "text/javascript",
		"/chart.js": "text/javascript", "/play.js": "text/javascript", "/icon.svg": "image/svg+xml",
	} {
		w := b.do("GET", "/dashboard"+path, "")
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if again := b.do("GET", "/dashboard"+path, "", "If-None-Match: "+w.Header().Get("ETag")); again.Code != 304 {
			t.Errorf("%s again: %d", path, again.Code)
		}
		for _, outside := range []string{"http://", "https://", "style=", "onclick=", "innerHTML = "} {
			if text := strings.ReplaceAll(w.Body.String(), "http://www.w3.org/2000/svg", ""); strings.Contains(text, outside) {
				t.Errorf("%s holds %s", path, outside)
			}
		}
		total += w.Body.Len()
	}
	if total > 100<<10 {
		t.Errorf("the page has %d bytes", total)
	}
	b.signIn()
	for _, path := range []string{"/none.js", "/page", "/session/x"} {
		if w := b.do("GET", "/dashboard"+path, ""); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for method := range map[string]bool{"POST": true, "PUT": true} {
		if w := b.do(method, "/dashboard", ""); w.Code != 405 {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}
