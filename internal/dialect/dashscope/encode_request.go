package dashscope

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// AppendRequest appends the body of a generation, embedding or tokenizer
// request.
func (Codec) AppendRequest(dst []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	e := encoder{c: c, r: r, parts: dialect.MultimodalDashScope(c.Model)}
	dst = wire.Str(append(dst, '{'), "model", c.Model)
	switch c.Op {
	case llm.OpEmbed:
		dst = e.embed(dst)
	case llm.OpCountTokens:
		if hasMedia(r.Messages) {
			return nil, llm.Unsupported("messages", "messages: DashScope counts the tokens of text only")
		}
		e.parts = false
		dst = append(e.input(dst), `,"parameters":{}`...)
	default:
		if err := e.check(); err != nil {
			return nil, err
		}
		dst = e.parameters(e.input(dst))
	}
	return append(e.extras(dst, ""), '}'), nil
}

// encoder carries what the pieces of one request need.
type encoder struct {
	c     *llm.Call
	r     *llm.Request
	parts bool // content is an array of parts
}

// check refuses what DashScope refuses and dialect.Fit does not know of.
func (e *encoder) check() error {
	if tc := e.r.ToolChoice; tc != nil && tc.Mode == llm.ToolNamed && thinks(e.r.Reasoning) {
		return llm.Unsupported("tool_choice", "tool_choice: DashScope cannot be made to call a tool while it thinks")
	}
	return nil
}

func hasMedia(messages []llm.Message) bool {
	for i := range messages {
		for j := range messages[i].Parts {
			if messages[i].Parts[j].Media != nil {
				return true
			}
		}
	}
	return false
}

// extras writes back the members that were kept under path. It builds no path
// when there are none, which is nearly always.
func (e *encoder) extras(b []byte, path string) []byte {
	for _, m := range e.r.Extra {
		rest, ok := strings.CutPrefix(m.Name, path)
		if ok && !strings.ContainsAny(rest, ".[") {
			b = append(append(jsonedit.AppendString(wire.Sep(b), rest), ':'), m.Value...)
		}
	}
	return b
}

// messageExtras writes back what was kept of message i.
func (e *encoder) messageExtras(b []byte, i int) []byte {
	if len(e.r.Extra) == 0 {
		return b
	}
	return e.extras(b, "input.messages["+strconv.Itoa(i)+"].")
}

func (e *encoder) parameters(b []byte) []byte {
	r := e.r
	b = append(wire.Key(b, "parameters"), `{"result_format":"message"`...)
	if e.c.Stream {
		b = wire.Boolean(b, "incremental_output", true)
	}
	b = wire.NumPtr(b, e.limitName(), r.MaxTokens)
	b = wire.FloatPtr(b, "temperature", r.Temperature)
	b = wire.FloatPtr(b, "top_p", r.TopP)
	b = wire.NumPtr(b, "top_k", r.TopK)
	b = wire.NumPtr(b, "seed", r.Seed)
	b = wire.FloatPtr(b, "presence_penalty", r.PresencePenalty)
	b = appendStop(b, r.Stop)
	b = wire.NumPtr(b, "n", r.N)
	b = e.thinking(b)
	b = e.tools(b)
	b = appendFormat(b, r.ResponseFormat)
	return append(e.extras(b, "parameters."), '}')
}

// limitName returns the member that limits output tokens. The canonical limit
// includes reasoning. max_tokens, which every model knows, does not: it stands
// where nothing was said about thinking.
func (e *encoder) limitName() string {
	if thinks(e.r.Reasoning) {
		return "max_completion_tokens"
	}
	return "max_tokens"
}

func appendStop(b []byte, stop []string) []byte {
	if len(stop) == 0 {
		return b
	}
	b = append(wire.Key(b, "stop"), '[')
	for _, s := range stop {
		b = wire.StrElem(b, s)
	}
	return append(b, ']')
}

// thinks reports whether thinking is asked for, off whether it is refused.
func thinks(o *llm.ReasoningOptions) bool {
	return o != nil && !off(o) && (o.Adaptive || o.Budget != nil || o.Effort != "")
}

func off(o *llm.ReasoningOptions) bool {
	return o.Effort == dialect.EffortNone || o.Budget != nil && *o.Budget == 0
}

// hybrid matches the open Qwen3 models, which think unless told not to, and
// which answer a call that does not stream with 400 while they would think.
var hybrid = regexp.MustCompile(`(?i)^qwen3-[\d.]+b(-a\d+b)?$`)

func (e *encoder) thinking(b []byte) []byte {
	o := e.r.Reasoning
	switch {
	case thinks(o):
		b = wire.Boolean(b, "enable_thinking", true)
		b = wire.NumPtr(b, "thinking_budget", o.Budget)
		return wire.StrIf(b, "reasoning_effort", o.Effort)
	case o != nil && off(o), !e.c.Stream && hybrid.MatchString(e.c.Model):
		return wire.Boolean(b, "enable_thinking", false)
	}
	return b
}

// tools appends the tools. Calling several at once must be asked for: other
// dialects allow it by default, DashScope does not.
func (e *encoder) tools(b []byte) []byte {
	r := e.r
	if len(r.Tools) == 0 {
		return b
	}
	b = append(wire.Key(b, "tools"), '[')
	for i := range r.Tools {
		b = appendTool(wire.Sep(b), &r.Tools[i])
	}
	b = append(b, ']')
	if tc := r.ToolChoice; tc != nil {
		b = wire.Key(b, "tool_choice")
		if tc.Mode == llm.ToolNamed {
			b = append(wire.Str(append(b, `{"type":"function","function":{`...), "name", tc.Name), `}}`...)
		} else {
			b = jsonedit.AppendString(b, string(tc.Mode))
		}
	}
	return wire.Boolean(b, "parallel_tool_calls", r.ParallelToolCalls == nil || *r.ParallelToolCalls)
}

func appendTool(b []byte, t *llm.Tool) []byte {
	if t.Raw != nil {
		return append(b, t.Raw...)
	}
	b = wire.Str(append(b, `{"type":"function","function":{`...), "name", t.Name)
	b = wire.StrIf(b, "description", t.Description)
	if len(t.Parameters) > 0 {
		b = wire.Lit(b, "parameters", t.Parameters)
	} else {
		b = wire.Lit(b, "parameters", `{"type":"object","properties":{}}`)
	}
	return append(b, `}}`...)
}

func appendFormat(b []byte, f *llm.ResponseFormat) []byte {
	if f == nil || f.Type == llm.FormatText {
		return b
	}
	b = wire.Str(append(wire.Key(b, "response_format"), '{'), "type", string(f.Type))
	if f.Type == llm.FormatJSONSchema {
		b = append(wire.Key(b, "json_schema"), '{')
		name := f.Name
		if name == "" {
			name = "response" // required here; other dialects have none
		}
		b = wire.Str(b, "name", name)
		b = wire.StrIf(b, "description", f.Description)
		if len(f.Schema) > 0 {
			b = wire.Lit(b, "schema", f.Schema)
		}
		b = append(wire.BoolPtr(b, "strict", f.Strict), '}')
	}
	return append(b, '}')
}

// embed appends input and parameters of an embedding request.
func (e *encoder) embed(b []byte) []byte {
	b = append(wire.Key(b, "input"), `{"texts":[`...)
	for _, s := range e.r.Embed.Input {
		b = wire.StrElem(b, s)
	}
	b = append(b, `]}`...)
	b = append(wire.Key(b, "parameters"), '{')
	b = wire.NumPtr(b, "dimension", e.r.Embed.Dimensions)
	b = wire.Str(b, "output_type", "dense")
	return append(e.extras(b, "parameters."), '}')
}
