package dialecttest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// view is what a client sees of an answer.
type view struct {
	text, reasoning string
	calls           []llm.ToolCall
	finish          llm.FinishReason
	usage           llm.Usage
}

func viewOf(r *llm.Response) view {
	v := view{text: r.Text(), reasoning: r.ReasoningText(), finish: r.Finish, usage: r.Usage}
	for _, c := range r.ToolCalls() {
		v.calls = append(v.calls, *c)
	}
	return v
}

// seeBy reads an answer of a dialect that the gateway also reads of providers.
func seeBy(codec dialect.Provider) func(*testing.T, []byte) view {
	return func(t *testing.T, whole []byte) view {
		t.Helper()
		r, err := codec.DecodeResponse(llm.OpChat, whole)
		if err != nil {
			t.Fatalf("the client cannot read the answer: %v\n%s", err, whole)
		}
		return viewOf(r)
	}
}

// rebuilt puts a stream together again.
func rebuilt(read dialect.Provider, write dialect.Client) func(*testing.T, []byte) []byte {
	return func(t *testing.T, stream []byte) []byte {
		t.Helper()
		events, err := dialecttest.Decode(read.NewStreamDecoder(), stream)
		if err != nil {
			t.Fatalf("the client cannot read the stream: %v\n%s", err, stream)
		}
		a := dialecttest.Collect(events)
		r := &llm.Response{ID: a.ID, Model: a.Model, Finish: a.Finish, Usage: a.Usage}
		for i := range a.Reasoning {
			r.Parts = append(r.Parts, llm.Part{Type: llm.PartReasoning, Reasoning: &a.Reasoning[i]})
		}
		if a.Text != "" {
			r.Parts = append(r.Parts, llm.Part{Type: llm.PartText, Text: a.Text})
		}
		for i := range a.Calls {
			r.Parts = append(r.Parts, llm.Part{Type: llm.PartToolCall, ToolCall: &a.Calls[i]})
		}
		whole, err := write.AppendResponse(nil, llm.OpChat, r, facts())
		if err != nil {
			t.Fatal(err)
		}
		return whole
	}
}

type functionCall struct {
	ID       string
	Function struct{ Name, Arguments string }
}

// nativeData is the data object of the envelope. A stream's done event is the
// object itself.
type nativeData struct {
	Text      string
	Reasoning string
	ToolCalls []functionCall `json:"tool_calls"`
	Finish    string         `json:"finish_reason"`
	Usage     struct {
		Input     int64 `json:"input_tokens"`
		Cached    int64 `json:"cached_input_tokens"`
		Output    int64 `json:"output_tokens"`
		Reasoning int64 `json:"reasoning_tokens"`
	}
}

// dataObject returns the data of an envelope, or the object that is data itself.
func dataObject(whole []byte) []byte {
	var env struct{ Data json.RawMessage }
	if json.Unmarshal(whole, &env) == nil && len(env.Data) > 0 {
		return env.Data
	}
	return whole
}

func seeNative(t *testing.T, whole []byte) view {
	t.Helper()
	var d nativeData
	if err := json.Unmarshal(dataObject(whole), &d); err != nil {
		t.Fatalf("%v\n%s", err, whole)
	}
	v := view{text: d.Text, reasoning: d.Reasoning, finish: llm.FinishReason(d.Finish), usage: llm.Usage{
		Input: d.Usage.Input, CachedInput: d.Usage.Cached, Output: d.Usage.Output, Reasoning: d.Usage.Reasoning}}
	for _, c := range d.ToolCalls {
		v.calls = append(v.calls, llm.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments})
	}
	return v
}

func seeResponses(t *testing.T, whole []byte) view {
	t.Helper()
	var r struct {
		Status     string
		Incomplete struct{ Reason string } `json:"incomplete_details"`
		Output     []struct {
			Type      string
			CallID    string `json:"call_id"`
			Name      string
			Arguments string
			Content   []struct{ Text string }
			Summary   []struct{ Text string }
		}
		Usage struct {
			Input  int64 `json:"input_tokens"`
			Output int64 `json:"output_tokens"`
			In     struct {
				Cached int64 `json:"cached_tokens"`
			} `json:"input_tokens_details"`
			Out struct {
				Reasoning int64 `json:"reasoning_tokens"`
			} `json:"output_tokens_details"`
		}
	}
	if err := json.Unmarshal(responseObject(whole), &r); err != nil {
		t.Fatalf("%v\n%s", err, whole)
	}
	v := view{finish: llm.FinishStop, usage: llm.Usage{Input: r.Usage.Input, Output: r.Usage.Output, CachedInput: r.Usage.In.Cached, Reasoning: r.Usage.Out.Reasoning}}
	for _, o := range r.Output {
		for _, c := range o.Content {
			v.text += c.Text
		}
		for _, s := range o.Summary {
			v.reasoning += s.Text
		}
		if o.Type == "function_call" {
			v.finish = llm.FinishToolCalls
			v.calls = append(v.calls, llm.ToolCall{ID: o.CallID, Name: o.Name, Arguments: o.Arguments})
		}
	}
	switch {
	case r.Status == "incomplete" && r.Incomplete.Reason == "content_filter":
		v.finish = llm.FinishContentFilter
	case r.Status == "incomplete":
		v.finish = llm.FinishLength
	}
	return v
}

// responseObject returns the response within a terminal event, or itself.
func responseObject(whole []byte) []byte {
	var ev struct{ Response json.RawMessage }
	if json.Unmarshal(whole, &ev) == nil && len(ev.Response) > 0 {
		return ev.Response
	}
	return whole
}

const resultsOA = `{"role":"tool","tool_call_id":"%1","content":"21"},{"role":"tool","tool_call_id":"%2","content":"noon"}`

func openAITurn(whole []byte) string {
	var r struct {
		Choices []struct{ Message json.RawMessage }
	}
	_ = json.Unmarshal(whole, &r)
	return nextOA(r.Choices[0].Message)
}

// nextOA sends a message back with results of its calls.
func nextOA(message []byte) string {
	var m struct {
		Calls []functionCall `json:"tool_calls"`
	}
	_ = json.Unmarshal(message, &m)
	results := strings.NewReplacer("%1", m.Calls[0].ID, "%2", m.Calls[1].ID).Replace(resultsOA)
	return `{"model":"m","reasoning_effort":"high",` + toolsOA + `,"messages":[{"role":"user","content":"Hello"},` + string(message) + `,` + results + `]}`
}

// nativeTurn makes a message of the members of data that messages have.
func nativeTurn(whole []byte) string {
	var d struct {
		Text    string          `json:"content"`
		Calls   json.RawMessage `json:"tool_calls,omitempty"`
		Details json.RawMessage `json:"reasoning_details,omitempty"`
		Role    string          `json:"role"`
	}
	_ = json.Unmarshal(dataObject(whole), &d)
	d.Role = "assistant"
	message, _ := json.Marshal(d)
	return nextOA(message)
}

func anthropicTurn(whole []byte) string {
	var r struct{ Content json.RawMessage }
	_ = json.Unmarshal(whole, &r)
	var blocks []struct{ Type, ID string }
	_ = json.Unmarshal(r.Content, &blocks)
	var results []string
	for _, b := range blocks {
		if b.Type == "tool_use" {
			results = append(results, `{"type":"tool_result","tool_use_id":"`+b.ID+`","content":"21"}`)
		}
	}
	return `{"model":"m","max_tokens":5000,"thinking":{"type":"adaptive"},` + toolsAN + `,"messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":` +
		string(r.Content) + `},{"role":"user","content":[` + strings.Join(results, ",") + `]}]}`
}

func responsesTurn(whole []byte) string {
	var r struct{ Output []json.RawMessage }
	_ = json.Unmarshal(responseObject(whole), &r)
	items := []string{`{"role":"user","content":"Hello"}`}
	var results []string
	for _, raw := range r.Output {
		items = append(items, string(raw))
		var o struct {
			Type   string
			CallID string `json:"call_id"`
		}
		_ = json.Unmarshal(raw, &o)
		if o.Type == "function_call" {
			results = append(results, `{"type":"function_call_output","call_id":"`+o.CallID+`","output":"21"}`)
		}
	}
	return `{"model":"m","store":false,"reasoning":{"effort":"high"},` + toolsRS + `,"input":[` + strings.Join(append(items, results...), ",") + `]}`
}

// checkError checks that an error has the form of a client's dialect.
func checkError(t *testing.T, client string, body []byte, kind llm.Kind) {
	t.Helper()
	var e struct {
		Type      string
		Code      *int
		RequestID string `json:"request_id"`
		Error     struct{ Type, Kind, Message string }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	fits := e.Error.Type != ""
	switch client {
	case "native":
		fits = e.Error.Kind == kind.String() && e.Code != nil && e.RequestID == "r1"
	case "anthropic":
		fits = e.Type == "error" && e.Error.Type != "" && e.RequestID == "r1"
	}
	if !fits || !strings.Contains(string(body), "the reason") {
		t.Errorf("not the form of %s: %s", client, body)
	}
}
