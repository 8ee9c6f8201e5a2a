package monitor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// clock is a clock that tests set.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Unix(1_800_000_000, 0)} }

func good(route, provider string) Call {
	return Call{
		Route: route, Routed: true, Provider: provider, Status: 200, Attempts: 1, Took: 100 * time.Millisecond,
		Usage: llm.Usage{Input: 10, Output: 5}, Cost: 1000, Priced: true,
	}
}

func TestRecentIsBoundedAndNewestFirst(t *testing.T) {
	m := New(nil)
	if got := m.Recent(10); len(got) != 0 {
		t.Fatalf("empty: %v", got)
	}
	for i := range Kept + 7 {
		c := good("chat", "openai")
		c.RequestID = fmt.Sprint(i)
		m.Ended(&c)
	}
	all := m.Recent(10 * Kept)
	if len(all) != Kept || all[0].RequestID != fmt.Sprint(Kept+6) || all[Kept-1].RequestID != "7" {
		t.Errorf("%d calls, %s to %s", len(all), all[0].RequestID, all[len(all)-1].RequestID)
	}
	if got := m.Recent(3); len(got) != 3 || got[2].RequestID != fmt.Sprint(Kept+4) {
		t.Errorf("got %v", got)
	}
	if got := m.Recent(-1); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestSums(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Call)
		want   Sums
	}{
		"plain":    {func(*Call) {}, Sums{}},
		"error":    {func(c *Call) { c.Status = 502 }, Sums{Errors: 1}},
		"limited":  {func(c *Call) { c.Status = 429 }, Sums{Errors: 1}},
		"refused":  {func(c *Call) { c.Status = 400 }, Sums{Refused: 1}},
		"gone":     {func(c *Call) { c.Status = 499 }, Sums{Gone: 1}},
		"fallback": {func(c *Call) { c.Path, c.Attempts = "a/x:timeout>b/y", 3 }, Sums{Fallbacks: 1, Retries: 2}},
		"hit":      {func(c *Call) { c.Cache = "hit" }, Sums{Cached: 1, CacheAsked: 1}},
		"miss":     {func(c *Call) { c.Cache = "miss" }, Sums{CacheAsked: 1}},
	} {
		m, c := New(nil), good("chat", "openai")
		tc.change(&c)
		m.Ended(&c)
		tc.want.Requests, tc.want.InputTokens, tc.want.OutputTokens, tc.want.Cost = 1, 10, 5, 1000
		if got := m.Overview(TenMinutes).Total.Sums; got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
	m, c := New(nil), good("chat", "openai")
	c.Priced = false
	m.Ended(&c)
	if got := m.Overview(Hour).Total.Sums; got.Unpriced != 1 || got.Cost != 0 {
		t.Errorf("without a price: %+v", got)
	}
}

// TestTimePasses: figures wander back through the points and fall out at the
// end, and a bucket that comes round again starts empty.
func TestTimePasses(t *testing.T) {
	for w, step := range map[Window]time.Duration{TenMinutes: 10 * time.Second, Hour: time.Minute} {
		clk := newClock()
		m, c := New(clk.now), good("chat", "openai")
		m.Ended(&c)
		for age := range ringSize {
			o := m.Overview(w)
			at := ringSize - 1 - age
			if o.Step != step || len(o.Points) != ringSize || o.Points[at].Requests != 1 || o.Total.Requests != 1 || o.Routes[0].Requests[at] != 1 {
				t.Fatalf("after %d steps: %+v", age, o.Total)
			}
			if p := o.Points[at]; clk.t.Sub(p.Start) < time.Duration(age)*step || clk.t.Sub(p.Start) >= time.Duration(age+1)*step {
				t.Fatalf("after %d steps the point is said to be of %v", age, p.Start)
			}
			clk.t = clk.t.Add(step)
		}
		if o := m.Overview(w); o.Total.Requests != 0 || len(o.Routes) != 0 {
			t.Errorf("after all: %+v", o.Total)
		}
		m.Ended(&c)
		if o := m.Overview(w); o.Total.Requests != 1 {
			t.Errorf("the next round: %+v", o.Total)
		}
	}
}

func TestGroups(t *testing.T) {
	m := New(newClock().now)
	for _, p := range [][2]string{{"chat", "openai"}, {"chat", "anthropic"}, {"code", "openai"}} {
		c := good(p[0], p[1])
		c.FirstToken = 20 * time.Millisecond
		m.Ended(&c)
	}
	stranger := Call{Route: "no-such-model", Status: 404}
	m.Ended(&stranger)
	o := m.Overview(TenMinutes)
	names := func(gs []Group) (out []string) {
		for _, g := range gs {
			out = append(out, fmt.Sprintf("%s=%d", g.Name, g.Total.Requests))
		}
		return out
	}
	if got := names(o.Routes); !slices.Equal(got, []string{"chat=2", "code=1"}) {
		t.Errorf("routes %v", got)
	}
	if got := names(o.Providers); !slices.Equal(got, []string{"anthropic=1", "openai=2"}) {
		t.Errorf("providers %v", got)
	}
	if o.Total.Requests != 4 || o.Total.Refused != 1 {
		t.Errorf("total %+v", o.Total)
	}
	if d := o.Total.FirstP50; d < 17*time.Millisecond || d > 23*time.Millisecond {
		t.Errorf("first token after %v", d)
	}
}

func TestSeriesAreBounded(t *testing.T) {
	m := New(nil)
	for i := range 10 * maxSeries {
		c := good(fmt.Sprint("route", i), "openai")
		m.Ended(&c)
	}
	if n := len(m.series); n > maxSeries+1 {
		t.Errorf("%d series", n)
	}
	if o := m.Overview(Hour); o.Total.Requests != 10*maxSeries || len(o.Routes) > maxSeries+1 {
		t.Errorf("%d requests in %d routes", o.Total.Requests, len(o.Routes))
	}
}

func TestHistogramBuckets(t *testing.T) {
	last := -1
	for us := int64(0); us < 1<<32; us += 1 + us/50 {
		d := time.Duration(us) * time.Microsecond
		i := index(d)
		if i < last || i >= len(histogram{}) {
			t.Fatalf("%v is in bucket %d after %d", d, i, last)
		}
		if i > 0 && edge(i) > d || i < len(histogram{})-1 && edge(i+1) <= d {
			t.Fatalf("%v is in bucket %d: %v to %v", d, i, edge(i), edge(i+1))
		}
		last = i
	}
	if index(-time.Second) != 0 {
		t.Error("a negative duration")
	}
}

// TestQuantiles: within an eighth of the truth, whatever the samples.
func TestQuantiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var h histogram
		var all []time.Duration
		for range 1000 {
			d := time.Millisecond + time.Duration(r.ExpFloat64()*float64(time.Second))
			all = append(all, d)
			h.add(d)
		}
		slices.Sort(all)
		for _, q := range []float64{0.5, 0.95} {
			got, want := h.quantile(q).Seconds(), all[int(q*1000)-1].Seconds()
			if got < want*0.87 || got > want*1.13 {
				t.Fatalf("%v: %v, truly %v", q, got, want)
			}
		}
	}
	if (&histogram{}).quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}

func TestConcurrentUse(t *testing.T) {
	m := New(nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 500 {
				c := good("chat", fmt.Sprint("p", i%3))
				m.Ended(&c)
			}
		})
		wg.Go(func() {
			for range 5 {
				m.Overview(Hour)
				m.Recent(Kept)
			}
		})
	}
	wg.Wait()
	if n := m.Overview(Hour).Total.Requests; n != 4000 {
		t.Errorf("%d of 4000", n)
	}
}

func TestEndedDoesNotAllocate(t *testing.T) {
	m, c := New(nil), good("chat", "openai")
	m.Ended(&c)
	if n := testing.AllocsPerRun(1000, func() { m.Ended(&c) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEnded(b *testing.B) {
	m, c := New(nil), good("chat", "openai")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		mine := c
		for pb.Next() {
			m.Ended(&mine)
		}
	})
}

func BenchmarkOverview(b *testing.B) {
	clk := newClock()
	m := New(clk.now)
	for range ringSize {
		for i := range 10 {
			c := good("chat", fmt.Sprint("p", i))
			m.Ended(&c)
		}
		clk.t = clk.t.Add(time.Minute)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Overview(Hour)
	}
}
