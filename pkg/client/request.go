package client

import (
	"encoding/json"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// Roles of messages.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
	RoleTool      = "tool"
)

// Request is the body of POST /v1/generate. Exactly one of Prompt and Messages
// is needed; everything else may be left out. The gateway checks ranges.
type Request struct {
	Model    string    `json:"model,omitempty"` // a route, or provider/model; "" = the gateway's default
	Prompt   string    `json:"prompt,omitempty"`
	System   string    `json:"system,omitempty"`
	Messages []Message `json:"messages,omitempty"`

	MaxTokens        int64    `json:"max_tokens,omitempty"`
	Temperature      *float64 `json:"temperature,omitempty"` // new(0.2) sets one
	TopP             *float64 `json:"top_p,omitempty"`
	Stop             []string `json:"stop,omitempty"`
	Seed             *int64   `json:"seed,omitempty"`
	PresencePenalty  *float64 `json:"presence_penalty,omitempty"`
	FrequencyPenalty *float64 `json:"frequency_penalty,omitempty"`

	Tools             []Tool          `json:"tools,omitempty"`
	ToolChoice        json.RawMessage `json:"tool_choice,omitempty"` // "auto", "none", "required" in quotes, or an object that names a function
	ParallelToolCalls *bool           `json:"parallel_tool_calls,omitempty"`
	ResponseFormat    *ResponseFormat `json:"response_format,omitempty"`
	ReasoningEffort   string          `json:"reasoning_effort,omitempty"` // none, minimal, low, medium, high, xhigh, max

	Metadata map[string]string `json:"metadata,omitempty"` // kept on log line, trace and ledger
	Timeout  time.Duration     `json:"-"`                  // lowers the route's deadline; whole milliseconds, 0 = the route's

	// DropUnsupported lets the gateway leave out what the target cannot
	// honour; Response.Dropped lists it. Without it that is an error. In a
	// batch BatchOptions.DropUnsupported counts instead.
	DropUnsupported bool `json:"-"`
	// Raw, when not nil, is the whole body and every field above but
	// DropUnsupported is ignored. Its member stream is set by the method that
	// sends it; every other byte arrives as it is.
	Raw json.RawMessage `json:"-"`
}

// Message is one turn of a conversation. Either Content or Parts is set, or
// neither beside ToolCalls.
type Message struct {
	Role       string
	Content    string
	Parts      []Part
	ToolCalls  []ToolCall // of an assistant
	ToolCallID string     // of a tool: the call that it answers
	Name       string
}

// MarshalJSON writes content as a string, as an array of parts, or as null
// beside tool calls.
func (m Message) MarshalJSON() ([]byte, error) {
	w := wireMessage{Role: m.Role, ToolCalls: m.ToolCalls, ToolCallID: m.ToolCallID, Name: m.Name}
	var err error
	switch {
	case len(m.Parts) > 0:
		w.Content, err = json.Marshal(m.Parts)
	case m.Content != "" || len(m.ToolCalls) == 0:
		w.Content = jsonedit.AppendString(nil, m.Content)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(w)
}

type wireMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCalls  []ToolCall      `json:"tool_calls,omitempty"`
	ToolCallID string          `json:"tool_call_id,omitempty"`
	Name       string          `json:"name,omitempty"`
}

// Part is a piece of a message: a text, or an image.
type Part struct {
	Type     string    `json:"type"` // text or image_url
	Text     string    `json:"text,omitempty"`
	ImageURL *ImageURL `json:"image_url,omitempty"`
}

// ImageURL is an image by its http(s) or data URL.
type ImageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"` // auto, low, high
}

// Text makes a text part.
func Text(s string) Part { return Part{Type: "text", Text: s} }

// Image makes an image part.
func Image(url string) Part { return Part{Type: "image_url", ImageURL: &ImageURL{URL: url}} }

// Tool is a function that the model may call.
type Tool struct {
	Type     string   `json:"type"` // function
	Function Function `json:"function"`
}

// Function describes a tool to the model.
type Function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"` // a JSON schema
	Strict      *bool           `json:"strict,omitempty"`
}

// ToolCall is a call that the model made.
type ToolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"` // function
	Function FunctionCall `json:"function"`
}

// FunctionCall names the function and holds its arguments as JSON text.
type FunctionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// ResponseFormat asks for text, for some JSON object, or for JSON of a schema.
type ResponseFormat struct {
	Type       string      `json:"type"` // text, json_object, json_schema
	JSONSchema *JSONSchema `json:"json_schema,omitempty"`
}

// JSONSchema is a named schema for ResponseFormat.
type JSONSchema struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

// encode makes the body. The error is an *Error of KindInvalidRequest.
func (r *Request) encode(stream bool) ([]byte, error) {
	if r.Raw != nil {
		return setStream(r.Raw, stream)
	}
	type plain Request // without methods
	body, err := json.Marshal(struct {
		*plain
		Stream    bool  `json:"stream,omitempty"`
		TimeoutMS int64 `json:"timeout_ms,omitempty"`
	}{(*plain)(r), stream, wholeMS(r.Timeout)})
	if err != nil {
		return nil, &Error{Kind: KindInvalidRequest, Message: "the request cannot be written as JSON", Err: err}
	}
	return body, nil
}

// wholeMS rounds up, so that a time-out is never taken for none.
func wholeMS(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// setStream gives a body the member stream that its way of sending needs.
func setStream(raw []byte, stream bool) ([]byte, error) {
	var at [1]jsonedit.Span
	end, members, err := jsonedit.Find(raw, jsonedit.NewNames("stream"), at[:])
	if err != nil {
		return nil, &Error{Kind: KindInvalidRequest, Message: "the request is not a JSON object", Err: err}
	}
	value := "false"
	if stream {
		value = "true"
	}
	edit := jsonedit.Edit{Span: at[0], New: []byte(value)}
	switch {
	case at[0].Present():
	case !stream:
		return raw, nil
	default:
		edit = jsonedit.Edit{Span: jsonedit.Span{Start: end, End: end}, New: []byte(`"stream":true`)}
		if members > 0 {
			edit.New = []byte(`,"stream":true`)
		}
	}
	return jsonedit.Splice(raw, edit), nil
}
