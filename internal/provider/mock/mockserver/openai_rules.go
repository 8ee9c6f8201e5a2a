package mockserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// chatBody is what the rules about several members need to see of a request.
type chatBody struct {
	Model    string        `json:"model"`
	Messages []chatMessage `json:"messages"`

	Stream        bool             `json:"stream"`
	StreamOptions *json.RawMessage `json:"stream_options"`
	Logprobs      bool             `json:"logprobs"`
	TopLogprobs   *float64         `json:"top_logprobs"`
	MaxTokens     *float64         `json:"max_tokens"`
	MaxCompletion *float64         `json:"max_completion_tokens"`
	Temperature   *float64         `json:"temperature"`
	TopP          *float64         `json:"top_p"`

	Tools             []chatTool       `json:"tools"`
	ToolChoice        *json.RawMessage `json:"tool_choice"`
	ParallelToolCalls *bool            `json:"parallel_tool_calls"`
	ResponseFormat    *struct {
		Type       string      `json:"type"`
		JSONSchema *strictName `json:"json_schema"`
	} `json:"response_format"`

	WebSearch  *json.RawMessage `json:"web_search_options"`
	Modalities []string         `json:"modalities"`
}

type chatMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	Refusal    *string         `json:"refusal"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		ID string `json:"id"`
	} `json:"tool_calls"`
	Audio *json.RawMessage `json:"audio"`
}

type chatTool struct {
	Type     string     `json:"type"`
	Function strictName `json:"function"`
}

// strictName is a function or a response format: a name, a schema, and whether
// the schema must be of the strict kind.
type strictName struct {
	Name       string          `json:"name"`
	Strict     bool            `json:"strict"`
	Parameters json.RawMessage `json:"parameters"`
	Schema     json.RawMessage `json:"schema"`
}

// chatRules checks what concerns several members at once, in OpenAI's words.
func chatRules(body []byte) *llm.Error {
	var b chatBody
	if err := json.Unmarshal(body, &b); err != nil {
		return problem("", "", "We could not parse the JSON body of your request: %v", err)
	}
	for _, rule := range []func(*chatBody) *llm.Error{
		lengthRule, streamRule, reasonerRule, toolRule, formatRule, mediaRule, conversationRule,
	} {
		if err := rule(&b); err != nil {
			return err
		}
	}
	return nil
}

func lengthRule(b *chatBody) *llm.Error {
	if b.MaxTokens != nil && b.MaxCompletion != nil {
		return problem("invalid_parameter_combination", "max_tokens",
			"Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	}
	return nil
}

func streamRule(b *chatBody) *llm.Error {
	switch {
	case b.StreamOptions != nil && !b.Stream:
		return problem("", "stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case b.TopLogprobs != nil && !b.Logprobs:
		return problem("", "top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	}
	return nil
}

// reasonerRule refuses what a model that reasons refuses, with the codes that
// were recorded of one (null for temperature); the rest is the engine's matter.
func reasonerRule(b *chatBody) *llm.Error {
	if !slices.Contains(strings.Split(strings.TrimPrefix(b.Model, "mock/"), "+"), "reasoner") {
		return nil
	}
	if b.MaxTokens != nil {
		return problem("unsupported_parameter", "max_tokens",
			"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
	}
	for name, v := range map[string]*float64{"temperature": b.Temperature, "top_p": b.TopP} {
		if v != nil && *v != 1 {
			return problem("", name, "Unsupported parameter: '%s' is not supported with this model.", name)
		}
	}
	return nil
}

func toolRule(b *chatBody) *llm.Error {
	if len(b.Tools) == 0 {
		switch {
		case b.ToolChoice != nil:
			return problem("", "tool_choice", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
		case b.ParallelToolCalls != nil:
			return problem("", "parallel_tool_calls", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.")
		}
	}
	for i := range b.Tools {
		f := &b.Tools[i].Function
		if why := f.strictProblem(f.Parameters); why != "" {
			return problem("invalid_function_parameters", fmt.Sprintf("tools[%d].function.parameters", i),
				"Invalid schema for function '%s': %s", f.Name, why)
		}
	}
	return nil
}

func formatRule(b *chatBody) *llm.Error {
	f := b.ResponseFormat
	if f == nil {
		return nil
	}
	if f.Type == "json_object" && !slices.ContainsFunc(b.Messages, func(m chatMessage) bool {
		return strings.Contains(strings.ToLower(string(m.Content)), "json")
	}) {
		return problem("", "messages", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")
	}
	if f.JSONSchema != nil {
		if why := f.JSONSchema.strictProblem(f.JSONSchema.Schema); why != "" {
			return problem("", "response_format", "Invalid schema for response_format '%s': %s", f.JSONSchema.Name, why)
		}
	}
	return nil
}

func mediaRule(b *chatBody) *llm.Error {
	switch {
	case b.WebSearch != nil:
		return problem("", "web_search_options", "Web search options not supported with this model.")
	case slices.Contains(b.Modalities, "audio"):
		return problem("unsupported_value", "modalities", "Unsupported value: 'modalities' does not support 'audio' with this model.")
	}
	return nil
}

// conversationRule demands that tool messages answer the calls before them,
// all of them, before another role speaks.
func conversationRule(b *chatBody) *llm.Error {
	var open []string
	last := 0
	for i := range b.Messages {
		m := &b.Messages[i]
		if m.Role == "tool" {
			at := slices.Index(open, m.ToolCallID)
			if at < 0 {
				p := fmt.Sprintf("messages[%d].role", i)
				return problem("", p, "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
			}
			open = slices.Delete(open, at, at+1)
			continue
		}
		if len(open) > 0 {
			break
		}
		if m.Role == "assistant" && m.silent() {
			p := fmt.Sprintf("messages[%d].content", i)
			return problem("invalid_type", p, "Invalid value for 'content': expected a string, got null.")
		}
		for _, c := range m.ToolCalls {
			open = append(open, c.ID)
		}
		last = i
	}
	if len(open) > 0 {
		return problem("", "messages", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "+
			"The following tool_call_ids of messages[%d] did not have response messages: %s", last, strings.Join(open, ", "))
	}
	return nil
}

func (m *chatMessage) silent() bool {
	empty := len(m.Content) == 0 || string(m.Content) == "null"
	return empty && m.Refusal == nil && len(m.ToolCalls) == 0 && m.Audio == nil
}

// strictSchema is the part of a JSON schema that strict mode has rules for.
type strictSchema struct {
	Type       json.RawMessage          `json:"type"`
	Properties map[string]*strictSchema `json:"properties"`
	Required   []string                 `json:"required"`
	Additional json.RawMessage          `json:"additionalProperties"`
	Items      json.RawMessage          `json:"items"`
	AnyOf      []*strictSchema          `json:"anyOf"`
	Defs       map[string]*strictSchema `json:"$defs"`
}

// strictProblem returns what strict mode has against a schema, "" if nothing:
// every object closed, every property required, an object at the root.
func (n *strictName) strictProblem(schema json.RawMessage) string {
	if !n.Strict {
		return ""
	}
	var s strictSchema
	if len(schema) == 0 {
		schema = json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`)
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		return "the schema is malformed: " + err.Error() + "."
	}
	if string(s.Type) != `"object"` {
		return `schema must be a JSON Schema of 'type: "object"'.`
	}
	return s.problem("()")
}

func (s *strictSchema) problem(context string) string {
	if strings.Contains(string(s.Type), `"object"`) || s.Properties != nil {
		if string(s.Additional) != "false" {
			return fmt.Sprintf("In context=%s, 'additionalProperties' is required to be supplied and to be false.", context)
		}
		for name := range s.Properties {
			if !slices.Contains(s.Required, name) {
				return fmt.Sprintf("In context=%s, 'required' is required to be supplied and to be an array including every key in properties. Missing '%s'.", context, name)
			}
		}
	}
	for _, group := range []map[string]*strictSchema{s.Properties, s.Defs} {
		for name, sub := range group {
			if sub == nil {
				continue
			}
			if why := sub.problem("('" + name + "',)"); why != "" {
				return why
			}
		}
	}
	return s.inner(context)
}

func (s *strictSchema) inner(context string) string {
	subs := s.AnyOf
	var item strictSchema
	if len(s.Items) > 0 && s.Items[0] == '{' && json.Unmarshal(s.Items, &item) == nil {
		subs = append(slices.Clone(subs), &item)
	}
	for _, sub := range subs {
		if sub == nil {
			continue
		}
		if why := sub.problem(context); why != "" {
			return why
		}
	}
	return ""
}

// noModel is what the API says when the model is missing altogether.
func noModel() *llm.Error {
	return &llm.Error{Kind: llm.KindInvalidRequest, Status: http.StatusBadRequest, Message: "you must provide a model parameter"}
}
