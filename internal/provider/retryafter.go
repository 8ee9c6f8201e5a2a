package provider

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what an upstream can ask for; plan windows last hours.
const maxWait = 24 * time.Hour

// retryAfter reads how long an upstream asks to wait: retry-after-ms (OpenAI,
// Azure), then Retry-After, as seconds (a fraction too) or as a date, which is
// taken relative to the answer's own Date. Zero and negative values are as
// none: Azure sends "retry-after-ms: 0" and means nothing by it.
func retryAfter(h http.Header) time.Duration {
	if d := number(h.Get("Retry-After-Ms"), time.Millisecond); d > 0 {
		return d
	}
	v := h.Get("Retry-After")
	if d := number(v, time.Second); d > 0 {
		return d
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(0, min(at.Sub(now), maxWait))
}

func number(s string, unit time.Duration) time.Duration {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || f <= 0 {
		return 0
	}
	if f > float64(maxWait/unit) {
		return maxWait
	}
	return time.Duration(f * float64(unit))
}
