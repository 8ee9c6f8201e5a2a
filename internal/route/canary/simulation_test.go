package canary

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// model is how a target behaves in a simulation.
type model struct {
	median   time.Duration
	sigma    float64 // of the logarithm
	errors   float64
	invalid  float64
	slower   float64 // factor on all times
	fromStep int     // the behaviour before this step is the baseline's
}

func (m model) call(r *rand.Rand) Outcome {
	o := Outcome{Failed: r.Float64() < m.errors, Invalid: r.Float64() < m.invalid}
	draw := func(median time.Duration) time.Duration {
		return time.Duration(m.slower * float64(median) * math.Exp(m.sigma*r.NormFloat64()))
	}
	o.Latency = draw(m.median)
	if r.Float64() < 0.5 { // a stream
		o.FirstToken = draw(m.median / 4)
	}
	return o
}

// baselineOf is a target with a plausible rate of errors, other for each seed.
func baselineOf(seed uint64) model {
	r := rand.New(rand.NewPCG(seed, 1))
	return model{median: 2 * time.Second, sigma: 0.5 + 0.4*r.Float64(), errors: 0.005 + 0.005*r.Float64(), slower: 1}
}

// traffic is what the candidate gets at the first step in one interval.
type simulation struct {
	seed      uint64
	candidate model
	baseline  model
	perWindow int // the candidate's calls in one interval at the first step
}

// result is what became of a canary: how many windows it had, and when it was
// rolled back, how many since the candidate went bad.
type result struct {
	state     State
	windows   int
	sinceBad  int
	reason    string
	callsLost int // calls that the candidate answered before the end
}

var simRules = Rules{Interval: 10 * time.Minute, MinRequests: 100, MaxErrorRate: 0.02, MaxLatencyRatio: 1.5}

var simSteps = []float64{5, 25, 50, 100}

// run plays calls second by second, and looks after each as the owner does.
func (s simulation) run() result {
	r := rand.New(rand.NewPCG(s.seed, 2))
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	c := New(Options{Rules: simRules, Steps: simSteps}, now)
	perSecond := float64(s.perWindow) / (simSteps[0] / 100) / simRules.Interval.Seconds()
	due, out := 0.0, result{}
	for range 12 * 3600 {
		now = now.Add(time.Second)
		share, run := c.Share()
		for due += perSecond; due >= 1; due-- {
			side, m := Baseline, s.baseline
			if r.Float64() < share {
				side = Candidate
				out.callsLost++
				if c.Position().Step >= s.candidate.fromStep {
					m = s.candidate
				}
			}
			c.Record(run, side, m.call(r))
		}
		if m, ok := c.Judge(now); ok {
			out.windows++
			if c.Position().Step >= s.candidate.fromStep {
				out.sinceBad++
			}
			c.Apply(m)
			if p := c.Position(); p.State != Running {
				out.state, out.reason = p.State, p.Reason
				return out
			}
		}
	}
	out.state = c.Position().State
	return out
}

// TestSimulation is the promise: of a hundred canaries each that are three
// times slower, or fail in 5 % of the calls, or answer 5 % with nothing, every
// one is rolled back within two windows, from whatever step on; of a hundred
// that are equal at least 95 arrive at 100 %.
func TestSimulation(t *testing.T) {
	const seeds = 100
	for name, tc := range map[string]struct {
		change func(*model)
		bad    bool
	}{
		"equal":            {func(*model) {}, false},
		"3x slower":        {func(m *model) { m.slower = 3 }, true},
		"3x slower later":  {func(m *model) { m.slower, m.fromStep = 3, 2 }, true},
		"3x slower at 100": {func(m *model) { m.slower, m.fromStep = 3, 3 }, true},
		"5% errors":        {func(m *model) { m.errors = 0.05 }, true},
		"5% errors later":  {func(m *model) { m.errors, m.fromStep = 0.05, 1 }, true},
		"5% errors at 100": {func(m *model) { m.errors, m.fromStep = 0.05, 3 }, true},
		"5% empty":         {func(m *model) { m.invalid = 0.05 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rolledBack, completed, late, windows, calls := 0, 0, 0, 0, 0
			for seed := range uint64(seeds) {
				base := baselineOf(seed)
				s := simulation{seed: seed, baseline: base, candidate: base, perWindow: 300}
				tc.change(&s.candidate)
				out := s.run()
				windows, calls = windows+out.windows, calls+out.callsLost
				switch {
				case out.state == RolledBack && out.sinceBad > 2:
					late++
					t.Logf("seed %d: after %d windows: %s", seed, out.sinceBad, out.reason)
				case out.state == RolledBack:
					rolledBack++
					if !tc.bad {
						t.Logf("seed %d: %s", seed, out.reason)
					}
				case out.state == Completed:
					completed++
				}
			}
			t.Logf("rolled back %d, later %d, completed %d; on average %.1f windows and %d calls", rolledBack, late, completed, float64(windows)/seeds, calls/seeds)
			if tc.bad && rolledBack != seeds {
				t.Errorf("%d of %d rolled back within two windows", rolledBack, seeds)
			}
			if !tc.bad && completed < 95 {
				t.Errorf("%d of %d completed", completed, seeds)
			}
		})
	}
}
