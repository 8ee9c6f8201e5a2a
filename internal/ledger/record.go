package ledger

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// OutcomeRejected is the outcome of a request that the gateway refused before
// any attempt. The others are those of llm.Done.Outcome.
const OutcomeRejected = "rejected"

// Record is one attempt at an upstream and how it ended, or one request that
// made none: it was refused before, or had the answer of another one. Its maps are read later and must not be changed once
// the record has been handed over.
type Record struct {
	RequestID  string
	UpstreamID string // the provider's request id; "" when it gave none
	Time       time.Time

	Principal string // the key's or subject's name; "" = anonymous
	Tenant    string
	Route     string
	Provider  string // "" when none was asked
	Model     string // the model as sums show it: a bounded set, "other" for the rest
	Upstream  string // the model that the provider was asked for

	Op      llm.Op
	Dialect llm.Dialect // what the client spoke
	Stream  bool

	UpstreamDialect llm.Dialect // what the provider was spoken to in; 0 when none was

	Shadow  bool   // a copy for a shadow target: no client's request; its route and its labels say so in the store
	Attempt int    // running number within the request, from 1; 0 = no attempt was made
	Outcome string // llm.Done.Outcome, or OutcomeRejected
	Kind    string // the error's kind; "" without one

	Usage    llm.Usage // without an attempt, what the kept or shared answer says: it is not summed
	Cost     llm.Money
	Price    string // which price it was: the catalogue's date, or a word for another origin
	Unpriced bool   // there is no price, so Cost says nothing

	Answered   time.Duration // until the provider answered
	FirstToken time.Duration // until the first piece of a stream; 0 when none came
	Took       time.Duration // until the attempt had ended

	Cache  string            // hit, miss, shared, bypass; "" when no cache was asked
	Labels map[string]string // the caller's
	Tags   map[string]string // the client's metadata
}

// What a record may hold at most. Names are made by operators and short;
// what a client writes is not.
const (
	maxName  = 200     // bytes of a name
	maxValue = 500     // bytes of a label's or tag's value
	maxPairs = 16      // labels, and tags
	maxCount = 1 << 40 // tokens of one attempt: more is a provider's fault, and would spoil the sums
)

// request reports whether the record stands for its request in the sums: each
// request has exactly one such record.
func (r *Record) request() bool { return r.Attempt <= 1 && !r.Shadow }

// clip returns s cut to n bytes, without NUL, which PostgreSQL cannot store.
func clip(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\ufffd")
	}
	return s
}

// tame bounds the record's numbers, and the names that sums are kept by.
func (r *Record) tame() {
	u := &r.Usage
	for _, n := range []*int64{&u.Input, &u.CachedInput, &u.CacheWrite, &u.CacheWrite1h, &u.Output, &u.Reasoning} {
		*n = min(max(*n, 0), maxCount)
	}
	r.Cost = max(r.Cost, 0)
	for _, s := range []*string{&r.Principal, &r.Tenant, &r.Route, &r.Provider, &r.Model} {
		*s = clip(*s, maxName)
	}
}
