package route

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Plan is which targets to try for one call, in order, and which not.
type Plan struct {
	Targets []*Target
	Skipped []Skip // passed over, or put last when resting
	Trial   *Trial // counts the first target's outcome for a canary; nil = nobody does
}

// Skip is a target that was passed over and why, in one word.
type Skip struct {
	Target *Target
	Reason string // lacks_tools, lacks_images, lacks_json_schema, context_length, cooling_down
}

// Plan orders the route's targets for a call. Those that cannot serve it are
// left out; those that asked to be left alone for a while come last. The error,
// of KindUnsupported, says that no target can. A route with one target that can
// do everything costs nothing here, and neither does one that is ordered and
// healthy.
func (r *Route) Plan(c *llm.Call) (Plan, error) {
	p := Plan{Targets: r.Targets}
	if r.order != nil {
		p.Targets = r.order.order(p.Targets, c)
	}
	if r.lacks != 0 {
		if err := r.able(&p, c); err != nil {
			return Plan{}, err
		}
	}
	if len(p.Targets) > 1 {
		if r.windows {
			r.fitting(&p, c)
		}
		r.rested(&p)
	}
	if r.trial != nil {
		r.trial.plan(&p, c, r)
	}
	return p, nil
}

// able leaves out the targets that lack what the call needs. When all do, the
// call is refused if that is certain, and otherwise left to the targets.
func (r *Route) able(p *Plan, c *llm.Call) error {
	needed := needsOf(c, r.lacks)
	if needed == 0 {
		return nil
	}
	var able []*Target
	var skipped []Skip
	missing, sure := allNeeds, true
	for _, t := range p.Targets {
		lacks := needed & t.Traits.lacking()
		if lacks == 0 {
			able = append(able, t)
			continue
		}
		skipped = append(skipped, Skip{t, reasonOf(lacks)})
		missing, sure = missing&lacks, sure && t.Traits.Sure
	}
	switch {
	case len(able) > 0:
		p.Targets, p.Skipped = able, skipped
	case sure && !c.Drop:
		return r.unsupported(needed, missing)
	}
	return nil
}

// reasonOf returns the word for the first thing that is lacking.
func reasonOf(lacks Capabilities) string {
	for _, n := range needs {
		if lacks&n.bit != 0 {
			return n.reason
		}
	}
	return ""
}

// unsupported names the member that no target can honour: one that all of them
// lack, or else the first that any lacks.
func (r *Route) unsupported(needed, missing Capabilities) error {
	if missing == 0 {
		missing = needed
	}
	for _, n := range needs {
		if missing&n.bit != 0 {
			return llm.Unsupported(n.param, "no target of the model %q takes %s with this request", r.Name, n.what)
		}
	}
	return llm.Unsupported("model", "no target of the model %q can serve this request", r.Name)
}

// signs are bytes that stand in every request that has a need, in any dialect.
// They may stand in others too, as they are words that a prompt can hold.
var signs = [...]struct {
	bit  Capabilities
	sign []byte
}{
	{Tools, []byte(`"tools"`)},
	{Images, []byte(`image`)},
	{JSONSchema, []byte(`schema`)},
}

// needsOf returns which of the things asked for a request needs. The body is
// decoded only when it shows the sign of one, because a word is no proof.
func needsOf(c *llm.Call, asked Capabilities) Capabilities {
	if c.Op != llm.OpChat || c.Request == nil {
		return 0
	}
	if c.Raw != nil {
		for _, s := range signs {
			if asked&s.bit != 0 && !bytes.Contains(c.Raw, s.sign) {
				asked &^= s.bit
			}
		}
	}
	if asked == 0 {
		return 0
	}
	req, err := c.Request()
	if err != nil {
		return 0 // whoever needs the canonical form will say so
	}
	return asked & requested(req)
}

func requested(r *llm.Request) (n Capabilities) {
	if len(r.Tools) > 0 {
		n |= Tools
	}
	if f := r.ResponseFormat; f != nil && f.Type == llm.FormatJSONSchema {
		n |= JSONSchema
	}
	for i := range r.Messages {
		if hasImage(r.Messages[i].Parts) {
			return n | Images
		}
	}
	return n
}

func hasImage(parts []llm.Part) bool {
	return slices.ContainsFunc(parts, func(p llm.Part) bool {
		return p.Type == llm.PartImage || p.ToolResult != nil && hasImage(p.ToolResult.Parts)
	})
}

// fitting leaves out the targets whose context the call overruns, or whose
// longest answer is below what it asks for, as far as an estimate can tell. An
// estimate refuses nothing: when it fits nowhere, all are tried.
func (r *Route) fitting(p *Plan, c *llm.Call) {
	if c.Op != llm.OpChat || r.small(c) {
		return
	}
	prompt, output := r.world.estimate(c)
	fits := func(t *Target) bool {
		tr := t.Traits
		return (tr.ContextWindow == 0 || prompt+max(output, 0) <= tr.ContextWindow) && (tr.MaxOutput == 0 || output <= tr.MaxOutput)
	}
	if !slices.ContainsFunc(p.Targets, fits) {
		return
	}
	var able []*Target
	for _, t := range p.Targets {
		if fits(t) {
			able = append(able, t)
		} else {
			p.Skipped = append(p.Skipped, Skip{t, "context_length"})
		}
	}
	p.Targets = able
}

// small reports whether a call fits everywhere at first sight: it names no
// limit, and a token has at least one byte.
func (r *Route) small(c *llm.Call) bool {
	return c.Raw != nil && int64(len(c.Raw)) < r.smallest && c.Peek.MaxTokens == 0
}

// rested puts the targets that asked to be left alone behind the others, the
// one that is ready first in front. They are not left out: a caller that nobody
// else can serve is better off with a second 429 than without a try.
func (r *Route) rested(p *Plan) {
	var first *Target
	for _, t := range p.Targets {
		if t.Health.resting(r.now) != 0 {
			first = t
			break
		}
	}
	if first == nil {
		return
	}
	ready := make([]*Target, 0, len(p.Targets))
	var tired []ranked
	for _, t := range p.Targets {
		if until := t.Health.resting(r.now); until != 0 {
			tired = append(tired, ranked{t, float64(until)})
		} else {
			ready = append(ready, t)
		}
	}
	if len(ready) > 0 {
		for _, t := range tired {
			p.Skipped = append(p.Skipped, Skip{t.target, "cooling_down"})
		}
	}
	p.Targets = append(ready, byRank(tired)...)
}

func (r *Route) now() time.Time {
	if r.world == nil {
		return time.Now()
	}
	return r.world.now()
}

// Do asks one of the route's targets and remembers what the next calls want to
// know of it: that it asked to be left alone, and how quick it was.
func (r *Route) Do(ctx context.Context, t *Target, c *llm.Call) (*llm.Reply, error) {
	if !r.timed || t.Health == nil {
		reply, err := t.Chain.Do(ctx, c)
		if err != nil && t.Health != nil {
			t.Health.Failed(llm.AsError(err), r.now())
		}
		return reply, err
	}
	return r.doTimed(ctx, t, c)
}

// doTimed measures the call. It counts it out in any case, a panic included.
func (r *Route) doTimed(ctx context.Context, t *Target, c *llm.Call) (reply *llm.Reply, err error) {
	start, took := r.now(), time.Duration(-1)
	l := t.Health.of(c.Stream)
	l.begin()
	defer func() { l.end(took, r.now()) }()
	reply, err = t.Chain.Do(ctx, c)
	end := r.now()
	switch {
	case err == nil:
		took = end.Sub(start)
	default:
		e := llm.AsError(err)
		t.Health.Failed(e, end)
		if e.Kind.Traits().NextTarget {
			took = max(end.Sub(start), failedLatency)
		}
	}
	return reply, err
}
