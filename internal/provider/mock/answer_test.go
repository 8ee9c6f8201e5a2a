package mock_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/schema"
)

func TestDeterminism(t *testing.T) {
	requests := map[string]*llm.Request{
		"text":       ask("tell me something"),
		"tools":      {Messages: ask("weather?").Messages, Tools: []llm.Tool{weather()}},
		"structured": {Messages: ask("x").Messages, ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONSchema, Schema: weather().Parameters}},
		"reasoning":  {Messages: ask("x").Messages, Reasoning: &llm.ReasoningOptions{Effort: "high"}},
	}
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			a := whole(t, mock.New(mock.Options{}), "chat", r)
			b := whole(t, mock.New(mock.Options{}), "chat", r)
			if !reflect.DeepEqual(a, b) {
				t.Errorf("two mocks, one request, two answers:\n%+v\n%+v", a, b)
			}
			if c := whole(t, mock.New(mock.Options{Seed: 1}), "chat", r); c.ID == a.ID {
				t.Error("another seed must give another answer")
			}
			evs, err := events(t.Context(), mock.New(mock.Options{}), "chat", r)
			if err != nil {
				t.Fatal(err)
			}
			s := gather(evs)
			s.Created = a.Created
			if !reflect.DeepEqual(a, s) {
				t.Errorf("stream and whole answer differ:\n%+v\n%+v", a, s)
			}
		})
	}
}

// TestSeedCoversTheRequest changes one member at a time: each has a say in the
// answer, and those that only say who asks or how have none.
func TestSeedCoversTheRequest(t *testing.T) {
	base := func() *llm.Request {
		return &llm.Request{Messages: []llm.Message{user("hi")}, Tools: []llm.Tool{weather()}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolNone}}
	}
	id := func(r *llm.Request) string {
		plan, err := mock.New(mock.Options{}).Plan(llm.OpChat, "chat", r)
		if err != nil {
			t.Fatal(err)
		}
		return plan.Response.ID
	}
	seen := map[string]string{id(base()): "the base"}
	for name, change := range map[string]func(*llm.Request){
		"text":        func(r *llm.Request) { r.Messages[0] = user("ho") },
		"role":        func(r *llm.Request) { r.Messages[0].Role = llm.RoleSystem },
		"name":        func(r *llm.Request) { r.Messages[0].Name = "ann" },
		"second part": func(r *llm.Request) { r.Messages[0].Parts = append(r.Messages[0].Parts, llm.Part{Type: llm.PartText}) },
		"image": func(r *llm.Request) {
			r.Messages[0].Parts[0] = llm.Part{Type: llm.PartImage, Media: &llm.Media{URL: "http://x"}}
		},
		"max_tokens":  func(r *llm.Request) { r.MaxTokens = ptr(int64(9)) },
		"temperature": func(r *llm.Request) { r.Temperature = ptr(0.5) },
		"temp. 0":     func(r *llm.Request) { r.Temperature = ptr(0.0) },
		"top_p":       func(r *llm.Request) { r.TopP = ptr(0.5) },
		"top_k":       func(r *llm.Request) { r.TopK = ptr(int64(5)) },
		"seed":        func(r *llm.Request) { r.Seed = ptr(int64(5)) },
		"presence":    func(r *llm.Request) { r.PresencePenalty = ptr(0.25) },
		"frequency":   func(r *llm.Request) { r.FrequencyPenalty = ptr(0.25) },
		"bias":        func(r *llm.Request) { r.LogitBias = json.RawMessage(`{"1":2}`) },
		"stop":        func(r *llm.Request) { r.Stop = []string{"zzz"} },
		"tools":       func(r *llm.Request) { r.Tools = append(r.Tools, clock()) },
		"choice":      func(r *llm.Request) { r.ToolChoice = nil },
		"parallel":    func(r *llm.Request) { r.ParallelToolCalls = ptr(false) },
		"parallel on": func(r *llm.Request) { r.ParallelToolCalls = ptr(true) },
		"format":      func(r *llm.Request) { r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONObject} },
		"effort":      func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Effort: "low"} },
		"verbosity":   func(r *llm.Request) { r.Verbosity = "low" },
	} {
		r := base()
		change(r)
		got := id(r)
		if other, ok := seen[got]; ok {
			t.Errorf("%s gives the same answer as %s", name, other)
		}
		seen[got] = name
	}
	for name, change := range map[string]func(*llm.Request){
		"stream":   func(r *llm.Request) { r.Stream, r.IncludeUsage = true, true },
		"user":     func(r *llm.Request) { r.User, r.Metadata = "u", map[string]string{"a": "b"} },
		"model":    func(r *llm.Request) { r.Model = "m" },
		"tags":     func(r *llm.Request) { r.Tags = map[string]string{"a": "b"} },
		"no store": func(r *llm.Request) { r.Store = ptr(false) },
	} {
		r := base()
		change(r)
		if seen[id(r)] != "the base" {
			t.Errorf("%s must make no difference", name)
		}
	}
}

func TestUnique(t *testing.T) {
	p := mock.New(mock.Options{})
	a, b := whole(t, p, "unique", ask("x")), whole(t, p, "unique", ask("x"))
	if a.ID == b.ID || a.Text() == b.Text() {
		t.Errorf("unique answered %q twice", a.Text())
	}
	p.Reset()
	if c := whole(t, p, "unique", ask("x")); c.Text() != a.Text() {
		t.Error("after Reset the series must begin anew")
	}
}

// TestUsageAddsUp: what is reported is what stands in the answer, for every
// kind of answer, whole and streamed.
func TestUsageAddsUp(t *testing.T) {
	count := func(r *llm.Response) (out, reasoning int64) {
		for _, p := range r.Parts {
			switch p.Type {
			case llm.PartReasoning:
				reasoning += mock.CountTokens(p.Reasoning.Text)
			case llm.PartToolCall:
				out += mock.CountTokens(p.ToolCall.Name) + mock.CountTokens(p.ToolCall.Arguments)
			default:
				out += mock.CountTokens(p.Text)
			}
		}
		return out + reasoning, reasoning
	}
	tools := []llm.Tool{weather(), clock()}
	for model, r := range map[string]*llm.Request{
		"chat":                  ask("hi"),
		"lorem-77+think-5":      ask("hi"),
		"lorem-77+chunk-5":      ask("hi"),
		"refuse":                ask("hi"),
		"filter":                ask("hi"),
		"empty":                 ask("hi"),
		"bytes-12345":           ask("hi"),
		"json+cached-3":         ask("hi"),
		"tool-get_weather":      {Messages: ask("hi").Messages, Tools: tools},
		"tool-getTime+think":    {Messages: ask("hi").Messages, Tools: tools},
		"lorem-500+cached-9999": {Messages: ask("hi").Messages, MaxTokens: ptr(int64(33))},
	} {
		t.Run(model, func(t *testing.T) {
			p := mock.New(mock.Options{})
			a := whole(t, p, model, r)
			out, reasoning := count(a)
			u := a.Usage
			if u.Output != out || u.Reasoning != reasoning || u.Source != llm.UsageReported {
				t.Errorf("usage %+v, the answer has %d tokens, %d of them reasoning", u, out, reasoning)
			}
			if u.Input <= 0 || u.CachedInput > u.Input || u.Total() != u.Input+u.Output {
				t.Errorf("usage %+v does not add up", u)
			}
			c := call(model, false, r)
			c.Op = llm.OpCountTokens
			n, err := p.Do(t.Context(), c)
			if err != nil || n.Usage.Input != u.Input || n.Usage.Output != 0 {
				t.Errorf("count_tokens says %+v (%v), the answer %d", n.Usage, err, u.Input)
			}
			evs, err := events(t.Context(), p, model, r)
			if err != nil {
				t.Fatal(err)
			}
			var pieces int64
			for _, ev := range evs {
				pieces += mock.CountTokens(ev.Text) + mock.CountTokens(ev.Name)
			}
			if pieces != out {
				t.Errorf("the pieces of the stream have %d tokens, the answer %d", pieces, out)
			}
		})
	}
}

func TestTokenRule(t *testing.T) {
	for s, want := range map[string]int64{
		"": 0, " ": 1, "a": 1, "hello world": 2, "hello, world!": 4, " leading": 1, "trailing  ": 1, "a-b": 3, "get_weather": 1,
		"1234567890123456": 1, "12345678901234567": 2, strings.Repeat("a", 33): 3, "日本語": 1, "😀😀": 2, "\n\n": 1, "a\n": 1, `{"a":1}`: 7, "\xff\xfe": 2,
	} {
		if got := mock.CountTokens(s); got != want {
			t.Errorf("CountTokens(%q) = %d, want %d", s, got, want)
		}
	}
}

// FuzzTokens: tokens of a text, joined, are the text, and pieces of it at
// token borders add up.
func FuzzTokens(f *testing.F) {
	f.Add("Hello, world! 日本語  \n\xff x", uint8(2))
	f.Fuzz(func(t *testing.T, s string, chunk uint8) {
		r := ask(s)
		p := mock.New(mock.Options{})
		plan, err := p.Plan(llm.OpChat, "echo", r)
		if err != nil {
			t.Fatal(err)
		}
		plan.Chunk = int(chunk)%9 + 1
		var joined string
		var sum int64
		stream := plan.Stream(t.Context())
		for {
			ev, err := stream.Recv()
			if err != nil {
				break
			}
			joined += ev.Text
			sum += mock.CountTokens(ev.Text)
		}
		if joined != s || sum != mock.CountTokens(s) || sum != plan.Response.Usage.Output {
			t.Errorf("%q came as %q, %d tokens of %d", s, joined, sum, mock.CountTokens(s))
		}
	})
}

func TestMaxTokens(t *testing.T) {
	p := mock.New(mock.Options{})
	full := whole(t, p, "lorem-100", ask("x"))
	for _, limit := range []int64{0, 1, 7, full.Usage.Output - 1, full.Usage.Output, full.Usage.Output + 1} {
		r := ask("x")
		r.MaxTokens = ptr(limit)
		a := plan(t, p, "lorem-100", r)
		if limit >= full.Usage.Output {
			if a.Finish != llm.FinishStop || a.Usage.Output != full.Usage.Output {
				t.Errorf("limit %d: finish %s with %d tokens", limit, a.Finish, a.Usage.Output)
			}
			continue
		}
		if a.Finish != llm.FinishLength || a.Usage.Output != limit {
			t.Errorf("limit %d: finish %s with %d tokens", limit, a.Finish, a.Usage.Output)
		}
	}
}

func plan(t *testing.T, p *mock.Provider, model string, r *llm.Request) *llm.Response {
	t.Helper()
	pl, err := p.Plan(llm.OpChat, model, r)
	if err != nil {
		t.Fatal(err)
	}
	return pl.Response
}

// TestMaxTokensOrder: reasoning is paid first, then calls, in the order of the
// answer; a call without room for its name is left out.
func TestMaxTokensOrder(t *testing.T) {
	p := mock.New(mock.Options{})
	r := &llm.Request{Messages: ask("hi").Messages, Tools: []llm.Tool{weather(), clock()}, Reasoning: &llm.ReasoningOptions{Effort: "low"}}
	model := "tool-get_weather+tool-getTime"
	full := plan(t, p, model, r)
	var before int64 = -1
	for limit := int64(0); limit < full.Usage.Output; limit++ {
		r.MaxTokens = ptr(limit)
		a := plan(t, p, model, r)
		if a.Finish != llm.FinishLength || a.Usage.Output > limit || a.Usage.Output < before {
			t.Fatalf("limit %d: finish %s with %d tokens", limit, a.Finish, a.Usage.Output)
		}
		if a.Usage.Reasoning != min(limit, 16) {
			t.Errorf("limit %d: %d tokens of reasoning, want %d", limit, a.Usage.Reasoning, min(limit, 16))
		}
		for i, c := range a.ToolCalls() {
			if !strings.HasPrefix(full.ToolCalls()[i].Arguments, c.Arguments) {
				t.Errorf("limit %d: arguments %q", limit, c.Arguments)
			}
		}
		before = a.Usage.Output
	}
}

func TestStop(t *testing.T) {
	p := mock.New(mock.Options{})
	for _, tc := range []struct {
		stop []string
		text string
		hit  string
	}{
		{[]string{"three"}, "one two ", "three"},
		{[]string{"four", "two"}, "one ", "two"},
		{[]string{"nowhere"}, "one two three four", ""},
		{[]string{"one"}, "", "one"},
	} {
		r := ask("one two three four")
		r.Stop = tc.stop
		a := whole(t, p, "echo", r)
		if a.Text() != tc.text || a.StopSequence != tc.hit || a.Finish != llm.FinishStop {
			t.Errorf("stop %q: %q, sequence %q, finish %s", tc.stop, a.Text(), a.StopSequence, a.Finish)
		}
		if a.Usage.Output != mock.CountTokens(tc.text) {
			t.Errorf("stop %q: what was cut off is counted", tc.stop)
		}
	}
	r := ask("one two three four")
	r.Stop, r.MaxTokens = []string{"four"}, ptr(int64(2))
	if a := whole(t, p, "echo", r); a.Text() != "one two" || a.Finish != llm.FinishLength || a.StopSequence != "" {
		t.Errorf("max_tokens before the stop sequence: %q, %s, %q", a.Text(), a.Finish, a.StopSequence)
	}
}

func TestReasoning(t *testing.T) {
	p := mock.New(mock.Options{})
	last := int64(0)
	for _, effort := range []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"} {
		r := ask("x")
		r.Reasoning = &llm.ReasoningOptions{Effort: effort}
		a := whole(t, p, "chat", r)
		if effort == "none" && a.Usage.Reasoning != 0 || effort != "none" && a.Usage.Reasoning <= last {
			t.Errorf("%s: %d tokens after %d", effort, a.Usage.Reasoning, last)
		}
		if a.Usage.Reasoning != mock.CountTokens(a.ReasoningText()) || a.Text() == "" {
			t.Errorf("%s: usage %+v, reasoning %q", effort, a.Usage, a.ReasoningText())
		}
		last = a.Usage.Reasoning
	}
	for _, tc := range []struct {
		o    llm.ReasoningOptions
		want int64
	}{
		{llm.ReasoningOptions{Budget: ptr(int64(10))}, 10},
		{llm.ReasoningOptions{Budget: ptr(int64(10_000))}, 32},
		{llm.ReasoningOptions{Budget: ptr(int64(0))}, 0},
		{llm.ReasoningOptions{Effort: "high", Budget: ptr(int64(20))}, 20},
		{llm.ReasoningOptions{Adaptive: true}, 32},
		{llm.ReasoningOptions{}, 0},
	} {
		r := ask("x")
		r.Reasoning = &tc.o
		if a := plan(t, p, "chat", r); a.Usage.Reasoning != tc.want {
			t.Errorf("%+v: %d tokens, want %d", tc.o, a.Usage.Reasoning, tc.want)
		}
	}
}

func TestReasonerRefuses(t *testing.T) {
	p := mock.New(mock.Options{})
	for param, change := range map[string]func(*llm.Request){
		"temperature":       func(r *llm.Request) { r.Temperature = ptr(0.2) },
		"top_p":             func(r *llm.Request) { r.TopP = ptr(0.2) },
		"presence_penalty":  func(r *llm.Request) { r.PresencePenalty = ptr(1.0) },
		"frequency_penalty": func(r *llm.Request) { r.FrequencyPenalty = ptr(1.0) },
		"stop":              func(r *llm.Request) { r.Stop = []string{"x"} },
	} {
		r := ask("x")
		change(r)
		_, err := p.Do(t.Context(), call("reasoner", false, r))
		if e := llm.AsError(err); e == nil || e.Kind != llm.KindUnsupported || e.Param != param {
			t.Errorf("%s: %v", param, err)
		}
		whole(t, p, "chat", r) // others take it
	}
	r := ask("x")
	r.Temperature = ptr(1.0)
	whole(t, p, "reasoner", r)
}

func TestRefusals(t *testing.T) {
	p := mock.New(mock.Options{})
	for param, change := range map[string]func(*llm.Request){
		"n":        func(r *llm.Request) { r.N = ptr(int64(2)) },
		"logprobs": func(r *llm.Request) { r.Logprobs = ptr(true) },
		"weird":    func(r *llm.Request) { r.Extra = []llm.Member{{Name: "weird", Value: json.RawMessage("1")}} },
	} {
		r := ask("x")
		change(r)
		c := call("echo", false, r)
		_, err := p.Do(t.Context(), c)
		if e := llm.AsError(err); e == nil || e.Kind != llm.KindUnsupported || e.Param != param || e.Provider != "mock" {
			t.Errorf("%s: %v", param, err)
		}
		c.Drop = true
		reply, err := p.Do(t.Context(), c)
		if err != nil || !slices.ContainsFunc(reply.Dropped, func(d string) bool { return strings.HasPrefix(d, param) }) {
			t.Errorf("%s, to be dropped: %+v, %v", param, reply, err)
		}
	}
}

func TestWindow(t *testing.T) {
	p := mock.New(mock.Options{})
	if _, err := p.Do(t.Context(), call("window-20", false, ask(strings.Repeat("word ", 10)))); err != nil {
		t.Error(err)
	}
	_, err := p.Do(t.Context(), call("window-20", false, ask(strings.Repeat("word ", 20))))
	if e := llm.AsError(err); e == nil || e.Kind != llm.KindInvalidRequest || e.Code != "context_length_exceeded" || e.Retryable() {
		t.Errorf("error = %v", err)
	}
}

func TestStructuredOutput(t *testing.T) {
	sch := json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":18}},"required":["name","age"],"additionalProperties":false}`)
	format := &llm.ResponseFormat{Type: llm.FormatJSONSchema, Name: "person", Schema: sch}
	p := mock.New(mock.Options{})
	for _, model := range []string{"chat", "echo", "lorem-10", "json", "tool-x+chat"} {
		r := ask("a person please")
		r.ResponseFormat = format
		if model == "tool-x+chat" {
			r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolNone}
		}
		a := plan(t, p, model, r)
		if ok, err := schema.Valid(sch, []byte(a.Text())); err != nil || !ok {
			t.Errorf("%s: %s does not satisfy the schema (%v)", model, a.Text(), err)
		}
	}
	mine := `{"name": "Ada", "age": 36}`
	r := ask(mine)
	r.ResponseFormat = format
	if a := whole(t, p, "echo", r); a.Text() != mine {
		t.Errorf("echo of a fitting prompt = %s", a.Text())
	}
	r = ask(`{"name": "Ada", "age": 17}`)
	r.ResponseFormat = format
	if a := whole(t, p, "echo", r); a.Text() == lastOf(r) {
		t.Error("a prompt that does not fit must not be echoed")
	}
	r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONSchema, Schema: json.RawMessage(`{"type":"integer","minimum":2,"maximum":1}`)}
	_, err := p.Do(t.Context(), call("chat", false, r))
	if e := llm.AsError(err); e == nil || e.Kind != llm.KindInvalidRequest || e.Param != "response_format" {
		t.Errorf("a schema without values: %v", err)
	}
}

func lastOf(r *llm.Request) string { return r.Messages[len(r.Messages)-1].Parts[0].Text }

func TestJSONObject(t *testing.T) {
	p := mock.New(mock.Options{})
	r := ask(`say "hi" in <json>`)
	r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONObject}
	for _, model := range []string{"chat", "echo", "lorem-5"} {
		var v struct{ Message string }
		if a := whole(t, p, model, r); json.Unmarshal([]byte(a.Text()), &v) != nil || v.Message != lastOf(r) {
			t.Errorf("%s: %s", model, a.Text())
		}
	}
	r.Messages[0] = user(`{"mine": true}`)
	if a := whole(t, p, "echo", r); a.Text() != `{"mine": true}` {
		t.Errorf("echo of an object = %s", a.Text())
	}
	r.Messages[0] = user(`[1]`)
	if a := whole(t, p, "echo", r); a.Text() == "[1]" {
		t.Error("an array is no JSON object")
	}
	r.ResponseFormat.Type = llm.FormatText
	if a := whole(t, p, "echo", r); a.Text() != "[1]" {
		t.Errorf("format text = %s", a.Text())
	}
}

func TestBrokenJSON(t *testing.T) {
	p := mock.New(mock.Options{})
	r := ask("x")
	r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONSchema, Schema: weather().Parameters}
	if a := whole(t, p, "broken-json", r); json.Valid([]byte(a.Text())) || a.Text() == "" || a.Finish != llm.FinishStop {
		t.Errorf("answer = %q, finish %s", a.Text(), a.Finish)
	}
	r = ask("x")
	r.Tools = []llm.Tool{weather()}
	if c := whole(t, p, "broken-json", r).ToolCalls(); len(c) != 1 || json.Valid([]byte(c[0].Arguments)) {
		t.Errorf("calls = %+v", c)
	}
	for _, number := range []string{`{"const":12345}`, `{"const":"日本語日本語"}`, `{"const":1}`} {
		r.Tools, r.ResponseFormat = nil, &llm.ResponseFormat{Type: llm.FormatJSONSchema, Schema: json.RawMessage(number)}
		if a := whole(t, p, "broken-json", r); json.Valid([]byte(a.Text())) {
			t.Errorf("%s: %q is JSON", number, a.Text())
		}
	}
}
