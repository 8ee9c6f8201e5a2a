package canary

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func fresh() *Controller {
	return New(Options{Rules: Rules{Interval: time.Minute, MinRequests: 50, MaxErrorRate: 0.02, MaxLatencyRatio: 1.5}, Steps: []float64{10, 50, 100}}, epoch)
}

// fill records n calls of a side in the run under way.
func fill(c *Controller, side Side, n int, o Outcome) {
	_, run := c.Share()
	for range n {
		c.Record(run, side, o)
	}
}

var fine = Outcome{Latency: time.Second, FirstToken: 100 * time.Millisecond}

// step fills a window with equal sides and applies what the judge says at its end.
func step(t *testing.T, c *Controller) Move {
	t.Helper()
	fill(c, Candidate, 60, fine)
	fill(c, Baseline, 200, fine)
	m, ok := c.Judge(c.Position().Opened.Add(time.Minute))
	if !ok || !c.Apply(m) {
		t.Fatalf("no move from %+v", c.Position())
	}
	return m
}

func TestStepsToTheEnd(t *testing.T) {
	c := fresh()
	for _, want := range []struct {
		what  string
		share float64
		state State
	}{{MovePromoted, 0.5, Running}, {MovePromoted, 1, Running}, {MoveCompleted, 1, Completed}} {
		m := step(t, c)
		if share, _ := c.Share(); m.What != want.what || share != want.share || c.Position().State != want.state {
			t.Errorf("got %s, %v, %s; want %+v", m.What, share, c.Position().State, want)
		}
	}
	if _, run := c.Share(); run != 0 {
		t.Error("calls are still to be counted")
	}
	if _, ok := c.Judge(epoch.Add(time.Hour)); ok {
		t.Error("a completed canary is judged")
	}
	s := c.Status()
	if len(s.History) != 3 || s.History[2].From != 100 || s.Step != 3 {
		t.Errorf("%+v", s)
	}
}

func TestNotBeforeTime(t *testing.T) {
	for name, tc := range map[string]struct {
		candidate, baseline int
		after               time.Duration
	}{
		"too few":          {49, 500, time.Hour},
		"too few baseline": {60, 49, time.Hour},
		"too early":        {500, 500, time.Minute - 1},
	} {
		c := fresh()
		fill(c, Candidate, tc.candidate, fine)
		fill(c, Baseline, tc.baseline, fine)
		if m, ok := c.Judge(epoch.Add(tc.after)); ok {
			t.Errorf("%s: %s", name, m.What)
		}
	}
}

// TestWorse: each way of being worse, told in the reason; before the window's end.
func TestWorse(t *testing.T) {
	slow := Outcome{Latency: 4 * time.Second, FirstToken: 100 * time.Millisecond}
	late := Outcome{Latency: time.Second, FirstToken: time.Second}
	for reason, bad := range map[string]Outcome{
		"errors: 100.00% of 60": {Failed: true}, "empty or invalid answers: 100": {Invalid: true, Latency: time.Second},
		"latency: median 3.9": slow, "time to first token: median": late,
	} {
		c := fresh()
		fill(c, Candidate, 60, bad)
		fill(c, Baseline, 200, fine)
		m, ok := c.Judge(epoch.Add(time.Second))
		if !ok || m.What != MoveRolledBack || !strings.HasPrefix(m.To.Reason, reason) || !c.Apply(m) {
			t.Errorf("%s: %v %+v", reason, ok, m.To)
			continue
		}
		if share, run := c.Share(); share != 0 || run != 0 || c.Status().Step != 0 {
			t.Errorf("%s: share %v, run %d", reason, share, run)
		}
	}
}

// TestNotWorse: what must not be held against a candidate.
func TestNotWorse(t *testing.T) {
	bad := Outcome{Failed: true}
	for name, tc := range map[string]struct {
		candidate, baseline [2]int // fine, failed
	}{
		"better":                  {[2]int{300, 0}, [2]int{200, 100}},
		"both bad":                {[2]int{150, 150}, [2]int{150, 150}},
		"real but small, 1 %":     {[2]int{9900, 100}, [2]int{100000, 0}},
		"one error":               {[2]int{99, 1}, [2]int{1000, 0}},
		"a tail of few, unproven": {[2]int{97, 3}, [2]int{300, 0}},
	} {
		c := fresh()
		fill(c, Candidate, tc.candidate[0], fine)
		fill(c, Candidate, tc.candidate[1], bad)
		fill(c, Baseline, tc.baseline[0], fine)
		fill(c, Baseline, tc.baseline[1], bad)
		if m, ok := c.Judge(epoch.Add(time.Hour)); ok && m.What == MoveRolledBack {
			t.Errorf("%s: %s", name, m.To.Reason)
		}
	}
}

// TestDoubtHolds: neither worse beyond doubt nor good: another window, and the
// two are judged together.
func TestDoubtHolds(t *testing.T) {
	c := fresh()
	fill(c, Candidate, 58, fine)
	fill(c, Candidate, 2, Outcome{Failed: true})
	fill(c, Baseline, 500, fine)
	m, ok := c.Judge(epoch.Add(time.Minute))
	if !ok || m.What != MoveHeld || !c.Apply(m) || !strings.HasPrefix(c.Position().Reason, "errors: 3.33%") {
		t.Fatalf("%v %+v", ok, m)
	}
	fill(c, Candidate, 58, fine)
	fill(c, Candidate, 2, Outcome{Failed: true})
	fill(c, Baseline, 500, fine)
	if m, ok = c.Judge(epoch.Add(2 * time.Minute)); !ok || m.What != MoveRolledBack || !strings.Contains(m.To.Reason, "3.33% of 120") {
		t.Errorf("%v %s %s", ok, m.What, m.To.Reason)
	}
}

func TestSteer(t *testing.T) {
	for _, tc := range []struct {
		actions string
		state   State
		share   float64
		fails   bool // the last action
	}{
		{"pause", Paused, 0.1, false}, {"pause resume", Running, 0.1, false}, {"promote", Running, 0.5, false}, {"pause promote", Running, 0.5, false},
		{"promote promote promote", Completed, 1, false}, {"promote promote promote rollback", RolledBack, 0, false},
		{"rollback", RolledBack, 0, false}, {"promote rollback resume", Running, 0.1, false},
		{"pause pause", Paused, 0.1, true}, {"resume", Running, 0.1, true}, {"rollback rollback", RolledBack, 0, true},
		{"rollback promote", RolledBack, 0, true}, {"rollback pause", RolledBack, 0, true}, {"explode", Running, 0.1, true},
		{"promote promote promote promote", Completed, 1, true},
	} {
		c := fresh()
		var err error
		for action := range strings.FieldsSeq(tc.actions) {
			var m Move
			if m, err = c.Steer(epoch, action); err == nil && !c.Apply(m) {
				t.Fatalf("%s: not applied", tc.actions)
			}
		}
		if share, _ := c.Share(); share != tc.share || c.Position().State != tc.state || (err != nil) != tc.fails {
			t.Errorf("%s: %v, %s, %v", tc.actions, share, c.Position().State, err)
		}
	}
}

// TestPaused: no step is taken, but a worse candidate goes.
func TestPaused(t *testing.T) {
	c := fresh()
	m, _ := c.Steer(epoch, "pause")
	c.Apply(m)
	if m := step(t, c); m.What != MoveHeld || c.Position().State != Paused {
		t.Errorf("%s", m.What)
	}
	fill(c, Candidate, 100, Outcome{Failed: true})
	if m, ok := c.Judge(epoch.Add(time.Minute)); !ok || m.What != MoveRolledBack {
		t.Errorf("%v %s", ok, m.What)
	}
}

// TestOldCallsAreForgotten: a call that began before a rollback says nothing of
// what an operator has resumed.
func TestOldCallsAreForgotten(t *testing.T) {
	c := fresh()
	_, before := c.Share()
	for _, action := range []string{"rollback", "resume"} {
		m, err := c.Steer(epoch, action)
		if err != nil || !c.Apply(m) {
			t.Fatal(err)
		}
	}
	c.Record(before, Candidate, Outcome{Failed: true})
	if n := c.Status().Window.Candidate.Requests; n != 0 {
		t.Errorf("%d counted", n)
	}
}

// TestReplicas: two that tell one another judge as one would.
func TestReplicas(t *testing.T) {
	a, b := fresh(), fresh()
	store := map[int64]Sums{}
	sync := func(c *Controller) {
		w, d := c.Delta()
		total := store[w]
		d.Each(func(field string, n int64) { // through the fields, as a store does
			var one Sums
			one.Set(field, n)
			total.Add(&one, 1)
		})
		store[w] = total
		c.Told(w, &d, &total)
		for _, w := range c.Missing() {
			total := store[w]
			c.Told(w, &Sums{}, &total)
		}
	}
	for range 2 {
		for _, c := range []*Controller{a, b} {
			fill(c, Candidate, 30, fine)
			fill(c, Baseline, 100, fine)
			sync(c)
		}
		sync(a)
		if n := a.Status().Window.Candidate.Requests; n != 60 {
			t.Fatalf("%d of 60 known", n)
		}
		m, ok := a.Judge(a.Position().Opened.Add(time.Minute))
		if !ok || m.What != MovePromoted || !a.Apply(m) || !b.Adopt(a.Position()) || b.Adopt(a.Position()) {
			t.Fatalf("%v %s", ok, m.What)
		}
	}
	late := fresh() // started at 100 %
	late.Adopt(a.Position())
	sync(late)
	fill(late, Candidate, 60, fine)
	sync(late)
	if s := late.Status().Window; s.Baseline.Requests != 200 || s.Candidate.Requests != 60 {
		t.Errorf("the yardstick is not known: %+v", s)
	}
	behind := fresh().Position()
	back, _ := a.Steer(epoch, "rollback")
	if a.Adopt(behind) || a.Adopt(Position{Version: 99}) {
		t.Error("a position that is behind, or none, was taken")
	}
	other := back.To
	a.Adopt(Position{Version: back.To.Version, Run: 1, State: Running})
	if !a.Adopt(other) || a.Position().State != RolledBack {
		t.Error("of two positions made apart the safe one must win")
	}
	if text, err := json.Marshal(back.To); err != nil || !strings.Contains(string(text), `"version":4`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestStaleMove(t *testing.T) {
	c := fresh()
	first, _ := c.Steer(epoch, "pause")
	second, _ := c.Steer(epoch, "rollback")
	if !c.Apply(first) || c.Apply(second) || c.Position().State != Paused {
		t.Error("a move from an old position was made")
	}
}

func TestHistoryIsBounded(t *testing.T) {
	c := fresh()
	for range maxHistory {
		for _, action := range []string{"pause", "resume"} {
			m, _ := c.Steer(epoch, action)
			c.Apply(m)
		}
	}
	if n := len(c.Position().History); n != maxHistory {
		t.Errorf("%d", n)
	}
}

func TestHistogram(t *testing.T) {
	for _, d := range []time.Duration{time.Microsecond, time.Millisecond, 7 * time.Millisecond, time.Second, 99 * time.Second, time.Hour} {
		var h Histogram
		h.add(d)
		got := h.Quantile(0.5)
		if d >= time.Millisecond && d < 17*time.Minute && math.Abs(float64(got)/float64(d)-1) > 0.05 {
			t.Errorf("%v is shown as %v", d, got)
		}
	}
	if (&Histogram{}).Quantile(0.95) != 0 {
		t.Error("a quantile of nothing")
	}
}

func FuzzFields(f *testing.F) {
	f.Add("candidate:latency:12", int64(3))
	f.Add("baseline:first:-1", int64(1))
	f.Add("x:y:z", int64(1))
	f.Fuzz(func(t *testing.T, field string, n int64) {
		var s Sums
		s.Set(field, n)
		s.Each(func(name string, got int64) {
			var again Sums
			if again.Set(name, got); again != s || got != n {
				t.Errorf("%s became %s", field, name)
			}
		})
	})
}

func BenchmarkRecord(b *testing.B) {
	c := fresh()
	b.ReportAllocs()
	for b.Loop() {
		_, run := c.Share()
		c.Record(run, Candidate, fine)
	}
}
