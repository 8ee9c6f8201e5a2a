package dialect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// messages checks what the conversation says. None of it is ever dropped.
func (f *fitter) messages() error {
	if len(f.in.Messages) == 0 {
		return llm.Invalid("messages", "messages: must not be empty")
	}
	if err := f.order(); err != nil {
		return err
	}
	if err := f.pairs(); err != nil {
		return err
	}
	for i := range f.in.Messages {
		if err := f.content(i); err != nil {
			return err
		}
	}
	if !f.s.ToolImages {
		f.moveToolMedia()
	}
	return nil
}

// order checks who speaks first and last.
func (f *fitter) order() error {
	first, last := -1, -1
	for i := range f.in.Messages {
		switch f.in.Messages[i].Role {
		case llm.RoleSystem, llm.RoleDeveloper:
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	switch {
	case first < 0 && f.s.Turns:
		return llm.Invalid("messages", "messages: %s needs a user message", f.target())
	case first < 0:
		return nil
	case f.s.Turns && f.in.Messages[first].Role == llm.RoleAssistant:
		return llm.Invalid(fmt.Sprintf("messages[%d].role", first),
			"messages[%d].role: the first message must be the user's for %s", first, f.target())
	case f.in.Messages[last].Role == llm.RoleAssistant && !f.s.Prefill:
		return llm.Unsupported(fmt.Sprintf("messages[%d].role", last),
			"messages[%d].role: %s does not continue an assistant message with this model; the last must be the user's", last, f.target())
	}
	return nil
}

// pairs checks that each tool result answers an earlier call and, where the
// target insists, that every call is answered in the very next turn.
func (f *fitter) pairs() error {
	var made map[string]int // call id to the message that made it, plus one; negative once it is answered
	open := 0
	for i := range f.in.Messages {
		m := &f.in.Messages[i]
		if open > 0 && f.s.Turns && (m.Role == llm.RoleUser || m.Role == llm.RoleAssistant) {
			return unanswered(made)
		}
		for _, p := range m.Parts {
			switch p.Type {
			case llm.PartToolCall:
				if made == nil {
					made = map[string]int{}
				}
				if made[p.ToolCall.ID] <= 0 {
					open++
				}
				made[p.ToolCall.ID] = i + 1
			case llm.PartToolResult:
				id := p.ToolResult.CallID
				if made[id] == 0 {
					return llm.Invalid(fmt.Sprintf("messages[%d].tool_call_id", i),
						"messages[%d]: answers the tool call %q, which no earlier message made", i, id)
				}
				if made[id] > 0 {
					made[id], open = -made[id], open-1
				}
			}
		}
	}
	if open > 0 && f.s.Turns {
		return unanswered(made)
	}
	return nil
}

// unanswered names the first call that has no result.
func unanswered(made map[string]int) error {
	var open []string
	for id, i := range made {
		if i > 0 {
			open = append(open, id)
		}
	}
	id := slices.Min(open)
	at := fmt.Sprintf("messages[%d]", made[id]-1)
	return llm.Invalid(at+".tool_calls", "%s.tool_calls: the call %q has no result in the next message", at, id)
}

// content checks the parts of message i.
func (f *fitter) content(i int) error {
	m := &f.in.Messages[i]
	said := false
	for j := range m.Parts {
		p := &m.Parts[j]
		if p.Type != llm.PartText || strings.TrimSpace(p.Text) != "" {
			said = true
		}
		if err := f.part(i, j); err != nil {
			return err
		}
	}
	if !said && !f.s.EmptyText && m.Role == llm.RoleUser {
		return llm.Invalid(fmt.Sprintf("messages[%d].content", i), "messages[%d].content: must not be empty for %s", i, f.target())
	}
	return nil
}

func (f *fitter) part(i, j int) error {
	p := &f.in.Messages[i].Parts[j]
	switch p.Type {
	case llm.PartText, llm.PartRefusal, llm.PartReasoning:
		return nil
	case llm.PartToolCall:
		return f.call(i, p.ToolCall)
	case llm.PartToolResult:
		return f.result(i, j, p.ToolResult)
	}
	at := fmt.Sprintf("messages[%d].content[%d]", i, j)
	switch p.Type {
	case llm.PartImage:
		return f.image(at, p.Media, func() *llm.Part { return &f.message(i).Parts[j] })
	case llm.PartAudio:
		return f.media(at, "audio", p.Media, &f.s.Audio)
	case llm.PartFile:
		return f.file(at, p.Media, func() *llm.Part { return &f.message(i).Parts[j] })
	}
	return llm.Invalid(at, "%s: unknown kind of content", at)
}

// image checks an image. edit gives its part in the copy.
func (f *fitter) image(at string, m *llm.Media, edit func() *llm.Part) error {
	mime := m.MIME
	if strings.EqualFold(mime, "image/jpg") {
		mime = "image/jpeg"
	}
	c := *m
	c.MIME = mime
	if m.Detail != "" && !f.s.ImageDetail {
		c.Detail = ""
		if m.Detail != "auto" {
			if err := f.refuse(at+".image_url.detail", f.lacks()); err != nil {
				return err
			}
		}
	}
	if c != *m {
		edit().Media = &c
	}
	return f.media(at, "image", &c, &f.s.Images)
}

// media checks that the target takes a piece of media in the form it has.
func (f *fitter) media(at, kind string, m *llm.Media, s *Media) error {
	switch {
	case m.FileID != "" && f.s.Same:
		return nil
	case m.FileID != "":
		return llm.Unsupported(at, "%s: a file id of another provider means nothing to %s", at, f.target())
	case !s.Inline && !s.URL:
		return llm.Unsupported(at, "%s: %s takes no %s with this model", at, f.target(), kind)
	case m.Data == "" && m.URL == "":
		return llm.Invalid(at, "%s: the %s is empty", at, kind)
	case m.Data == "" && !s.URL:
		return llm.Unsupported(at, "%s: %s does not fetch the %s from its URL; send it as a data URL", at, f.target(), kind)
	case m.Data != "" && !s.Inline:
		return llm.Unsupported(at, "%s: %s takes the %s by URL only", at, f.target(), kind)
	case m.Data != "" && len(s.MIME) > 0 && !slices.Contains(s.MIME, strings.ToLower(m.MIME)):
		return llm.Unsupported(at, "%s: %s takes %s as %s, got %q", at, f.target(), kind, strings.Join(s.MIME, ", "), m.MIME)
	}
	return nil
}

// call checks that the arguments of a call in the history are an object.
func (f *fitter) call(i int, c *llm.ToolCall) error {
	if !f.s.ObjectArguments || c.Arguments == "" {
		return nil
	}
	b := bytes.TrimSpace([]byte(c.Arguments))
	if len(b) > 0 && b[0] == '{' && json.Valid(b) {
		return nil
	}
	at := fmt.Sprintf("messages[%d].tool_calls[%d].function.arguments", i, f.callIndex(i, c))
	return llm.Invalid(at, "%s: %s needs a JSON object", at, f.target())
}

func (f *fitter) callIndex(i int, c *llm.ToolCall) int {
	n := 0
	for _, p := range f.in.Messages[i].Parts {
		if p.ToolCall == c {
			break
		}
		if p.Type == llm.PartToolCall {
			n++
		}
	}
	return n
}

// result checks a tool result and says "Error:" in its text where the target
// has no flag for it.
func (f *fitter) result(i, j int, r *llm.ToolResult) error {
	for k := range r.Parts {
		if r.Parts[k].Type == llm.PartText {
			continue
		}
		if err := f.resultPart(i, j, k); err != nil {
			return err
		}
	}
	if r.IsError && !f.s.ToolError {
		c := f.toolResult(i, j)
		c.IsError = false
		if !startsWithError(c.Parts) {
			c.Parts = append([]llm.Part{{Type: llm.PartText, Text: "Error: "}}, c.Parts...)
		}
	}
	return nil
}

func (f *fitter) resultPart(i, j, k int) error {
	p := &f.in.Messages[i].Parts[j].ToolResult.Parts[k]
	at := fmt.Sprintf("messages[%d].content[%d].content[%d]", i, j, k)
	edit := func() *llm.Part { return &f.toolResult(i, j).Parts[k] }
	switch p.Type {
	case llm.PartImage:
		return f.image(at, p.Media, edit)
	case llm.PartFile:
		return f.file(at, p.Media, edit)
	}
	return llm.Unsupported(at, "%s: %s takes no such content in tool results", at, f.target())
}

// file checks a file. A plain text needs no file: where files are not taken it
// becomes text, its name the first line.
func (f *fitter) file(at string, m *llm.Media, edit func() *llm.Part) error {
	s := &f.s.Files
	mime := strings.ToLower(m.MIME)
	taken := s.Inline && (len(s.MIME) == 0 || slices.Contains(s.MIME, mime))
	if m.Data == "" || taken || !strings.HasPrefix(mime, "text/") {
		return f.media(at, "file", m, s)
	}
	text, err := base64.StdEncoding.DecodeString(m.Data)
	if err != nil {
		return llm.Invalid(at, "%s: the file is not valid base64", at)
	}
	p := edit()
	p.Type, p.Media, p.Text = llm.PartText, nil, string(text)
	if m.Name != "" {
		p.Text = m.Name + "\n\n" + p.Text
	}
	return nil
}

// moveToolMedia puts images and files of tool results into a user message
// behind the results, for targets that take only text there.
func (f *fitter) moveToolMedia() {
	var out []llm.Message
	var moved []llm.Part // of the tool messages that stand together
	for i := range f.out.Messages {
		m := &f.out.Messages[i]
		if m.Role != llm.RoleTool && len(moved) > 0 {
			out, moved = append(out, llm.Message{Role: llm.RoleUser, Parts: moved}), nil
		}
		for j := range m.Parts {
			if r := m.Parts[j].ToolResult; r != nil && slices.ContainsFunc(r.Parts, notText) {
				if out == nil {
					out = append(make([]llm.Message, 0, len(f.out.Messages)+1), f.out.Messages[:i]...)
				}
				moved = f.takeMedia(i, j, moved)
				m = &f.out.Messages[i]
			}
		}
		if out != nil {
			out = append(out, *m)
		}
	}
	if len(moved) > 0 {
		out = append(out, llm.Message{Role: llm.RoleUser, Parts: moved})
	}
	if out != nil {
		f.edit().Messages = out
	}
}

func notText(p llm.Part) bool { return p.Type != llm.PartText }

// takeMedia takes the media out of one result and appends them to moved.
func (f *fitter) takeMedia(i, j int, moved []llm.Part) []llm.Part {
	r := f.toolResult(i, j)
	moved = append(moved, llm.Part{Type: llm.PartText, Text: "Attached to the result of tool call " + r.CallID + ":"})
	kept := r.Parts[:0]
	for _, p := range r.Parts {
		if notText(p) {
			moved = append(moved, p)
		} else {
			kept = append(kept, p)
		}
	}
	r.Parts = kept
	if len(kept) == 0 {
		r.Parts = []llm.Part{{Type: llm.PartText, Text: "(see the attachment in the next message)"}}
	}
	return moved
}

// toolResult returns a copy of a result, with parts of its own, to write to.
func (f *fitter) toolResult(i, j int) *llm.ToolResult {
	p := &f.message(i).Parts[j]
	if p.ToolResult == f.in.Messages[i].Parts[j].ToolResult {
		c := *p.ToolResult
		c.Parts = slices.Clone(c.Parts)
		p.ToolResult = &c
	}
	return p.ToolResult
}

func startsWithError(parts []llm.Part) bool {
	const word = "error"
	if len(parts) == 0 || parts[0].Type != llm.PartText {
		return false
	}
	s := strings.TrimSpace(parts[0].Text)
	return len(s) >= len(word) && strings.EqualFold(s[:len(word)], word)
}
