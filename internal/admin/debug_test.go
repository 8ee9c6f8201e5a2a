package admin

import (
	"strings"
	"testing"
)

func TestProfiles(t *testing.T) {
	o := Options{Token: token}
	for _, tc := range []struct {
		path   string
		status int
		starts string // of the body
	}{
		{"heap", 200, "\x1f\x8b"},
		{"allocs", 200, "\x1f\x8b"},
		{"threadcreate", 200, "\x1f\x8b"},
		{"goroutine?debug=2", 200, "goroutine "},
		{"goroutine?debug=1", 200, "goroutine profile:"},
		{"profile?seconds=0", 200, "\x1f\x8b"},
		{"trace?seconds=0", 200, "go 1."},
		{"block?seconds=0", 200, "\x1f\x8b"},
		{"mutex?seconds=0", 200, "\x1f\x8b"},
		{"cmdline", 404, `{"code":404`},
		{"heap?debug=9", 400, `{"code":400`},
		{"profile?seconds=3600", 400, `{"code":400`},
		{"profile?seconds=-1", 400, `{"code":400`},
	} {
		w := signed(o, "GET", "/admin/v1/debug/pprof/"+tc.path)
		if w.Code != tc.status || !strings.HasPrefix(w.Body.String(), tc.starts) {
			t.Errorf("%s: %d %.40q", tc.path, w.Code, w.Body)
		}
	}
	if w := ask(o, "GET", "/admin/v1/debug/pprof/heap"); w.Code != 401 {
		t.Errorf("without the token: %d", w.Code)
	}
}

func TestOneRateAtATime(t *testing.T) {
	a := &API{}
	err := a.alone(t.Context(), 0, func() {
		if err := a.alone(t.Context(), 0, func() { t.Error("two at once") }, func() {}); err == nil {
			t.Error("no error")
		}
	}, func() {})
	if err != nil || a.profiling.Load() {
		t.Errorf("%v, left on: %v", err, a.profiling.Load())
	}
}
