package service

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/chain"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/pkg/backoff"
)

// oneEvent is a stream that takes its time for its only event.
type oneEvent struct {
	wait time.Duration
	sent bool
}

func (s *oneEvent) Recv() (*llm.Event, error) {
	if s.sent {
		return nil, io.EOF
	}
	s.sent = true
	time.Sleep(s.wait) // the bubble's clock
	return &llm.Event{Kind: llm.EventText, Text: "x"}, nil
}

func (s *oneEvent) Close() error { return nil }

// TestUpstreamTimeIsAllOfIt: gateway_overhead_seconds is the request's time
// without what is counted here, so everything that is an upstream's doing must
// be in it, of every attempt at every target, with the pauses between them, and
// nothing of the gateway's own. All clocks stand still but in the upstreams.
func TestUpstreamTimeIsAllOfIt(t *testing.T) {
	const slow = 3 * time.Second
	failing := llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) {
		time.Sleep(slow)
		return nil, llm.Errorf(llm.KindUpstreamError, "no")
	})
	unary := llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) {
		time.Sleep(slow)
		return &llm.Reply{Response: &llm.Response{}}, nil
	})
	stream := llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) {
		time.Sleep(slow)
		return &llm.Reply{Stream: &oneEvent{wait: slow}}, nil
	})
	target := func(name string, p llm.Provider) *route.Target {
		full := func(n int64) int64 { return n - 1 }
		o := chain.Options{Provider: name, Retry: chain.RetryOptions{Max: 1, Backoff: backoff.Backoff{Base: 2 * time.Second, Cap: 2 * time.Second, Rand: full}}}
		return &route.Target{Provider: name, Model: "m", Label: name + "/m", Chain: chain.Build(p, o)}
	}
	for name, tc := range map[string]struct {
		targets []*route.Target
		stream  bool
		want    time.Duration // until the reply is there
		fails   bool
	}{
		"unary":                {[]*route.Target{target("a", unary)}, false, slow, false},
		"stream, first piece":  {[]*route.Target{target("a", stream)}, true, 2 * slow, false},
		"retry, then fallback": {[]*route.Target{target("a", failing), target("b", unary)}, false, 3*slow + 2*time.Second, false},
		"fallback to a stream": {[]*route.Target{target("a", failing), target("b", stream)}, true, 4*slow + 2*time.Second, false},
		"all fail":             {[]*route.Target{target("a", failing), target("b", failing)}, false, 4*slow + 4*time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := call("chat")
				c.Stream = tc.stream
				began := time.Now()
				reply, err := routed(t, tc.targets...).Do(t.Context(), c)
				took := time.Since(began)
				if (err != nil) != tc.fails {
					t.Fatal(err)
				}
				var counted time.Duration
				if e := (*llm.Error)(nil); errors.As(err, &e) {
					counted = e.Upstream
				} else {
					counted = reply.Upstream
					if tc.stream {
						// The edge counts its own wait for the first event: what
						// the chain has read ahead comes at once.
						at := time.Now()
						if _, err := reply.Stream.Recv(); err != nil {
							t.Fatal(err)
						}
						counted += time.Since(at)
						took = time.Since(began)
					}
					defer reply.Close()
				}
				if took != tc.want || counted != took {
					t.Errorf("took %v, counted as the upstream's %v, want %v of both", took, counted, tc.want)
				}
			})
		})
	}
}
