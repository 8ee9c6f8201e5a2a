package admin

import (
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Status is the gateway as a whole.
type Status struct {
	Version       string        `json:"version"`
	Commit        string        `json:"commit"`
	Go            string        `json:"go"`
	Started       time.Time     `json:"started"`
	UptimeSeconds int64         `json:"uptime_seconds"`
	State         string        `json:"state"` // ready, draining
	Configuration Configuration `json:"configuration"`
	Requests      int64         `json:"requests_in_flight"`
	Streams       int64         `json:"streams_in_flight"`
	Overload      *Overload     `json:"overload"` // null: nothing sheds load
	Redis         *Redis        `json:"redis"`    // null: limits are in memory
	Ledger        Ledger        `json:"ledger"`
	Alerts        Alerts        `json:"alerts"`
	Anonymous     bool          `json:"anonymous"` // clients need no credential
	Goroutines    int           `json:"goroutines"`
	HeapBytes     uint64        `json:"heap_bytes"`
}

// Configuration is where the one in force came from.
type Configuration struct {
	Files    []string  `json:"files"` // that were read, or would be if they were there
	LoadedAt time.Time `json:"loaded_at"`
	Warnings []string  `json:"warnings"`
}

// Overload is how near the gateway is to shedding load.
type Overload struct {
	Bound    int `json:"bound"` // calls in flight at most; 0 = no bound
	InFlight int `json:"in_flight"`
	Queued   int `json:"queued"`
}

// Redis is the shared store of limits.
type Redis struct {
	Up        bool   `json:"up"`
	OnFailure string `json:"on_failure"`
}

// Alerts are the events since the start, by kind; kinds that did not happen
// stand at zero.
type Alerts map[string]int64

// Ledger is where usage is recorded.
type Ledger struct {
	Store   string `json:"store"`
	Waiting int    `json:"waiting"`
	Written int64  `json:"written"`
	Lost    int64  `json:"lost"`
	Failing bool   `json:"failing"` // why is in the log
}

// Provider is one upstream account.
type Provider struct {
	Name        string           `json:"name"`
	Type        string           `json:"type"`
	Host        string           `json:"host"` // of the base URL; "" = the type's own
	Credentials int              `json:"credentials"`
	Limits      *AccountLimits   `json:"limits"` // null: none
	Targets     []ProviderTarget `json:"targets"`
}

// AccountLimits are the limits of one account and what is in use of them. What
// has no limit is 0, or left out.
type AccountLimits struct {
	RPS         float64      `json:"rps"`
	Burst       int          `json:"burst"`
	Left        int          `json:"requests_left"`
	Concurrency int          `json:"concurrency"`
	InFlight    int          `json:"in_flight"`
	Tokens      *LimitTokens `json:"tokens,omitempty"`
	Day         *LimitMoney  `json:"day,omitempty"`
	Month       *LimitMoney  `json:"month,omitempty"`
}

// ProviderTarget is a model at a provider. Models that nobody has named show
// once they were asked for, all of them together as other.
type ProviderTarget struct {
	Model   string   `json:"model"`
	Circuit *Circuit `json:"circuit"` // null: there is none
}

// Circuit is the state of a circuit breaker.
type Circuit struct {
	State        string    `json:"state"` // closed, half-open, open
	Since        time.Time `json:"since"`
	Requests     int64     `json:"requests"` // in the window of a closed circuit
	Failures     int64     `json:"failures"`
	FailureRatio float64   `json:"failure_ratio"`
}

// Credential is a secret of a provider, known by its fingerprint.
type Credential struct {
	Provider    string     `json:"provider"`
	Fingerprint string     `json:"fingerprint"`
	LastUsed    *time.Time `json:"last_used"`
	State       string     `json:"state"` // in_use, set_aside, retired
	Since       *time.Time `json:"since,omitempty"`
	Until       *time.Time `json:"until,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	Requests    int64      `json:"requests"` // since the configuration was loaded
}

// The states of a Credential. A retired one is not configured any more.
const (
	InUse    = "in_use"
	SetAside = "set_aside"
	Retired  = "retired"
)

// Route is a name that clients ask for.
type Route struct {
	Name      string        `json:"name"`
	Aliases   []string      `json:"aliases"`
	Strategy  string        `json:"strategy"`
	TimeoutMS int64         `json:"timeout_ms"`
	Targets   []RouteTarget `json:"targets"`
}

// RouteTarget is what may answer a route. Latencies are of late, and 0 when
// nothing is known; InFlight is counted where latency decides alone.
type RouteTarget struct {
	Provider     string     `json:"provider"`
	Model        string     `json:"model"`
	Weight       int        `json:"weight"`
	Circuit      string     `json:"circuit"` // closed, half-open, open, or none
	CoolUntil    *time.Time `json:"cool_until,omitempty"`
	LatencyMS    float64    `json:"latency_ms"`
	FirstTokenMS float64    `json:"ttft_ms"`
	InFlight     int        `json:"in_flight"`
}

// LimitRow is a rule and what is in use of it. Parts without a limit are left
// out.
type LimitRow struct {
	Scope       string       `json:"scope"` // gateway, tenant, key, route, provider
	Name        string       `json:"name,omitempty"`
	Requests    *LimitRate   `json:"requests,omitempty"`
	Tokens      *LimitTokens `json:"tokens,omitempty"`
	Concurrency *LimitSlots  `json:"concurrency,omitempty"`
	Day         *LimitMoney  `json:"day,omitempty"`
	Month       *LimitMoney  `json:"month,omitempty"`
}

// LimitRate is a limit of requests per second.
type LimitRate struct {
	RPS       float64 `json:"rps"`
	Burst     int64   `json:"burst"`
	Remaining int64   `json:"remaining"`
	ResetMS   int64   `json:"reset_ms"`
}

// LimitTokens is a limit of tokens per minute.
type LimitTokens struct {
	TPM       int64 `json:"tpm"`
	Used      int64 `json:"used"`
	Remaining int64 `json:"remaining"`
	ResetMS   int64 `json:"reset_ms"`
}

// LimitSlots is a limit of requests under way.
type LimitSlots struct {
	Limit     int `json:"limit"`
	Used      int `json:"used"`
	Remaining int `json:"remaining"`
}

// LimitMoney is a budget, in US dollars.
type LimitMoney struct {
	Budget    llm.Money `json:"budget"`
	Spent     llm.Money `json:"spent"`
	Remaining llm.Money `json:"remaining"`
	ResetMS   int64     `json:"reset_ms"`
}
