package server

import (
	"net/http"
	"testing"
	"time"
)

// TestDateline: every second has its own date, whatever the order in which
// answers come and whatever zone the clock is in.
func TestDateline(t *testing.T) {
	var d dateline
	base := time.Date(2026, 11, 24, 0, 30, 59, 999e6, time.FixedZone("x", 3600))
	for _, add := range []time.Duration{0, time.Millisecond, time.Second, 0, 24 * time.Hour} {
		at := base.Add(add)
		got := d.at(at)
		if want := at.UTC().Format(http.TimeFormat); len(got) != 1 || got[0] != want {
			t.Errorf("%v: %q, not %q", add, got, want)
		}
	}
	d.at(base)
	if n := testing.AllocsPerRun(100, func() { d.at(base) }); n != 0 {
		t.Errorf("%v allocations within a second", n)
	}
}
