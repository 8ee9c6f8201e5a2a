package chain

import (
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// Options says what protects and watches one target. The zero value gives
// retries and clocks with the contract's defaults and nothing else.
type Options struct {
	Provider string // the provider's name, for errors

	Observer CallObserver    // nil = nobody
	Attempts AttemptObserver // nil = nobody

	Tracer Tracer      // makes a span of each attempt; nil = no traces
	Events EventTracer // nil = nobody

	Retry   RetryOptions
	Circuit *breaker.Breaker // the target's; nil = none
	Limit   LimitOptions     // no Admit = none
	Timeout TimeoutOptions
}

// Build puts the decorators around a provider, in the order that the package
// comment explains. It is cheap: a reload may build all chains anew.
func Build(p llm.Provider, o Options) llm.Provider {
	p = NewAttempts(p, AttemptsOptions{Provider: o.Provider, Observer: o.Attempts})
	if o.Tracer != nil {
		p = NewTrace(p, TraceOptions{Tracer: o.Tracer})
	}
	p = NewTimeout(p, o.Timeout)
	if o.Limit.Admit != nil {
		p = NewLimit(p, o.Limit)
	}
	if o.Circuit != nil {
		p = NewBreaker(p, BreakerOptions{Provider: o.Provider, Circuit: o.Circuit, Events: o.Events})
	}
	o.Retry.Events = o.Events
	p = NewRetry(p, o.Retry)
	if o.Observer != nil {
		p = NewObserve(p, ObserveOptions{Observer: o.Observer})
	}
	return p
}
