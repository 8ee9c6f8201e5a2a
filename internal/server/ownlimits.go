package server

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// LimitsReader tells callers of their limits.
type LimitsReader interface {
	// CallerLimits returns a caller's own limits and what is in use of each.
	CallerLimits(ctx context.Context, c *llm.Caller) (OwnLimits, error)
}

// OwnLimits are the limits that a caller stands under, besides those that all
// share. What has no limits is nil.
type OwnLimits struct {
	Key    *LimitsUse `json:"key,omitempty"`
	Tenant *LimitsUse `json:"tenant,omitempty"`
}

// LimitsUse are the limits of a key or a tenant. What is not limited is nil.
type LimitsUse struct {
	Name        string           `json:"name"`
	Requests    *LimitUse[int64] `json:"requests,omitempty"`    // the limit is the burst
	Tokens      *LimitUse[int64] `json:"tokens,omitempty"`      // in any 60 seconds
	Concurrency *LimitUse[int64] `json:"concurrency,omitempty"` // it has no time of reset
	Budget      *BudgetUse       `json:"budget,omitempty"`
}

// BudgetUse is money, in dollars, by calendar day and month in UTC.
type BudgetUse struct {
	Day   *LimitUse[llm.Money] `json:"day,omitempty"`
	Month *LimitUse[llm.Money] `json:"month,omitempty"`
}

// LimitUse is one limit. Used can be above Limit, Remaining is never below 0.
type LimitUse[T int64 | llm.Money] struct {
	Limit     T          `json:"limit"`
	RPS       float64    `json:"rps,omitempty"` // at which requests come back
	Used      T          `json:"used"`
	Remaining T          `json:"remaining"`
	ResetAt   *time.Time `json:"reset_at,omitempty"` // when all of it is there again; nil = it is, or nobody knows
}

// NewLimitUse returns what is in use of a limit, nil when there is none. reset
// is how long from now it takes until all of it is there again; 0 = not said.
func NewLimitUse[T int64 | llm.Money](limit, used T, now time.Time, reset time.Duration) *LimitUse[T] {
	if limit <= 0 {
		return nil
	}
	u := &LimitUse[T]{Limit: limit, Used: used, Remaining: max(limit-used, 0)}
	if reset > 0 {
		at := now.Add(reset).UTC().Round(time.Millisecond)
		u.ResetAt = &at
	}
	return u
}
