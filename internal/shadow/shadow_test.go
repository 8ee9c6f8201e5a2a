package shadow

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// flat is a price of one dollar a token of output.
type flat struct{}

func (flat) Cost(u llm.Usage) (llm.Money, bool) { return llm.Money(u.Output) * llm.Dollar, true }

// watcher is an Observer that remembers.
type watcher struct {
	mu      sync.Mutex
	dropped map[string]int
	ended   map[string]int
	pairs   []Pair
}

func (w *watcher) Dropped(reason string) { w.mu.Lock(); w.dropped[reason]++; w.mu.Unlock() }
func (w *watcher) Ended(outcome string)  { w.mu.Lock(); w.ended[outcome]++; w.mu.Unlock() }
func (w *watcher) Compared(p Pair)       { w.mu.Lock(); w.pairs = append(w.pairs, p); w.mu.Unlock() }

func newWatcher() *watcher { return &watcher{dropped: map[string]int{}, ended: map[string]int{}} }

func call(raw string) *llm.Call {
	return &llm.Call{Op: llm.OpChat, Model: "chat", Raw: []byte(raw), Meta: &llm.Meta{RequestID: "req_1", Route: "chat", Caller: &llm.Caller{Name: "app"}}}
}

func whole(text string, tokens int64) *llm.Reply {
	u := llm.Usage{Output: tokens, Source: llm.UsageReported}
	return &llm.Reply{
		Response: &llm.Response{Parts: []llm.Part{{Type: llm.PartText, Text: text}}, Finish: llm.FinishStop, Usage: u},
		Usage:    u, Finish: llm.FinishStop, Price: flat{},
	}
}

// answering is a target that takes a time and answers.
func answering(after time.Duration, reply func() (*llm.Reply, error)) llm.Provider {
	return llm.ProviderFunc(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
		if c.Meta.Route != "shadow:chat" || c.Meta.Caller.Name != "" || c.Model != "m" || c.Meta.RequestID != "req_1" {
			return nil, llm.Errorf(llm.KindInternal, "not marked as a copy")
		}
		select {
		case <-time.After(after):
			return reply()
		case <-ctx.Done():
			return nil, llm.ContextError(ctx)
		}
	})
}

func copier(s *Shadow, p llm.Provider) *Copier {
	return s.To(Target{Provider: "p", Model: "m", Chain: p, Price: flat{}, Timeout: time.Minute, StreamTimeout: time.Minute})
}

func TestCompares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher()
		s := New(Options{Route: "chat", Share: 1, MaxInFlight: 4, Observer: w})
		k := copier(s, answering(2*time.Second, func() (*llm.Reply, error) { return whole("four", 8), nil }))
		k.t.JSON = func(*llm.Call, *llm.Reply) (bool, bool) { return true, true }
		told := k.Copy(call(`{}`))
		time.Sleep(time.Second)
		told(whole("of", 4), nil)
		if st := k.Status(); st.InFlight != 1 || st.Compared.Count != 0 {
			t.Errorf("while it runs: %+v", st)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		st := k.Status()
		c := st.Compared
		if st.InFlight != 0 || st.Copied != 1 || st.Failed != 0 || st.SpentToday != 8*llm.Dollar || c.Count != 1 || c.BothOK != 1 || c.FinishEqual != 1 || c.SchemaValid != 1 ||
			*c.LatencyRatio != 2 || *c.OutputTokenRatio != 2 || *c.CostRatio != 2 || *c.LengthRatio != 2 {
			t.Errorf("%+v", st)
		}
		if len(st.Recent) != 1 || st.Recent[0].RequestID != "req_1" || len(w.pairs) != 1 || w.ended["complete"] != 1 {
			t.Errorf("%+v, %+v", st.Recent, w)
		}
		_ = s.Close()
	})
}

// drip is a stream of one text that is read to its end.
type drip struct{ n int }

func (d *drip) Recv() (*llm.Event, error) {
	if d.n++; d.n > 3 {
		return nil, io.EOF
	}
	time.Sleep(time.Second)
	return &llm.Event{Kind: llm.EventText, Text: "ab"}, nil
}

func (*drip) Close() error { return nil }

// TestStreams: both ends are read as they come; the client's is not touched.
func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Route: "chat", Share: 1, MaxInFlight: 4, Observer: newWatcher()})
		k := copier(s, answering(0, func() (*llm.Reply, error) { return &llm.Reply{Stream: &drip{}}, nil }))
		c := call(`{}`)
		c.Stream = true
		told := k.Copy(c)
		mine := &llm.Reply{Stream: &drip{n: 1}}
		told(mine, nil)
		for err := error(nil); err == nil; {
			_, err = mine.Stream.Recv()
		}
		time.Sleep(10 * time.Second)
		if got := k.Status(); got.Compared.BothOK != 1 || *got.Compared.LengthRatio != 1.5 || *got.Compared.LatencyRatio != 1.5 {
			t.Errorf("%+v", got.Compared)
		}
		_ = s.Close()
	})
}

// TestBounds: each bound drops the copy, says why, and lets go afterwards.
func TestBounds(t *testing.T) {
	for reason, change := range map[string]func(*Options, *Copier, *llm.Call){
		DropBusy:     func(_ *Options, k *Copier, _ *llm.Call) { k.t.Busy = func() bool { return true } },
		DropInFlight: func(o *Options, _ *Copier, _ *llm.Call) { o.MaxInFlight = 0 },
		DropMemory:   func(_ *Options, _ *Copier, c *llm.Call) { c.Raw = make([]byte, maxBytes+1) },
		DropBudget:   func(o *Options, _ *Copier, _ *llm.Call) { o.Budget, o.Spent = 5, 5 },
		DropUnpriced: func(o *Options, k *Copier, _ *llm.Call) { o.Budget, k.t.Price = 5, nil },
	} {
		w, c := newWatcher(), call(`{}`)
		k := copier(nil, nil)
		o := Options{Route: "chat", Share: 1, MaxInFlight: 4, Observer: w}
		change(&o, k, c)
		k.s = New(o)
		if k.Copy(c) != nil || w.dropped[reason] != 1 || k.Status().Dropped[reason] != 1 || k.Status().Copied != 0 {
			t.Errorf("%s: %+v", reason, k.Status())
		}
		_ = k.s.Close()
	}
}

func TestBudgetOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher()
		s := New(Options{Route: "chat", Share: 1, MaxInFlight: 4, Budget: 10 * llm.Dollar, Observer: w})
		k := copier(s, answering(0, func() (*llm.Reply, error) { return whole("x", 8), nil }))
		for range 3 {
			k.Copy(call(`{}`))
			synctest.Wait()
			time.Sleep(time.Millisecond)
		}
		if got := k.Status(); got.Copied != 2 || got.SpentToday != 16*llm.Dollar || got.Dropped[DropBudget] != 1 {
			t.Errorf("%+v", got)
		}
		time.Sleep(24 * time.Hour)
		if k.Copy(call(`{}`)) == nil {
			t.Error("nothing on the next day")
		}
		synctest.Wait()
		_ = s.Close()
	})
}

// TestFailuresAndDeadline: a target that fails, or hangs, is counted, and the
// client's failure too.
func TestFailuresAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher()
		s := New(Options{Route: "chat", Share: 1, MaxInFlight: 9, Observer: w})
		fails := copier(s, answering(0, func() (*llm.Reply, error) { return nil, llm.Errorf(llm.KindUpstreamError, "no") }))
		fails.Copy(call(`{}`))(whole("x", 1), nil)
		hangs := copier(s, answering(time.Hour, nil))
		hangs.Copy(call(`{}`))(nil, llm.Errorf(llm.KindTimeout, "no"))
		time.Sleep(2 * time.Minute)
		got := fails.Status()
		if got.Failed != 2 || got.Compared.TargetFailed != 2 || got.Compared.BothOK != 0 || got.Compared.LatencyRatio != nil || w.ended["upstream_error"] != 1 || w.ended["timeout"] != 1 {
			t.Errorf("%+v %v", got, w.ended)
		}
		_ = s.Close()
	})
}

// TestClose calls off what is under way; afterwards nothing is copied.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatcher()
		s := New(Options{Route: "chat", Share: 1, MaxInFlight: 4, Observer: w})
		k := copier(s, answering(time.Hour, nil))
		k.Copy(call(`{}`))
		start := time.Now()
		_ = s.Close()
		if took := time.Since(start); took != 0 || k.Status().InFlight != 0 {
			t.Errorf("%v, %+v", took, k.Status())
		}
		if k.Copy(call(`{}`)) != nil || w.dropped[DropStopping] != 1 || k.Status().InFlight != 0 {
			t.Errorf("%+v", k.Status())
		}
	})
}

func TestShareAndKinds(t *testing.T) {
	draws := []float64{0.049, 0.05, 0.9}
	s := New(Options{Route: "chat", Share: 0.05, MaxInFlight: 4, Observer: newWatcher(), Rand: func() float64 { d := draws[0]; draws = draws[1:]; return d }})
	k := copier(s, answering(0, func() (*llm.Reply, error) { return whole("x", 1), nil }))
	if k.Copy(call(`{}`)) == nil || k.Copy(call(`{}`)) != nil || k.Copy(call(`{}`)) != nil {
		t.Error("not the share")
	}
	count := call(`{}`)
	count.Op = llm.OpCountTokens
	if k.Copy(count) != nil {
		t.Error("a count of tokens was copied")
	}
	_ = s.Close()
}

func TestRecentIsBounded(t *testing.T) {
	s := New(Options{Route: "chat", Observer: newWatcher()})
	for i := range maxRecent + 7 {
		s.compare(Pair{Target: Side{OutputTokens: int64(i)}})
	}
	recent := s.To(Target{}).Status().Recent
	if len(recent) != maxRecent || recent[0].Target.OutputTokens != maxRecent+6 || recent[maxRecent-1].Target.OutputTokens != 7 {
		t.Errorf("%d, from %d to %d", len(recent), recent[0].Target.OutputTokens, recent[len(recent)-1].Target.OutputTokens)
	}
	_ = s.Close()
}
