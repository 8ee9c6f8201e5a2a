package route

import (
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestHealthState(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	h := &Health{}
	if s := h.State(now); s != (HealthState{}) {
		t.Errorf("nothing has happened: %+v", s)
	}
	e := llm.Errorf(llm.KindUpstreamRateLimited, "slow down")
	e.RetryAfter, e.Attempts = 20*time.Second, 1
	h.Failed(e, now)
	h.unary.begin()
	h.unary.end(time.Second, now)
	h.first.begin()
	if s := h.State(now); s != (HealthState{now.Add(20 * time.Second), time.Second, 0, 1}) {
		t.Errorf("got %+v", s)
	}
	s := h.State(now.Add(20 * time.Second))
	if !s.CoolUntil.IsZero() || s.Latency >= time.Second || s.Latency <= 0 {
		t.Errorf("later: %+v", s)
	}
}
