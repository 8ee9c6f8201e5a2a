package canary

import (
	"time"
)

// Status is a canary as operators see it.
type Status struct {
	Route     string       `json:"route"`
	Candidate string       `json:"candidate"` // provider/model
	Baseline  []string     `json:"baseline"`
	State     State        `json:"state"`
	Step      int          `json:"step"` // from 1; 0 when rolled back
	Steps     []float64    `json:"steps"`
	Percent   float64      `json:"percent"`
	Since     time.Time    `json:"since"`
	Reason    string       `json:"reason"`
	Window    WindowStatus `json:"window"`
	History   []Change     `json:"history"`
}

// WindowStatus is what the window under way has counted so far.
type WindowStatus struct {
	Candidate SideStatus `json:"candidate"`
	Baseline  SideStatus `json:"baseline"`
}

// SideStatus is one side's counts. Times are right to within 5 %.
type SideStatus struct {
	Requests   int64   `json:"requests"`
	Errors     int64   `json:"errors"`
	ErrorRate  float64 `json:"error_rate"` // 0 to 1
	Invalid    int64   `json:"invalid"`
	FirstP50   float64 `json:"ttft_p50_ms"`
	FirstP95   float64 `json:"ttft_p95_ms"`
	LatencyP50 float64 `json:"latency_p50_ms"`
	LatencyP95 float64 `json:"latency_p95_ms"`
}

// Status returns the canary's state; its names are the owner's to fill in. The
// baseline's counts at 100 % are those that the candidate is held against.
func (c *Controller) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.window()
	s := Status{
		State: c.pos.State, Steps: c.o.Steps, Percent: c.percent(&c.pos), Since: c.pos.Since, Reason: c.pos.Reason,
		Window:  WindowStatus{Candidate: sideStatus(&w[Candidate]), Baseline: sideStatus(&w[Baseline])},
		History: append([]Change{}, c.pos.History...),
	}
	if c.pos.State != RolledBack {
		s.Step = c.pos.Step + 1
	}
	return s
}

func sideStatus(t *Tally) SideStatus {
	s := SideStatus{Requests: t.Requests, Errors: t.Errors, Invalid: t.Invalid}
	if t.Requests > 0 {
		s.ErrorRate = float64(t.Errors) / float64(t.Requests)
	}
	s.FirstP50, s.FirstP95 = milliseconds(t.FirstToken.Quantile(0.5)), milliseconds(t.FirstToken.Quantile(0.95))
	s.LatencyP50, s.LatencyP95 = milliseconds(t.Latency.Quantile(0.5)), milliseconds(t.Latency.Quantile(0.95))
	return s
}

// milliseconds rounds to a tenth.
func milliseconds(d time.Duration) float64 { return float64(d.Round(100*time.Microsecond)) / 1e6 }
