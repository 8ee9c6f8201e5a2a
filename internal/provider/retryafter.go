package provider

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what an upstream can ask for; plan windows last hours.
const maxWait = 7 * 24 * time.Hour

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
	return clampWait(at.Sub(now))
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

func clampWait(d time.Duration) time.Duration { return max(0, min(d, maxWait)) }

// hints stand before a wait in the bodies of errors: Google's RetryInfo, the
// messages of OpenAI and Groq ("try again in 1.2s", "in 6m0s"), of the Gemini
// API ("retry in 26.1s") and of Azure ("retry after 26 seconds").
var hints = [...][]byte{[]byte(`"retryDelay"`), []byte("again in "), []byte("retry in "), []byte("retry after ")}

// hint reads how long the body of an error asks to wait.
func hint(body []byte) time.Duration {
	for _, h := range hints {
		if _, rest, found := bytes.Cut(body, h); found {
			if d := wait(rest); d > 0 {
				return d
			}
		}
	}
	return 0
}

// wait reads a duration at the start of b, behind quotes, colons and spaces:
// "26s", "6m0s", "20ms", "30 seconds".
func wait(b []byte) time.Duration {
	b = bytes.TrimLeft(b[:min(len(b), 48)], `": `)
	n := 0
	for n < len(b) && (b[n] >= '0' && b[n] <= '9' || bytes.IndexByte([]byte(".hms"), b[n]) >= 0) {
		n++
	}
	token := strings.TrimRight(string(b[:n]), ".")
	if d, err := time.ParseDuration(token); err == nil {
		return clampWait(d)
	}
	rest := bytes.TrimLeft(b[n:], " ")
	switch {
	case bytes.HasPrefix(rest, []byte("second")):
		return number(token, time.Second)
	case bytes.HasPrefix(rest, []byte("minute")):
		return number(token, time.Minute)
	case bytes.HasPrefix(rest, []byte("millisecond")):
		return number(token, time.Millisecond)
	}
	return 0
}
