package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestCacheControl(t *testing.T) {
	for _, tc := range []struct {
		lines   []string
		noCache bool
		noStore bool
	}{
		{nil, false, false},
		{[]string{""}, false, false},
		{[]string{"max-age=60, no-transform"}, false, false},
		{[]string{"no-cache"}, true, false},
		{[]string{"max-stale=5 , NO-CACHE"}, true, false},
		{[]string{"max-age=0"}, true, false},
		{[]string{"no-transform", "no-store"}, true, true},
		{[]string{"not-no-store"}, false, false},
	} {
		if c, s := cacheControl(http.Header{"Cache-Control": tc.lines}); c != tc.noCache || s != tc.noStore {
			t.Errorf("%q: no-cache %v, no-store %v", strings.Join(tc.lines, "; "), c, s)
		}
	}
}

// TestCacheHeaderOnErrors: what the service has noted shows on a failure too.
func TestCacheHeaderOnErrors(t *testing.T) {
	x := &exchange{}
	x.facts.Cache = "shared"
	w := &headerOnly{h: http.Header{}}
	x.w, x.vals = w, make([]string, 0, 4)
	x.gatewayHeaders()
	if got := w.h.Get("X-Gateway-Cache"); got != "shared" {
		t.Errorf("%q", got)
	}
	r := record{}
	r.asked(&llm.Call{Meta: &llm.Meta{Cache: "miss", Route: "chat"}})
	if r.cache != "miss" {
		t.Errorf("%+v", r)
	}
}

type headerOnly struct{ h http.Header }

func (w *headerOnly) Header() http.Header         { return w.h }
func (w *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (w *headerOnly) WriteHeader(int)             {}
