package llm

import (
	"encoding/json"
	"time"
)

// Request is the canonical form of a chat, embedding or token-count request:
// what remains when the wire format is taken away. Optional scalars are
// pointers; JSON schemas and members that no one interprets stay raw. Members
// keep OpenAI's names in error messages, as every client dialect maps to them.
type Request struct {
	Model    string
	Messages []Message

	MaxTokens        *int64   // limit on output tokens, reasoning included
	Temperature      *float64 // 0..2 on OpenAI's scale
	TopP             *float64
	TopK             *int64
	Stop             []string
	Seed             *int64
	PresencePenalty  *float64
	FrequencyPenalty *float64
	N                *int64 // candidates; only 1 can be translated
	Logprobs         *bool
	TopLogprobs      *int64
	LogitBias        json.RawMessage

	Tools             []Tool
	ToolChoice        *ToolChoice
	ParallelToolCalls *bool
	ResponseFormat    *ResponseFormat
	Reasoning         *ReasoningOptions

	Stream       bool
	IncludeUsage bool // the client asked for a usage event (OpenAI stream_options)

	User        string            // end user's id, for abuse detection upstream
	Metadata    map[string]string // OpenAI metadata; native metadata stays in Meta
	ServiceTier string
	Store       *bool
	Verbosity   string

	// Extra holds, in order, the members that the canonical form has no place
	// for. A codec of the same dialect writes them back unchanged; any other
	// refuses or drops them (see dialect.Fit).
	Extra []Member

	Embed *EmbedRequest // for OpEmbed; nil otherwise

	// Tags (metadata) and Timeout (timeout_ms) of the native dialect are for
	// the gateway itself; no provider codec writes them.
	Tags    map[string]string
	Timeout time.Duration // lowers the route's deadline; 0 = not given
}

// Member is one JSON object member, its value untouched.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Role is who speaks.
type Role string

// The roles. A system message may stand anywhere; codecs hoist where they must.
const (
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool" // carries tool results only
)

// Message is one turn: an ordered list of parts. Tool calls are parts of an
// assistant message, tool results are parts of a tool message; one tool
// message may hold several results.
type Message struct {
	Role  Role
	Name  string
	Parts []Part
}

// PartType says which field of a Part is set.
type PartType uint8

// The kinds of parts.
const (
	PartText       PartType = iota + 1 // Text
	PartRefusal                        // Text
	PartImage                          // Media
	PartAudio                          // Media
	PartFile                           // Media
	PartReasoning                      // Reasoning
	PartToolCall                       // ToolCall
	PartToolResult                     // ToolResult
)

// Part is one piece of a message.
type Part struct {
	Type       PartType
	Text       string
	Media      *Media
	Reasoning  *Reasoning
	ToolCall   *ToolCall
	ToolResult *ToolResult

	// CacheControl is a prompt-cache mark in the dialect that set it
	// (Anthropic cache_control); codecs of others leave it out.
	CacheControl json.RawMessage
}

// Media is an image, a sound or a file, by URL or by value.
type Media struct {
	URL    string // http(s) URL; "" when Data is set
	Data   string // standard base64, no data: prefix
	MIME   string // e.g. image/png; required with Data
	Detail string // OpenAI image detail
	Name   string // file name
	FileID string // the provider's own id of an uploaded file
}

// Reasoning is one block of a model's thinking. Signature and Redacted are
// opaque state of the provider that made them (Origin) and go back to it
// unchanged on the next turn; to any other provider the block is not sent.
type Reasoning struct {
	Text      string
	Signature string  // Anthropic thinking signature, Gemini thought signature, OpenAI encrypted_content
	Redacted  string  // Anthropic redacted_thinking data
	ID        string  // OpenAI Responses reasoning item id
	Origin    Dialect // whose state this is; 0 when it carries none
}

// ToolCall is a model's wish to call a function.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // JSON text; "" means {}

	// Signature is Gemini's thought signature that belongs to this call.
	Signature string
}

// ToolResult answers a ToolCall.
type ToolResult struct {
	CallID  string
	Name    string // the function's name, where the dialect says it
	Parts   []Part // text or images
	IsError bool
}

// Tool is a function that the model may call, or (Raw) a tool of a kind that
// only its own dialect understands.
type Tool struct {
	Name         string
	Description  string
	Parameters   json.RawMessage // JSON schema; nil = no arguments
	Strict       *bool
	Type         string          // "" or "function"; otherwise a hosted or custom tool
	Raw          json.RawMessage // the whole tool, when Type is not function
	CacheControl json.RawMessage
}

// ToolChoiceMode is how far a model is free to call tools.
type ToolChoiceMode string

// The modes of ToolChoice.
const (
	ToolAuto     ToolChoiceMode = "auto"
	ToolNone     ToolChoiceMode = "none"
	ToolRequired ToolChoiceMode = "required"
	ToolNamed    ToolChoiceMode = "named" // exactly Name
)

// ToolChoice restricts tool use. Allowed, when set, limits which tools may be
// called under ToolAuto or ToolRequired.
type ToolChoice struct {
	Mode    ToolChoiceMode
	Name    string
	Allowed []string
}

// ResponseFormatType is the form that an answer must have.
type ResponseFormatType string

// The response formats.
const (
	FormatText       ResponseFormatType = "text"
	FormatJSONObject ResponseFormatType = "json_object"
	FormatJSONSchema ResponseFormatType = "json_schema"
)

// ResponseFormat asks for structured output.
type ResponseFormat struct {
	Type        ResponseFormatType
	Name        string
	Description string
	Schema      json.RawMessage
	Strict      *bool
}

// ReasoningOptions says how much a model shall think.
type ReasoningOptions struct {
	Effort   string // none, minimal, low, medium, high, xhigh, max; "" = not given
	Budget   *int64 // thinking tokens, where the client's dialect counts them
	Adaptive bool   // Anthropic thinking.type adaptive
	Summary  string // OpenAI Responses reasoning.summary
}

// EmbedRequest asks for embedding vectors.
type EmbedRequest struct {
	Input      []string
	Tokens     [][]int64 // token ids, an alternative to Input
	Dimensions *int64
	Base64     bool // the client wants vectors as base64 of little-endian float32
}
