package mockserver

import (
	"slices"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// antTurns joins messages of one role that follow each other, as the API does.
func (b *antBody) turns() []antMessage {
	var out []antMessage
	for _, m := range b.Messages {
		if n := len(out); n > 0 && out[n-1].Role == m.Role {
			out[n-1].Content = append(slices.Clone(out[n-1].Content), m.Content...)
			continue
		}
		out = append(out, m)
	}
	return out
}

// antTurnRule demands that the user begins, and that each tool_use is answered
// by a tool_result in the very next message, before any text.
func antTurnRule(b *antBody) *llm.Error {
	turns := b.turns()
	if turns[0].Role == "assistant" {
		return bad("messages: first message must use the \"user\" role")
	}
	var open []string
	tools := false
	for i, m := range turns {
		if err := m.answers(i, open); err != nil {
			return err
		}
		open = nil
		for _, k := range m.Content {
			if k.Type != "tool_use" {
				continue
			}
			tools = true
			if slices.Contains(open, k.ID) {
				return bad("messages.%d: `tool_use` ids must be unique", i)
			}
			open = append(open, k.ID)
		}
	}
	switch {
	case len(open) > 0:
		return bad("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s", len(turns)-1, open[0])
	case tools && len(b.Tools) == 0:
		return bad("Requests which include `tool_use` or `tool_result` blocks must define tools")
	}
	return nil
}

func (m *antMessage) answers(i int, open []string) *llm.Error {
	open = slices.Clone(open)
	other := false
	for j, k := range m.Content {
		if k.Type != "tool_result" {
			other = true
			continue
		}
		at := slices.Index(open, k.ToolUseID)
		switch {
		case at < 0:
			return bad("messages.%d.content.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s", i, j, k.ToolUseID)
		case other:
			return bad("messages.%d: `tool_result` blocks must come first in the content", i)
		}
		open = slices.Delete(open, at, at+1)
	}
	if len(open) > 0 {
		return bad("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s", i-1, open[0])
	}
	return nil
}

// antThoughtRule demands the thinking back as it was: every signature must fit
// its text, and the turn that is being answered must begin with its thinking.
func antThoughtRule(b *antBody) *llm.Error {
	turns := b.turns()
	for i, m := range turns {
		for j, k := range m.Content {
			if k.Type == "thinking" && *k.Signature != seal("anthropic", *k.Thinking) {
				return bad("messages.%d.content.%d: Invalid `signature` in `thinking` block", i, j)
			}
			if k.Type == "redacted_thinking" && *k.Data != seal("anthropic-redacted", "") {
				return bad("messages.%d.content.%d: Invalid `data` in `redacted_thinking` block", i, j)
			}
		}
	}
	if !b.Thinking.on() || len(turns) < 2 {
		return nil
	}
	m := turns[len(turns)-2]
	call := slices.IndexFunc(m.Content, func(k antBlock) bool { return k.Type == "tool_use" })
	if call < 0 {
		return nil
	}
	id := m.Content[call].ID
	made := len(id) > len(thoughtID) && id[:len(thoughtID)] == thoughtID
	first := m.Content[0].Type
	if (made || b.Thinking.Type == "enabled") && first != "thinking" && first != "redacted_thinking" {
		return bad("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `%s`. "+
			"When thinking is enabled, a final assistant message must start with a thinking block.", len(turns)-2, first)
	}
	return nil
}
