package mock

import (
	"context"
	"io"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Stream makes a stream of the answer: tokens at the plan's pace, and its
// fault where it strikes. Its errors are *llm.Error; the cause of one that the
// model's name asked for is the plan's *Fault. The text of the answer is
// shared with the plan, not copied.
func (p *Plan) Stream(ctx context.Context) llm.Stream {
	return &stream{ctx: ctx, plan: p}
}

// phase is how far a stream has come.
type phase uint8

const (
	phaseStart phase = iota
	phaseParts
	phaseUsage
	phaseDone
)

// stream walks through the parts of an answer, token by token.
type stream struct {
	ctx   context.Context //nolint:containedctx // a stream lives within one call
	plan  *Plan
	phase phase

	part   int    // index of the part that is being sent
	begun  bool   // something of it was sent
	signed bool   // its signature was
	rest   string // what of it has not been
	call   int    // running number of the tool call
	block  int    // running number of the reasoning block

	out  llm.Event
	sent int // events so far
	err  error
}

// Recv returns the next event, when its time has come.
func (s *stream) Recv() (*llm.Event, error) {
	if s.err == nil {
		s.err = s.obstacle()
	}
	if s.err != nil {
		return nil, s.err
	}
	ev, ok := s.next()
	if !ok {
		s.err = io.EOF
		return nil, s.err
	}
	if paced(ev.Kind) {
		if err := sleep(s.ctx, s.plan.Pace); err != nil {
			s.err = err
			return nil, err
		}
	}
	s.sent++
	s.out = ev
	return &s.out, nil
}

// obstacle returns the failure that comes before the next event, if one does.
func (s *stream) obstacle() error {
	if err := llm.ContextError(s.ctx); err != nil {
		return err
	}
	f := s.plan.Fault
	if f == nil || !f.inStream() || s.sent < f.After || s.phase == phaseDone {
		return nil
	}
	if f.Kind == FaultStall {
		<-s.ctx.Done()
		return llm.ContextError(s.ctx)
	}
	return f.Err("")
}

// Close ends the stream; what follows is io.EOF.
func (s *stream) Close() error {
	if s.err == nil {
		s.err = io.EOF
	}
	return nil
}

// paced reports whether a piece of answer is in an event: these take time.
func paced(k llm.EventKind) bool {
	switch k {
	case llm.EventStart, llm.EventFinish, llm.EventUsage:
		return false
	}
	return true
}

func (s *stream) next() (llm.Event, bool) {
	r := s.plan.Response
	switch s.phase {
	case phaseStart:
		s.phase = phaseParts
		return llm.Event{Kind: llm.EventStart, ID: r.ID, Model: r.Model}, true
	case phaseParts:
		if ev, ok := s.piece(); ok {
			return ev, true
		}
		s.phase = phaseUsage
		return llm.Event{Kind: llm.EventFinish, Finish: r.Finish, Native: r.NativeFinish, StopSequence: r.StopSequence}, true
	case phaseUsage:
		s.phase = phaseDone
		if r.Usage.Source != llm.UsageUnknown {
			u := r.Usage
			return llm.Event{Kind: llm.EventUsage, Usage: &u}, true
		}
	}
	return llm.Event{}, false
}

// piece returns the next piece of the parts, false when there is none left.
func (s *stream) piece() (llm.Event, bool) {
	parts := s.plan.Response.Parts
	for ; s.part < len(parts); s.leave(&parts[s.part]) {
		p := &parts[s.part]
		if !s.begun {
			s.begun = true
			s.rest = body(p)
			if p.ToolCall != nil {
				return llm.Event{Kind: llm.EventToolCall, Index: s.call, ID: p.ToolCall.ID, Name: p.ToolCall.Name, Signature: p.ToolCall.Signature}, true
			}
		}
		if s.rest != "" {
			return s.event(p.Type, s.cut()), true
		}
		if r := p.Reasoning; r != nil && r.Signature != "" && !s.signed {
			s.signed = true
			return llm.Event{Kind: llm.EventReasoning, Block: s.block, ID: r.ID, Signature: r.Signature, Origin: r.Origin}, true
		}
	}
	return llm.Event{}, false
}

func (s *stream) leave(p *llm.Part) {
	if p.ToolCall != nil {
		s.call++
	}
	if p.Reasoning != nil {
		s.block++
	}
	s.part++
	s.begun, s.signed = false, false
}

// cut takes the tokens of one event off the rest.
func (s *stream) cut() string {
	piece, _ := firstTokens(s.rest, int64(s.plan.Chunk))
	s.rest = s.rest[len(piece):]
	return piece
}

func (s *stream) event(t llm.PartType, text string) llm.Event {
	switch t {
	case llm.PartToolCall:
		return llm.Event{Kind: llm.EventToolCall, Index: s.call, Text: text}
	case llm.PartReasoning:
		return llm.Event{Kind: llm.EventReasoning, Block: s.block, Text: text}
	case llm.PartRefusal:
		return llm.Event{Kind: llm.EventRefusal, Text: text}
	}
	return llm.Event{Kind: llm.EventText, Text: text}
}

// body is the text of a part that a stream sends in pieces.
func body(p *llm.Part) string {
	switch p.Type {
	case llm.PartToolCall:
		return p.ToolCall.Arguments
	case llm.PartReasoning:
		return p.Reasoning.Text
	}
	return p.Text
}

// providerStream puts the provider's name on a stream's errors.
type providerStream struct {
	llm.Stream
	name string
}

// Recv returns the next event.
func (s *providerStream) Recv() (*llm.Event, error) {
	ev, err := s.Stream.Recv()
	if err != nil && err != io.EOF { //nolint:errorlint // a stream returns io.EOF itself
		e := *llm.AsError(err)
		e.Provider = s.name
		return ev, &e
	}
	return ev, err
}
