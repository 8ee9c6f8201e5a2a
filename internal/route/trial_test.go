package route

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route/canary"
)

func tried(t *testing.T, percent float64, candidate *Target) (*Route, *canary.Controller) {
	t.Helper()
	control := canary.New(canary.Options{Rules: canary.Rules{Interval: time.Hour, MinRequests: 1000}, Steps: []float64{percent}}, time.Now())
	tb := New(Options{
		Routes: []Spec{{Name: "chat", Targets: []TargetSpec{{Model: "a"}}, Canary: &CanarySpec{Control: control, Candidate: TargetSpec{Model: "new"}}}},
		Target: func(s TargetSpec) *Target {
			if s.Model == "new" {
				return candidate
			}
			return letter(s.Model, 1)
		},
	})
	r, err := tb.Resolve("chat")
	if err != nil {
		t.Fatal(err)
	}
	return r, control
}

func inOrder(p Plan) string {
	var s string
	for _, t := range p.Targets {
		s += t.Label
	}
	return s
}

// TestCandidateGetsItsShare: of named callers always the same ones, of nameless
// ones by chance, and a larger share holds the smaller one.
func TestCandidateGetsItsShare(t *testing.T) {
	in := map[string]bool{}
	for _, percent := range []float64{5, 50, 100} {
		r, _ := tried(t, percent, letter("n", 1))
		n := 0
		for i := range 2000 {
			user := fmt.Sprintf(`{"user":"u%d"}`, i)
			p, err := r.Plan(by("app", user))
			if err != nil {
				t.Fatal(err)
			}
			again, _ := r.Plan(by("app", user))
			candidate := inOrder(p) == "na"
			if inOrder(again) != inOrder(p) || in[user] && !candidate || !candidate && inOrder(p) != "a" {
				t.Fatalf("%s: %s, then %s", user, inOrder(p), inOrder(again))
			}
			if in[user] = candidate; candidate {
				n++
			}
		}
		if got := float64(n) / 20; got < percent-2 || got > percent+2 {
			t.Errorf("%v %% of the callers at %v %%", got, percent)
		}
	}
	r, _ := tried(t, 50, letter("n", 1))
	n := 0
	for range 1000 {
		if p, _ := r.Plan(by("", `{}`)); inOrder(p) == "na" {
			n++
		}
	}
	if n < 400 || n > 600 {
		t.Errorf("%d of 1000 nameless calls", n)
	}
}

// TestWhoIsNotTried: calls that the candidate cannot serve, and token counts.
func TestWhoIsNotTried(t *testing.T) {
	blind := capable("n", Any|Tools, true)
	blind.Traits.ContextWindow = 100
	r, control := tried(t, 100, blind)
	image := &llm.Request{Messages: []llm.Message{{Parts: []llm.Part{{Type: llm.PartImage}}}}}
	count := by("app", `{}`)
	count.Op = llm.OpCountTokens
	long := asks(`{"pad":"`+strings.Repeat("x", 200)+`"}`, &llm.Request{})
	r.world.estimate = func(*llm.Call) (int64, int64) { return 200, -1 }
	for name, c := range map[string]*llm.Call{"image": asks(`image`, image), "count": count, "too long": long} {
		if p, err := r.Plan(c); err != nil || inOrder(p) != "a" || p.Trial != nil {
			t.Errorf("%s: %s, %v", name, inOrder(p), err)
		}
	}
	if p, _ := r.Plan(asks(`{}`, &llm.Request{})); inOrder(p) != "na" || p.Trial == nil {
		t.Errorf("a plain call: %s", inOrder(p))
	}
	blind.Health = new(Health)
	blind.Health.Failed(&llm.Error{Kind: llm.KindUpstreamRateLimited, Attempts: 1, RetryAfter: time.Minute}, time.Now())
	p, _ := r.Plan(asks(`{}`, &llm.Request{}))
	if s := control.Status().Window.Candidate; inOrder(p) != "a" || reasons(p) != "n:cooling_down" || s.Errors != 1 {
		t.Errorf("a candidate at rest: %s %s %+v", inOrder(p), reasons(p), s)
	}
}

// piece is a stream that ends as its last step says.
type piece struct {
	events []llm.Event
	err    error
}

func (p *piece) Recv() (*llm.Event, error) {
	if len(p.events) == 0 {
		return nil, p.err
	}
	ev := p.events[0]
	p.events = p.events[1:]
	return &ev, nil
}

func (*piece) Close() error { return nil }

// TestHowCallsCount is the table of what is held against a candidate.
func TestHowCallsCount(t *testing.T) {
	stop := llm.FinishStop
	text := func(s string) *llm.Response {
		return &llm.Response{Finish: stop, Parts: []llm.Part{{Type: llm.PartText, Text: s}}}
	}
	whole := func(r *llm.Response) *llm.Reply { return &llm.Reply{Response: r, Finish: r.Finish} }
	raw := func(d llm.Dialect, body string) *llm.Reply {
		return &llm.Reply{Dialect: d, Raw: []byte(body), Finish: stop, Usage: llm.Usage{Output: 2, Source: llm.UsageReported}}
	}
	stream := func(end error, events ...llm.Event) *llm.Reply { return &llm.Reply{Stream: &piece{events, end}} }
	tool := &llm.Response{Finish: stop, Parts: []llm.Part{{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{}}}}
	cut := text(`{"a"`)
	cut.Finish = llm.FinishLength
	const jsonBody = `{"response_format":{"type":"json_object"}}`
	wants := &llm.Request{ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONObject}}
	for name, tc := range map[string]struct {
		json  bool
		reply *llm.Reply
		err   error
		want  string // requests errors invalid
	}{
		"answer":              {reply: whole(text("hi")), want: "1 0 0"},
		"empty":               {reply: whole(text("")), want: "1 0 1"},
		"tool call":           {reply: whole(tool), want: "1 0 0"},
		"JSON":                {json: true, reply: whole(text(`{"a":1}`)), want: "1 0 0"},
		"no JSON":             {json: true, reply: whole(text(`{"a":`)), want: "1 0 1"},
		"cut by length":       {json: true, reply: whole(cut), want: "1 0 0"},
		"raw":                 {reply: raw(llm.DialectOpenAI, `{"choices":[{"message":{"content":"hi"}}]}`), want: "1 0 0"},
		"raw empty":           {reply: raw(llm.DialectOpenAI, `{"choices":[{"message":{"content":""}}]}`), want: "1 0 1"},
		"raw null":            {reply: raw(llm.DialectOpenAI, `{"choices":[{"message":{"content":null}}]}`), want: "1 0 1"},
		"raw tool call":       {reply: raw(llm.DialectOpenAI, `{"choices":[{"message":{"content":null,"tool_calls":[{}]}}]}`), want: "1 0 0"},
		"raw refusal":         {reply: raw(llm.DialectOpenAI, `{"choices":[{"message":{"content":null,"refusal":"no"}}]}`), want: "1 0 0"},
		"raw no JSON":         {json: true, reply: raw(llm.DialectOpenAI, `{"choices":[{"message":{"content":"hi"}}]}`), want: "1 0 1"},
		"raw parts":           {reply: raw(llm.DialectOpenAI, `{"choices":[{"message":{"content":[]}}]}`), want: "1 0 0"},
		"message":             {reply: raw(llm.DialectAnthropic, `{"content":[{"type":"text","text":"hi"}]}`), want: "1 0 0"},
		"message, empty":      {reply: raw(llm.DialectAnthropic, `{"content":[{"type":"thinking"}]}`), want: "1 0 1"},
		"message with a tool": {reply: raw(llm.DialectAnthropic, `{"content":[{"type":"tool_use"}]}`), want: "1 0 0"},
		"unknown dialect":     {reply: raw(llm.DialectResponses, `{}`), want: "1 0 0"},
		"stream":              {reply: stream(io.EOF, llm.Event{Kind: llm.EventText, Text: "hi"}, llm.Event{Kind: llm.EventFinish, Finish: stop}), want: "1 0 0"},
		"empty stream":        {reply: stream(io.EOF, llm.Event{Kind: llm.EventFinish, Finish: stop}), want: "1 0 1"},
		"cut stream":          {reply: stream(llm.Errorf(llm.KindUpstreamError, "cut"), llm.Event{Kind: llm.EventText, Text: "hi"}), want: "1 1 0"},
		"5xx":                 {err: llm.Errorf(llm.KindUpstreamError, "no"), want: "1 1 0"},
		"time-out":            {err: llm.Errorf(llm.KindTimeout, "no"), want: "1 1 0"},
		"429":                 {err: llm.Errorf(llm.KindUpstreamRateLimited, "no"), want: "1 1 0"},
		"open circuit":        {err: llm.Errorf(llm.KindOverloaded, "no"), want: "1 1 0"},
		"refused credential":  {err: llm.Errorf(llm.KindUpstreamAuth, "no"), want: "1 1 0"},
		"no such model":       {err: llm.Errorf(llm.KindNotFound, "no"), want: "1 1 0"},
		"caller's fault":      {err: llm.Errorf(llm.KindInvalidRequest, "no"), want: "0 0 0"},
		"filtered":            {err: llm.Errorf(llm.KindContentFiltered, "no"), want: "0 0 0"},
		"client left":         {err: llm.Errorf(llm.KindCanceled, "no"), want: "0 0 0"},
	} {
		r, control := tried(t, 100, letter("n", 1))
		c := asks(`{}`, &llm.Request{})
		if tc.json {
			c = asks(jsonBody, wants)
		}
		p, err := r.Plan(c)
		if err != nil {
			t.Fatal(err)
		}
		if p.Trial.Watch(tc.reply, tc.err); tc.reply != nil && tc.reply.Stream != nil {
			for err == nil {
				_, err = tc.reply.Stream.Recv()
			}
		}
		s := control.Status().Window.Candidate
		if got := fmt.Sprint(s.Requests, s.Errors, s.Invalid); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestClientLeavesAStream(t *testing.T) {
	r, control := tried(t, 100, letter("n", 1))
	p, _ := r.Plan(asks(`{}`, &llm.Request{}))
	reply := &llm.Reply{Stream: &piece{[]llm.Event{{Kind: llm.EventText, Text: "hi"}}, io.EOF}}
	p.Trial.Watch(reply, nil)
	_ = reply.Close()
	if n := control.Status().Window.Candidate.Requests; n != 0 {
		t.Errorf("%d counted", n)
	}
}

// TestOnward: only the candidate, only as the first, only for what is not the caller's fault.
func TestOnward(t *testing.T) {
	candidate := &Trial{side: canary.Candidate}
	gone, fault := llm.Errorf(llm.KindNotFound, "no"), llm.Errorf(llm.KindInvalidRequest, "no")
	var none *Trial
	if !candidate.Onward(0, gone) || candidate.Onward(1, gone) || candidate.Onward(0, fault) || (&Trial{}).Onward(0, gone) || none.Onward(0, gone) {
		t.Error("wrong")
	}
	none.Watch(nil, gone) // does nothing
}
