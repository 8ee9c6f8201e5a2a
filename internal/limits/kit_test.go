package limits

import (
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) sleep(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// flat is a price per token.
type flat llm.Money

func (f flat) Cost(u llm.Usage) (llm.Money, bool) { return llm.Money(f) * llm.Money(u.Total()), true }

// body is a request body that is estimated at n tokens.
func body(n int) []byte { return []byte(strings.Repeat("x", 4*n)) }

// call asks for prompt + output tokens as the key app of the tenant team, on the
// route chat.
func call(prompt, output int) *llm.Call {
	return &llm.Call{
		Op: llm.OpChat, Model: "chat", Raw: body(prompt), Peek: llm.Peek{MaxTokens: int64(output)},
		Meta: &llm.Meta{Route: "chat", Caller: &llm.Caller{Name: "app", Tenant: "team"}, Quota: &llm.Quota{}},
	}
}

func reported(n int64) llm.Done {
	return llm.Done{Usage: llm.Usage{Input: n, Source: llm.UsageReported}}
}

var failed = llm.Done{Err: llm.Errorf(llm.KindUpstreamError, "x")}

func mustAdmit(t testing.TB, l *Limiter, c *llm.Call) *Lease {
	t.Helper()
	lease, err := l.Admit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// mustRefuse checks kind and words of a refusal and returns it.
func mustRefuse(t testing.TB, l *Limiter, c *llm.Call, kind llm.Kind, says string) *llm.Error {
	t.Helper()
	lease, err := l.Admit(t.Context(), c)
	if err == nil {
		lease.Settle(failed, nil)
		t.Fatalf("admitted, want %v", kind)
	}
	e := llm.AsError(err)
	if e.Kind != kind || !strings.Contains(e.Message, says) {
		t.Fatalf("got %v, want %v %q", e, kind, says)
	}
	return e
}
