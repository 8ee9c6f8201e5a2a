package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Route is a model name that clients ask for and the targets that may answer.
type Route struct {
	Aliases  []string `yaml:"aliases"` // other names of the same route
	Strategy Strategy `yaml:"strategy"`
	Targets  []Target `yaml:"targets"`
	Sticky   bool     `yaml:"sticky"` // keep a caller (key and user) on its target while that one is healthy

	Retries       *int     `yaml:"retries"`        // on each target; nil = the provider's retry.max
	Timeout       Duration `yaml:"timeout"`        // of a whole request, fallbacks included; resolved from server.request_timeout
	StreamTimeout Duration `yaml:"stream_timeout"` // the same for a stream; resolved from server.stream_timeout

	Limits  Limits      `yaml:"limits"`
	Hedge   *Hedge      `yaml:"hedge"`  // nil = off
	Cache   *RouteCache `yaml:"cache"`  // nil = off
	Shadow  *Shadow     `yaml:"shadow"` // nil = off
	Canary  *Canary     `yaml:"canary"` // nil = off
	LogBody bool        `yaml:"log_bodies"`
}

func (r *Route) setDefaults() { r.Strategy = StrategyOrdered }

// Target is a provider and its name for a model.
type Target struct {
	Provider string `yaml:"provider"`
	Model    string `yaml:"model"`
	Weight   int    `yaml:"weight"` // for strategy weighted; 0 = only when the others fail
}

func (t *Target) setDefaults() { t.Weight = 1 }

// Hedge sends a second attempt when the first is slow.
type Hedge struct {
	After    HedgeAfter `yaml:"after"`
	MaxExtra Percent    `yaml:"max_extra"` // second attempts, as a part of all requests
}

func (h *Hedge) setDefaults() {
	*h = Hedge{After: HedgeAfter{Percentile: 95}, MaxExtra: 5 * hundredPercent / 100}
}

// HedgeAfter is when a second attempt starts: after a percentile of the
// target's recent time to first byte (p50 to p99), or after a fixed time.
type HedgeAfter struct {
	Percentile int // 0 = Delay counts
	Delay      time.Duration
}

// String returns p95 or a duration.
func (h HedgeAfter) String() string {
	if h.Percentile > 0 {
		return "p" + strconv.Itoa(h.Percentile)
	}
	return Duration(h.Delay).String()
}

// MarshalText returns String.
func (h HedgeAfter) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads p95 or a duration above zero.
func (h *HedgeAfter) UnmarshalText(b []byte) error {
	s := string(b)
	if digits, ok := strings.CutPrefix(s, "p"); ok {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 50 || n > 99 {
			return fmt.Errorf("%q is not a percentile from p50 to p99", s)
		}
		*h = HedgeAfter{Percentile: n}
		return nil
	}
	var d Duration
	if err := d.UnmarshalText(b); err != nil || d == 0 {
		return fmt.Errorf("%q is neither a percentile, as p95, nor a duration above zero, as 800ms", s)
	}
	*h = HedgeAfter{Delay: d.Std()}
	return nil
}

// RouteCache switches the exact-match cache on for a route.
type RouteCache struct {
	TTL   Duration `yaml:"ttl"`
	Share bool     `yaml:"share"` // identical requests in flight share one upstream call
}

func (c *RouteCache) setDefaults() { *c = RouteCache{TTL: Duration(10 * minute), Share: true} }

// Shadow copies a part of the requests to another target, to measure it.
type Shadow struct {
	Target       Target `yaml:"target"`
	Percent      Share  `yaml:"percent"`
	BudgetPerDay Money  `yaml:"budget_per_day"` // 0 = no limit
	MaxInFlight  int    `yaml:"max_in_flight"`  // copies beyond it are dropped
}

func (s *Shadow) setDefaults() { s.MaxInFlight = 16 }

// Canary moves a route to a candidate step by step, and back by itself when
// the candidate is worse than the route's own targets.
type Canary struct {
	Candidate       Target   `yaml:"candidate"`
	Steps           []Share  `yaml:"steps"` // ascending, in per cent of the callers
	StepInterval    Duration `yaml:"step_interval"`
	MinRequests     int      `yaml:"min_requests"`      // the candidate's, before a step is judged
	MaxErrorRate    Percent  `yaml:"max_error_rate"`    // above the baseline's
	MaxLatencyRatio float64  `yaml:"max_latency_ratio"` // candidate's median or p95 over the baseline's
}

func (c *Canary) setDefaults() {
	*c = Canary{
		Candidate:    c.Candidate,
		Steps:        []Share{5 * hundredPercent / 100, 25 * hundredPercent / 100, 50 * hundredPercent / 100, hundredPercent},
		StepInterval: Duration(10 * minute), MinRequests: 100,
		MaxErrorRate: 2 * hundredPercent / 100, MaxLatencyRatio: 1.5,
	}
}
