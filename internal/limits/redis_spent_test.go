package limits

import (
	"sync"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// inRedis are the sums of the account acme in Redis.
func inRedis(t *testing.T, e *Redis) (day, month llm.Money) {
	t.Helper()
	got, err := e.Read(t.Context(), []Named{{ScopeProvider, "acme", Rule{Day: 1, Month: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	return got[0].Day, got[0].Month
}

// TestRedisAdopts: a budget that begins knows what was spent; what replicas tell
// of it counts once, and never less than what Redis has counted.
func TestRedisAdopts(t *testing.T) {
	mr := server(t)
	engines := [2]*Redis{engine(t, mr, nil), engine(t, mr, nil)}
	var wg sync.WaitGroup
	for _, e := range engines {
		wg.Go(func() { e.Adopt(ScopeProvider, "acme", 3*llm.Dollar, 8*llm.Dollar) })
	}
	wg.Wait()
	r := Rule{Day: 5 * llm.Dollar}
	mustOpen(t, acme(engines[0], r)).Spend(llm.Done{}, llm.Dollar)
	engines[1].Adopt(ScopeProvider, "acme", 4*llm.Dollar, 10*llm.Dollar) // its ledger knows of the last one
	engines[0].Adopt(ScopeProvider, "acme", 0, 0)
	if day, month := inRedis(t, engines[1]); day != 4*llm.Dollar || month != 10*llm.Dollar {
		t.Errorf("%v today, %v this month", day, month)
	}
	mustOpen(t, acme(engines[1], r)).Spend(llm.Done{}, llm.Dollar)
	for _, e := range engines {
		mustBeSpent(t, acme(e, r), "for this day")
	}
}

// TestRedisIsReminded: one that comes back without its data learns again what
// was spent, of every budget; nothing that it has kept is counted twice.
func TestRedisIsReminded(t *testing.T) {
	for _, lost := range []bool{true, false} {
		mr := server(t)
		engines := [2]*Redis{engine(t, mr, nil), engine(t, mr, nil)}
		r := Rule{Day: 5 * llm.Dollar}
		accounts := [2]*Account{acme(engines[0], r), acme(engines[1], r)}
		mustOpen(t, accounts[0]).Spend(llm.Done{}, 2*llm.Dollar)
		mustOpen(t, accounts[1]).Spend(llm.Done{}, 2*llm.Dollar) // and learns of the other's
		mr.Close()
		for _, a := range accounts {
			for range failuresToTrip {
				mustOpen(t, a).Spend(llm.Done{}, 0)
			}
		}
		if lost {
			mr.FlushAll()
		}
		if err := mr.Restart(); err != nil {
			t.Fatal(err)
		}
		for _, e := range engines {
			for deadline := time.Now().Add(10 * time.Second); !e.Up(); <-time.After(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("Redis is not found again")
				}
			}
		}
		if day, month := inRedis(t, engines[0]); day != 4*llm.Dollar || month != 4*llm.Dollar {
			t.Errorf("lost %v: %v today, %v this month", lost, day, month)
		}
	}
}

// TestRedisIsToldAtAStart what the ledger knows, whether it answers then or later.
func TestRedisIsToldAtAStart(t *testing.T) {
	mr := server(t)
	e := engine(t, mr, nil)
	e.Charge(ScopeProvider, "acme", 3*llm.Dollar, 7*llm.Dollar)
	e.Charge(ScopeProvider, "acme", 3*llm.Dollar, 7*llm.Dollar)
	if day, month := inRedis(t, e); day != 3*llm.Dollar || month != 7*llm.Dollar {
		t.Errorf("%v today, %v this month", day, month)
	}
	for _, k := range mr.Keys() {
		if mr.TTL(k) <= 0 {
			t.Errorf("%s never expires", k)
		}
	}
	late := engine(t, mr, nil)
	mr.Close()
	for range failuresToTrip {
		mustOpen(t, acme(late, Rule{Concurrency: 1})).Spend(llm.Done{}, 0)
	}
	late.Charge(ScopeProvider, "acme", 5*llm.Dollar, 9*llm.Dollar)
	mustBeSpent(t, acme(late, Rule{Day: 5 * llm.Dollar}), "for this day")
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		if day, _ := inRedis(t, late); late.Up() && day == 5*llm.Dollar {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Redis was not told")
		}
	}
}
