package mock

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// flakyStride spreads failures evenly: it is coprime to 100, so of each hundred
// requests in a row exactly the asked number fails.
const flakyStride = 61

// Options configures a Provider. The zero value is useful.
type Options struct {
	// Name is the provider's name in replies and errors; "" = mock.
	Name string
	// Seed changes every answer at once; the same seed, the same answers.
	Seed uint64
	// IDPrefix begins every answer's id; "" = "mock-".
	IDPrefix string
	// Aliases maps further model names to names of the mock's own language,
	// so that an application need not change its own: {"gpt-4o": "echo"}.
	// The alias * stands for every name that is not understood.
	Aliases map[string]string
}

// Provider is the mock model. It implements llm.Provider.
type Provider struct {
	o     Options
	lang  language
	flaky counters // by model
	tries counters // by model and request
	uses  counters // by request, for the word unique
}

// New makes a mock model.
func New(o Options) *Provider {
	if o.Name == "" {
		o.Name = "mock"
	}
	if o.IDPrefix == "" {
		o.IDPrefix = "mock-"
	}
	return &Provider{o: o, lang: language{words: table()}}
}

// Check reports whether model is a name that the mock understands: nil, or an
// *llm.Error of KindNotFound whose message lists the words there are.
func (p *Provider) Check(model string) error {
	_, err := p.behaviour(model)
	if err != nil {
		return err
	}
	return nil
}

// Models returns model names to show in a list: an example of each word, and
// the aliases. Any other name that Check accepts works as well.
func (p *Provider) Models() []string {
	var names []string
	for i := range p.lang.words {
		names = append(names, p.lang.words[i].example())
	}
	for _, a := range slices.Sorted(maps.Keys(p.o.Aliases)) {
		if a != "*" {
			names = append(names, a)
		}
	}
	return names
}

// Reset forgets what the mock remembers between calls, so that flaky and
// fail-first begin anew.
func (p *Provider) Reset() {
	p.flaky.reset()
	p.tries.reset()
	p.uses.reset()
}

// Do answers a call. Errors are *llm.Error; the cause of a failure that the
// model's name asked for is a *Fault.
func (p *Provider) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	r, err := c.Request()
	if err != nil {
		return nil, p.named(err)
	}
	r, dropped, err := dialect.Fit(r, support(), c.Drop)
	if err != nil {
		return nil, p.named(err)
	}
	plan, err := p.Plan(c.Op, c.Model, r)
	if err != nil {
		return nil, p.named(err)
	}
	reply := &llm.Reply{Provider: p.o.Name, Model: c.Model, Attempts: 1, Dropped: dropped}
	if plan.Response != nil {
		reply.ID = "req_" + plan.Response.ID
	}
	stream := c.Stream && c.Op == llm.OpChat
	if err := p.wait(ctx, plan, stream); err != nil {
		return nil, p.named(err)
	}
	if stream {
		reply.Stream = &providerStream{Stream: plan.Stream(ctx), name: p.o.Name}
		return reply, nil
	}
	reply.Response, reply.Usage, reply.Finish = plan.Response, plan.Response.Usage, plan.Response.Finish
	return reply, nil
}

// support says what the mock honours: all that the canonical form can say, for
// whatever has a say in the answer's seed is honoured.
func support() dialect.Support {
	s := dialect.SupportCompatible()
	s.Target = "the mock"
	s.TopK = true
	s.MaxStop = 0
	s.Thinking.Budget, s.Thinking.Adaptive = true, true
	s.ToolError, s.ToolImages = true, true
	s.Audio.URL, s.Files.URL = true, true
	return s
}

// wait lets the time pass until the answer begins (a stream) or is whole, and
// returns the failure that comes instead of it.
func (p *Provider) wait(ctx context.Context, plan *Plan, stream bool) error {
	d := plan.First
	if !stream {
		d = plan.Whole()
	}
	if err := sleep(ctx, d); err != nil {
		return err
	}
	f := plan.Fault
	switch {
	case f == nil, stream && f.inStream():
		return nil
	case f.silent():
		<-ctx.Done()
		return llm.ContextError(ctx)
	}
	return f.Err(p.o.Name)
}

func (p *Provider) named(err error) error {
	e := *llm.AsError(err)
	e.Provider = p.o.Name
	return &e
}

func (p *Provider) behaviour(model string) (behaviour, *llm.Error) {
	if to, ok := p.o.Aliases[model]; ok {
		return p.lang.parse(to)
	}
	b, err := p.lang.parse(model)
	if to, ok := p.o.Aliases["*"]; ok && err != nil {
		return p.lang.parse(to)
	}
	return b, err
}

// Plan works out the answer to a request without giving it: no time passes.
// Errors are *llm.Error: a model that there is not, or a request that the
// model refuses.
func (p *Provider) Plan(op llm.Op, model string, r *llm.Request) (*Plan, error) {
	b, unknown := p.behaviour(model)
	if unknown != nil {
		return nil, unknown
	}
	if err := refuse(&b, op, r); err != nil {
		return nil, err
	}
	seed := requestSeeds(p.o.Seed, r)
	plan := &Plan{First: b.first, Pace: b.pace, Chunk: b.chunk, Fault: p.fault(&b, model, seed.id)}
	if f := plan.Fault; f != nil && f.After < 0 {
		return plan, nil
	}
	if b.unique {
		n := uint64(p.uses.add(seed.id)) //nolint:gosec // a count is not negative
		seed = seeds{seed.text + n, seed.id + n}
	}
	seed.id ^= hashString(model)
	resp, err := respond(&b, op, r, seed)
	if err != nil {
		return nil, err
	}
	resp.ID = p.o.IDPrefix + resp.ID
	resp.Model = model
	plan.Response = resp
	return plan, nil
}

func respond(b *behaviour, op llm.Op, r *llm.Request, seed seeds) (*llm.Response, error) {
	rng := newRand(seed.id, "id")
	out := &llm.Response{ID: randomID(rng, 24), Created: created}
	switch op {
	case llm.OpEmbed:
		return out, embed(b, r, out)
	case llm.OpCountTokens:
		out.Usage = llm.Usage{Input: inputTokens(r), Source: llm.UsageReported}
		return out, nil
	}
	d := &draft{b: b, r: r, rng: newRand(seed.text, "answer"), out: out}
	return out, d.answer()
}

// fault decides whether this request fails as the model's name says.
func (p *Provider) fault(b *behaviour, model string, seed uint64) *Fault {
	if b.fault.Kind == FaultNone {
		return nil
	}
	if b.flaky > 0 && p.flaky.add(hashString(model))*flakyStride%100 >= b.flaky {
		return nil
	}
	if b.failFirst > 0 {
		key := seed ^ hashString(model)
		if p.tries.add(key) >= b.failFirst {
			p.tries.restart(key) // the next request of this content is a new one
			return nil
		}
	}
	f := b.fault
	return &f
}

// refuse returns why the model does not take the request, if so.
func refuse(b *behaviour, op llm.Op, r *llm.Request) error {
	if op == llm.OpChat && r.N != nil && *r.N != 1 {
		return llm.Unsupported("n", "the mock gives one answer at a time")
	}
	if r.Logprobs != nil && *r.Logprobs {
		return llm.Unsupported("logprobs", "the mock has no log probabilities")
	}
	if b.style == styleBlocked {
		return &llm.Error{
			Kind: llm.KindContentFiltered, Code: "content_filter", Param: "messages", Status: 400,
			Message: "The prompt was blocked by a content filter, as the model's name asked.",
		}
	}
	if n := inputTokens(r); b.window > 0 && op != llm.OpEmbed && n > b.window {
		return &llm.Error{
			Kind: llm.KindInvalidRequest, Code: "context_length_exceeded", Param: "messages", Status: 400,
			Message: fmt.Sprintf("This model's maximum context length is %d tokens. However, your messages resulted in %d tokens.", b.window, n),
		}
	}
	if b.strict {
		return refuseSampling(r)
	}
	return nil
}

// refuseSampling refuses what reasoning models refuse.
func refuseSampling(r *llm.Request) error {
	type row struct {
		name string
		set  bool
	}
	for _, m := range []row{
		{"temperature", r.Temperature != nil && *r.Temperature != 1},
		{"top_p", r.TopP != nil && *r.TopP != 1},
		{"presence_penalty", r.PresencePenalty != nil && *r.PresencePenalty != 0},
		{"frequency_penalty", r.FrequencyPenalty != nil && *r.FrequencyPenalty != 0},
		{"stop", len(r.Stop) > 0},
	} {
		if m.set {
			return llm.Unsupported(m.name, "Unsupported parameter: '%s' is not supported with this model.", m.name)
		}
	}
	return nil
}

func hashString(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// sleep waits for d, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	if err := llm.ContextError(ctx); err != nil {
		return err
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return llm.ContextError(ctx)
	}
}
