package mock_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

// ask makes a request of one user message.
func ask(text string) *llm.Request {
	return &llm.Request{Messages: []llm.Message{user(text)}}
}

func user(text string) llm.Message {
	return llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: text}}}
}

func call(model string, stream bool, r *llm.Request) *llm.Call {
	return &llm.Call{Op: llm.OpChat, Model: model, Stream: stream, Request: func() (*llm.Request, error) { return r, nil }}
}

func ptr[T any](v T) *T { return &v }

// whole asks for a whole answer and fails the test if there is none.
func whole(t *testing.T, p *mock.Provider, model string, r *llm.Request) *llm.Response {
	t.Helper()
	reply, err := p.Do(t.Context(), call(model, false, r))
	if err != nil {
		t.Fatalf("%s: %v", model, err)
	}
	if reply.Response == nil || reply.Stream != nil {
		t.Fatalf("%s: a whole answer has a Response and no Stream", model)
	}
	if reply.Usage != reply.Response.Usage || reply.Finish != reply.Response.Finish {
		t.Errorf("%s: reply and response disagree on usage or finish", model)
	}
	return reply.Response
}

// events reads a stream to its end.
func events(ctx context.Context, p *mock.Provider, model string, r *llm.Request) ([]llm.Event, error) {
	reply, err := p.Do(ctx, call(model, true, r))
	if err != nil {
		return nil, err
	}
	defer func() { _ = reply.Close() }()
	var out []llm.Event
	for {
		ev, err := reply.Stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, *ev)
	}
}

// gather puts the pieces of a stream together again.
func gather(evs []llm.Event) *llm.Response {
	r := &llm.Response{}
	add := func(t llm.PartType, text string) {
		if n := len(r.Parts); n == 0 || r.Parts[n-1].Type != t {
			r.Parts = append(r.Parts, llm.Part{Type: t})
			if t == llm.PartReasoning {
				r.Parts[n].Reasoning = &llm.Reasoning{}
			}
		}
		p := &r.Parts[len(r.Parts)-1]
		if t == llm.PartReasoning {
			p.Reasoning.Text += text
			return
		}
		p.Text += text
	}
	calls := map[int]*llm.ToolCall{}
	for _, ev := range evs {
		switch ev.Kind {
		case llm.EventStart:
			r.ID, r.Model = ev.ID, ev.Model
		case llm.EventText:
			add(llm.PartText, ev.Text)
		case llm.EventRefusal:
			add(llm.PartRefusal, ev.Text)
		case llm.EventReasoning:
			add(llm.PartReasoning, ev.Text)
		case llm.EventToolCall:
			if ev.ID != "" {
				calls[ev.Index] = &llm.ToolCall{ID: ev.ID, Name: ev.Name}
				r.Parts = append(r.Parts, llm.Part{Type: llm.PartToolCall, ToolCall: calls[ev.Index]})
			}
			calls[ev.Index].Arguments += ev.Text
		case llm.EventFinish:
			r.Finish, r.StopSequence = ev.Finish, ev.StopSequence
		case llm.EventUsage:
			r.Usage = *ev.Usage
		}
	}
	return r
}

func weather() llm.Tool {
	return llm.Tool{Name: "get_weather", Description: "Current weather of a city", Parameters: json.RawMessage(
		`{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["c","f"]}},"required":["city","unit"],"additionalProperties":false}`)}
}

func clock() llm.Tool {
	return llm.Tool{Name: "getTime", Description: "What time it is", Parameters: json.RawMessage(`{"type":"object","properties":{"zone":{"type":"string"}},"required":["zone"]}`)}
}

func TestChatSaysWhatItHeard(t *testing.T) {
	r := whole(t, mock.New(mock.Options{}), "chat", ask("hello there"))
	if !strings.HasPrefix(r.Text(), `You said: "hello there". `) {
		t.Errorf("text = %q", r.Text())
	}
	if r.Finish != llm.FinishStop || !strings.HasPrefix(r.ID, "mock-") || r.Model != "chat" || r.Created == 0 {
		t.Errorf("response = %+v", r)
	}
}
