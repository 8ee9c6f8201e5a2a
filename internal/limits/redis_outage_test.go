package limits

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// watch records what an engine tells of its Redis.
type watch struct {
	mu      sync.Mutex
	changes []string
	local   atomic.Int64
}

func (w *watch) options(o *RedisOptions) {
	o.OnLocal = func() { w.local.Add(1) }
	o.OnChange = func(up bool, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changes = append(w.changes, fmt.Sprintf("%v %v", up, err != nil))
	}
}

func (w *watch) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.changes, ", ")
}

func TestRedisLostAndFound(t *testing.T) {
	mr := server(t)
	var w watch
	r := engine(t, mr, w.options)
	l := keyLimits(r, Rule{RPS: 1e-6, Burst: 20, Concurrency: 10, Day: 10 * llm.Dollar})
	before := mustAdmit(t, l, call(1, 1))
	mustAdmit(t, l, call(1, 1)).Settle(reported(4), flat(llm.Dollar))
	flush(t, r)
	mustAdmit(t, l, call(1, 1)).Settle(failed, nil) // learns what was spent
	flush(t, r)
	mr.Close()
	for range 5 { // by local limits, with what is known of the money
		mustAdmit(t, l, call(1, 1)).Settle(reported(1), flat(llm.Dollar))
	}
	before.Settle(reported(1), flat(llm.Dollar))
	mustRefuse(t, l, call(1, 1), llm.KindBudgetExceeded, "10 dollars")
	eventually(t, "Redis is known to be lost", func() bool { return w.said() == "true false, false true" && !r.Up() })
	if w.local.Load() != 6 {
		t.Errorf("%d calls without Redis were counted", w.local.Load())
	}
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is back", r.Up)
	eventually(t, "it is told", func() bool { return w.said() == "true false, false true, true false" })
	flush(t, r)
	if got := mr.HGet("gw:{limits}:key:app", "ds"); got != "10000000000000" {
		t.Errorf("%s spent: the time without Redis is lost or counted twice", got)
	}
	if members, _ := mr.ZMembers("gw:{limits}:key:app:slots"); len(members) != 0 {
		t.Errorf("slots are still taken: %v", members)
	}
	mustRefuse(t, l, call(1, 1), llm.KindBudgetExceeded, "10 dollars")
	if w.local.Load() != 6 {
		t.Error("Redis is back and not asked")
	}
}

func TestRedisRefusesWhenLost(t *testing.T) {
	mr := server(t)
	r := engine(t, mr, func(o *RedisOptions) { o.Refuse = true })
	l := keyLimits(r, Rule{RPS: 100})
	mustAdmit(t, l, call(1, 1)).Settle(reported(1), nil)
	mr.Close()
	for range 5 {
		if e := mustRefuse(t, l, call(1, 1), llm.KindOverloaded, "cannot be checked"); e.RetryAfter <= 0 {
			t.Error("no time to come back")
		}
	}
	other := call(1, 1)
	other.Meta.Caller = &llm.Caller{Name: "without limits"}
	mustAdmit(t, l, other).Settle(reported(1), nil)
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is back", r.Up)
	mustAdmit(t, l, call(1, 1)).Settle(reported(1), nil)
}

// A Redis that accepts and never answers costs a few calls the time-out, and
// the rest nothing.
func TestRedisSlow(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var held sync.WaitGroup
	held.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	})
	defer held.Wait()
	defer ln.Close()
	var w watch
	began := time.Now()
	r, err := NewRedis(t.Context(), RedisOptions{URL: "redis://" + ln.Addr().String(), Timeout: 20 * time.Millisecond, OnChange: func(up bool, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changes = append(w.changes, strconv.FormatBool(up))
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := keyLimits(r, Rule{RPS: 1e6})
	for range 1000 {
		mustAdmit(t, l, call(1, 1)).Settle(reported(1), nil)
	}
	r.up.Store(true) // as if it had just stopped answering
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { mustAdmit(t, l, call(1, 1)).Settle(reported(1), nil) })
	}
	wg.Wait()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("1,200 calls took %v", took)
	}
	if r.Up() {
		t.Error("it is taken for alive")
	}
}

// TestIdleReplicaNoticesTheLoss: nobody makes a call, and still it is told.
func TestIdleReplicaNoticesTheLoss(t *testing.T) {
	mr := server(t)
	var w watch
	r := engine(t, mr, func(o *RedisOptions) { w.options(o); o.Probe = time.Millisecond })
	mr.Close()
	eventually(t, "Redis is known to be lost", func() bool { return w.said() == "true false, false true" && !r.Up() })
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Redis is back", func() bool { return w.said() == "true false, false true, true false" && r.Up() })
}

// TestLookAsksOnlyWhenIdle: one question in a pause, and none while calls ask.
func TestLookAsksOnlyWhenIdle(t *testing.T) {
	r := engine(t, server(t), func(o *RedisOptions) { o.Probe = time.Hour })
	var count trips
	r.client.AddHook(&count)
	o := &owner{r: r}
	for i, busy := range []bool{false, true, true, false, false} {
		if busy {
			r.ids.Add(1)
		}
		before := count.n.Load()
		o.look(t.Context())
		if asked := count.n.Load() - before; (asked == 0) != busy || asked > 1 {
			t.Errorf("look %d, busy %v: %d questions", i, busy, asked)
		}
	}
}

// TestNoHerdWhileRedisIsAway: however many call, before and after its return, one
// goroutine looks for a Redis that is away.
func TestNoHerdWhileRedisIsAway(t *testing.T) {
	mr := server(t)
	r := engine(t, mr, func(o *RedisOptions) { o.Probe = time.Hour })
	l := keyLimits(r, Rule{RPS: 1e6, TPM: 1 << 40, Concurrency: 1 << 20, Day: 1 << 60})
	crowd := func() {
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { mustAdmit(t, l, call(1, 1)).Settle(reported(1), flat(1)) })
		}
		wg.Wait()
	}
	crowd() // the scripts are known, the connections open
	flush(t, r)
	var count trips
	r.client.AddHook(&count)
	r.up.Store(false)
	crowd()
	if n := count.n.Load(); n != 0 {
		t.Errorf("%d questions for a Redis that is away", n)
	}
	o := &owner{r: &Redis{o: r.o, client: r.client, local: r.local, replica: r.replica, settles: r.settles, renews: r.renews}}
	o.r.queue.init()
	o.probe(t.Context())
	if n := count.n.Load(); n == 0 || n > 3 || !o.r.Up() {
		t.Errorf("%d questions to find it again, up %v", n, o.r.Up())
	}
}
