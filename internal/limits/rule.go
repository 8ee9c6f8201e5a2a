package limits

import (
	"math"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Rule is what one subject may use. Zero means no limit.
type Rule struct {
	RPS         float64   // requests per second, sustained
	Burst       int       // requests at once; below 1 means twice RPS
	TPM         int64     // tokens in any 60 seconds, input and output together
	Concurrency int       // requests in flight, streams included
	Day, Month  llm.Money // money per calendar day and month, in UTC
	Alerts      Shares    // that are told when they are reached; see Memory.OnCrossing
}

// Unlimited reports whether r bounds nothing.
func (r Rule) Unlimited() bool {
	return !(r.RPS > 0) && r.TPM <= 0 && r.Concurrency <= 0 && !r.budgeted()
}

func (r Rule) budgeted() bool { return r.Day > 0 || r.Month > 0 }

// Scope is what kind of thing a rule is for.
type Scope uint8

// The scopes, in the order in which a call's subjects are locked.
const (
	ScopeGateway Scope = iota
	ScopeTenant
	ScopeKey
	ScopeRoute

	scopes // their number: a call has at most one subject of each

	// ScopeProvider is that of an attempt, which has no other; see Account.
	ScopeProvider = scopes
)

// String returns the scope's name as messages and stored counters show it.
func (s Scope) String() string {
	switch s {
	case ScopeGateway:
		return "gateway"
	case ScopeTenant:
		return "tenant"
	case ScopeKey:
		return "key"
	case ScopeRoute:
		return "route"
	case ScopeProvider:
		return "provider"
	}
	return "unknown"
}

// Rules are the limits of one configuration. Names without an entry have none.
type Rules struct {
	Gateway Rule
	Tenants map[string]Rule
	Keys    map[string]Rule // by the caller's name
	Routes  map[string]Rule

	// Providers are not met by calls: an Account admits their attempts. Here they
	// are known for Spendings.
	Providers map[string]Rule
}

// Subject is one thing with limits, resolved once for a configuration.
type Subject struct {
	Scope Scope
	Name  string // "" for the gateway
	Rule  Rule

	rate uint64 // requests per second in millionths, at least 1 when RPS > 0
	cap  int64  // size of the request bucket in billionths of a request

	state *state  // of the memory engine
	home  *Memory // whose state it is
	guest bool    // not of a configuration: see Callers
	hash  string  // keys of the redis engine
	slots string
	life  int64  // of the hash, in milliseconds
	args  [7]any // what its script is told of the rule
}

const (
	nano     = 1_000_000_000 // one request, in units of the bucket's level
	maxBurst = 1_000_000_000
	maxRate  = 1e9 // requests per second
)

func newSubject(scope Scope, name string, r Rule) *Subject {
	s := &Subject{Scope: scope, Name: name, Rule: r}
	if r.RPS > 0 {
		if r.Burst < 1 {
			s.Rule.Burst = int(min(max(math.Ceil(2*r.RPS), 1), maxBurst))
		}
		s.Rule.Burst = min(s.Rule.Burst, maxBurst)
		s.Rule.RPS = min(r.RPS, maxRate)
		s.rate = max(uint64(s.Rule.RPS*1e6), 1)
		s.cap = int64(s.Rule.Burst) * nano
	}
	return s
}

// Limit is one of a subject's limits.
type Limit uint8

// The limits.
const (
	LimitNone Limit = iota
	LimitRequests
	LimitTokens
	LimitTooLarge // one request asks for more tokens than a minute has
	LimitConcurrency
	LimitDay
	LimitMonth
)

// String returns the limit's name as the configuration has it; "" for those that
// waiting does not help against.
func (l Limit) String() string {
	switch l {
	case LimitRequests:
		return "rps"
	case LimitTokens:
		return "tpm"
	case LimitConcurrency:
		return "concurrency"
	}
	return ""
}

// refusal says which limit was in the way, and for how long.
type refusal struct {
	subject *Subject
	limit   Limit
	wait    time.Duration
	tokens  int64 // that the call asked for
}

// worse reports whether o keeps a call away for longer than r does. A client
// that waits for the longer of two finds both gone.
func (r refusal) worse(o refusal) bool {
	switch {
	case o.limit == LimitNone || r.limit == LimitTooLarge:
		return false
	case r.limit == LimitNone || o.limit == LimitTooLarge:
		return true
	}
	return o.wait > r.wait
}
