package limits

import (
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// who names a subject in a sentence.
func (s *Subject) who() string {
	if s.Scope == ScopeGateway {
		return "the gateway"
	}
	return "the " + s.Scope.String() + " " + clip(s.Name)
}

// err makes the error that the client sees.
func (r refusal) err() *llm.Error {
	s := r.subject
	if s.Scope == ScopeProvider && r.limit.String() != "" {
		return r.accountErr()
	}
	e := &llm.Error{Kind: llm.KindRateLimited, RetryAfter: max(r.wait, time.Millisecond)}
	switch r.limit {
	case LimitRequests:
		e.Message = llm.Errorf(e.Kind, "%s has used its %s", s.who(), requestsPerSecond(&s.Rule)).Message
	case LimitTokens:
		e.Message = llm.Errorf(e.Kind, "%s has used its %d tokens per minute; this request needs up to %d", s.who(), s.Rule.TPM, r.tokens).Message
	case LimitTooLarge:
		e.RetryAfter, e.Permanent, e.Code = 0, true, "request_too_large_for_tpm"
		e.Message = llm.Errorf(e.Kind, "this request needs up to %d tokens, more than the %d tokens per minute of %s: shorten it or ask for fewer output tokens",
			r.tokens, s.Rule.TPM, s.who()).Message
	case LimitConcurrency:
		e.Message = llm.Errorf(e.Kind, "%s has its %d requests in flight", s.who(), s.Rule.Concurrency).Message
	case LimitDay:
		e.Kind = llm.KindBudgetExceeded
		e.Message = llm.Errorf(e.Kind, "%s has spent its budget of %s dollars for this day (UTC)", s.who(), s.Rule.Day).Message
	case LimitMonth:
		e.Kind = llm.KindBudgetExceeded
		e.Message = llm.Errorf(e.Kind, "%s has spent its budget of %s dollars for this month (UTC)", s.who(), s.Rule.Month).Message
	}
	return e
}

// accountErr is what the provider itself would answer a moment later: the client
// sees 429, the service another target.
func (r refusal) accountErr() *llm.Error {
	what := "concurrent requests"
	switch r.limit {
	case LimitRequests:
		what = "requests per second"
	case LimitTokens:
		what = "tokens per minute"
	}
	e := llm.Errorf(llm.KindUpstreamRateLimited, "the limit of %s for this provider account is reached", what)
	e.RetryAfter = max(r.wait, time.Millisecond)
	return e
}

func requestsPerSecond(r *Rule) string {
	return llm.Errorf(0, "%g requests per second (burst %d)", r.RPS, r.Burst).Message
}

// unpriced refuses a call whose cost no budget could count.
func unpriced(s *Subject, c *llm.Call) *llm.Error {
	e := llm.Errorf(llm.KindBudgetExceeded, "%s has a budget, and the price of the model %q is not known", s.who(), clip(c.Model))
	e.Param, e.Permanent = "model", true
	return e
}

// clip bounds what a name may take in a message.
func clip(s string) string {
	const limit = 100
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
