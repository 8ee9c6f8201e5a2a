package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// unmarshalEnum sets dst to the one of all that is spelled b.
func unmarshalEnum[T ~string](b []byte, dst *T, all ...T) error {
	names := make([]string, len(all))
	for i, v := range all {
		if string(v) == string(b) {
			*dst = v
			return nil
		}
		names[i] = string(v)
	}
	return fmt.Errorf("%q is none of %s", b, strings.Join(names, ", "))
}

// Strategy is how a route picks among its targets.
type Strategy string

// The strategies.
const (
	StrategyOrdered      Strategy = "ordered"       // the first that works
	StrategyWeighted     Strategy = "weighted"      // by chance, in proportion to the weights
	StrategyLeastLatency Strategy = "least_latency" // the quickest of late
	StrategyLowestCost   Strategy = "lowest_cost"   // the cheapest by list price
)

// UnmarshalText reads a strategy.
func (s *Strategy) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, s, StrategyOrdered, StrategyWeighted, StrategyLeastLatency, StrategyLowestCost)
}

// Priority is which callers wait in front of which when the gateway is
// overloaded.
type Priority string

// The classes.
const (
	PriorityLow    Priority = "low"    // waits last, and gives way to others when the queue is full
	PriorityNormal Priority = "normal" // "" means the same
	PriorityHigh   Priority = "high"   // waits first
)

// UnmarshalText reads a class.
func (p *Priority) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, p, PriorityLow, PriorityNormal, PriorityHigh)
}

// OnClientGone is what becomes of an upstream call whose client left.
type OnClientGone string

// The choices.
const (
	GoneCancel OnClientGone = "cancel" // stop the upstream call
	GoneDrain  OnClientGone = "drain"  // read it to its end, to learn its usage
)

// UnmarshalText reads a choice.
func (o *OnClientGone) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, o, GoneCancel, GoneDrain)
}

// CacheStore is where cached answers are kept.
type CacheStore string

// The stores.
const (
	CacheMemory CacheStore = "memory"
	CacheRedis  CacheStore = "redis"
)

// UnmarshalText reads a store.
func (c *CacheStore) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, c, CacheMemory, CacheRedis)
}

// RedisOnFailure is what happens to shared limits while Redis is away.
type RedisOnFailure string

// The choices.
const (
	RedisLocal  RedisOnFailure = "local"  // go on with limits of this process
	RedisRefuse RedisOnFailure = "refuse" // refuse requests that have a limit
)

// UnmarshalText reads a choice.
func (r *RedisOnFailure) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, r, RedisLocal, RedisRefuse)
}

// LogLevel is the least level that is logged.
type LogLevel string

// The levels.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

// UnmarshalText reads a level in any case of letters.
func (l *LogLevel) UnmarshalText(b []byte) error {
	return unmarshalEnum([]byte(strings.ToLower(string(b))), l, LogDebug, LogInfo, LogWarn, LogError)
}

// LogFormat is how log lines look. LogAuto means text on a terminal, except
// with APP_ENV=production, and JSON otherwise.
type LogFormat string

// The formats.
const (
	LogAuto LogFormat = "auto"
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// UnmarshalText reads a format.
func (l *LogFormat) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, l, LogAuto, LogJSON, LogText)
}

// Sampler says which traces are kept, in the words of OTEL_TRACES_SAMPLER.
type Sampler string

// The samplers.
const (
	SampleAlwaysOn        Sampler = "always_on"
	SampleAlwaysOff       Sampler = "always_off"
	SampleRatio           Sampler = "traceidratio"
	SampleParentAlwaysOn  Sampler = "parentbased_always_on"
	SampleParentAlwaysOff Sampler = "parentbased_always_off"
	SampleParentRatio     Sampler = "parentbased_traceidratio"
)

// UnmarshalText reads a sampler.
func (s *Sampler) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, s, SampleAlwaysOn, SampleAlwaysOff, SampleRatio,
		SampleParentAlwaysOn, SampleParentAlwaysOff, SampleParentRatio)
}

// Compression says how exports of traces are compressed, in the words of
// OTEL_EXPORTER_OTLP_COMPRESSION.
type Compression string

// The compressions.
const (
	CompressNone Compression = "none"
	CompressGzip Compression = "gzip"
)

// UnmarshalText reads a compression.
func (c *Compression) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, c, CompressNone, CompressGzip)
}

// WebhookEvent is something that a webhook can be told.
type WebhookEvent string

// The events.
const (
	EventCanaryRolledBack WebhookEvent = "canary_rolled_back"
	EventCanaryCompleted  WebhookEvent = "canary_completed"
	EventCircuitOpened    WebhookEvent = "circuit_opened"
	EventCircuitClosed    WebhookEvent = "circuit_closed"
	EventBudgetAlert      WebhookEvent = "budget_alert"
	EventBudgetExceeded   WebhookEvent = "budget_exceeded"
	EventReloadFailed     WebhookEvent = "reload_failed"
	EventRedisLost        WebhookEvent = "redis_lost"
	EventRedisRestored    WebhookEvent = "redis_restored"

	EventCredentialRefused WebhookEvent = "credential_refused" //nolint:gosec // the name of an event
)

// UnmarshalText reads an event's name.
func (e *WebhookEvent) UnmarshalText(b []byte) error {
	return unmarshalEnum(b, e, EventCanaryRolledBack, EventCanaryCompleted, EventCircuitOpened, EventCircuitClosed,
		EventBudgetAlert, EventBudgetExceeded, EventReloadFailed, EventRedisLost, EventRedisRestored, EventCredentialRefused)
}

// UnknownPrice is what a model without a price means for budgets: its calls
// are flagged (the zero value), denied, or billed at a configured price.
type UnknownPrice struct {
	Deny   bool
	Priced bool      // Input and Output count
	Input  llm.Money // per million input tokens
	Output llm.Money // per million output tokens
}

// String returns flag, deny, or the prices as "input/output".
func (u UnknownPrice) String() string {
	switch {
	case u.Deny:
		return "deny"
	case u.Priced && u.Input == u.Output:
		return u.Input.String()
	case u.Priced:
		return u.Input.String() + "/" + u.Output.String()
	}
	return "flag"
}

// MarshalText returns String.
func (u UnknownPrice) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads flag, deny, or dollars per million tokens: one number
// for input and output alike, or two parted by a slash (3/15).
func (u *UnknownPrice) UnmarshalText(b []byte) error {
	switch s := string(b); s {
	case "flag":
		*u = UnknownPrice{}
	case "deny":
		*u = UnknownPrice{Deny: true}
	default:
		in, out, both := strings.Cut(s, "/")
		if !both {
			out = in
		}
		var i, o Money
		if i.UnmarshalText([]byte(in)) != nil || o.UnmarshalText([]byte(out)) != nil {
			return fmt.Errorf("%s is neither flag nor deny nor a price in dollars per million tokens, as 5 or 3/15", strconv.Quote(s))
		}
		*u = UnknownPrice{Priced: true, Input: i.Amount(), Output: o.Amount()}
	}
	return nil
}
