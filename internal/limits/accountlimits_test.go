package limits

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestAccountTokensAreSettled: what an attempt really used takes the place of
// what was reserved, however it ends.
func TestAccountTokensAreSettled(t *testing.T) {
	cut := llm.Errorf(llm.KindUpstreamError, "cut")
	for _, tc := range []struct {
		name           string
		call           *llm.Call
		end            llm.Done
		reserved, used int64
	}{
		{"reported", call(50, 100), reported(70), 150, 70},
		{"more than reserved", call(50, 100), reported(500), 150, 500},
		{"whole without usage", call(50, 100), llm.Done{}, 150, 150},
		{"no maximum", call(50, 0), llm.Done{}, 50 + DefaultOutput, 50 + DefaultOutput},
		{"larger than a minute", call(50, 1<<40), llm.Done{}, 6000, 6000},
		{"prompt and output larger than a minute", call(2000, 5000), failed, 6000, 0},
		{"error", call(50, 100), failed, 150, 0},
		{"stream cut", call(50, 100), llm.Done{Stream: true, Err: cut, Events: 1, TextBytes: 8}, 150, 52},
		{"stream left", call(50, 100), llm.Done{Stream: true, Gone: true, Events: 1, TextBytes: 8}, 150, 52},
		{"stream cut before its first event", call(50, 100), llm.Done{Stream: true, Err: cut}, 150, 0},
		{"no body", &llm.Call{Request: func() (*llm.Request, error) { return nil, cut }}, failed, DefaultOutput, 0},
		{"tokens counted", &llm.Call{Op: llm.OpCountTokens, Raw: body(50)}, llm.Done{}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := NewMemory(newClock().now)
			a := acme(m, Rule{TPM: 6000, Concurrency: 1})
			lease, _, err := a.Admit(t.Context(), tc.call)
			if err != nil {
				t.Fatal(err)
			}
			st := m.states[subjectKey{ScopeProvider, "acme"}]
			if st.tokens.sum != tc.reserved || st.inFlight != 1 {
				t.Errorf("%d reserved, want %d; %d in flight", st.tokens.sum, tc.reserved, st.inFlight)
			}
			lease.Spend(tc.end, 0)
			if st.tokens.sum != tc.used || st.inFlight != 0 {
				t.Errorf("%d used, want %d; %d in flight", st.tokens.sum, tc.used, st.inFlight)
			}
		})
	}
}

// TestAccountRefusals name the limit, for people and for who waits, and say how
// long it takes.
func TestAccountRefusals(t *testing.T) {
	for _, tc := range []struct {
		rule Rule
		says string
		held string
		wait time.Duration
	}{
		{Rule{RPS: 0.5, Burst: 1}, "requests per second", "rps", 2 * time.Second},
		{Rule{TPM: 3}, "tokens per minute", "tpm", 61 * time.Second},
		{Rule{Concurrency: 1}, "concurrent requests", "concurrency", time.Second},
		{Rule{RPS: 0.5, Burst: 1, TPM: 3, Concurrency: 1}, "tokens per minute", "tpm", 61 * time.Second}, // the longest
	} {
		a := acme(NewMemory(newClock().now), tc.rule)
		mustOpen(t, a)
		_, held, err := a.Admit(t.Context(), call(1, 1))
		e := llm.AsError(err)
		if e == nil || e.Kind != llm.KindUpstreamRateLimited || e.Provider != "acme" || e.RetryAfter != tc.wait || held.String() != tc.held ||
			e.Message != "the limit of "+tc.says+" for this provider account is reached" {
			t.Errorf("%+v: %q, %+v", tc.rule, held, e)
		}
	}
	a := acme(NewMemory(nil), Rule{Day: 1})
	mustOpen(t, a).Spend(llm.Done{}, 1)
	if _, held, err := a.Admit(t.Context(), call(1, 1)); err == nil || held.String() != "" {
		t.Errorf("waiting for money: %q, %v", held, err)
	}
}

// TestAccountMinute: no sixty seconds, wherever they begin, see more than the
// limit; a rest saves nothing up.
func TestAccountMinute(t *testing.T) {
	for seed := range uint64(20) {
		c := newClock()
		a := acme(NewMemory(c.now), Rule{TPM: 1000})
		rnd := rand.New(rand.NewPCG(seed, 1))
		type use struct {
			at time.Time
			n  int64
		}
		var uses []use
		for range 2000 {
			c.sleep(time.Duration(rnd.IntN(4000)) * time.Millisecond)
			n := 1 + rnd.IntN(300)
			lease, _, err := a.Admit(t.Context(), call(n, 0))
			if err != nil {
				continue
			}
			used := min(int64(n)+DefaultOutput, 1000) // reserved
			if rnd.IntN(2) == 0 {
				used = int64(rnd.IntN(int(used) + 1))
			}
			lease.Spend(reported(used), 0)
			uses = append(uses, use{c.now(), used})
		}
		for i := range uses {
			sum := int64(0)
			for _, u := range uses[i:] {
				if u.at.Sub(uses[i].at) < time.Minute {
					sum += u.n
				}
			}
			if sum > 1000 {
				t.Fatalf("seed %d: %d tokens within a minute of a thousand", seed, sum)
			}
		}
		if len(uses) < 50 {
			t.Fatalf("only %d passed", len(uses))
		}
	}
}

// twoReplicas are accounts that share their counters: of one process, and of two
// with one Redis.
func twoReplicas(t *testing.T, r Rule) map[string][2]*Account {
	m, mr := NewMemory(nil), server(t)
	return map[string][2]*Account{
		"memory": {acme(m, r), acme(m, r)},
		"redis":  {acme(engine(t, mr, nil), r), acme(engine(t, mr, nil), r)},
	}
}

// TestAccountIsExactUnderConcurrency: 200 callers on two replicas, never one
// request, token or slot over.
func TestAccountIsExactUnderConcurrency(t *testing.T) {
	for limit, tc := range map[string]struct {
		rule  Rule
		admit int64
	}{
		"rps":         {Rule{RPS: 1e-6, Burst: 150}, 150},
		"tpm":         {Rule{TPM: 10_000}, 100},
		"concurrency": {Rule{Concurrency: 77}, 77},
		"all":         {Rule{RPS: 1e-6, Burst: 80, TPM: 10_000, Concurrency: 90, Day: 1 << 60}, 80},
	} {
		for engine, replicas := range twoReplicas(t, tc.rule) {
			t.Run(limit+"/"+engine, func(t *testing.T) {
				var admitted atomic.Int64
				var wg sync.WaitGroup
				for i := range 200 {
					wg.Go(func() {
						for range 3 {
							if _, _, err := replicas[i%2].Admit(t.Context(), call(50, 50)); err == nil {
								admitted.Add(1)
							}
						}
					})
				}
				wg.Wait()
				if admitted.Load() != tc.admit {
					t.Errorf("%d admitted, %d allowed", admitted.Load(), tc.admit)
				}
			})
		}
	}
}

// attempts makes attempts that end in every way there is, and returns the most
// that were in flight at once.
func attempts(t *testing.T, replicas [2]*Account, callers, each int) int64 {
	ends := []llm.Done{
		reported(30), failed, {Gone: true, Stream: true}, {Gone: true, Stream: true, Events: 2, TextBytes: 10},
		{Err: llm.Errorf(llm.KindTimeout, "x")}, {}, {Err: llm.Errorf(llm.KindUpstreamError, "cut"), Events: 1, Stream: true}, reported(5000),
	}
	var now, most atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for range each {
				lease, _, err := replicas[i%2].Admit(t.Context(), call(20, 20))
				if err != nil {
					continue
				}
				n := now.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				now.Add(-1)
				lease.Spend(ends[rnd.IntN(len(ends))], llm.Money(rnd.IntN(2)))
			}
		})
	}
	wg.Wait()
	return most.Load()
}

// TestAccountLeaksNothingInAStorm: nothing stays reserved on either replica.
func TestAccountLeaksNothingInAStorm(t *testing.T) {
	mr := server(t)
	r := Rule{TPM: 1 << 40, Concurrency: 20, Day: 1 << 60}
	engines := [2]*Redis{engine(t, mr, nil), engine(t, mr, nil)}
	replicas := [2]*Account{acme(engines[0], r), acme(engines[1], r)}
	if peak := attempts(t, replicas, 100, 10); peak > 20 {
		t.Errorf("%d in flight, 20 allowed", peak)
	}
	for _, e := range engines {
		flush(t, e)
		if len(e.queue.open) != 0 {
			t.Errorf("%d leases are still renewed", len(e.queue.open))
		}
	}
	for _, k := range mr.Keys() {
		if strings.HasSuffix(k, ":slots") {
			members, _ := mr.ZMembers(k)
			t.Errorf("slots of %s are still taken: %v", k, members)
		}
		if mr.TTL(k) <= 0 {
			t.Errorf("%s never expires", k)
		}
	}
	mr.SetTime(time.Now().Add(2 * time.Minute))
	mustOpen(t, replicas[0]).Spend(reported(0), 0)
	flush(t, engines[0])
	if sum := mr.HGet("gw:{limits}:provider:acme", "ts"); sum != "0" {
		t.Errorf("%s tokens after the end", sum)
	}
}

// TestRedisAccountIsOneRoundTrip: all limits of an account together.
func TestRedisAccountIsOneRoundTrip(t *testing.T) {
	e := engine(t, server(t), nil)
	a := acme(e, fullRule)
	mustOpen(t, a) // Redis has the script from now on
	var count trips
	e.client.AddHook(&count)
	for range 10 {
		mustOpen(t, a)
	}
	if n := count.n.Load(); n != 10 {
		t.Errorf("%d round trips for 10 attempts", n)
	}
}

// TestAccountWithoutRedis: the limits hold for this process, and those of all
// again when Redis is back.
func TestAccountWithoutRedis(t *testing.T) {
	mr := server(t)
	e := engine(t, mr, nil)
	a := acme(e, Rule{Concurrency: 2})
	mr.Close()
	mustOpen(t, a).Spend(llm.Done{}, 0)
	local := [2]*Lease{mustOpen(t, a), mustOpen(t, a)}
	if _, held, err := a.Admit(t.Context(), call(1, 1)); err == nil || held != LimitConcurrency {
		t.Errorf("without Redis nothing holds: %v", err)
	}
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !e.Up(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Redis is not found again")
		}
	}
	for _, l := range local {
		l.Spend(llm.Done{}, 0)
	}
	mustOpen(t, a)
	if n, _ := mr.ZMembers("gw:{limits}:provider:acme:slots"); len(n) != 1 {
		t.Errorf("slots in Redis: %v", n)
	}
}
