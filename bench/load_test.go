package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpenLoopSeesAStall: a server that answers at once but for one stall.
// Whoever counted from when a request was sent would see one slow answer for
// each caller; every request that was due in the stall must have waited.
func TestOpenLoopSeesAStall(t *testing.T) {
	const stall = 300 * time.Millisecond
	var n atomic.Int64
	var until atomic.Int64
	answer := renderChat("bench", 0).unary
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 20 {
			until.Store(time.Now().Add(stall).UnixNano())
		}
		if wait := time.Until(time.Unix(0, until.Load())); wait > 0 {
			<-time.After(wait) // real time: it is the generator's clock that is tested
		}
		_, _ = w.Write(answer)
	}))
	defer s.Close()
	r, err := runCase(t.Context(), target{base: s.URL}, testCase{conns: 2, rate: 200, prompt: 10}, 500*time.Millisecond)
	if err != nil || r.bad != 0 {
		t.Fatal(err, r.firstBad)
	}
	slow := 0
	for _, l := range r.latency {
		if l > stall/3 {
			slow++
		}
	}
	// 60 are due in the stall; two thirds of them waited a third of it or more.
	if slow < 20 {
		t.Errorf("%d of %d answers were slow: the stall is hidden", slow, len(r.latency))
	}
	if r.good != 100 {
		t.Errorf("%d answers, want each of the 100 that were due", r.good)
	}
}

// TestFeedKeepsTheRate: what is due is due at even distances, whoever listens.
func TestFeedKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		due := make(chan time.Time, 100)
		start := time.Now()
		go feed(t.Context(), due, 100, start, start.Add(time.Second))
		time.Sleep(3 * time.Second) // nobody took any: the bubble's clock, not the machine's
		n := 0
		for at := range due {
			if want := start.Add(time.Duration(n) * 10 * time.Millisecond); !at.Equal(want) {
				t.Fatalf("request %d was due at %v, want %v", n, at.Sub(start), want.Sub(start))
			}
			n++
		}
		if n != 100 {
			t.Errorf("%d were due, want 100", n)
		}
	})
}

// TestNeverSentIsBad: requests that found no caller long after the end are
// counted, not forgotten.
func TestNeverSentIsBad(t *testing.T) {
	due := make(chan time.Time, 3)
	for range 3 {
		due <- time.Now()
	}
	close(due)
	var r result
	w := worker{addr: "127.0.0.1:1", r: &r}
	w.run(t.Context(), time.Now().Add(-patience-time.Second), due)
	if r.bad != 3 || r.good != 0 || !errors.Is(r.firstBad, errNeverSent) {
		t.Errorf("%+v", r)
	}
}

// TestBadAnswersHaveNoLatency: a server does not get faster by refusing.
func TestBadAnswersHaveNoLatency(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	c, _ := caseByName("unary-200B-c1")
	r, err := runCase(t.Context(), target{base: s.URL}, c, 5*time.Millisecond)
	if err != nil || r.bad == 0 || r.good != 0 || len(r.latency) != 0 || r.quantile(.5) != 0 {
		t.Errorf("%+v %v", r, err)
	}
	w := row{}
	w.add(r, time.Second, 0)
	if q := ratios(w.CPU, []float64{1}); len(q) != 0 {
		t.Errorf("a run without an answer has the ratio %v", q)
	}
}

func TestOrder(t *testing.T) {
	for n := 1; n < 6; n++ {
		place := make([]int, n)
		for round := range 2 * n {
			seen := make([]bool, n)
			for at, i := range order(n, round) {
				seen[i] = true
				place[i] += at
			}
			for i, s := range seen {
				if !s {
					t.Errorf("%d is not in round %d of %d", i, round, n)
				}
			}
		}
		for i := range place { // over all rounds nobody comes earlier than the others
			if place[i] != place[0] {
				t.Errorf("%d contenders: places %v", n, place)
			}
		}
	}
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	// The machine is twice as slow in the second round. Of the medians of each
	// the ratio would be 1.5.
	gw, proxy := []float64{1.2, 2.4, 1.2}, []float64{1, 2, 1}
	if m := median(ratios(gw, proxy)); m < 1.19 || m > 1.21 {
		t.Errorf("ratio %v", m)
	}
	if q := ratios([]float64{1, 2}, []float64{0, 1}); len(q) != 1 || q[0] != 2 {
		t.Errorf("a round without the yardstick counts: %v", q)
	}
	if d := differences([]float64{3, 0, 5}, []float64{1, 1, 1}); len(d) != 2 || d[0] != 2 || d[1] != 4 {
		t.Errorf("differences %v", d)
	}
}

// TestHold opens slow streams against the kit's own upstream: all at once,
// none lost.
func TestHold(t *testing.T) {
	up := httptest.NewServer(newUpstream())
	defer up.Close()
	c := testCase{model: "bench-stream-3-gap-150", prompt: 10, conns: 50, stream: 3}
	h := &holder{c: c, t: target{base: up.URL}}
	if err := h.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.sum.good != 50 || h.sum.bad != 0 {
		t.Errorf("%d whole, %d bad: %v", h.sum.good, h.sum.bad, h.sum.firstBad)
	}
	if open, _ := h.held(); open != 50 || h.open.Load() != 0 {
		t.Errorf("%d open at once, %d at the end", open, h.open.Load())
	}
}

func TestHeldTakesTheMedianOfTheHighest(t *testing.T) {
	h := holder{samples: []sample{{1, 10}, {1000, 500}, {995, 700}, {1000, 600}, {500, 9000}}}
	if open, kb := h.held(); open != 1000 || kb != 600 {
		t.Errorf("%d open, %d kB", open, kb)
	}
	if open, kb := (&holder{}).held(); open != 0 || kb != 0 {
		t.Error("something of nothing")
	}
}

func TestRaiseFiles(t *testing.T) {
	if err := raiseFiles(64); err != nil {
		t.Error(err)
	}
	if err := raiseFiles(1 << 40); err == nil {
		t.Error("a limit that no kernel gives was given")
	}
}

func TestPause(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pause(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := pause(t.Context(), -1); err != nil {
		t.Error(err)
	}
}

// TestAnswersOfEveryClient: the check takes what the upstream says to each
// client, and nothing that lacks its end.
func TestAnswersOfEveryClient(t *testing.T) {
	for _, c := range []client{chat, messages, responses} {
		r := dialects[c.path()]("bench", 7)
		unary, stream := testCase{client: c}, testCase{client: c, stream: 7}
		if err := unary.check(r.unary); err != nil {
			t.Errorf("%s: %v", c.path(), err)
		}
		if err := stream.check(r.all); err != nil {
			t.Errorf("%s: %v", c.path(), err)
		}
		for n := range len(r.all) {
			if stream.check(r.all[:n]) == nil {
				t.Errorf("%s: a stream cut at %d of %d bytes passes", c.path(), n, len(r.all))
			}
		}
		for n := range len(r.unary) {
			if n < len(r.unary)-1 && unary.check(r.unary[:n]) == nil && r.unary[n-1] != '}' {
				t.Errorf("%s: an answer cut at %d passes", c.path(), n)
			}
		}
	}
}
