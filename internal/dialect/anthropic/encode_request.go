package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// AppendRequest appends the body of a Messages or count_tokens request.
func (Codec) AppendRequest(dst []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	if r.Embed != nil {
		return nil, llm.Unsupported("model", "the Anthropic API makes no embeddings")
	}
	b := wire.Str(append(dst, '{'), "model", c.Model)
	if c.Op != llm.OpCountTokens {
		b = wire.NumPtr(b, "max_tokens", r.MaxTokens)
	}
	b = appendSystem(b, r.Messages)
	b, err := appendMessages(b, r.Messages)
	if err != nil {
		return nil, err
	}
	if b, err = appendTools(b, r); err != nil {
		return nil, err
	}
	b = appendThinking(b, r.Reasoning)
	if b, err = appendOutput(b, r); err != nil {
		return nil, err
	}
	if c.Op != llm.OpCountTokens {
		b = appendSampling(b, c, r)
	}
	return appendExtra(b, r.Extra)
}

// appendSampling appends what count_tokens does not know.
func appendSampling(b []byte, c *llm.Call, r *llm.Request) []byte {
	b = wire.FloatPtr(b, "temperature", r.Temperature)
	b = wire.FloatPtr(b, "top_p", r.TopP)
	b = wire.NumPtr(b, "top_k", r.TopK)
	if len(r.Stop) > 0 {
		b = append(wire.Key(b, "stop_sequences"), '[')
		for _, s := range r.Stop {
			b = wire.StrElem(b, s)
		}
		b = append(b, ']')
	}
	if r.User != "" && !personal(r.User) {
		b = append(wire.Str(append(wire.Key(b, "metadata"), '{'), "user_id", r.User), '}')
	}
	switch r.ServiceTier {
	case "auto":
		b = wire.Str(b, "service_tier", "auto")
	case "default":
		b = wire.Str(b, "service_tier", "standard_only")
	}
	if c.Stream {
		b = wire.Boolean(b, "stream", true)
	}
	return b
}

// personal reports whether a user's id looks like an e-mail address or a phone
// number, which Anthropic does not want to be told.
func personal(user string) bool {
	if strings.Contains(user, "@") {
		return true
	}
	digits := strings.TrimLeft(strings.Map(func(c rune) rune {
		if strings.ContainsRune(" -().", c) {
			return -1
		}
		return c
	}, user), "+")
	return strings.HasPrefix(user, "+") && len(digits) >= 7 && strings.Trim(digits, "0123456789") == ""
}

// appendThinking appends how much the model shall think. On its newest models
// Anthropic leaves the text of adaptive thinking out unless asked for it.
func appendThinking(b []byte, o *llm.ReasoningOptions) []byte {
	if o == nil {
		return b
	}
	switch {
	case o.Effort == dialect.EffortNone, o.Budget != nil && *o.Budget == 0:
		return wire.Lit(b, "thinking", `{"type":"disabled"}`)
	case o.Budget != nil:
		b = wire.Num(append(wire.Key(b, "thinking"), `{"type":"enabled"`...), "budget_tokens", *o.Budget)
		if o.Summary == dialect.SummaryOmitted {
			b = wire.Str(b, "display", "omitted")
		}
		return append(b, '}')
	case o.Adaptive:
		display := "summarized"
		if o.Summary == dialect.SummaryOmitted {
			display = "omitted"
		}
		return append(wire.Str(append(wire.Key(b, "thinking"), `{"type":"adaptive"`...), "display", display), '}')
	}
	return b
}

// appendOutput appends output_config: effort and the schema of the answer.
func appendOutput(b []byte, r *llm.Request) ([]byte, error) {
	effort := ""
	if o := r.Reasoning; o != nil && o.Effort != dialect.EffortNone {
		effort = o.Effort
	}
	schema := r.ResponseFormat
	if schema != nil && schema.Type != llm.FormatJSONSchema {
		schema = nil
	}
	if effort == "" && schema == nil {
		return b, nil
	}
	b = wire.StrIf(append(wire.Key(b, "output_config"), '{'), "effort", effort)
	if schema != nil {
		closed, err := closeSchema(schema.Schema)
		if err != nil {
			return nil, err
		}
		b = append(wire.Key(b, "format"), `{"type":"json_schema"`...)
		b = append(wire.Lit(b, "schema", closed), '}')
	}
	return append(b, '}'), nil
}

// appendExtra appends the members that only Anthropic knows, and closes the
// body. Those from inside a message or tool have lost their place.
func appendExtra(b []byte, extra []llm.Member) ([]byte, error) {
	for _, m := range extra {
		if strings.ContainsAny(m.Name, ".[") {
			return nil, llm.Unsupported(m.Name, "%s: cannot be translated", m.Name)
		}
		b = jsonedit.AppendString(wire.Sep(b), m.Name)
		b = append(append(b, ':'), m.Value...)
	}
	return append(b, '}'), nil
}

func appendTools(b []byte, r *llm.Request) ([]byte, error) {
	if len(r.Tools) > 0 {
		b = append(wire.Key(b, "tools"), '[')
		for i := range r.Tools {
			b = appendTool(wire.Sep(b), &r.Tools[i])
		}
		b = append(b, ']')
	}
	return appendToolChoice(b, r), nil
}

func appendTool(b []byte, t *llm.Tool) []byte {
	if len(t.Raw) > 0 {
		return append(b, t.Raw...)
	}
	b = wire.Str(append(b, '{'), "name", t.Name)
	b = wire.StrIf(b, "description", t.Description)
	b = wire.Lit(b, "input_schema", inputSchema(t.Parameters))
	b = wire.BoolPtr(b, "strict", t.Strict)
	return append(appendCache(b, t.CacheControl), '}')
}

var schemaNames = jsonedit.NewNames("type")

// inputSchema returns a tool's schema with the type that Anthropic demands.
func inputSchema(raw json.RawMessage) []byte {
	const empty = `{"type":"object","properties":{}}`
	var at [1]jsonedit.Span
	end, n, err := jsonedit.Find(raw, schemaNames, at[:])
	switch {
	case err != nil || n == 0:
		return []byte(empty)
	case at[0].Present():
		return raw
	}
	return jsonedit.Splice(raw, jsonedit.Edit{Span: jsonedit.Span{Start: end, End: end}, New: []byte(`,"type":"object"`)})
}

// appendToolChoice appends tool_choice. disable_parallel_tool_use sits inside
// it and so needs one.
func appendToolChoice(b []byte, r *llm.Request) []byte {
	serial := r.ParallelToolCalls != nil && !*r.ParallelToolCalls
	tc := r.ToolChoice
	if len(r.Tools) == 0 || tc == nil && !serial {
		return b
	}
	if tc == nil {
		tc = &llm.ToolChoice{Mode: llm.ToolAuto}
	}
	b = wire.Str(append(wire.Key(b, "tool_choice"), '{'), "type", choiceWord(tc.Mode))
	if tc.Mode == llm.ToolNamed {
		b = wire.Str(b, "name", tc.Name)
	}
	if serial && tc.Mode != llm.ToolNone {
		b = wire.Boolean(b, "disable_parallel_tool_use", true)
	}
	return append(b, '}')
}

func choiceWord(m llm.ToolChoiceMode) string {
	switch m {
	case llm.ToolNone:
		return "none"
	case llm.ToolRequired:
		return "any"
	case llm.ToolNamed:
		return "tool"
	}
	return "auto"
}

// appendCache appends a prompt-cache mark.
func appendCache(b []byte, mark json.RawMessage) []byte {
	if len(mark) == 0 || mark[0] != '{' {
		return b
	}
	return wire.Lit(b, "cache_control", mark)
}
