package limits

import (
	"context"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// readable is what both engines are besides.
type readable interface {
	Engine
	Read(ctx context.Context, rules []Named) ([]Reading, error)
}

func full() Rule {
	return Rule{RPS: 10, Burst: 20, TPM: 1000, Concurrency: 5, Day: 5 * llm.Dollar, Month: 50 * llm.Dollar}
}

// TestRead: both engines tell the same of the same calls.
func TestRead(t *testing.T) {
	for name, mk := range map[string]func() readable{
		"memory": func() readable { return NewMemory(nil) },
		"redis":  func() readable { return engine(t, server(t), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			e := mk()
			l := New(Options{Engine: e, Rules: Rules{Keys: map[string]Rule{"app": full()}}})
			first, second := mustAdmit(t, l, call(100, 100)), mustAdmit(t, l, call(100, 100))
			second.Settle(reported(50), flat(llm.Dollar/100))
			if r, ok := e.(*Redis); ok {
				mark, _ := r.queue.mark()
				r.queue.await(t.Context(), mark, 5*time.Second)
			}
			rules := []Named{{ScopeKey, "app", full()}, {ScopeKey, "nobody", full()}, {ScopeGateway, "", Rule{}}}
			got, err := e.Read(t.Context(), rules)
			if err != nil || len(got) != 3 {
				t.Fatal(got, err)
			}
			r := got[0]
			if r.Named != rules[0] || r.Burst != 20 || r.RequestsLeft < 18 || r.RequestsLeft > 20 || r.InFlight != 1 || r.TokensUsed != 250 ||
				r.Day != llm.Dollar/2 || r.Month != llm.Dollar/2 {
				t.Errorf("in use: %+v", r)
			}
			if r.TokensReset <= 50*time.Second || r.TokensReset > 61*time.Second || r.DayReset <= 0 || r.DayReset > 24*time.Hour || r.MonthReset < r.DayReset {
				t.Errorf("resets: %+v", r)
			}
			if r := got[1]; r.RequestsLeft != 20 || r.RequestsReset != 0 || r.TokensUsed != 0 || r.InFlight != 0 || r.Day != 0 {
				t.Errorf("unused: %+v", r)
			}
			if r := got[2]; r != (Reading{Named: rules[2]}) {
				t.Errorf("without limits: %+v", r)
			}
			first.Settle(reported(0), nil)
		})
	}
}

// TestReadManyAndWithoutRedis: more subjects than one round trip takes, and an
// answer of this replica's own counters while Redis is away.
func TestReadManyAndWithoutRedis(t *testing.T) {
	m := server(t)
	e := engine(t, m, nil)
	rules := make([]Named, 2*readBatch+1)
	for i := range rules {
		rules[i] = Named{ScopeKey, "app", full()}
	}
	if got, err := e.Read(t.Context(), rules); err != nil || len(got) != len(rules) {
		t.Errorf("%d readings, %v", len(got), err)
	}
	e.up.Store(false)
	if got, err := e.Read(t.Context(), rules[:1]); err != nil || got[0].RequestsLeft != 20 {
		t.Errorf("without Redis: %v, %v", got, err)
	}
}

// TestReadingOfFields: what Redis keeps is read as of now, not as of when it
// was written.
func TestReadingOfFields(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 30, 0, time.UTC)
	n := Named{ScopeKey, "app", full()}
	f := fields{
		"r": "5000000", "ra": "1772323229000000", // a second ago
		"t1772323170": "7", "t1772323169": "100", "tl": "1772323170", // 60 and 61 s ago
		"dp": "20512", "ds": "123", "mp": "24314", "ms": "456",
	}
	r := f.reading(n, now)
	if r.RequestsLeft != 15 || r.TokensUsed != 7 || r.Day != 0 || r.Month != 456 {
		t.Errorf("got %+v", r)
	}
}
