package cache

import (
	"context"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestWords: what a client says decides what is read and kept.
func TestWords(t *testing.T) {
	seen := counts{}
	calls := 0
	r := NewRoute(Options{Store: NewMemory(MemoryOptions{}), TTL: time.Minute, MaxEntry: 400, Observer: seen})
	up := func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		calls++
		return &llm.Reply{Raw: append([]byte{}, c.Raw...), Dialect: c.Dialect, Finish: llm.FinishStop}, nil
	}
	long := `{"a":"` + string(make([]byte, 500)) + `"}`
	for i, tc := range []struct {
		body  string
		call  func(*llm.Call)
		want  string
		calls int
	}{
		{`{"a":1}`, func(c *llm.Call) { c.NoStore, c.NoCache = true, true }, Bypass, 1},
		{`{"a":1}`, nil, Miss, 2},
		{`{"a":1}`, nil, Hit, 2},
		{`{"a":2}`, func(c *llm.Call) { c.NoCache = true }, Bypass, 3},
		{`{"a":2}`, nil, Hit, 3},
		{`{"a":2}`, func(c *llm.Call) { c.NoCache = true }, Bypass, 4},
		{long, nil, "", 5}, // no JSON
		{`{"a":1}`, func(c *llm.Call) { c.Op = llm.OpCountTokens }, "", 6},
		{`{"a":1}`, func(c *llm.Call) { c.Op = llm.OpCountTokens }, "", 7},
		{`{"a":1}`, func(c *llm.Call) { c.Op = llm.OpEmbed }, Miss, 8},
		{`{"a":1}`, func(c *llm.Call) { c.Op = llm.OpEmbed }, Hit, 8},
	} {
		c := callOf(tc.body)
		if tc.call != nil {
			tc.call(c)
		}
		reply, err := r.Do(t.Context(), c, time.Time{}, up)
		if err != nil || reply.Cache != tc.want || c.Meta.Cache != tc.want || calls != tc.calls || string(reply.Raw) != tc.body {
			t.Errorf("step %d: %q after %d calls: %v", i, c.Meta.Cache, calls, err)
		}
	}
	if seen[Hit] != 3 || seen[Miss] != 2 || seen[Bypass] != 3 {
		t.Errorf("%v", seen)
	}
}

// TestPrimedStreamIsKeptWhole: what a decorator has read to see the first event
// belongs to the answer.
func TestPrimedStreamIsKeptWhole(t *testing.T) {
	r := NewRoute(Options{Store: NewMemory(MemoryOptions{}), TTL: time.Minute})
	up := func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
		reply := &llm.Reply{Dialect: llm.DialectOpenAI, Stream: &script{ctx: ctx, events: []llm.Event{
			{Kind: llm.EventRaw, Raw: []byte("one ")}, {Kind: llm.EventRaw, Raw: []byte("two"), Finish: llm.FinishStop},
		}}}
		return reply, llm.Prime(reply)
	}
	for _, want := range []string{Miss, Hit, Hit} {
		reply, err := r.Do(t.Context(), callOf(ask, streaming), time.Time{}, up)
		if err != nil || reply.Cache != want || complete(t, reply.Stream) != "one two" {
			t.Errorf("%s: %+v %v", want, reply, err)
		}
	}
}

// TestForeignEntriesAreMisses: of another version, or spoilt.
func TestForeignEntriesAreMisses(t *testing.T) {
	store := NewMemory(MemoryOptions{})
	r := NewRoute(Options{Store: store, TTL: time.Minute})
	k := key0(t, r)
	for _, value := range [][]byte{nil, {}, {9}, {version}, {version, byte(kindResponse), 0, 0}, []byte("nonsense")} {
		store.Put(k.exact, value, time.Minute)
		reply, err := r.Do(t.Context(), callOf(ask), time.Time{}, func(context.Context, *llm.Call) (*llm.Reply, error) {
			return &llm.Reply{Raw: []byte("x")}, nil // without a finish: not kept
		})
		if err != nil || reply.Cache != Miss {
			t.Errorf("%q is an answer: %v", value, err)
		}
	}
}

func key0(t *testing.T, r *Route) keys {
	t.Helper()
	k, ok := keysOf(callOf(ask), r.o.Salt)
	if !ok {
		t.Fatal("no key")
	}
	return k
}

func BenchmarkHit(b *testing.B) {
	r := NewRoute(Options{Store: NewMemory(MemoryOptions{}), TTL: time.Hour})
	body := `{"model":"chat","temperature":0,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Say hello."}]}`
	up := func(context.Context, *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Raw: make([]byte, 500), Dialect: llm.DialectOpenAI, Finish: llm.FinishStop, Provider: "p", Model: "m"}, nil
	}
	c := callOf(body)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Do(b.Context(), c, time.Time{}, up); err != nil {
			b.Fatal(err)
		}
	}
	if c.Meta.Cache != Hit {
		b.Fatal(c.Meta.Cache)
	}
}
