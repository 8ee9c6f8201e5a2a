package mock_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/schema"
)

func names(r *llm.Response) []string {
	var out []string
	for _, c := range r.ToolCalls() {
		out = append(out, c.Name)
	}
	return out
}

func TestToolChoice(t *testing.T) {
	both := []llm.Tool{weather(), clock()}
	for name, tc := range map[string]struct {
		model  string
		prompt string
		tools  []llm.Tool
		choice *llm.ToolChoice
		serial bool
		want   []string
	}{
		"auto, best by words of the name":      {prompt: "what is the weather in Paris", tools: both, want: []string{"get_weather"}},
		"auto, camel case":                     {prompt: "the time please", tools: both, want: []string{"getTime"}},
		"auto, nothing in common":              {prompt: "hm", tools: both, want: []string{"get_weather"}},
		"auto, both named":                     {prompt: "use get_weather and then getTime", tools: both, want: []string{"get_weather", "getTime"}},
		"auto, named as part of a longer word": {prompt: "getTimeZone for the weather", tools: both, want: []string{"get_weather"}},
		"auto, both named, one at a time":      {prompt: "use get_weather and then getTime", tools: both, serial: true, want: []string{"get_weather"}},
		"auto, named by the model":             {model: "tool-getTime+tool-get_weather", prompt: "x", tools: both, want: []string{"getTime", "get_weather"}},
		"model names both, one at a time":      {model: "tool-getTime+tool-get_weather", prompt: "x", tools: both, serial: true, want: []string{"getTime"}},
		"auto, echo only speaks":               {model: "echo", prompt: "get_weather", tools: both},
		"no tools":                             {prompt: "get_weather"},
		"none":                                 {prompt: "get_weather", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolNone}},
		"none beats the model":                 {model: "tool-getTime", prompt: "x", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolNone}},
		"required of echo":                     {model: "echo", prompt: "the time", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolRequired}, want: []string{"getTime"}},
		"required of lorem":                    {model: "lorem-5", prompt: "getTime", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolRequired}, want: []string{"getTime"}},
		"named":                                {prompt: "weather", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolNamed, Name: "getTime"}, want: []string{"getTime"}},
		"named of echo":                        {model: "echo", prompt: "x", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolNamed, Name: "getTime"}, want: []string{"getTime"}},
		"allowed":                              {prompt: "weather", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolAuto, Allowed: []string{"getTime"}}, want: []string{"getTime"}},
		"allowed and required":                 {model: "echo", prompt: "weather", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolRequired, Allowed: []string{"getTime"}}, want: []string{"getTime"}},
		"a refusal beats required":             {model: "refuse", prompt: "x", tools: both, choice: &llm.ToolChoice{Mode: llm.ToolRequired}},
	} {
		t.Run(name, func(t *testing.T) {
			r := ask(tc.prompt)
			r.Tools, r.ToolChoice = tc.tools, tc.choice
			if tc.serial {
				r.ParallelToolCalls = ptr(false)
			}
			a := plan(t, mock.New(mock.Options{}), tc.model, r)
			if got := names(a); !slices.Equal(got, tc.want) {
				t.Fatalf("calls = %v, want %v", got, tc.want)
			}
			if (a.Finish == llm.FinishToolCalls) != (len(tc.want) > 0) {
				t.Errorf("finish = %s", a.Finish)
			}
			ids := map[string]bool{}
			for i, c := range a.ToolCalls() {
				params := both[slices.IndexFunc(both, func(t llm.Tool) bool { return t.Name == c.Name })].Parameters
				if ok, err := schema.Valid(params, []byte(c.Arguments)); err != nil || !ok {
					t.Errorf("arguments %s (%v)", c.Arguments, err)
				}
				if !strings.HasPrefix(c.ID, "call_") || ids[c.ID] {
					t.Errorf("call %d has the id %q", i, c.ID)
				}
				ids[c.ID] = true
			}
		})
	}
}

func TestToolChoiceErrors(t *testing.T) {
	p := mock.New(mock.Options{})
	hosted := llm.Tool{Name: "web", Type: "web_search", Raw: json.RawMessage(`{"type":"web_search"}`)}
	for name, r := range map[string]*llm.Request{
		"required without functions": {Messages: ask("x").Messages, Tools: []llm.Tool{hosted}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolRequired}},
		"a name that there is not":   {Messages: ask("x").Messages, Tools: []llm.Tool{weather()}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolNamed, Name: "nope"}},
		"a name that is not allowed": {Messages: ask("x").Messages, Tools: []llm.Tool{weather(), clock()}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolNamed, Name: "getTime", Allowed: []string{"get_weather"}}},
		"a schema without values":    {Messages: ask("x").Messages, Tools: []llm.Tool{{Name: "f", Parameters: json.RawMessage(`{"type":"object","properties":{"a":false},"required":["a"]}`)}}},
	} {
		_, err := p.Plan(llm.OpChat, "chat", r)
		if e := llm.AsError(err); e == nil || e.Kind != llm.KindInvalidRequest || e.Param == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestToolLoop plays a whole conversation: a call, its results, an answer that
// uses them, and a new question that is a new call.
func TestToolLoop(t *testing.T) {
	p := mock.New(mock.Options{})
	r := ask("get_weather and getTime please")
	r.Tools = []llm.Tool{weather(), clock()}
	first := whole(t, p, "chat", r)
	calls := first.ToolCalls()
	if len(calls) != 2 {
		t.Fatalf("calls = %v", names(first))
	}
	r.Messages = append(r.Messages, llm.Message{Role: llm.RoleAssistant, Parts: first.Parts},
		result(calls[0].ID, "21 degrees", false), result(calls[1].ID, "no such zone", true))
	second := whole(t, p, "chat", r)
	if len(second.ToolCalls()) != 0 || second.Finish != llm.FinishStop {
		t.Fatalf("after the results came %v", names(second))
	}
	for _, want := range []string{"get_weather returned: 21 degrees.", "getTime failed with: no such zone."} {
		if !strings.Contains(second.Text(), want) {
			t.Errorf("%q does not say %q", second.Text(), want)
		}
	}
	again := r
	again.ToolChoice = &llm.ToolChoice{Mode: llm.ToolRequired}
	if third := whole(t, p, "chat", again); len(third.ToolCalls()) == 0 {
		t.Error("required must be honoured after results too")
	}
	r.ToolChoice = nil
	r.Messages = append(r.Messages, llm.Message{Role: llm.RoleAssistant, Parts: second.Parts}, user("and the time?"))
	if fourth := whole(t, p, "chat", r); !slices.Equal(names(fourth), []string{"getTime"}) {
		t.Errorf("the next question called %v", names(fourth))
	}
}

func TestEchoOfAToolResult(t *testing.T) {
	r := ask("x")
	r.Tools = []llm.Tool{weather()}
	r.Messages = append(r.Messages, llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "c1", Name: "get_weather"}}}},
		result("c1", "21 degrees", false))
	for _, model := range []string{"echo", "tool-get_weather"} {
		if a := whole(t, mock.New(mock.Options{}), model, r); !strings.Contains(a.Text(), "21 degrees") || len(a.ToolCalls()) > 0 {
			t.Errorf("%s: %q, %v", model, a.Text(), names(a))
		}
	}
}

func result(id, text string, failed bool) llm.Message {
	return llm.Message{Role: llm.RoleTool, Parts: []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{
		CallID: id, IsError: failed, Parts: []llm.Part{{Type: llm.PartText, Text: text}},
	}}}}
}
