package service

import (
	"context"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/cache"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

type reader struct{}

func (reader) Record(context.Context, *llm.Call, *llm.Reply, error) {}
func (reader) Copy(*llm.Call) func(*llm.Reply, error)               { return nil }

// TestWhoeverOutlivesTheCallKeepsItsBody: a policy under which the body may be
// read after the answer says so; without one its memory is free.
func TestWhoeverOutlivesTheCallKeepsItsBody(t *testing.T) {
	h := NewHedge(HedgeOptions{After: time.Hour})
	defer h.Close()
	for _, tc := range []struct {
		name string
		p    *Policy
		kept bool
	}{
		{"none", nil, false},
		{"an empty one", &Policy{}, false},
		{"content", &Policy{Content: reader{}}, true},
		{"shadow", &Policy{Shadow: reader{}}, true},
		{"hedge", &Policy{Hedge: h}, true},
		{"cache", &Policy{Cache: cache.NewRoute(cache.Options{Store: cache.NewMemory(cache.MemoryOptions{}), TTL: time.Minute})}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &route.Route{Name: "chat", Targets: []*route.Target{answers("a", "hi"), answers("b", "no")}, Timeout: time.Minute}
			c := call("chat")
			c.Loan = &llm.Loan{}
			if _, err := New(Options{Router: oneRoute{r}, Policies: map[*route.Route]*Policy{r: tc.p}}).Do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if c.Loan.Kept() != tc.kept {
				t.Errorf("kept: %v", c.Loan.Kept())
			}
		})
	}
}
