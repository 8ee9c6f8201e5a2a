package limits

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// server is a Redis in the process, with a clock that tests move when they
// have set it.
func server(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func engine(t testing.TB, m *miniredis.Miniredis, change func(*RedisOptions)) *Redis {
	t.Helper()
	o := RedisOptions{URL: "redis://" + m.Addr(), Prefix: "gw:", Timeout: 5 * time.Second, Probe: 5 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	r, err := NewRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// flush waits until all that was settled has arrived.
func flush(t testing.TB, r *Redis) {
	t.Helper()
	mark, _ := r.queue.mark()
	if !r.queue.await(t.Context(), mark, 10*time.Second) {
		t.Fatal("settlements do not arrive")
	}
}

// eventually waits for something that another goroutine does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("never: " + what)
		}
	}
}

// verdict is what an admission says, for comparison.
type verdict struct {
	Kind  llm.Kind
	Text  string
	After time.Duration
	Quota llm.Quota
}

func judge(t *testing.T, l *Limiter, c *llm.Call) (*Lease, verdict) {
	t.Helper()
	lease, err := l.Admit(t.Context(), c)
	v := verdict{Quota: *c.Meta.Quota}
	if e := llm.AsError(err); e != nil {
		v.Kind, v.Text, v.After = e.Kind, e.Message, e.RetryAfter.Round(time.Millisecond)
	}
	v.Quota.RequestsReset = v.Quota.RequestsReset.Round(time.Millisecond)
	v.Quota.TokensReset = v.Quota.TokensReset.Round(time.Second)
	return lease, v
}

// TestRedisDecidesAsMemoryDoes plays one random schedule to both engines: every
// verdict, wait and header must be the same.
func TestRedisDecidesAsMemoryDoes(t *testing.T) {
	rules := Rules{
		Gateway: Rule{RPS: 4, Burst: 9}, Tenants: map[string]Rule{"team": {TPM: 17000, Day: 150 * llm.Dollar}},
		Keys: map[string]Rule{"app": {Concurrency: 4, TPM: 14000}}, Routes: map[string]Rule{"chat": {RPS: 2, Burst: 4}},
	}
	kinds := map[string]int{}
	for seed := range uint64(4) {
		if seed == 2 {
			rules.Tenants = nil // whose day would always come first
			rules.Keys = map[string]Rule{"app": {Concurrency: 4, TPM: 14000, Month: 400 * llm.Dollar}}
		}
		c, mr := newClock(), server(t)
		mr.SetTime(c.now())
		r := engine(t, mr, func(o *RedisOptions) { o.Local = NewMemory(c.now) })
		mem, shared := New(Options{Engine: NewMemory(c.now), Rules: rules}), New(Options{Engine: r, Rules: rules})
		rnd := rand.New(rand.NewPCG(seed, 7))
		var flying [][2]*Lease
		admitted := 0
		for step := range 350 {
			pause := time.Duration(rnd.IntN(500)) * time.Millisecond
			if rnd.IntN(40) == 0 {
				pause = time.Duration(rnd.IntN(40)) * time.Hour
			}
			c.sleep(pause)
			mr.SetTime(c.now())
			(&owner{r: r}).renew(t.Context()) // as its ticker would have done in that time
			if len(flying) > 0 && (len(flying) > 5 || rnd.IntN(2) == 0) {
				k := rnd.IntN(len(flying))
				d := reported(int64(rnd.IntN(900)))
				if rnd.IntN(4) == 0 {
					d = failed
				}
				flying[k][0].Settle(d, flat(llm.Dollar/100))
				flying[k][1].Settle(d, flat(llm.Dollar/100))
				flush(t, r)
				flying = append(flying[:k], flying[k+1:]...)
			}
			prompt, output := rnd.IntN(400), rnd.IntN(700)
			if rnd.IntN(50) == 0 {
				output = 15000
			}
			a, want := judge(t, mem, call(prompt, output))
			b, got := judge(t, shared, call(prompt, output))
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("seed %d, step %d: %s", seed, step, d)
			}
			if a != nil {
				admitted++
				flying = append(flying, [2]*Lease{a, b})
			} else {
				for _, what := range []string{"requests per second", "has used its 14000 tokens", "more than", "in flight", "this day", "this month"} {
					if strings.Contains(want.Text, what) {
						kinds[what]++
					}
				}
			}
		}
		if admitted < 50 {
			t.Errorf("seed %d: only %d admitted", seed, admitted)
		}
	}
	if len(kinds) < 6 {
		t.Errorf("refused %v: the schedule is too tame", kinds)
	}
}

// Two replicas, 200 callers, one Redis: never one over.
func TestRedisIsExactUnderConcurrency(t *testing.T) {
	for name, tc := range map[string]struct {
		rule  Rule
		admit int64
	}{
		"requests":    {Rule{RPS: 1e-6, Burst: 150}, 150},
		"tokens":      {Rule{TPM: 10_000}, 100},
		"concurrency": {Rule{Concurrency: 77}, 77},
	} {
		t.Run(name, func(t *testing.T) {
			mr := server(t)
			var replicas []*Limiter
			for range 2 {
				replicas = append(replicas, keyLimits(engine(t, mr, nil), tc.rule))
			}
			var admitted atomic.Int64
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					for range 3 {
						if _, err := replicas[i%2].Admit(t.Context(), call(50, 50)); err == nil {
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

// The overshoot of a budget is at most what was in flight when it was used up.
func TestRedisBudgetOvershoot(t *testing.T) {
	mr := server(t)
	const callers, budget = 40, 100
	var replicas []*Limiter
	for range 2 {
		replicas = append(replicas, keyLimits(engine(t, mr, nil), Rule{Day: budget * llm.Dollar}))
	}
	var wg sync.WaitGroup
	var spent atomic.Int64
	for i := range callers {
		wg.Go(func() {
			for range 10 {
				lease, err := replicas[i%2].Admit(t.Context(), call(1, 1))
				if err != nil {
					return
				}
				lease.Settle(reported(1), flat(llm.Dollar))
				spent.Add(1)
			}
		})
	}
	wg.Wait()
	got := mr.HGet("gw:{limits}:key:app", "ds")
	if got != strconv.FormatInt(spent.Load()*int64(llm.Dollar), 10) {
		t.Errorf("%s spent by Redis, %d by the callers", got, spent.Load())
	}
	// One of them is in flight when the budget is reached, the others may be.
	if n := spent.Load(); n < budget || n > budget+callers-1 {
		t.Errorf("%d spent of %d by %d callers", n, budget, callers)
	}
}

// Who calls one after the other, now here and now there, overshoots by nothing:
// what a call has spent is known to all replicas before Settle returns.
func TestRedisBudgetIsExactForOneCaller(t *testing.T) {
	mr := server(t)
	replicas := []*Limiter{keyLimits(engine(t, mr, nil), Rule{Month: 20 * llm.Dollar}), keyLimits(engine(t, mr, nil), Rule{Month: 20 * llm.Dollar})}
	for i := range 20 {
		mustAdmit(t, replicas[i%2], call(1, 1)).Settle(reported(1), flat(llm.Dollar))
	}
	for _, l := range replicas {
		mustRefuse(t, l, call(1, 1), llm.KindBudgetExceeded, "month")
	}
}

// A settlement waits no longer than the time-out for a Redis that hangs, and
// loses no money over it.
func TestRedisSettlementIsBounded(t *testing.T) {
	mr := server(t)
	r := engine(t, mr, func(o *RedisOptions) { o.Timeout = 50 * time.Millisecond })
	l := keyLimits(r, Rule{Day: 100 * llm.Dollar})
	lease := mustAdmit(t, l, call(1, 1))
	mr.Close()
	began := time.Now()
	lease.Settle(reported(1), flat(llm.Dollar))
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); mr.HGet("gw:{limits}:key:app", "ds") != strconv.FormatInt(int64(llm.Dollar), 10); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the money was lost")
		}
	}
}

func TestRedisLeaksNothingInAStorm(t *testing.T) {
	mr := server(t)
	r := engine(t, mr, nil)
	l := New(Options{Engine: r, Rules: Rules{
		Gateway: Rule{Concurrency: 40, TPM: 1 << 40}, Keys: map[string]Rule{"app": {Concurrency: 20, Day: 1 << 60}},
	}})
	if peak := storm(t, l, 100, 10); peak > 20 {
		t.Errorf("%d in flight, 20 allowed", peak)
	}
	flush(t, r)
	if len(r.queue.open) != 0 {
		t.Errorf("%d leases are still renewed", len(r.queue.open))
	}
	for _, k := range mr.Keys() {
		if !strings.HasPrefix(k, "gw:{limits}:") || mr.TTL(k) <= 0 {
			t.Errorf("key %q, which lives for %v", k, mr.TTL(k))
		}
		if strings.HasSuffix(k, ":slots") {
			members, _ := mr.ZMembers(k)
			t.Errorf("slots of %s are still taken: %v", k, members)
		}
	}
	mr.SetTime(time.Now().Add(2 * time.Minute))
	q := call(1, 1)
	mustAdmit(t, l, q).Settle(reported(0), nil)
	flush(t, r)
	if q.Meta.Quota.TokensLeft != 1<<40-2 {
		t.Errorf("tokens are still reserved: %+v", q.Meta.Quota)
	}
	if sum := mr.HGet("gw:{limits}:gateway:", "ts"); sum != "0" {
		t.Errorf("%s tokens after the end", sum)
	}
}

// Who has one slot and uses it again and again is never refused for its own
// settlement being on the way.
func TestRedisSequentialCallsOfOneSlot(t *testing.T) {
	l := keyLimits(engine(t, server(t), nil), Rule{Concurrency: 1, TPM: 100})
	for range 200 {
		mustAdmit(t, l, call(50, 50)).Settle(reported(0), nil)
	}
}

// The slots of a replica that has crashed come free; those of one that lives
// stay taken however long its call lasts.
func TestRedisSlotsOfTheCrashed(t *testing.T) {
	mr := server(t)
	c := newClock()
	mr.SetTime(c.now())
	dead := engine(t, mr, nil)
	mustAdmit(t, keyLimits(dead, Rule{Concurrency: 2}), call(1, 1))
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	alive := engine(t, mr, nil)
	l := keyLimits(alive, Rule{Concurrency: 2})
	lease := mustAdmit(t, l, call(1, 1))
	mustRefuse(t, l, call(1, 1), llm.KindRateLimited, "in flight")
	c.sleep(DefaultLeaseLife - time.Second)
	mr.SetTime(c.now())
	(&owner{r: alive}).renew(t.Context())
	mustRefuse(t, l, call(1, 1), llm.KindRateLimited, "in flight")
	c.sleep(2 * time.Second)
	mr.SetTime(c.now())
	mustAdmit(t, l, call(1, 1)) // the dead one's
	mustRefuse(t, l, call(1, 1), llm.KindRateLimited, "in flight")
	lease.Settle(failed, nil)
	mustAdmit(t, l, call(1, 1))
}

// A batch whose answer was lost is sent again and counts once.
func TestRedisBatchCountsOnce(t *testing.T) {
	mr := server(t)
	r := engine(t, mr, nil)
	s := newSubject(ScopeKey, "app", Rule{Day: llm.Dollar})
	r.bind(s)
	o := &owner{r: r, seq: 7, batch: []entry{{subject: s, cost: 5}, {subject: s, cost: 1<<53 + 1}}}
	for range 3 {
		if err := o.sendBatch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := mr.HGet(s.hash, "ds"); got != strconv.FormatInt(1<<53+6, 10) {
		t.Errorf("%s", got)
	}
	o.seq++
	if err := o.sendBatch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := mr.HGet(s.hash, "ms"); got != strconv.FormatInt(2*(1<<53+6), 10) {
		t.Errorf("%s: a new batch does not count, or not exactly", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	var q queue
	q.init()
	s := &Subject{}
	for range maxPending + 1000 {
		q.put(entry{subject: s, lease: 1, cost: 2})
	}
	if len(q.entries) != maxPending {
		t.Errorf("%d entries", len(q.entries))
	}
	sum := llm.Money(0)
	for {
		b := q.batch(maxBatch)
		if len(b) == 0 {
			break
		}
		for _, e := range b {
			sum += e.cost
		}
		q.sent(len(b))
	}
	if sum != 2*(maxPending+1000) {
		t.Errorf("money of %d is left of %d", sum, 2*(maxPending+1000))
	}
	if mark, pending := q.mark(); pending || q.entries != nil || !q.await(t.Context(), mark, 0) {
		t.Error("something is left")
	}
}

func TestRedisURLs(t *testing.T) {
	for _, tc := range []struct {
		url string
		ok  bool
	}{
		{"redis://u:secret-0000@127.0.0.1:1/2", true},
		{"rediss://u:secret-0000@127.0.0.1:1", true},
		{"redis://u:secret-0000@127.0.0.1:1?addr=127.0.0.1:2", true},
		{"rediss://u:secret-0000@127.0.0.1:1?master_name=main&addr=127.0.0.1:2", true},
		{"http://u:secret-0000@127.0.0.1:1", false},
		{"redis://u:secret-0000@127.0.0.1:1/x", false},
		{"redis://u:secret-0000@127.0.0.1:x", false},
		{"http://u:secret-0000@127.0.0.1?addr=x", false},
		{"http://u:secret-0000@127.0.0.1?master_name=x", false},
	} {
		c, err := dial(RedisOptions{URL: tc.url, Timeout: time.Millisecond})
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.url, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret-0000") || !errors.Is(err, errURL)) {
			t.Errorf("the error tells the password: %v", err)
		}
		if c != nil {
			_ = c.Close()
		}
	}
}

func TestAnswerThatIsNone(t *testing.T) {
	r := &Redis{local: NewMemory(nil)}
	l := &Lease{n: 1}
	l.subjects[0] = newSubject(ScopeKey, "app", Rule{RPS: 1})
	for _, raw := range [][]any{nil, {int64(0)}, {"x", "y"}, {1.5}, {int64(2), int64(1), int64(0), int64(0), "1", "1", "1", "1", "1", "1"}} {
		a := answer{raw: raw}
		if r.read(&a, l); !a.bad {
			t.Errorf("%v passes", raw)
		}
	}
}

// BenchmarkRedis is an admission and its settlement over a Redis in the
// process: what is measured is the client's side.
func BenchmarkRedis(b *testing.B) {
	r := engine(b, server(b), nil)
	l := keyLimits(r, Rule{RPS: 1e9, Burst: 1e9, TPM: 1 << 40, Concurrency: 1 << 20})
	benchmark(b, l)
}
