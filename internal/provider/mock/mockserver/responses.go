package mockserver

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/responses"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// responses is the surface of OpenAI's Responses, as far as it goes without a
// store.
func (s *Server) responses() *surface {
	return &surface{
		idPrefix: "resp_",
		codec:    responses.Codec{},
		errors:   responsesErrors{},
		key:      openAIKey,
		noKey:    openAINoKey,
		head:     openAIHead,
		dress:    dressResponses,
		routes:   []route{{pattern: "POST /v1/responses", op: llm.OpChat, check: checkResponses}},
	}
}

// responsesErrors words errors as Chat Completions does, but within a stream.
type responsesErrors struct{ openAIErrors }

// AppendStreamError appends the event that ends a stream that failed.
func (responsesErrors) AppendStreamError(dst []byte, e *llm.Error) []byte {
	return responses.Codec{}.AppendStreamError(dst, asSeen(e), &dialect.Facts{Status: e.Status})
}

// dressResponses seals the thinking of an answer.
func dressResponses(_ *llm.Request, out *llm.Response) {
	for i := range out.Parts {
		if r := out.Parts[i].Reasoning; r != nil {
			r.ID, r.Origin = "rs_"+out.ID[len("resp_"):], llm.DialectResponses
			r.Signature = seal("responses", r.Text)
		}
	}
}

// respBody is every member that the API takes.
type respBody struct {
	Model           string           `json:"model"`
	Input           json.RawMessage  `json:"input"`
	Instructions    *string          `json:"instructions"`
	MaxOutput       *int64           `json:"max_output_tokens"`
	Temperature     *float64         `json:"temperature"`
	TopP            *float64         `json:"top_p"`
	TopLogprobs     *int             `json:"top_logprobs"`
	Tools           []respTool       `json:"tools"`
	ToolChoice      json.RawMessage  `json:"tool_choice"`
	Parallel        *bool            `json:"parallel_tool_calls"`
	Text            json.RawMessage  `json:"text"`
	Reasoning       json.RawMessage  `json:"reasoning"`
	Include         []string         `json:"include"`
	Store           *bool            `json:"store"`
	Stream          *bool            `json:"stream"`
	StreamOptions   json.RawMessage  `json:"stream_options"`
	Metadata        json.RawMessage  `json:"metadata"`
	ServiceTier     *string          `json:"service_tier"`
	User            *string          `json:"user"`
	Safety          *string          `json:"safety_identifier"`
	CacheKey        *string          `json:"prompt_cache_key"`
	CacheRetention  *string          `json:"prompt_cache_retention"`
	Truncation      *string          `json:"truncation"`
	Background      *bool            `json:"background"`
	Previous        *string          `json:"previous_response_id"`
	Conversation    *json.RawMessage `json:"conversation"`
	Prompt          *json.RawMessage `json:"prompt"`
	MaxToolCalls    *int             `json:"max_tool_calls"`
	ContextManaging json.RawMessage  `json:"context_management"`
}

type respTool struct {
	Type       string           `json:"type"`
	Name       string           `json:"name"`
	Parameters *json.RawMessage `json:"parameters"`
}

// respItem is the part of an input item that the rules look at.
type respItem struct {
	Type      string  `json:"type"`
	Role      string  `json:"role"`
	ID        string  `json:"id"`
	CallID    string  `json:"call_id"`
	Encrypted *string `json:"encrypted_content"`
	Summary   []struct {
		Text string `json:"text"`
	} `json:"summary"`
}

// thought returns the text of a reasoning item.
func (it *respItem) thought() string {
	s := ""
	for _, p := range it.Summary {
		s += p.Text
	}
	return s
}

// checkResponses refuses what POST /v1/responses refuses.
func checkResponses(_ *http.Request, body []byte) *llm.Error {
	var whole struct {
		respBody
		Tools []json.RawMessage `json:"tools"`
	}
	unknown, err := exactly(body, &whole)
	b := &whole.respBody
	switch {
	case unknown != "":
		return problem("unknown_parameter", unknown, "Unknown parameter: '%s'.", unknown)
	case err != nil:
		return problem("invalid_type", "", "Invalid request: %v", err)
	case b.Model == "":
		return problem("missing_required_parameter", "model", "Missing required parameter: 'model'.")
	case len(b.Input) == 0:
		return problem("missing_required_parameter", "input", "Missing required parameter: 'input'.")
	case b.Previous != nil && *b.Previous != "":
		return problem("previous_response_not_found", "previous_response_id", "Previous response with id '%s' not found.", *b.Previous)
	case b.MaxOutput != nil && *b.MaxOutput < 1:
		return problem("integer_below_min_value", "max_output_tokens", "Invalid 'max_output_tokens': integer below minimum value.")
	}
	for i, raw := range whole.Tools {
		var t respTool
		if json.Unmarshal(raw, &t) != nil || t.Type == "" || t.Type == "function" && t.Name == "" {
			return problem("missing_required_parameter", "tools", "Missing required parameter: 'tools[%d].name'.", i)
		}
	}
	return b.items()
}

// items demands that outputs answer calls, that every call is answered, and
// that sealed thinking comes back as it was.
func (b *respBody) items() *llm.Error {
	if b.Input[0] != '[' {
		return nil
	}
	var items []respItem
	if err := json.Unmarshal(b.Input, &items); err != nil {
		return problem("invalid_type", "input", "Invalid type for 'input': %v", err)
	}
	var open []string
	for i, it := range items {
		switch it.Type {
		case "function_call":
			open = append(open, it.CallID)
		case "function_call_output":
			at := slices.Index(open, it.CallID)
			if at < 0 {
				return problem("", "input", "No tool call found for function call output with call_id %s.", it.CallID)
			}
			open = slices.Delete(open, at, at+1)
		case "reasoning":
			if it.Encrypted != nil && *it.Encrypted != seal("responses", it.thought()) {
				return problem("invalid_encrypted_content", "input", "The encrypted content for item %s (input[%d]) could not be verified.", it.ID, i)
			}
		}
	}
	if len(open) > 0 {
		return problem("", "input", "No tool output found for function call %s.", open[0])
	}
	return nil
}
