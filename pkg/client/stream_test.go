package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const streamText = ": hello\n\nevent: reasoning\ndata: {\"text\":\"I think\"}\n\nevent: delta\ndata: {\"text\":\"Zür\"}\n\nevent: brand_new\ndata: {}\n\n" +
	"event: delta\r\ndata: {\"text\":\"ich\"}\r\n\r\nevent: tool_call\ndata: {\"index\":0,\"id\":\"call_1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}\n\n"

func doneEvent(data string) string { return "event: done\ndata: " + data + "\n\n" }

// gather runs a stream to its end.
func gather(t *testing.T, c *Client, req Request) (events []Event, failed error) {
	t.Helper()
	for ev, err := range c.Stream(t.Context(), req) {
		if failed != nil {
			t.Fatal("a pair after the error")
		}
		if err != nil {
			if d := cmp.Diff(Event{}, ev); d != "" {
				t.Errorf("an event beside the error: %s", d)
			}
			failed = err
			continue
		}
		events = append(events, ev)
	}
	return events, failed
}

func TestStream(t *testing.T) {
	c, got := fake(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Gateway-Dropped", "seed")
		answer(200, "text/event-stream; charset=utf-8", streamText+doneEvent(wholeData))(w, r)
	})
	events, err := gather(t, c, Request{Prompt: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	want := []Event{
		{Type: EventReasoning, Text: "I think", Raw: raw(`{"text":"I think"}`)},
		{Type: EventDelta, Text: "Zür", Raw: raw(`{"text":"Zür"}`)},
		{Type: EventDelta, Text: "ich", Raw: raw(`{"text":"ich"}`)},
		{Type: EventToolCall, ToolCall: &ToolCallDelta{ID: "call_1", Name: "f", Arguments: `{"a":1}`},
			Raw: raw(`{"index":0,"id":"call_1","name":"f","arguments":"{\"a\":1}"}`)},
	}
	if d := cmp.Diff(want, events[:len(events)-1]); d != "" {
		t.Error(d)
	}
	last := events[len(events)-1]
	if last.Type != EventDone || last.Response.Text != "Zürich" || last.Response.Usage.TotalTokens != 21 || last.Response.Dropped[0] != "seed" || string(last.Raw) != wholeData {
		t.Errorf("last %+v", last)
	}
	if s := (*got)[0]; s.body != `{"prompt":"hi","stream":true}` || s.header.Get("Accept") != "text/event-stream" {
		t.Errorf("sent %+v", s)
	}
}

func TestStreamFailures(t *testing.T) {
	const kind = "text/event-stream"
	delta := "event: delta\ndata: {\"text\":\"a\"}\n\n"
	for _, tc := range []struct {
		name    string
		h       http.HandlerFunc
		events  int
		kind    Kind
		message string
	}{
		{"refused", answer(429, "application/json", limitedBody), 0, KindRateLimited, "slow down"},
		{"not a stream", answer(200, "application/json", envelopeOf(wholeData)), 0, KindProtocol, "application/json"},
		{"cut between events", cut(kind, delta), 1, KindConnection, "without its done or error"},
		{"cut within an event", cut(kind, delta+"event: delta\ndata: {\"te"), 1, KindConnection, "without its done or error"},
		{"cut within done", cut(kind, delta+"event: done\ndata: {}"), 1, KindConnection, "without its done or error"},
		{"a clean end without a terminal event", answer(200, kind, delta), 1, KindConnection, "without its done or error"},
		{"half a done at a clean end", answer(200, kind, delta+"event: done\ndata: {\"text\":\"\"}"), 1, KindConnection, "without its done or error"},
		{"empty", answer(200, kind, ""), 0, KindConnection, "without its done or error"},
		{"an error event", answer(200, kind, delta+"event: error\ndata: "+limitedBody+"\n\n"), 1, KindRateLimited, "slow down"},
		{"an error event that is none", answer(200, kind, "event: error\ndata: {}\n\n"), 0, KindProtocol, "error event"},
		{"done without data", answer(200, kind, doneEvent("null")), 0, KindProtocol, "no data"},
		{"a broken delta", answer(200, kind, "event: delta\ndata: {\n\n"+doneEvent(wholeData)), 0, KindProtocol, "delta event"},
		{"a broken tool call", answer(200, kind, "event: tool_call\ndata: {\"index\":\"x\"}\n\n"), 0, KindProtocol, "tool_call event"},
		{"an endless event", answer(200, kind, delta+"event: delta\ndata: "+strings.Repeat("x", 10000)), 1, KindProtocol, "beyond the limit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := fake(t, Options{MaxAnswer: 4096}, tc.h)
			events, err := gather(t, c, Request{Prompt: "hi"})
			kindIs(t, err, tc.kind, tc.message)
			if len(events) != tc.events {
				t.Errorf("%d events before it: %+v", len(events), events)
			}
		})
	}
	c, got := fake(t, Options{}, answer(200, kind, ""))
	_, err := gather(t, c, Request{Raw: json.RawMessage(`[`)})
	kindIs(t, err, KindInvalidRequest, "not a JSON object")
	if len(*got) != 0 {
		t.Error("sent all the same")
	}
}

func TestLeavingTheLoopCancelsAtOnce(t *testing.T) {
	gone := make(chan struct{})
	c, _ := fake(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: delta\ndata: {\"text\":\"a\"}\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for ev, err := range c.Stream(t.Context(), Request{Prompt: "hi"}) {
		if err != nil || ev.Text != "a" {
			t.Fatal(ev, err)
		}
		break
	}
	within(t, gone)
}

func within(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the gateway never learned of it")
	}
}

func TestCancelledStream(t *testing.T) {
	c, _ := fake(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "event: delta\ndata: {\"text\":\"a\"}\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range c.Stream(ctx, Request{Prompt: "hi"}) {
		cancel()
		last = err
	}
	kindIs(t, last, KindCanceled, "")
}

// A gateway that does not close the stream behind its last event costs a moment
// and no more; one that does has its connection used again.
func TestEndOfStream(t *testing.T) {
	c, _ := fake(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, doneEvent(wholeData))
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if events, err := gather(t, c, Request{Prompt: "hi"}); err != nil || len(events) != 1 {
		t.Error(events, err)
	}
	remotes := map[string]bool{}
	c, _ = fake(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		remotes[r.RemoteAddr] = true
		answer(200, "text/event-stream", doneEvent(wholeData))(w, r)
	})
	for range 5 {
		if _, err := gather(t, c, Request{Prompt: "hi"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(remotes) != 1 {
		t.Errorf("%d connections for five streams", len(remotes))
	}
}

func TestHugeEvent(t *testing.T) {
	long := strings.Repeat("ü", 1<<20)
	c, _ := fake(t, Options{}, answer(200, "text/event-stream", doneEvent(`{"text":"`+long+`"}`)))
	events, err := gather(t, c, Request{Prompt: "hi"})
	if err != nil || events[0].Response.Text != long {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// FuzzStream checks that no bytes make a stream end without done and without
// an error, or with more than one of them.
func FuzzStream(f *testing.F) {
	f.Add(streamText + doneEvent(wholeData))
	f.Add("event: error\ndata: " + limitedBody + "\n\n")
	f.Add("event: done\ndata: {\"cost\":{\"amount\":1e999}}\n\nevent: done\ndata: {}\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		hc := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return textResponse(r, "text/event-stream", text), nil
		})}
		c, err := New(Options{HTTPClient: hc})
		if err != nil {
			t.Fatal(err)
		}
		ends := 0
		for ev, err := range c.Stream(t.Context(), Request{Prompt: "hi"}) {
			if ends > 0 {
				t.Fatal("something after the end")
			}
			if err != nil || ev.Type == EventDone {
				ends++
			}
			if err == nil && ev.Type == EventDone && ev.Response == nil {
				t.Fatal("done without an answer")
			}
		}
		if ends != 1 {
			t.Fatal("no end")
		}
	})
}
