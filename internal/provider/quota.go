package provider

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// quotaAge is how long what a provider said of a key's quota is believed:
	// the quotas are those of a minute.
	quotaAge = time.Minute
	// quotaBands is into how many steps a quota is divided. Keys within one
	// step are used in turn, so that a burst does not fall upon the one key
	// that was a little better off.
	quotaBands = 8
)

// quotaHeaders are pairs of limit and rest as providers name them: OpenAI, Azure
// and most that are compatible (https://platform.openai.com/docs/guides/rate-limits),
// and Anthropic (https://docs.anthropic.com/en/api/rate-limits). In the form of
// net/http's canonical keys.
var quotaHeaders = [...][2]string{
	{"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests"},
	{"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens"},
	{"Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining"},
	{"Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining"},
}

// quota is what a provider last said of what is left for one key.
type quota struct {
	band atomic.Int64 // 1 = nearly nothing, quotaBands = all; 0 = never said
	at   atomic.Int64 // Unix nanoseconds
}

// left returns the step that the key is in now; what is not known is taken for
// all.
func (q *quota) left(now int64) int64 {
	band := q.band.Load()
	if band == 0 || now-q.at.Load() > int64(quotaAge) {
		return quotaBands
	}
	return band
}

// note reads the headers of an answer. Limits that make no sense (Azure sends
// -1) are not believed.
func (q *quota) note(h http.Header, now int64) {
	band := int64(quotaBands + 1)
	for _, names := range quotaHeaders {
		limit, rest := count(h, names[0]), count(h, names[1])
		if limit <= 0 || rest < 0 {
			continue
		}
		band = min(band, 1+min(rest, limit-1)*quotaBands/limit)
	}
	if band > quotaBands {
		return
	}
	q.band.Store(band)
	q.at.Store(now)
}

// count returns the header's value, -1 when it has none.
func count(h http.Header, name string) int64 {
	v := h[name]
	if len(v) != 1 {
		return -1
	}
	n, err := strconv.ParseInt(v[0], 10, 64)
	if err != nil || n > 1<<50 {
		return -1
	}
	return n
}

// Answered notes what an answer tells of the quota of the key that it was asked
// with. With one key there is nothing to choose, and nothing is read.
func (k *Keys) Answered(used Credential, h http.Header) {
	if len(k.keys) > 1 && !used.Empty() {
		used.m.quota.note(h, time.Now().UnixNano())
	}
}
