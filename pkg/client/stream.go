package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// EventType tells events of a stream apart.
type EventType string

// The events of a stream.
const (
	EventDelta     EventType = "delta"     // a piece of the answer, in Text
	EventReasoning EventType = "reasoning" // a piece of the model's reasoning, in Text
	EventToolCall  EventType = "tool_call" // a piece of a call, in ToolCall
	EventDone      EventType = "done"      // the last one: the whole answer, in Response
)

// Event is one event of a stream.
type Event struct {
	Type     EventType
	Text     string
	ToolCall *ToolCallDelta
	Response *Response
	Raw      json.RawMessage // the event's data as it came
}

// ToolCallDelta is a piece of a tool call. ID and Name come with its first
// piece; the Arguments of all pieces together are the JSON text.
type ToolCallDelta struct {
	Index     int    `json:"index"`
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Stream asks for an answer in pieces. The request is sent when the iteration
// starts, and again by each further iteration. The last event is EventDone; an
// iteration that ends otherwise has yielded exactly one error, as its last
// pair: what the gateway refused or told in its error event, or that the
// stream broke off. Leaving the loop cancels the call at once.
//
// Events of kinds that are not known here are skipped.
func (c *Client) Stream(ctx context.Context, req Request) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s, err := c.openStream(ctx, &req)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer s.close()
		for {
			ev, err := s.next(ctx)
			if !yield(ev, err) || err != nil {
				return
			}
			if ev.Type == EventDone {
				s.drain(cancel)
				return
			}
		}
	}
}

// stream reads the events of one answer.
type stream struct {
	body    io.ReadCloser
	events  *sse.Reader
	dropped []string
}

func (c *Client) openStream(ctx context.Context, req *Request) (*stream, error) {
	body, err := req.encode(true)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, &call{path: "/v1/generate", accept: typeSSE, body: body, drop: req.DropUnsupported})
	if err != nil {
		return nil, err
	}
	if !hasType(resp, typeSSE) {
		defer resp.Body.Close()
		return nil, protocolError("expected a stream of events, got %q", resp.Header.Get("Content-Type"))
	}
	return &stream{
		body: resp.Body, events: sse.NewReader(resp.Body, sse.Options{MaxEvent: c.o.MaxAnswer}),
		dropped: dropped(resp.Header),
	}, nil
}

func hasType(resp *http.Response, want string) bool {
	t, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(t), want)
}

func (s *stream) close() {
	s.events.Release()
	s.body.Close()
}

// next returns the next event that is known here.
func (s *stream) next(ctx context.Context) (Event, error) {
	for {
		raw, err := s.events.Next()
		if err == nil {
			ev, known, err := s.decode(raw)
			if err != nil {
				return Event{}, err
			}
			if known {
				return ev, nil
			}
			continue
		}
		if err == sse.ErrTooLong {
			return Event{}, &Error{Kind: KindProtocol, Message: "the gateway sent an event beyond the limit", Err: err}
		}
		e := transportError(ctx, err)
		if e.Kind == KindConnection {
			e.Message = "the stream ended without its done or error event"
		}
		return Event{}, e
	}
}

// decode reads one event. A tool's arguments and the answer are copied, as raw
// is overwritten by the next event.
func (s *stream) decode(raw sse.Event) (ev Event, known bool, err error) {
	ev = Event{Type: EventType(raw.Name)}
	switch ev.Type {
	case EventDelta, EventReasoning:
		var d struct {
			Text string `json:"text"`
		}
		err = json.Unmarshal(raw.Data, &d)
		ev.Text = d.Text
	case EventToolCall:
		ev.ToolCall = new(ToolCallDelta)
		err = json.Unmarshal(raw.Data, ev.ToolCall)
	case EventDone:
		r, e := parseResponse(raw.Data)
		if e != nil {
			return Event{}, false, e
		}
		r.Dropped = s.dropped
		ev.Response, ev.Raw = r, r.Raw
		return ev, true, nil
	case "error":
		return Event{}, false, streamError(raw.Data)
	default:
		return Event{}, false, nil
	}
	if err != nil {
		return Event{}, false, &Error{Kind: KindProtocol, Message: "a " + string(ev.Type) + " event cannot be read", Err: err}
	}
	ev.Raw = append(json.RawMessage(nil), raw.Data...)
	return ev, true, nil
}

func streamError(data []byte) error {
	env, ok := parseEnvelope(data)
	if !ok {
		return protocolError("the stream's error event cannot be read: %s", excerpt(data))
	}
	return env.asError()
}

// drainTime is how long the end of a body may take after the last event.
const drainTime = 100 * time.Millisecond

// drain reads to the end of the body, which is due, so that the connection can
// be used again.
func (s *stream) drain(cancel context.CancelFunc) {
	timer := time.AfterFunc(drainTime, cancel)
	defer timer.Stop()
	for {
		if _, err := s.events.Next(); err != nil {
			return
		}
	}
}
