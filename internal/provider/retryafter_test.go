package provider

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryAfter(t *testing.T) {
	const at = "Tue, 24 Nov 2026 10:00:00 GMT"
	for _, tc := range []struct {
		name string
		h    map[string]string
		want time.Duration
	}{
		{"nothing", nil, 0},
		{"seconds", map[string]string{"Retry-After": "20"}, 20 * time.Second},
		{"a fraction", map[string]string{"Retry-After": " 1.5 "}, 1500 * time.Millisecond},
		{"milliseconds", map[string]string{"Retry-After-Ms": "1200.5"}, 1200500 * time.Microsecond},
		{"milliseconds first", map[string]string{"Retry-After-Ms": "5", "Retry-After": "20"}, 5 * time.Millisecond},
		{"zero milliseconds (Azure)", map[string]string{"Retry-After-Ms": "0", "Retry-After": "1"}, time.Second},
		{"zero", map[string]string{"Retry-After": "0"}, 0},
		{"negative", map[string]string{"Retry-After": "-5", "Retry-After-Ms": "-1"}, 0},
		{"no number", map[string]string{"Retry-After": "NaN", "Retry-After-Ms": "soon"}, 0},
		{"infinite", map[string]string{"Retry-After": "Inf"}, maxWait},
		{"far too long", map[string]string{"Retry-After": "1e300"}, maxWait},
		{"long", map[string]string{"Retry-After": "99999999"}, maxWait},
		{"date by the answer's own", map[string]string{"Date": at, "Retry-After": "Tue, 24 Nov 2026 10:00:09 GMT"}, 9 * time.Second},
		{"date in the past", map[string]string{"Date": at, "Retry-After": "Tue, 24 Nov 2026 09:59:00 GMT"}, 0},
		{"date far away", map[string]string{"Date": at, "Retry-After": "Tue, 24 Nov 2099 10:00:00 GMT"}, maxWait},
	} {
		h := http.Header{}
		for k, v := range tc.h {
			h.Set(k, v)
		}
		if got := retryAfter(h); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		h := http.Header{"Retry-After": {time.Now().UTC().Add(30 * time.Second).Format(http.TimeFormat)}}
		if got := retryAfter(h); got != 30*time.Second {
			t.Errorf("a date without Date: %v", got)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("20", "", "")
	f.Add("Tue, 24 Nov 2026 10:00:09 GMT", "0", "Tue, 24 Nov 2026 10:00:00 GMT")
	f.Fuzz(func(t *testing.T, after, ms, date string) {
		h := http.Header{"Retry-After": {after}, "Retry-After-Ms": {ms}, "Date": {date}}
		if d := retryAfter(h); d < 0 || d > maxWait {
			t.Errorf("%v", d)
		}
	})
}
