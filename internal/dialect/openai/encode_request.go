package openai

import (
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// AppendRequest appends the body of a chat or embeddings request for an OpenAI
// upstream. A stream always asks for its usage.
func (k Codec) AppendRequest(dst []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	e := encoder{codec: k, developer: Reasons(c.Model), extra: r.Extra}
	dst = wire.Str(append(dst, '{'), "model", c.Model)
	if c.Op == llm.OpEmbed {
		dst = appendEmbed(dst, r)
	} else {
		dst = e.messages(dst, r.Messages)
		dst = e.limits(dst, c, r)
		dst = e.tooling(dst, r)
		dst = e.rest(dst, r)
		if c.Stream {
			dst = e.streamOptions(wire.Boolean(dst, "stream", true))
		}
	}
	for _, m := range r.Extra {
		if !strings.ContainsAny(m.Name, ".[") {
			dst = append(append(jsonedit.AppendString(wire.Sep(dst), m.Name), ':'), m.Value...)
		}
	}
	return append(dst, '}'), nil
}

// encoder carries what the pieces of one request need besides themselves.
type encoder struct {
	codec     Codec
	developer bool // the model knows the developer role
	extra     []llm.Member
}

// extras writes back the members that were kept under path. It compares
// without building the path's members, as there are hardly ever any.
func (e *encoder) extras(b []byte, path string) []byte {
	for _, m := range e.extra {
		rest, ok := strings.CutPrefix(m.Name, path)
		if ok && !strings.ContainsAny(rest, ".[") {
			b = append(append(jsonedit.AppendString(wire.Sep(b), rest), ':'), m.Value...)
		}
	}
	return b
}

// path joins names and indexes; it is only built when there are extras.
func (e *encoder) path(prefix, list string, i int, suffix string) string {
	if len(e.extra) == 0 {
		return ""
	}
	return prefix + list + "[" + strconv.Itoa(i) + "]" + suffix
}

func (e *encoder) streamOptions(b []byte) []byte {
	if e.codec.NoStreamUsage {
		return b
	}
	b = wire.Boolean(append(wire.Key(b, "stream_options"), '{'), "include_usage", true)
	return append(e.extras(b, "stream_options."), '}')
}

func (e *encoder) limits(b []byte, c *llm.Call, r *llm.Request) []byte {
	b = wire.NumPtr(b, e.codec.limitName(c.Model), r.MaxTokens)
	b = wire.FloatPtr(b, "temperature", r.Temperature)
	b = wire.FloatPtr(b, "top_p", r.TopP)
	b = wire.NumPtr(b, "top_k", r.TopK)
	if len(r.Stop) > 0 {
		b = append(wire.Key(b, "stop"), '[')
		for _, s := range r.Stop {
			b = wire.StrElem(b, s)
		}
		b = append(b, ']')
	}
	b = wire.NumPtr(b, "seed", r.Seed)
	b = wire.FloatPtr(b, "presence_penalty", r.PresencePenalty)
	b = wire.FloatPtr(b, "frequency_penalty", r.FrequencyPenalty)
	b = wire.NumPtr(b, "n", r.N)
	b = wire.BoolPtr(b, "logprobs", r.Logprobs)
	b = wire.NumPtr(b, "top_logprobs", r.TopLogprobs)
	if len(r.LogitBias) > 0 {
		b = wire.Lit(b, "logit_bias", r.LogitBias)
	}
	return b
}

func (e *encoder) tooling(b []byte, r *llm.Request) []byte {
	if len(r.Tools) > 0 {
		b = append(wire.Key(b, "tools"), '[')
		for i := range r.Tools {
			b = e.tool(wire.Sep(b), &r.Tools[i], i)
		}
		b = append(b, ']')
	}
	if r.ToolChoice != nil {
		b = appendToolChoice(wire.Key(b, "tool_choice"), r)
	}
	return wire.BoolPtr(b, "parallel_tool_calls", r.ParallelToolCalls)
}

func (e *encoder) tool(b []byte, t *llm.Tool, i int) []byte {
	if t.Raw != nil {
		return append(b, t.Raw...)
	}
	b = append(b, `{"type":"function","function":{`...)
	b = wire.Str(b, "name", t.Name)
	b = wire.StrIf(b, "description", t.Description)
	if t.Parameters != nil {
		b = wire.Lit(b, "parameters", t.Parameters)
	}
	b = wire.BoolPtr(b, "strict", t.Strict)
	b = append(e.extras(b, e.path("", "tools", i, ".function.")), '}')
	return append(e.extras(b, e.path("", "tools", i, ".")), '}')
}

func appendToolChoice(b []byte, r *llm.Request) []byte {
	c := r.ToolChoice
	switch {
	case len(c.Allowed) > 0:
		b = wire.Str(append(b, `{"type":"allowed_tools","allowed_tools":{`...), "mode", string(c.Mode))
		b = append(b, `,"tools":[`...)
		for _, name := range c.Allowed {
			b = appendToolName(wire.Sep(b), r.Tools, name)
		}
		return append(b, `]}}`...)
	case c.Mode == llm.ToolNamed:
		return appendToolName(b, r.Tools, c.Name)
	}
	return jsonedit.AppendString(b, string(c.Mode))
}

// appendToolName refers to a declared tool in the form that its type has.
func appendToolName(b []byte, tools []llm.Tool, name string) []byte {
	typ := "function"
	for i := range tools {
		if tools[i].Name == name && tools[i].Type == "custom" {
			typ = "custom"
		}
	}
	b = append(append(append(b, `{"type":"`...), typ...), `","`...)
	b = append(append(b, typ...), `":{`...)
	return append(wire.Str(b, "name", name), `}}`...)
}

func (e *encoder) rest(b []byte, r *llm.Request) []byte {
	if r.ResponseFormat != nil {
		b = e.format(wire.Key(b, "response_format"), r.ResponseFormat)
	}
	if r.Reasoning != nil {
		b = wire.StrIf(b, "reasoning_effort", r.Reasoning.Effort)
	}
	b = wire.StrIf(b, "verbosity", r.Verbosity)
	b = wire.StrIf(b, "user", r.User)
	if len(r.Metadata) > 0 {
		b = wire.Map(wire.Key(b, "metadata"), r.Metadata)
	}
	b = wire.StrIf(b, "service_tier", r.ServiceTier)
	return wire.BoolPtr(b, "store", r.Store)
}

func (e *encoder) format(b []byte, f *llm.ResponseFormat) []byte {
	b = wire.Str(append(b, '{'), "type", string(f.Type))
	if f.Type == llm.FormatJSONSchema {
		b = append(wire.Key(b, "json_schema"), '{')
		name := f.Name
		if name == "" {
			name = "response" // required here; other dialects have none
		}
		b = wire.Str(b, "name", name)
		b = wire.StrIf(b, "description", f.Description)
		if f.Schema != nil {
			b = wire.Lit(b, "schema", f.Schema)
		}
		b = append(wire.BoolPtr(b, "strict", f.Strict), '}')
	}
	return append(e.extras(b, "response_format."), '}')
}

func appendEmbed(b []byte, r *llm.Request) []byte {
	in := r.Embed
	b = appendInput(wire.Key(b, "input"), in)
	b = wire.NumPtr(b, "dimensions", in.Dimensions)
	if in.Base64 {
		b = wire.Str(b, "encoding_format", "base64")
	}
	return wire.StrIf(b, "user", r.User)
}

// appendInput writes a lone text as a string: some deployments take one only.
func appendInput(b []byte, in *llm.EmbedRequest) []byte {
	if len(in.Input) == 1 && len(in.Tokens) == 0 {
		return jsonedit.AppendString(b, in.Input[0])
	}
	b = append(b, '[')
	for _, s := range in.Input {
		b = wire.StrElem(b, s)
	}
	for _, ids := range in.Tokens {
		b = append(wire.Sep(b), '[')
		for i, id := range ids {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, id, 10)
		}
		b = append(b, ']')
	}
	return append(b, ']')
}
