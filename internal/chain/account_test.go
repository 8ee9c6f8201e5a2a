package chain

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// rule is what an account allows; 0 = no limit.
type rule struct {
	RPS         float64
	Burst       int // 0 = RPS, rounded up
	Concurrency int
	Tokens      int64     // in all; they do not come back by themselves
	Each        int64     // that an attempt reserves
	Money       llm.Money // in all
}

// account is a provider account for tests.
type account struct {
	rule
	gate *Gate

	mu     sync.Mutex
	level  float64
	at     time.Time
	flying int
	tokens int64 // in use
	spent  llm.Money
	ended  int
	asked  int
}

func newAccount(r rule) *account {
	if r.Burst == 0 {
		r.Burst = int(math.Ceil(r.RPS))
	}
	return &account{rule: r, gate: NewGate(), level: float64(r.Burst)}
}

// limit fills in what the account has to say.
func (a *account) limit(o LimitOptions) LimitOptions {
	o.Admit, o.Gate = a.admit, a.gate
	if a.RPS > 0 {
		o.Pace = time.Duration(float64(sec) / a.RPS)
	}
	if a.Money > 0 {
		o.Cost = func(_ *llm.Call, d llm.Done) llm.Money { return llm.Money(d.Usage.Total() + d.TextBytes) }
	}
	return o
}

func (a *account) inFlight() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.flying
}

var errSpent = llm.Errorf(llm.KindBudgetExceeded, "the provider p has spent its budget")

func (a *account) admit(context.Context, *llm.Call) (Pass, string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	now := time.Now()
	if a.RPS > 0 && !a.at.IsZero() {
		a.level = min(a.level+a.RPS*now.Sub(a.at).Seconds(), float64(a.Burst))
	}
	a.at = now
	refuse := func(held string, wait time.Duration) (Pass, string, error) {
		e := llm.Errorf(llm.KindUpstreamRateLimited, "%s", held)
		e.RetryAfter, e.Provider = wait, "p"
		return nil, held, e
	}
	switch {
	case a.Money > 0 && a.spent >= a.Money:
		return nil, "", errSpent
	case a.RPS > 0 && a.level < 1-1e-9:
		return refuse(LimitPace, time.Duration(math.Ceil((1-a.level)/a.RPS*1e9)))
	case a.Tokens > 0 && a.tokens+a.Each > a.Tokens:
		return refuse(LimitTokens, 800*time.Millisecond)
	case a.Concurrency > 0 && a.flying >= a.Concurrency:
		return refuse(LimitSlots, sec)
	}
	a.level--
	a.flying++
	a.tokens += a.Each
	return a, "", nil
}

func (a *account) Spend(_ llm.Done, cost llm.Money) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flying--
	a.tokens -= a.Each
	a.spent += cost
	a.ended++
}
