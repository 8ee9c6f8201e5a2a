package limits

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// event is what the oracle remembers of a reservation.
type event struct {
	at time.Duration
	n  int64
}

// checkWindows looks at every minute there can be: one ends at each event.
func checkWindows(events []event, limit int64) error {
	from, sum := 0, int64(0)
	for _, e := range events {
		sum += e.n
		for events[from].at <= e.at-time.Minute {
			sum -= events[from].n
			from++
		}
		if sum > limit {
			return fmt.Errorf("%d tokens in the minute before %v, %d allowed", sum, e.at, limit)
		}
	}
	return nil
}

func TestOracleCanFail(t *testing.T) {
	// What a bucket would let through in its first minute.
	if checkWindows([]event{{0, 1000}, {30 * time.Second, 1}}, 1000) == nil || checkWindows([]event{{0, 1000}, {time.Minute, 1000}}, 1000) != nil {
		t.Error("the oracle is blind")
	}
}

// runWindow plays a schedule of calls with random sizes, pauses and lives, and
// keeps a naive account beside the window.
func runWindow(t *testing.T, seed uint64, steps int) {
	const limit = 1000
	rnd := rand.New(rand.NewPCG(seed, 2))
	c := newClock()
	start := c.now()
	m := NewMemory(c.now)
	l := keyLimits(m, Rule{TPM: limit})
	var events []event // what was reserved or, once settled, used
	type open struct {
		lease *Lease
		i     int
	}
	var flying []open
	granted := 0
	for range steps {
		c.sleep(time.Duration(rnd.Int64N(int64(3 * time.Second))))
		if len(flying) > 0 && rnd.IntN(2) == 0 {
			k := rnd.IntN(len(flying))
			f := flying[k]
			used := rnd.Int64N(events[f.i].n + 1) // not above the reservation
			f.lease.Settle(reported(used), nil)
			events[f.i].n = used
			flying = append(flying[:k], flying[k+1:]...)
		}
		n := 1 + rnd.IntN(limit/2)
		lease, err := l.Admit(t.Context(), call(0, n))
		if err != nil {
			promised(t, l, c, n, llm.AsError(err).RetryAfter)
			continue
		}
		granted++
		events = append(events, event{c.now().Sub(start), int64(n)})
		flying = append(flying, open{lease, len(events) - 1})
		if err := checkWindows(events, limit); err != nil {
			t.Fatal(err)
		}
	}
	if granted < steps/20 {
		t.Fatalf("only %d of %d granted: the window holds too much", granted, steps)
	}
}

// promised checks Retry-After on a copy of the counters: at that time the same
// request is granted, and the nanosecond before it is not.
func promised(t *testing.T, l *Limiter, c *clock, n int, wait time.Duration) {
	t.Helper()
	st := l.keys["app"].state
	try := func(after time.Duration) bool {
		w := st.tokens
		at := c.now().Add(after).Sub(l.o.Engine.(*Memory).start)
		w.roll(int64(at / time.Second))
		return w.sum+int64(n) <= l.keys["app"].Rule.TPM
	}
	if !try(wait) || wait > time.Millisecond && try(wait-1) { // a millisecond is the least that is told
		t.Fatalf("told to wait %v: then %v, before %v", wait, try(wait), try(wait-1))
	}
}

func TestWindowAgainstOracle(t *testing.T) {
	for seed := range uint64(20) {
		runWindow(t, seed, 1500)
	}
}

func FuzzWindow(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { runWindow(t, seed, 300) })
}

// TestBucketAgainstOracle: over any span no more is granted than the burst and
// what flowed in, in exact arithmetic; and not much less.
func TestBucketAgainstOracle(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		rps := []float64{0.37, 1, 3, 7.5, 100, 12345}[rnd.IntN(6)]
		s := newSubject(ScopeKey, "app", Rule{RPS: rps, Burst: 1 + rnd.IntN(20)})
		b, now := bucket{}, time.Duration(0)
		granted, last := int64(0), time.Duration(0)
		for range 4000 {
			now += time.Duration(rnd.Int64N(int64(2 * float64(time.Second) / rps)))
			b.fill(s, now)
			if b.level < nano {
				if w := b.until(s, nano); w <= 0 || !grants(b, s, now+w) || grants(b, s, now+w-1) {
					t.Fatalf("%g rps: a wait of %v is not the least", rps, w)
				}
				continue
			}
			b.level -= nano
			granted++
			last = now
			in := new(big.Rat).Mul(new(big.Rat).SetFloat64(rps), big.NewRat(int64(now), 1e9))
			most := new(big.Rat).Add(in, big.NewRat(int64(s.Rule.Burst), 1))
			if big.NewRat(granted, 1).Cmp(most) > 0 {
				t.Fatalf("%g rps, burst %d: %d granted in %v", rps, s.Rule.Burst, granted, now)
			}
		}
		if least := 0.6 * min(rps*last.Seconds(), 4000); float64(granted) < least {
			t.Errorf("%g rps: only %d granted in %v", rps, granted, last)
		}
	}
}

func grants(b bucket, s *Subject, at time.Duration) bool {
	b.fill(s, at)
	return b.level >= nano
}

func TestBucketExtremes(t *testing.T) {
	s := newSubject(ScopeKey, "", Rule{RPS: 1e12, Burst: 1 << 40})
	b := bucket{}
	for _, at := range []time.Duration{0, 1, time.Hour, 1 << 62, 1<<63 - 1} {
		b.fill(s, at)
		if b.level != s.cap {
			t.Errorf("at %v: %d", at, b.level)
		}
	}
	slow := newSubject(ScopeKey, "", Rule{RPS: 1e-9, Burst: 1e9})
	b = bucket{used: true}
	if w := b.until(slow, slow.cap); w != 1<<63-1 {
		t.Errorf("wait %v", w)
	}
}

func TestEstimate(t *testing.T) {
	text := string(body(3000))
	spaced := "a " + text
	for _, tc := range []struct {
		name string
		raw  string
		want int64
	}{
		{"empty", "", 0},
		{"ascii", string(body(10)), 10},
		{"round up", "xxxxx", 2},
		{"chinese", "\u4f60\u597d\u4f60\u597d\u4f60", 6},
		{"long text", `"` + spaced + `"`, 3001},
		{"image", `"` + spaced + `","data:image/png;base64,` + text + `"`, 3002 + blobTokens},
		{"no quote", spaced + text, 6001},
	} {
		if got := textTokens([]byte(tc.raw)); got != tc.want {
			t.Errorf("%s: %d tokens, want %d", tc.name, got, tc.want)
		}
	}
}

func TestDemand(t *testing.T) {
	most := int64(50)
	req := &llm.Request{
		MaxTokens: &most, Tools: []llm.Tool{{Description: "xxxx", Parameters: []byte(`"xx"`)}},
		Messages: []llm.Message{{Parts: []llm.Part{
			{Type: llm.PartText, Text: "xxxxxxxx"}, {Type: llm.PartImage, Media: &llm.Media{}}, {Type: llm.PartToolCall, ToolCall: &llm.ToolCall{Arguments: "xxxx"}},
			{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "xxxx"}}, {Type: llm.PartToolResult, ToolResult: &llm.ToolResult{Parts: []llm.Part{{Type: llm.PartText, Text: "xxxx"}}}},
		}}},
	}
	decode := func() (*llm.Request, error) { return req, nil }
	for _, tc := range []struct {
		name string
		c    llm.Call
		want demand
	}{
		{"body", llm.Call{Op: llm.OpChat, Raw: body(7), Peek: llm.Peek{MaxTokens: 9}}, demand{7, 9}},
		{"no maximum", llm.Call{Op: llm.OpChat, Raw: body(7)}, demand{7, -1}},
		{"embedding", llm.Call{Op: llm.OpEmbed, Raw: body(7)}, demand{7, 0}},
		{"counting", llm.Call{Op: llm.OpCountTokens, Raw: body(7)}, demand{}},
		{"request", llm.Call{Op: llm.OpChat, Request: decode}, demand{7 + blobTokens, 50}},
		{"nothing", llm.Call{Op: llm.OpChat}, demand{0, -1}},
		{"absurd", llm.Call{Op: llm.OpChat, Raw: body(1), Peek: llm.Peek{MaxTokens: 1 << 62}}, demand{1, maxTokens}},
	} {
		if got, err := demandOf(&tc.c); err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
	bad := llm.Call{Op: llm.OpChat, Request: func() (*llm.Request, error) { return nil, failed.Err }}
	if _, err := demandOf(&bad); err == nil {
		t.Error("an error was lost")
	}
}
