package ledger

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestMain(m *testing.M) {
	if childOf(m) {
		return
	}
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// rec is the n-th record of a made-up history that spreads over hours and
// names.
func rec(n int) Record {
	r := Record{
		RequestID: fmt.Sprintf("req_%d", n), UpstreamID: "up", Time: noon.Add(time.Duration(n) * time.Minute),
		Principal: fmt.Sprintf("key%d", n%3), Tenant: fmt.Sprintf("tenant%d", n%2), Route: "chat", Provider: "openai", Model: "gpt-4o", Upstream: "gpt-4o-2024",
		Op: llm.OpChat, Dialect: llm.DialectOpenAI, UpstreamDialect: llm.DialectAnthropic, Stream: n%2 == 0, Attempt: 1, Outcome: "complete",
		Usage: llm.Usage{Input: int64(10 + n), CachedInput: 3, Output: int64(n), Reasoning: 1, Source: llm.UsageReported},
		Cost:  llm.Money(1000 + n), Price: "2026-01-01",
		Answered: 1500 * time.Microsecond, Took: 2 * time.Second, Labels: map[string]string{"team": "a\"b"}, Tags: map[string]string{"x": "y"},
	}
	switch n % 7 {
	case 3:
		r.Usage.Source, r.Outcome = llm.UsageEstimated, "client_gone"
	case 4:
		r.Attempt, r.Outcome, r.Kind, r.Usage, r.Cost, r.Provider, r.Model = 0, OutcomeRejected, "rate_limited", llm.Usage{}, 0, "", ""
	case 5:
		r.Attempt, r.Outcome, r.Kind, r.Usage, r.Cost = 2, "upstream_error", "upstream_error", llm.Usage{}, 0
	case 6:
		r.Unpriced, r.Cost, r.Price = true, 0, ""
	}
	return r
}

func recs(from, to int) []Record {
	var out []Record
	for n := from; n < to; n++ {
		out = append(out, rec(n))
	}
	return out
}

func totalOf(records []Record) (s Sums) {
	for i := range records {
		one := sumsOf(&records[i])
		s.Add(&one)
	}
	return s
}

// stores are the engines that need no server.
func stores(t *testing.T) map[string]Store {
	t.Helper()
	lite, err := OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "odd ?#% name.db"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]Store{"memory": &Memory{}, "sqlite": lite}
	t.Cleanup(func() {
		for name, s := range all {
			if err := s.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	return all
}

func usage(t *testing.T, r Reader, q Query) []Row {
	t.Helper()
	rows, err := r.Usage(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// total is the one row of a question without groups.
func total(t *testing.T, r Reader) Sums {
	t.Helper()
	rows := usage(t, r, Query{})
	switch len(rows) {
	case 0:
		return Sums{}
	case 1:
		return rows[0].Sums
	}
	t.Fatalf("%d rows", len(rows))
	return Sums{}
}

// fake is a store whose writes the test decides about.
type fake struct {
	Memory
	mu    sync.Mutex
	write func(n int, b *Batch) error // n counts the calls
	n     int
	seen  [][]Record
}

func (f *fake) Write(ctx context.Context, b *Batch) error {
	f.mu.Lock()
	n := f.n
	f.n++
	f.mu.Unlock()
	if f.write != nil {
		if err := f.write(n, b); err != nil {
			return err
		}
	}
	f.mu.Lock()
	f.seen = append(f.seen, append([]Record(nil), b.Records...))
	f.mu.Unlock()
	return f.Memory.Write(ctx, b)
}

// tally is an Observer that counts.
type tally struct {
	mu                    sync.Mutex
	written, lost, failed int
}

// get returns the counts.
func (c *tally) get() (written, lost, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written, c.lost, c.failed
}

func (c *tally) Written(n int, _ time.Duration) { c.mu.Lock(); c.written += n; c.mu.Unlock() }
func (c *tally) Lost(n int)                     { c.mu.Lock(); c.lost += n; c.mu.Unlock() }
func (c *tally) Failed()                        { c.mu.Lock(); c.failed++; c.mu.Unlock() }
