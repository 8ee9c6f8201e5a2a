package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const ask = `{"model":"chat","messages":[]}`

// shared is a route with sharing, over an upstream that counts.
type shared struct {
	route   *Route
	flights *Flights
	calls   atomic.Int32
	ended   atomic.Int32 // upstream calls that have really ended
	causes  chan error   // why they were cancelled
	make    func(ctx context.Context) (*llm.Reply, error)
}

func newShared(bound int, mk func(context.Context) (*llm.Reply, error)) *shared {
	s := &shared{flights: NewFlights(bound), causes: make(chan error, 16), make: mk}
	s.route = NewRoute(Options{Store: NewMemory(MemoryOptions{}), Flights: s.flights, TTL: time.Minute})
	return s
}

func (s *shared) up(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	s.calls.Add(1)
	context.AfterFunc(ctx, func() { s.causes <- context.Cause(ctx) })
	reply, err := s.make(ctx)
	llm.OnDone(reply, err, func(llm.Done) { s.ended.Add(1) })
	return reply, err
}

func (s *shared) do(ctx context.Context, change ...func(*llm.Call)) (*llm.Reply, error) {
	return s.route.Do(ctx, callOf(ask, change...), time.Time{}, s.up)
}

func streamOf(events []llm.Event, pause time.Duration, end error) func(context.Context) (*llm.Reply, error) {
	return func(ctx context.Context) (*llm.Reply, error) {
		time.Sleep(time.Second) // until the first byte
		return &llm.Reply{
			Dialect: llm.DialectOpenAI, Provider: "p", Model: "m", Attempts: 1, Dropped: []string{"seed"},
			Stream: &script{ctx: ctx, events: events, pause: pause, end: end},
		}, nil
	}
}

// TestManyShareOneStream: all have all of it, whenever they came, at their pace.
func TestManyShareOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared(0, streamOf(rawEvents(10, 5), time.Second, nil))
		var all sync.WaitGroup
		words := map[string]int{}
		var mu sync.Mutex
		for i := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 500 * time.Millisecond)
				reply, err := s.do(t.Context(), streaming)
				if err != nil {
					t.Error(err)
					return
				}
				defer reply.Close()
				time.Sleep(time.Duration(i%3) * time.Second) // slow
				if text := complete(t, reply.Stream); len(text) != 50 || reply.Provider != "p" || reply.Dropped[0] != "seed" {
					t.Errorf("%d got %q of %+v", i, text, reply)
				}
				mu.Lock()
				words[reply.Cache]++
				mu.Unlock()
				if leader := reply.Cache == Miss; leader != (reply.Attempts == 1) {
					t.Errorf("%s has %d attempts", reply.Cache, reply.Attempts)
				}
			})
		}
		all.Wait()
		if s.calls.Load() != 1 || words[Miss] != 1 || words[Shared] != 19 {
			t.Errorf("%d calls, %v", s.calls.Load(), words)
		}
		reply, err := s.do(t.Context(), streaming)
		if err != nil || reply.Cache != Hit || len(complete(t, reply.Stream)) != 50 || s.calls.Load() != 1 {
			t.Errorf("after the end: %+v %v", reply, err)
		}
		_ = s.flights.Close()
		if s.flights.Len() != 0 || s.ended.Load() != 1 {
			t.Errorf("%d flights are left, %d calls have ended", s.flights.Len(), s.ended.Load())
		}
	})
}

// TestLeavers: in whatever order readers leave, the others have the whole
// answer, and the last one to leave cancels the call.
func TestLeavers(t *testing.T) {
	for _, tc := range []struct {
		name    string
		leaveAt [3]time.Duration // 0 = stays; the first is the leader
		done    bool
	}{
		{"nobody", [3]time.Duration{}, true},
		{"the leader before the first byte", [3]time.Duration{500 * time.Millisecond, 0, 0}, true},
		{"the leader in the middle", [3]time.Duration{3 * time.Second, 0, 0}, true},
		{"the joiners", [3]time.Duration{0, 3 * time.Second, 500 * time.Millisecond}, true},
		{"all, the leader first", [3]time.Duration{1500 * time.Millisecond, 3 * time.Second, 4 * time.Second}, false},
		{"all, the leader last", [3]time.Duration{4 * time.Second, 3 * time.Second, 500 * time.Millisecond}, false},
		{"all before the first byte", [3]time.Duration{300 * time.Millisecond, 400 * time.Millisecond, 500 * time.Millisecond}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShared(0, streamOf(rawEvents(8, 5), time.Second, nil))
				s.make = cancellable(s.make)
				var all sync.WaitGroup
				for i, leave := range tc.leaveAt {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if leave > 0 {
						context.AfterFunc(ctx, func() {})
						time.AfterFunc(leave, cancel)
					}
					all.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond) // the first leads
						reply, err := s.do(ctx, streaming)
						if err == nil {
							defer reply.Close()
							_, err = readAll(reply.Stream)
						}
						if stays := leave == 0; stays != errors.Is(err, io.EOF) || !stays && llm.AsError(err).Kind != llm.KindCanceled {
							t.Errorf("reader %d ended with %v", i, err)
						}
					})
				}
				all.Wait()
				_ = s.flights.Close()
				if s.calls.Load() != 1 || s.ended.Load() != 1 {
					t.Errorf("%d calls, %d ended", s.calls.Load(), s.ended.Load())
				}
				reply, err := s.do(t.Context(), streaming)
				kept := err == nil && reply.Cache == Hit
				if err == nil {
					_ = reply.Close()
				}
				if kept != tc.done {
					t.Errorf("kept %v, want %v", kept, tc.done)
				}
			})
		})
	}
}

// cancellable lets the wait for the first byte end with the context.
func cancellable(mk func(context.Context) (*llm.Reply, error)) func(context.Context) (*llm.Reply, error) {
	return func(ctx context.Context) (*llm.Reply, error) {
		reply, err := mk(ctx)
		if e := llm.ContextError(ctx); e != nil {
			return nil, e
		}
		return reply, err
	}
}

// TestLeavingByTime: who runs out of time says so, and a call that ends for it
// has timed out and was not left.
func TestLeavingByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared(0, streamOf(rawEvents(8, 5), time.Second, nil))
		c := callOf(ask, streaming)
		c.Deadline = time.Now().Add(3 * time.Second)
		reply, err := s.route.Do(t.Context(), c, c.Deadline, s.up)
		if err != nil {
			t.Fatal(err)
		}
		_, err = readAll(reply.Stream)
		_ = reply.Close()
		_ = s.flights.Close()
		var e *llm.Error
		if cause := <-s.causes; llm.AsError(err).Kind != llm.KindTimeout || !errors.As(cause, &e) || e.Kind != llm.KindTimeout {
			t.Errorf("the reader: %v, the call: %v", err, cause)
		}
	})
}

// TestFailuresAreShared: before the first byte, in the middle, and a panic.
func TestFailuresAreShared(t *testing.T) {
	broken := llm.Errorf(llm.KindUpstreamError, "broken")
	broken.Attempts = 3
	for _, tc := range []struct {
		name  string
		make  func(context.Context) (*llm.Reply, error)
		kind  llm.Kind
		bytes int
	}{
		{"before", func(context.Context) (*llm.Reply, error) { time.Sleep(time.Second); return nil, broken }, llm.KindUpstreamError, 0},
		{"in the middle", streamOf(rawEvents(4, 5), time.Second, broken), llm.KindUpstreamError, 20},
		{"panic before", func(context.Context) (*llm.Reply, error) { time.Sleep(time.Second); panic("x") }, llm.KindInternal, 0},
		{"panic later", func(ctx context.Context) (*llm.Reply, error) {
			time.Sleep(time.Second)
			return &llm.Reply{Stream: &panicking{script{ctx: ctx, events: rawEvents(2, 5), pause: time.Second}}}, nil
		}, llm.KindInternal, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShared(0, tc.make)
				s.make = tc.make
				var all sync.WaitGroup
				for i := range 3 {
					all.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						var text string
						reply, err := s.do(t.Context(), streaming)
						if err == nil {
							text, err = readAll(reply.Stream)
							defer reply.Close()
						}
						e := llm.AsError(err)
						if e.Kind != tc.kind || len(text) != tc.bytes || i > 0 && e.Attempts != 0 {
							t.Errorf("reader %d: %q, then %v after %d attempts", i, text, err, e.Attempts)
						}
					})
				}
				all.Wait()
				_ = s.flights.Close()
				if s.calls.Load() != 1 || s.flights.Len() != 0 {
					t.Errorf("%d calls, %d flights left", s.calls.Load(), s.flights.Len())
				}
			})
		})
	}
}

type panicking struct{ script }

func (p *panicking) Recv() (*llm.Event, error) {
	if p.next == len(p.events) {
		panic("in the middle")
	}
	return p.script.Recv()
}

// TestALongStream: it cannot be joined late; a slow reader is cut and slows
// down nobody; memory is bounded.
func TestALongStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, n = 1000, 200
		bound := 20 * (size + eventSize)
		s := newShared(bound, streamOf(rawEvents(n, size), time.Millisecond, nil))
		quick, err1 := s.do2(t, 0)
		slow, err2 := s.do2(t, 0)
		if err1 != nil || err2 != nil || slow.Cache != Shared {
			t.Fatal(err1, err2)
		}
		f := quick.Stream.(*reader).f
		var all sync.WaitGroup
		all.Go(func() {
			start := time.Now()
			if text := complete(t, quick.Stream); len(text) != size*n || time.Since(start) > (n+10)*time.Millisecond {
				t.Errorf("the quick reader has %d bytes after %v", len(text), time.Since(start))
			}
			_ = quick.Close()
		})
		for range 150 {
			time.Sleep(time.Millisecond)
			f.mu.Lock()
			if kept := len(f.events) * (size + eventSize); kept > bound+size+eventSize {
				t.Errorf("%d bytes are kept", kept)
			}
			f.mu.Unlock()
		}
		late, err := s.do2(t, 0)
		if err != nil || late.Cache != Miss {
			t.Fatalf("late: %v %v", late, err)
		}
		_ = late.Close()
		_, err = readAll(slow.Stream)
		if e := llm.AsError(err); e == nil || e.Kind != llm.KindTimeout {
			t.Errorf("the slow reader ended with %v", err)
		}
		_ = slow.Close()
		all.Wait()
		_ = s.flights.Close()
		if s.calls.Load() != 2 {
			t.Errorf("%d calls", s.calls.Load())
		}
	})
}

func (s *shared) do2(t *testing.T, after time.Duration) (*llm.Reply, error) {
	time.Sleep(after)
	return s.do(t.Context(), streaming)
}

// TestASingleSlowReaderIsNotCut: it slows down the upstream instead.
func TestASingleSlowReaderIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, n = 1000, 100
		s := newShared(10*(size+eventSize), streamOf(rawEvents(n, size), 0, nil))
		reply, err := s.do(t.Context(), streaming)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for {
			time.Sleep(time.Second)
			ev, err := reply.Stream.Recv()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got += len(ev.Raw)
		}
		if got != size*n {
			t.Errorf("%d bytes", got)
		}
		_ = reply.Close()
		_ = s.flights.Close()
	})
}

// TestWholeAnswersAreShared: each reader has a copy of its own.
func TestWholeAnswersAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared(0, func(context.Context) (*llm.Reply, error) {
			time.Sleep(time.Second)
			r := &llm.Response{ID: "x", Finish: llm.FinishStop, Parts: []llm.Part{{Type: llm.PartText, Text: "hello"}}}
			return &llm.Reply{Response: r, Finish: llm.FinishStop, Attempts: 1, Usage: llm.Usage{Input: 1, Source: llm.UsageReported}}, nil
		})
		replies := make([]*llm.Reply, 4)
		var all sync.WaitGroup
		for i := range replies {
			all.Go(func() {
				reply, err := s.do(t.Context())
				if err != nil || reply.Response.Text() != "hello" || reply.Usage.Input != 1 {
					t.Errorf("%+v %v", reply, err)
					return
				}
				reply.Response.Parts[0].Text = fmt.Sprint("spoilt by ", i)
				replies[i] = reply
			})
		}
		all.Wait()
		_ = s.flights.Close()
		for i, r := range replies {
			if r.Response.Text() != fmt.Sprint("spoilt by ", i) {
				t.Errorf("%d shares its answer", i)
			}
		}
		if s.calls.Load() != 1 {
			t.Errorf("%d calls", s.calls.Load())
		}
	})
}

// TestNoFlightsAfterClose: calls are made all the same.
func TestNoFlightsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShared(0, streamOf(rawEvents(2, 5), 0, nil))
		_ = s.flights.Close()
		reply, err := s.do(t.Context(), streaming)
		if err != nil || reply.Cache != Miss || len(complete(t, reply.Stream)) != 10 {
			t.Errorf("%+v %v", reply, err)
		}
	})
}
