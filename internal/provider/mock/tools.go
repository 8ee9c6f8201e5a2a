package mock

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/schema"
)

// freshResults returns the tool results that no assistant message has followed
// yet: those that this answer is about.
func freshResults(r *llm.Request) []*llm.ToolResult {
	var out []*llm.ToolResult
	for i := len(r.Messages) - 1; i >= 0 && r.Messages[i].Role != llm.RoleAssistant; i-- {
		parts := r.Messages[i].Parts
		for j := len(parts) - 1; j >= 0; j-- {
			if parts[j].Type == llm.PartToolResult {
				out = append(out, parts[j].ToolResult)
			}
		}
	}
	slices.Reverse(out)
	return out
}

// resultName says which tool a result is of: results rarely name it, the call
// before them does.
func resultName(r *llm.Request, t *llm.ToolResult) string {
	if t.Name != "" {
		return t.Name
	}
	for i := len(r.Messages) - 1; i >= 0; i-- {
		for j := range r.Messages[i].Parts {
			if c := r.Messages[i].Parts[j].ToolCall; c != nil && c.ID == t.CallID {
				return c.Name
			}
		}
	}
	return t.CallID
}

// callNames decides which tools this answer calls; none for an answer in text.
func (d *draft) callNames() ([]string, error) {
	mode := llm.ToolAuto
	if d.r.ToolChoice != nil && d.r.ToolChoice.Mode != "" {
		mode = d.r.ToolChoice.Mode
	}
	switch d.b.style {
	case styleRefuse, styleFilter, styleEmpty:
		return nil, nil
	}
	names := d.callable()
	switch {
	case mode == llm.ToolNone:
		return nil, nil
	case mode == llm.ToolNamed:
		return d.forced(names)
	case mode == llm.ToolRequired && len(names) == 0:
		return nil, llm.Invalid("tool_choice", "a tool call is required, but there is no function among the tools")
	case mode == llm.ToolAuto && len(freshResults(d.r)) > 0:
		return nil, nil
	case len(d.b.tools) > 0:
		return d.sequential(d.b.tools), nil
	case mode == llm.ToolAuto && d.b.style != styleChat, len(names) == 0:
		return nil, nil
	}
	return d.sequential(d.fitting(names)), nil
}

// callable returns the functions that the request allows to be called.
func (d *draft) callable() []string {
	var names []string
	for i := range d.r.Tools {
		t := &d.r.Tools[i]
		if t.Type != "" && t.Type != "function" {
			continue
		}
		if c := d.r.ToolChoice; c != nil && len(c.Allowed) > 0 && !slices.Contains(c.Allowed, t.Name) {
			continue
		}
		names = append(names, t.Name)
	}
	return names
}

func (d *draft) forced(names []string) ([]string, error) {
	want := d.r.ToolChoice.Name
	if !slices.Contains(names, want) {
		return nil, llm.Invalid("tool_choice", "the tool %q is not among the tools", want)
	}
	return []string{want}, nil
}

// sequential keeps the first call when the client wants no parallel ones.
func (d *draft) sequential(names []string) []string {
	if p := d.r.ParallelToolCalls; p != nil && !*p {
		return names[:1]
	}
	return names
}

// fitting picks the tools that the last message names; if it names none, the
// one whose name and description have most words in common with it.
func (d *draft) fitting(names []string) []string {
	prompt := strings.ToLower(lastText(d.r))
	said := words(prompt)
	var named []string
	best, most := names[0], -1
	for _, n := range names {
		if containsName(prompt, strings.ToLower(n)) {
			named = append(named, n)
		}
		common := 0
		for w := range words(strings.ToLower(splitCamel(n) + " " + d.tool(n).Description)) {
			if said[w] {
				common++
			}
		}
		if common > most {
			best, most = n, common
		}
	}
	if len(named) > 0 {
		return named
	}
	return []string{best}
}

func (d *draft) tool(name string) *llm.Tool {
	for i := range d.r.Tools {
		if d.r.Tools[i].Name == name {
			return &d.r.Tools[i]
		}
	}
	return &llm.Tool{Name: name}
}

// words returns the set of words of three or more letters in s.
func words(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.FieldsFunc(s, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		if len(w) >= 3 {
			set[w] = true
		}
	}
	return set
}

// splitCamel puts a space before each capital letter.
func splitCamel(s string) string {
	var b strings.Builder
	for _, c := range s {
		if unicode.IsUpper(c) {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// containsName reports whether name stands in s as a word of its own.
func containsName(s, name string) bool {
	inName := func(c byte) bool {
		return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z'
	}
	for from := 0; ; {
		i := strings.Index(s[from:], name)
		if i < 0 || name == "" {
			return false
		}
		start, end := from+i, from+i+len(name)
		if (start == 0 || !inName(s[start-1])) && (end == len(s) || !inName(s[end])) {
			return true
		}
		from = start + 1
	}
}

// call makes a call of one tool, with arguments that satisfy its schema. A tool
// that the request does not have (a word of the model's name asked for it) is
// called without arguments.
func (d *draft) call(name string) (llm.Part, error) {
	args := json.RawMessage("{}")
	if params := d.tool(name).Parameters; len(params) > 0 {
		var err error
		args, err = schema.Generate(params, schema.Options{Seed: d.rng.Uint64()})
		if err != nil {
			e := llm.Invalid("tools", "the mock cannot make arguments for the tool %q: %v", name, err)
			e.Err = err
			return llm.Part{}, e
		}
	}
	return llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{
		ID: "call_" + randomID(d.rng, 24), Name: name, Arguments: string(args),
	}}, nil
}
