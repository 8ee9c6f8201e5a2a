package mockserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// antBody is every member that Anthropic's API takes.
type antBody struct {
	Model         string          `json:"model"`
	Messages      []antMessage    `json:"messages"`
	System        antContent      `json:"system"`
	Tools         []antTool       `json:"tools"`
	ToolChoice    *antChoice      `json:"tool_choice"`
	Thinking      *antThinking    `json:"thinking"`
	OutputConfig  *antOutput      `json:"output_config"`
	CacheControl  json.RawMessage `json:"cache_control"`
	ContextManage json.RawMessage `json:"context_management"`

	antSampling
}

// antSampling is what a token count does not take.
type antSampling struct {
	MaxTokens    *int64   `json:"max_tokens"`
	Temperature  *float64 `json:"temperature"`
	TopP         *float64 `json:"top_p"`
	TopK         *int64   `json:"top_k"`
	Stop         []string `json:"stop_sequences"`
	Stream       *bool    `json:"stream"`
	ServiceTier  string   `json:"service_tier"`
	Container    *string  `json:"container"`
	InferenceGeo *string  `json:"inference_geo"`
	Metadata     *struct {
		UserID *string `json:"user_id"`
	} `json:"metadata"`
}

type antMessage struct {
	Role    string     `json:"role"`
	Content antContent `json:"content"`
}

// antContent is a string or blocks; a string is one block of text.
type antContent []antBlock

// UnmarshalJSON reads either form.
func (c *antContent) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		*c = antContent{{Type: "text", Text: &s}}
		return nil
	}
	var blocks []antBlock
	_, err := exactly(raw, &blocks)
	*c = blocks
	return err
}

// antBlock is every member that a block may have, of whatever type it is.
type antBlock struct {
	Type         string          `json:"type"`
	Text         *string         `json:"text"`
	Thinking     *string         `json:"thinking"`
	Signature    *string         `json:"signature"`
	Data         *string         `json:"data"`
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Input        json.RawMessage `json:"input"`
	ToolUseID    string          `json:"tool_use_id"`
	Content      antContent      `json:"content"`
	IsError      bool            `json:"is_error"`
	Source       *antSource      `json:"source"`
	Title        *string         `json:"title"`
	Context      *string         `json:"context"`
	Citations    json.RawMessage `json:"citations"`
	Caller       json.RawMessage `json:"caller"`
	CacheControl json.RawMessage `json:"cache_control"`
}

type antSource struct {
	Type      string          `json:"type"`
	MediaType string          `json:"media_type"`
	Data      string          `json:"data"`
	URL       string          `json:"url"`
	FileID    string          `json:"file_id"`
	Content   json.RawMessage `json:"content"`
}

type antTool struct {
	Type        string           `json:"type"`
	Name        string           `json:"name"`
	Description string           `json:"description"`
	InputSchema *json.RawMessage `json:"input_schema"`
	Strict      *bool            `json:"strict"`
	Cache       json.RawMessage  `json:"cache_control"`
	Examples    json.RawMessage  `json:"input_examples"`
	Defer       *bool            `json:"defer_loading"`
	Eager       *bool            `json:"eager_input_streaming"`
}

type antChoice struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Serial *bool  `json:"disable_parallel_tool_use"`
}

type antThinking struct {
	Type    string `json:"type"`
	Budget  *int64 `json:"budget_tokens"`
	Display string `json:"display"`
}

func (t *antThinking) on() bool { return t != nil && t.Type != "disabled" }

type antOutput struct {
	Effort string `json:"effort"`
	Format *struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"schema"`
	} `json:"format"`
}

// checkMessages refuses what POST /v1/messages refuses.
func checkMessages(hr *http.Request, body []byte) *llm.Error {
	b, err := readMessages(hr, body)
	if err != nil {
		return err
	}
	if b.MaxTokens == nil {
		return bad("max_tokens: Field required")
	}
	return b.check()
}

// checkCount is checkMessages for a token count.
func checkCount(hr *http.Request, body []byte) *llm.Error {
	b, err := readMessages(hr, body)
	if err != nil {
		return err
	}
	if given, ok := firstGiven(body); ok {
		return bad("%s: Extra inputs are not permitted", given)
	}
	return b.check()
}

// firstGiven returns the first member of antSampling in a body.
func firstGiven(body []byte) (string, bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		return "", false
	}
	for _, name := range []string{"max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "stream", "service_tier", "container", "inference_geo", "metadata"} {
		if _, ok := all[name]; ok {
			return name, true
		}
	}
	return "", false
}

func readMessages(hr *http.Request, body []byte) (*antBody, *llm.Error) {
	version := hr.Header.Get("Anthropic-Version")
	if version == "" {
		return nil, bad("anthropic-version: header is required")
	}
	if version != "2023-06-01" && version != "2023-01-01" && version != "2026-10-21" {
		return nil, bad("anthropic-version: %q is not a valid version", version)
	}
	var b antBody
	unknown, err := exactly(body, &b)
	switch {
	case unknown != "":
		return nil, bad("%s: Extra inputs are not permitted", unknown)
	case err != nil:
		return nil, bad("%v", err)
	case b.Model == "":
		return nil, bad("model: Field required")
	case len(b.Messages) == 0:
		return nil, bad("messages: at least one message is required")
	}
	return &b, nil
}

func (b *antBody) check() *llm.Error {
	for _, rule := range []func(*antBody) *llm.Error{
		antSamplingRule, antThinkingRule, antToolRule, antFormatRule, antBlockRule, antTurnRule, antThoughtRule,
	} {
		if err := rule(b); err != nil {
			return err
		}
	}
	return nil
}

func antSamplingRule(b *antBody) *llm.Error {
	switch {
	case b.MaxTokens != nil && *b.MaxTokens < 0:
		return bad("max_tokens: Input should be greater than or equal to 0")
	case b.Temperature != nil && (*b.Temperature < 0 || *b.Temperature > 1):
		return bad("temperature: range: 0..1")
	case b.TopP != nil && (*b.TopP < 0 || *b.TopP > 1):
		return bad("top_p: range: 0..1")
	case b.ServiceTier != "" && b.ServiceTier != "auto" && b.ServiceTier != "standard_only":
		return bad("service_tier: Input should be 'auto' or 'standard_only'")
	}
	for i, s := range b.Stop {
		if strings.TrimSpace(s) == "" {
			return bad("stop_sequences.%d: each stop sequence must contain non-whitespace", i)
		}
	}
	return nil
}

func antThinkingRule(b *antBody) *llm.Error {
	t := b.Thinking
	if t == nil {
		return nil
	}
	const smallest = 1024
	switch {
	case t.Type != "enabled" && t.Type != "adaptive" && t.Type != "disabled":
		return bad("thinking.type: Input should be 'enabled', 'adaptive' or 'disabled'")
	case t.Type == "enabled" && t.Budget == nil:
		return bad("thinking.enabled.budget_tokens: Field required")
	case t.Type != "enabled" && t.Budget != nil:
		return bad("thinking.%s.budget_tokens: Extra inputs are not permitted", t.Type)
	case t.Budget != nil && *t.Budget < smallest:
		return bad("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
	case t.Budget != nil && b.MaxTokens != nil && *b.MaxTokens <= *t.Budget:
		return bad("`max_tokens` must be greater than `thinking.budget_tokens`")
	case t.on() && b.Temperature != nil && *b.Temperature != 1:
		return bad("`temperature` may only be set to 1 when thinking is enabled")
	case t.on() && b.TopK != nil:
		return bad("`top_k` must be unset when thinking is enabled")
	case t.on() && b.ToolChoice != nil && (b.ToolChoice.Type == "any" || b.ToolChoice.Type == "tool"):
		return bad("Thinking may not be enabled when tool_choice forces tool use.")
	case t.on() && b.Messages[len(b.Messages)-1].Role == "assistant":
		return bad("Prefilling the assistant message is not supported when thinking is enabled.")
	}
	return nil
}

var antName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

func antToolRule(b *antBody) *llm.Error {
	var names []string
	for i := range b.Tools {
		t := &b.Tools[i]
		if t.Type != "" && t.Type != "custom" {
			continue // a hosted tool
		}
		var schema struct{ Type string }
		switch {
		case !antName.MatchString(t.Name):
			return bad("tools.%d.custom.name: String should match pattern '%s'", i, antName)
		case slices.Contains(names, t.Name):
			return bad("tools: Tool names must be unique.")
		case t.InputSchema == nil:
			return bad("tools.%d.custom.input_schema: Field required", i)
		case json.Unmarshal(*t.InputSchema, &schema) != nil || schema.Type != "object":
			return bad("tools.%d.custom.input_schema.type: Input should be 'object'", i)
		}
		names = append(names, t.Name)
	}
	c := b.ToolChoice
	switch {
	case c == nil:
	case len(b.Tools) == 0:
		return bad("tool_choice: may only be specified while providing tools")
	case !slices.Contains([]string{"auto", "any", "tool", "none"}, c.Type):
		return bad("tool_choice: Input tag '%s' does not match any of the expected tags", c.Type)
	case c.Type == "none" && c.Serial != nil:
		return bad("tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")
	case c.Type == "tool" && !slices.Contains(names, c.Name):
		return bad("Tool '%s' not found in provided tools", c.Name)
	}
	return nil
}

func antFormatRule(b *antBody) *llm.Error {
	if b.OutputConfig == nil {
		return nil
	}
	if e := b.OutputConfig.Effort; e != "" && !slices.Contains([]string{"low", "medium", "high", "xhigh", "max"}, e) {
		return bad("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
	}
	f := b.OutputConfig.Format
	if f == nil {
		return nil
	}
	var s strictSchema
	if f.Type != "json_schema" || len(f.Schema) == 0 || json.Unmarshal(f.Schema, &s) != nil {
		return bad("output_config.format: a json_schema with a schema is required")
	}
	if !s.closed() {
		return bad("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false")
	}
	return nil
}

// closed reports whether every object of a schema says that it is.
func (s *strictSchema) closed() bool {
	if s == nil {
		return true
	}
	if (strings.Contains(string(s.Type), `"object"`) || s.Properties != nil) && string(s.Additional) != "false" {
		return false
	}
	subs := slices.Clone(s.AnyOf)
	for _, group := range []map[string]*strictSchema{s.Properties, s.Defs} {
		for _, sub := range group {
			subs = append(subs, sub)
		}
	}
	var item strictSchema
	if len(s.Items) > 0 && json.Unmarshal(s.Items, &item) == nil {
		subs = append(subs, &item)
	}
	return !slices.ContainsFunc(subs, func(sub *strictSchema) bool { return !sub.closed() })
}

// antPlaces are the types of blocks that a role's message may hold.
var antPlaces = map[string][]string{
	"user":      {"text", "image", "document", "tool_result", "search_result"},
	"assistant": {"text", "tool_use", "thinking", "redacted_thinking"},
	"system":    {"text"},
}

func antBlockRule(b *antBody) *llm.Error {
	for i := range b.System {
		if err := b.System[i].check(fmt.Sprintf("system.%d", i), antPlaces["system"]); err != nil {
			return err
		}
	}
	for i := range b.Messages {
		m := &b.Messages[i]
		types, ok := antPlaces[m.Role]
		switch {
		case !ok:
			return bad("messages.%d.role: Input should be 'user' or 'assistant'", i)
		case len(m.Content) == 0 && (m.Role != "assistant" || i < len(b.Messages)-1):
			return bad("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		}
		for j := range m.Content {
			if err := m.Content[j].check(fmt.Sprintf("messages.%d.content.%d", i, j), types); err != nil {
				return err
			}
		}
	}
	last := b.Messages[len(b.Messages)-1]
	if n := len(last.Content); last.Role == "assistant" && n > 0 && last.Content[n-1].Type == "text" {
		if s := *last.Content[n-1].Text; strings.TrimRight(s, " \t\r\n") != s {
			return bad("messages: final assistant content cannot end with trailing whitespace")
		}
	}
	return nil
}

func (k *antBlock) check(at string, types []string) *llm.Error {
	if !slices.Contains(types, k.Type) {
		return bad("%s: Input tag '%s' found using 'type' does not match any of the expected tags", at, k.Type)
	}
	switch k.Type {
	case "text":
		if k.Text == nil || *k.Text == "" {
			return bad("%s: text content blocks must be non-empty", at)
		}
	case "tool_use":
		if !antName.MatchString(k.ID) || !antName.MatchString(k.Name) || len(k.Input) == 0 || k.Input[0] != '{' {
			return bad("%s.tool_use: id, name and an object for input are required", at)
		}
	case "tool_result":
		for i := range k.Content {
			if t := k.Content[i].Type; t != "text" && t != "image" && t != "document" && t != "search_result" {
				return bad("%s.tool_result.content.%d: Input tag '%s' is not expected", at, i, t)
			}
		}
	case "image", "document":
		return k.Source.check(at, k.Type)
	case "thinking":
		if k.Thinking == nil || k.Signature == nil || k.CacheControl != nil {
			return bad("%s.thinking: thinking and signature are required, and nothing else", at)
		}
	case "redacted_thinking":
		if k.Data == nil {
			return bad("%s.redacted_thinking.data: Field required", at)
		}
	}
	return nil
}

var antImages = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

func (s *antSource) check(at, typ string) *llm.Error {
	if s == nil {
		return bad("%s.%s.source: Field required", at, typ)
	}
	switch {
	case s.Type == "url" && strings.HasPrefix(s.URL, "https://"), s.Type == "url" && strings.HasPrefix(s.URL, "http://"), s.Type == "file":
	case s.Type == "base64" && typ == "image" && slices.Contains(antImages, s.MediaType) && s.Data != "":
	case typ == "document" && (s.Type == "text" || s.Type == "content" || s.Type == "base64" && s.MediaType == "application/pdf"):
	default:
		return bad("%s.%s.source: this source is not supported", at, typ)
	}
	return nil
}
