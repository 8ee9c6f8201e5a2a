package gemini

import (
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// AppendRequest appends the body of the method that Method names. The model
// stands in the URL.
func (k Codec) AppendRequest(dst []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	switch {
	case c.Op == llm.OpEmbed && r.Embed != nil:
		return k.appendEmbed(dst, c, r)
	case c.Op == llm.OpEmbed || r.Embed != nil:
		return nil, llm.Invalid("input", "input: must not be empty")
	case c.Op == llm.OpCountTokens:
		return k.appendCount(dst, c, r)
	}
	b, err := appendPrompt(append(dst, '{'), c, r)
	if err != nil {
		return nil, err
	}
	b = appendConfig(b, r)
	return appendExtra(b, r.Extra)
}

// appendPrompt appends what counts as input: the system's words, the
// conversation and the tools.
func appendPrompt(b []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	b = appendSystem(b, r.Messages)
	b, err := appendContents(b, c, r.Messages)
	if err != nil {
		return nil, err
	}
	return appendTools(b, r), nil
}

// appendCount appends a countTokens body. The Gemini API takes more than the
// conversation only inside a whole request, which names the model once more.
func (k Codec) appendCount(b []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	bare := len(r.Tools) == 0 && !slices.ContainsFunc(r.Messages, func(m llm.Message) bool { return isSystem(&m) })
	if k.Vertex || bare {
		b, err := appendPrompt(append(b, '{'), c, r)
		return append(b, '}'), err
	}
	b = wire.Str(append(b, `{"generateContentRequest":{`...), "model", resource(c.Model))
	b, err := appendPrompt(b, c, r)
	return append(b, "}}"...), err
}

// appendConfig appends generationConfig, if there is anything in it.
func appendConfig(b []byte, r *llm.Request) []byte {
	start := len(b)
	b = append(wire.Key(b, "generationConfig"), '{')
	open := len(b)
	b = wire.NumPtr(b, "maxOutputTokens", r.MaxTokens)
	b = wire.FloatPtr(b, "temperature", r.Temperature)
	b = wire.FloatPtr(b, "topP", r.TopP)
	b = wire.NumPtr(b, "topK", r.TopK)
	b = wire.NumPtr(b, "seed", r.Seed)
	b = wire.FloatPtr(b, "presencePenalty", r.PresencePenalty)
	b = wire.FloatPtr(b, "frequencyPenalty", r.FrequencyPenalty)
	if len(r.Stop) > 0 {
		b = append(wire.Key(b, "stopSequences"), '[')
		for _, s := range r.Stop {
			b = wire.StrElem(b, s)
		}
		b = append(b, ']')
	}
	b = appendFormat(b, r.ResponseFormat)
	b = appendThinking(b, r.Reasoning)
	for _, m := range r.Extra {
		if name, ok := strings.CutPrefix(m.Name, configPath); ok {
			b = append(jsonedit.AppendString(wire.Sep(b), name), ':')
			b = append(b, m.Value...)
		}
	}
	if len(b) == open {
		return b[:start]
	}
	return append(b, '}')
}

// configPath begins the names of extra members of generationConfig.
const configPath = "generationConfig."

func appendFormat(b []byte, f *llm.ResponseFormat) []byte {
	if f == nil || f.Type == llm.FormatText {
		return b
	}
	b = wire.Str(b, "responseMimeType", "application/json")
	if f.Type == llm.FormatJSONSchema && len(f.Schema) > 0 {
		b = wire.Lit(b, "responseJsonSchema", f.Schema)
	}
	return b
}

// appendThinking appends thinkingConfig. Who asks for reasoning gets to see
// its summary.
func appendThinking(b []byte, o *llm.ReasoningOptions) []byte {
	if o == nil {
		return b
	}
	b = append(wire.Key(b, "thinkingConfig"), '{')
	off := false
	switch {
	case o.Effort == dialect.EffortNone, o.Budget != nil && *o.Budget == 0:
		off = true
		b = wire.Num(b, "thinkingBudget", 0)
	case o.Budget != nil:
		b = wire.Num(b, "thinkingBudget", *o.Budget)
	case o.Effort != "":
		b = wire.Str(b, "thinkingLevel", strings.ToUpper(o.Effort))
	case o.Adaptive:
		b = wire.Num(b, "thinkingBudget", -1)
	}
	if !off {
		b = wire.Boolean(b, "includeThoughts", o.Summary != dialect.SummaryOmitted)
	}
	return append(b, '}')
}

// appendExtra appends the members that only Gemini knows, and closes the body.
func appendExtra(b []byte, extra []llm.Member) ([]byte, error) {
	for _, m := range extra {
		if strings.HasPrefix(m.Name, configPath) {
			continue
		}
		if strings.ContainsAny(m.Name, ".[") {
			return nil, llm.Unsupported(m.Name, "%s: cannot be translated", m.Name)
		}
		b = append(jsonedit.AppendString(wire.Sep(b), m.Name), ':')
		b = append(b, m.Value...)
	}
	return append(b, '}'), nil
}

// appendTools appends tools, all functions in one element, and toolConfig.
func appendTools(b []byte, r *llm.Request) []byte {
	if len(r.Tools) == 0 {
		return b
	}
	b = append(wire.Key(b, "tools"), '[')
	strict, functions := false, 0
	for i := range r.Tools {
		t := &r.Tools[i]
		if len(t.Raw) > 0 {
			continue
		}
		if functions++; functions == 1 {
			b = append(wire.Sep(b), `{"functionDeclarations":[`...)
		}
		strict = strict || t.Strict != nil && *t.Strict
		b = appendFunction(b, t)
	}
	if functions > 0 {
		b = append(b, "]}"...)
	}
	for i := range r.Tools {
		if raw := r.Tools[i].Raw; len(raw) > 0 {
			b = append(wire.Sep(b), raw...)
		}
	}
	return appendToolConfig(append(b, ']'), r.ToolChoice, strict)
}

func appendFunction(b []byte, t *llm.Tool) []byte {
	b = wire.Str(append(wire.Sep(b), '{'), "name", t.Name)
	b = wire.StrIf(b, "description", t.Description)
	if !noArguments(t.Parameters) {
		b = wire.Lit(b, "parametersJsonSchema", t.Parameters)
	}
	return append(b, '}')
}

var schemaNames = jsonedit.NewNames("properties", "$ref", "anyOf", "oneOf", "allOf", "additionalProperties")

// noArguments reports whether a schema allows no argument; older models refuse
// such a one.
func noArguments(schema []byte) bool {
	var at [6]jsonedit.Span
	if _, _, err := jsonedit.Find(schema, schemaNames, at[:]); err != nil {
		return true
	}
	for _, other := range at[1:5] {
		if other.Present() {
			return false
		}
	}
	if open := at[5]; open.Present() && jsonedit.Kind(schema, open) != 'f' {
		return false
	}
	return !at[0].Present() || len(strings.Trim(string(at[0].Of(schema)), "{} \t\r\n")) == 0
}

// appendToolConfig appends how free the model is to call. A strict tool asks
// that arguments fit their schema: the mode VALIDATED, and ANY anyway.
func appendToolConfig(b []byte, tc *llm.ToolChoice, strict bool) []byte {
	mode, only := "", []string(nil)
	switch {
	case tc == nil || tc.Mode == llm.ToolAuto:
		if !strict {
			return b
		}
		mode = "VALIDATED"
	case tc.Mode == llm.ToolNone:
		mode = "NONE"
	case tc.Mode == llm.ToolNamed:
		mode, only = "ANY", []string{tc.Name}
	default:
		mode, only = "ANY", tc.Allowed
	}
	b = wire.Str(append(wire.Key(b, "toolConfig"), `{"functionCallingConfig":{`...), "mode", mode)
	if len(only) > 0 {
		b = append(wire.Key(b, "allowedFunctionNames"), '[')
		for _, name := range only {
			b = wire.StrElem(b, name)
		}
		b = append(b, ']')
	}
	return append(b, "}}"...)
}
