package service

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// Shadow copies calls to another target. Copy returns at once; what it returns,
// nil for a call that is not copied, is told how the client's own call goes.
type Shadow interface {
	Copy(c *llm.Call) func(*llm.Reply, error)
}

// try asks the route's targets, beside a copy if the route has a shadow. By now
// the call is admitted, and no cache has answered it.
func (s *Service) try(ctx context.Context, c *llm.Call, r *route.Route, deadline time.Time) (*llm.Reply, error) {
	p := s.policy(r)
	if p == nil || p.Shadow == nil {
		return s.ask(ctx, c, r, deadline)
	}
	c.Keep()
	told := p.Shadow.Copy(c)
	reply, err := s.ask(ctx, c, r, deadline)
	if told != nil {
		told(reply, err)
	}
	return reply, err
}

// Busy reports whether the guard is near its bound, or has let anyone wait:
// what nobody asked for must then not be added.
func (g *Guard) Busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bound > 0 && (len(g.queue) > 0 || 5*g.flying >= 4*g.bound)
}
