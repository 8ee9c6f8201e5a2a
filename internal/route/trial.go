package route

import (
	"bytes"
	"hash/fnv"
	"io"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route/canary"
)

// CanarySpec says that a candidate is tried on a route.
type CanarySpec struct {
	Candidate TargetSpec
	Control   *canary.Controller // outlives the table
}

// trialOf is a route's canary: the candidate and who decides on its share.
type trialOf struct {
	candidate *Target
	lacks     Capabilities // what the candidate is known to lack
	control   *canary.Controller
	salt      uint64 // so that it is not always the same callers who go first
}

func (t *Table) trialOf(r *Route, s *CanarySpec) *trialOf {
	s.Candidate.Label = s.Candidate.Model
	candidate := t.o.Target(s.Candidate)
	h := fnv.New64a()
	_, _ = io.WriteString(h, r.Name)
	return &trialOf{candidate: candidate, lacks: candidate.Traits.lacking(), control: s.Control, salt: mix(h.Sum64() ^ candidate.hash())}
}

// Candidate returns the target that is tried on this route; nil without a canary.
func (r *Route) Candidate() *Target {
	if r.trial == nil {
		return nil
	}
	return r.trial.candidate
}

// CandidateShare returns the candidate's part of the callers, 0 to 1; 0 without
// a canary.
func (r *Route) CandidateShare() float64 {
	if r.trial == nil {
		return 0
	}
	share, _ := r.trial.control.Share()
	return share
}

// plan puts the candidate in front of the other targets when it is the caller's
// turn, and says how the call is to be counted. Calls that the candidate cannot
// serve count on neither side.
func (t *trialOf) plan(p *Plan, c *llm.Call, r *Route) {
	share, run := t.control.Share()
	if share == 0 || c.Op == llm.OpCountTokens || t.lacks != 0 && needsOf(c, t.lacks) != 0 || !t.fits(c, r) {
		return
	}
	trial := &Trial{control: t.control, run: run, start: r.now(), op: c.Op, call: c}
	if t.draw(c, r) < share {
		trial.side = canary.Candidate
		if t.candidate.Health.resting(r.now) != 0 {
			p.Skipped = append(p.Skipped, Skip{t.candidate, "cooling_down"})
			trial.record(canary.Outcome{Failed: true})
			return
		}
		targets := make([]*Target, 0, len(p.Targets)+1)
		p.Targets = append(append(targets, t.candidate), p.Targets...)
	}
	p.Trial = trial
}

// fits reports whether the candidate's context holds the call, as far as an
// estimate can tell.
func (t *trialOf) fits(c *llm.Call, r *Route) bool {
	window, longest := t.candidate.Traits.ContextWindow, t.candidate.Traits.MaxOutput
	if c.Op != llm.OpChat || window == 0 && longest == 0 || r.world == nil {
		return true
	}
	if c.Raw != nil && c.Peek.MaxTokens == 0 && (window == 0 || int64(len(c.Raw)) < window) {
		return true
	}
	prompt, output := r.world.estimate(c)
	return (window == 0 || prompt+max(output, 0) <= window) && (longest == 0 || output <= longest)
}

// draw returns a caller's number in [0, 1): always the same for one that can be
// told apart, so that it stays on its side while the share grows.
func (t *trialOf) draw(c *llm.Call, r *Route) float64 {
	if key, ok := identity(c); ok {
		return unit(mix(key ^ t.salt))
	}
	return r.world.rand()
}

// Trial counts how one call of a canary's route ended. A nil Trial counts
// nothing.
type Trial struct {
	control *canary.Controller
	run     int64
	side    canary.Side
	start   time.Time
	op      llm.Op
	call    *llm.Call
}

// Watch counts the first target's outcome, a stream's when it has ended. What
// later targets do is not the candidate's merit, nor the baseline's.
func (t *Trial) Watch(reply *llm.Reply, err error) {
	if !t.Counts() {
		return
	}
	if d, over := llm.Settled(reply, err); over {
		t.ended(d, reply)
		return
	}
	llm.OnDone(reply, nil, func(d llm.Done) { t.ended(d, nil) })
}

// Counts reports whether the call is counted. Such a call is not hedged: an
// answer that is called off because it is slow would be missing from the times.
func (t *Trial) Counts() bool { return t != nil && t.run != 0 }

// Onward reports whether a call goes on to the baseline after this error though
// the caller of an ordinary route would be told: that the candidate does not
// exist is not the caller's fault.
func (t *Trial) Onward(attempt int, e *llm.Error) bool {
	return t != nil && t.side == canary.Candidate && attempt == 0 && e.Kind == llm.KindNotFound
}

// blameless are the kinds that say nothing of the target: the caller's own
// faults, and clients that left.
func blameless(k llm.Kind) bool {
	switch k {
	case llm.KindInvalidRequest, llm.KindUnsupported, llm.KindContentFiltered, llm.KindUnauthenticated, llm.KindBudgetExceeded,
		llm.KindPermissionDenied, llm.KindRequestTooLarge, llm.KindRateLimited, llm.KindCanceled:
		return true
	}
	return false
}

func (t *Trial) ended(d llm.Done, reply *llm.Reply) {
	switch {
	case d.Gone, d.Err != nil && blameless(d.Err.Kind):
		return
	case d.Err != nil:
		t.record(canary.Outcome{Failed: true})
		return
	}
	o := canary.Outcome{Latency: time.Since(t.start)}
	if !d.FirstAt.IsZero() {
		o.FirstToken = d.FirstAt.Sub(t.start)
	}
	if t.op == llm.OpChat && d.Finish == llm.FinishStop {
		o.Invalid = t.invalid(&d, reply)
	}
	t.record(o)
}

func (t *Trial) record(o canary.Outcome) {
	if t.run != 0 {
		t.control.Record(t.run, t.side, o)
	}
}

// invalid reports whether an answer that ended by itself is empty, or no JSON
// where JSON was asked for. A stream is not decoded for it: of one that is known
// whether it had any text.
func (t *Trial) invalid(d *llm.Done, reply *llm.Reply) bool {
	if d.Stream {
		return d.TextBytes == 0
	}
	wantsJSON := wantsJSON(t.call)
	if reply.Response == nil && !wantsJSON && reply.Usage.Output > fewTokens {
		return false // it says something, and nobody asked what
	}
	a, known := answerOf(reply)
	switch {
	case !known || a.tools:
		return false
	case a.text == "":
		return true
	}
	return wantsJSON && !validJSON(a.text)
}

// jsonSign stands in every request that asks for JSON, in any dialect but
// Anthropic's, which asks by a tool.
var jsonSign = []byte(`json_`)

// wantsJSON decodes the request only when it shows the sign of a response
// format.
func wantsJSON(c *llm.Call) bool {
	if c.Request == nil || c.Raw != nil && !bytes.Contains(c.Raw, jsonSign) {
		return false
	}
	req, err := c.Request()
	if err != nil || req.ResponseFormat == nil {
		return false
	}
	f := req.ResponseFormat.Type
	return f == llm.FormatJSONObject || f == llm.FormatJSONSchema
}
