package cache

import (
	"io"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// rawReplay gives a kept stream again, in pieces of whole events.
type rawReplay struct {
	e    *entry
	body []byte
	next int
	out  llm.Event
}

// Recv returns the next piece; the last one tells usage and finish.
func (s *rawReplay) Recv() (*llm.Event, error) {
	if s.next == len(s.e.pieces) {
		return nil, io.EOF
	}
	n := s.e.pieces[s.next]
	s.out = llm.Event{Kind: llm.EventRaw, Raw: s.body[:n:n]}
	s.body = s.body[n:]
	if s.next++; s.next == len(s.e.pieces) {
		s.out.Usage, s.out.Finish = &s.e.usage, s.e.finish
	}
	return &s.out, nil
}

// Close does nothing.
func (s *rawReplay) Close() error { return nil }

// replay gives the events of a canonical answer.
type replay struct {
	events []llm.Event
	next   int
}

// Recv returns the next event.
func (s *replay) Recv() (*llm.Event, error) {
	if s.next == len(s.events) {
		return nil, io.EOF
	}
	ev := &s.events[s.next]
	s.next++
	ev.More = true
	return ev, nil
}

// Close does nothing.
func (s *replay) Close() error { return nil }

// eventsOf returns a whole answer as a stream: one event for each part.
func eventsOf(r *llm.Response) []llm.Event {
	events := make([]llm.Event, 0, len(r.Parts)+3)
	events = append(events, llm.Event{Kind: llm.EventStart, ID: r.ID, Model: r.Model})
	tools, blocks := 0, 0
	for i := range r.Parts {
		p := &r.Parts[i]
		switch p.Type {
		case llm.PartText:
			events = append(events, llm.Event{Kind: llm.EventText, Text: p.Text})
		case llm.PartRefusal:
			events = append(events, llm.Event{Kind: llm.EventRefusal, Text: p.Text})
		case llm.PartReasoning:
			events = append(events, reasoningEvents(p.Reasoning, blocks)...)
			blocks++
		case llm.PartToolCall:
			tc := p.ToolCall
			events = append(events, llm.Event{Kind: llm.EventToolCall, Index: tools, ID: tc.ID, Name: tc.Name, Text: tc.Arguments, Signature: tc.Signature})
			tools++
		}
	}
	events = append(events, llm.Event{Kind: llm.EventFinish, Finish: r.Finish, Native: r.NativeFinish, StopSequence: r.StopSequence})
	if r.Usage.Source != llm.UsageUnknown {
		events = append(events, llm.Event{Kind: llm.EventUsage, Usage: &r.Usage})
	}
	return events
}

// reasoningEvents returns the text of a block, then what closes it.
func reasoningEvents(r *llm.Reasoning, block int) []llm.Event {
	var events []llm.Event
	if r.Text != "" {
		events = append(events, llm.Event{Kind: llm.EventReasoning, Block: block, ID: r.ID, Text: r.Text})
	}
	if r.Signature != "" || r.Redacted != "" || len(events) == 0 {
		events = append(events, llm.Event{
			Kind: llm.EventReasoning, Block: block, ID: r.ID, Signature: r.Signature, Redacted: r.Redacted, Origin: r.Origin,
		})
	}
	return events
}
