package chain

import (
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// BudgetOptions sets how many retries a provider is given. Zero fields have
// the defaults of contract §7.
type BudgetOptions struct {
	Ratio  float64       // retries per request; default 0.2
	Min    int64         // but at least so many in a window; default 10
	Window time.Duration // default 10 s
}

// RetryBudget bounds the retries to one provider by the number of recent
// requests, so that a provider that fails gets at most a fifth more load and
// not three times as much. All chains to the provider share it. It is safe for
// concurrent use, and exact: between looking and taking no one else can take.
type RetryBudget struct {
	o     BudgetOptions
	start time.Time

	mu     sync.Mutex
	window *breaker.Window // good = requests, bad = retries
}

// budgetSlots is how finely the window moves on.
const budgetSlots = 10

// NewRetryBudget makes a RetryBudget.
func NewRetryBudget(o BudgetOptions) *RetryBudget {
	if o.Ratio <= 0 {
		o.Ratio = 0.2
	}
	if o.Min <= 0 {
		o.Min = 10
	}
	if o.Window <= 0 {
		o.Window = 10 * time.Second
	}
	return &RetryBudget{o: o, start: time.Now(), window: breaker.NewWindow(o.Window, budgetSlots)}
}

// Request counts one request; retries are not requests.
func (b *RetryBudget) Request() {
	b.mu.Lock()
	b.window.Add(time.Since(b.start), 1, 0)
	b.mu.Unlock()
}

// Take takes one retry from the budget, if there is one.
func (b *RetryBudget) Take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(b.start)
	requests, retries := b.window.Sum(now)
	if float64(retries+1) > max(float64(b.o.Min), b.o.Ratio*float64(requests)) {
		return false
	}
	b.window.Add(now, 0, 1)
	return true
}
