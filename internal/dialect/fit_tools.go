package dialect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func (f *fitter) tools() error {
	for i := range f.in.Tools {
		keep, err := f.tool(i)
		if err != nil {
			return err
		}
		if !keep {
			f.removeTool(&f.in.Tools[i])
		}
	}
	if f.s.ToolHistory && len(f.out.Tools) == 0 {
		f.declareHistory()
	}
	return nil
}

// tool checks one tool and says whether it stays.
func (f *fitter) tool(i int) (bool, error) {
	t := &f.in.Tools[i]
	param := fmt.Sprintf("tools[%d]", i)
	if t.Type != "" && t.Type != "function" {
		if f.s.Same {
			return true, nil
		}
		return false, f.refuse(param, fmt.Sprintf("%s has no tool of type %q", f.target(), t.Type))
	}
	if !f.s.Tools {
		return false, f.refuse(param, f.target()+" has no tools with this model")
	}
	if why := f.s.ToolNames.check(t.Name); why != "" {
		return false, llm.Unsupported(param+".function.name", "%s.function.name: %s takes names that %s", param, f.target(), why)
	}
	if t.Strict == nil || f.s.StrictTools {
		return true, nil
	}
	if *t.Strict {
		if err := f.refuse(param+".function.strict", f.lacks()); err != nil {
			return false, err
		}
	}
	f.looseTool(t)
	return true, nil
}

// looseTool takes the strict mark off the copy of t.
func (f *fitter) looseTool(t *llm.Tool) {
	tools := slices.Clone(f.out.Tools)
	for j := range tools {
		if tools[j].Name == t.Name {
			tools[j].Strict = nil
		}
	}
	f.edit().Tools = tools
}

// removeTool takes t, one of the tools asked for, off the copy.
func (f *fitter) removeTool(t *llm.Tool) {
	gone := false
	tools := make([]llm.Tool, 0, len(f.out.Tools))
	for _, u := range f.out.Tools {
		if !gone && u.Name == t.Name && u.Type == t.Type && string(u.Raw) == string(t.Raw) {
			gone = true
			continue
		}
		tools = append(tools, u)
	}
	f.edit().Tools = tools
}

// check says what a name must be, or nothing when it is that.
func (n NameRule) check(name string) string {
	if name == "" || n.Max > 0 && len(name) > n.Max {
		return fmt.Sprintf("have 1 to %d characters", n.Max)
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		switch {
		case letter:
		case n.LetterFirst && i == 0:
			return "begin with a letter or _"
		case c >= '0' && c <= '9', c == '-', strings.IndexByte(n.More, c) >= 0:
		default:
			return "consist of letters, digits, _, -" + strings.Join(append([]string{""}, strings.Split(n.More, "")...), " ")
		}
	}
	return ""
}

// declareHistory declares the functions that the history calls, where a target
// demands declarations, and forbids to call them again: the client offered none.
func (f *fitter) declareHistory() {
	var names []string
	for i := range f.in.Messages {
		for _, p := range f.in.Messages[i].Parts {
			if p.Type == llm.PartToolCall && !slices.Contains(names, p.ToolCall.Name) {
				names = append(names, p.ToolCall.Name)
			}
		}
	}
	if len(names) == 0 {
		return
	}
	r := f.edit()
	r.Tools = make([]llm.Tool, len(names))
	for i, name := range names {
		r.Tools[i].Name = name
	}
	r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolNone}
}

func (f *fitter) toolChoice() error {
	tc := f.out.ToolChoice
	if tc == nil {
		return nil
	}
	if len(f.out.Tools) == 0 {
		return f.choiceWithoutTools(tc)
	}
	if err := f.choiceNames(tc); err != nil {
		return err
	}
	if len(tc.Allowed) > 0 && !f.s.AllowedTools {
		tc = f.filterTools(tc)
	}
	if tc.Mode == llm.ToolRequired && !f.s.ToolRequired || tc.Mode == llm.ToolNamed && !f.s.ToolNamed {
		f.edit().ToolChoice = nil
		return f.refuseValue("tool_choice", "auto", f.target()+" cannot be made to call a tool")
	}
	return nil
}

func (f *fitter) choiceWithoutTools(tc *llm.ToolChoice) error {
	if tc.Mode == llm.ToolAuto || tc.Mode == llm.ToolNone || len(f.in.Tools) > 0 {
		f.edit().ToolChoice = nil // of no effect, or its tools have been dropped
		return nil
	}
	return llm.Invalid("tool_choice", "tool_choice: is only allowed when tools are given")
}

// choiceNames checks that the tools that are named are declared.
func (f *fitter) choiceNames(tc *llm.ToolChoice) error {
	names := tc.Allowed
	if tc.Mode == llm.ToolNamed {
		names = append(slices.Clone(names), tc.Name)
	}
	for _, name := range names {
		if !slices.ContainsFunc(f.in.Tools, func(t llm.Tool) bool { return t.Name == name }) {
			return llm.Invalid("tool_choice", "tool_choice: the tool %q is not among the tools", name)
		}
	}
	return nil
}

// filterTools offers only the allowed tools, where a target cannot be told to
// choose among them.
func (f *fitter) filterTools(tc *llm.ToolChoice) *llm.ToolChoice {
	tools := make([]llm.Tool, 0, len(tc.Allowed))
	for _, t := range f.out.Tools {
		if slices.Contains(tc.Allowed, t.Name) {
			tools = append(tools, t)
		}
	}
	c := &llm.ToolChoice{Mode: tc.Mode, Name: tc.Name}
	r := f.edit()
	r.Tools, r.ToolChoice = tools, c
	return c
}

func (f *fitter) parallel() error {
	p := f.in.ParallelToolCalls
	if p == nil || len(f.out.Tools) > 0 && (f.s.ParallelSwitch || *p) {
		return nil
	}
	f.edit().ParallelToolCalls = nil
	if *p || len(f.out.Tools) == 0 {
		return nil
	}
	return f.refuse("parallel_tool_calls", f.target()+" cannot be kept from calling several tools at once")
}
