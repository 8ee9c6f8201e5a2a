package mockserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dashscope"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const dashBase = "POST /api/v1/"

// dashScope is the surface of DashScope's native API.
func (s *Server) dashScope() *surface {
	return &surface{
		codec:  dashscope.Codec{},
		errors: dashErrors{},
		key:    bearer,
		noKey: func(got string) *llm.Error {
			message := "Invalid API-key provided."
			if got == "" {
				message = "No API-key provided."
			}
			return &llm.Error{Kind: llm.KindUnauthenticated, Status: http.StatusUnauthorized, Message: message}
		},
		head: func(h http.Header, m *meta) {
			h.Set("X-Request-Id", m.requestID)
			h.Set("X-Dashscope-Call-Gateway", "true")
			h.Set("Req-Cost-Time", fmt.Sprint(m.millis))
		},
		routes: []route{
			{pattern: dashBase + "services/aigc/text-generation/generation", op: llm.OpChat, check: checkText, adjust: dashStream},
			{pattern: dashBase + "services/aigc/multimodal-generation/generation", op: llm.OpChat, check: checkMultimodal, adjust: dashStream},
			{pattern: dashBase + "services/embeddings/text-embedding/text-embedding", op: llm.OpEmbed, check: checkTexts},
			{pattern: dashBase + "tokenizer", op: llm.OpCountTokens},
		},
	}
}

// dashErrors is worded with the ids that DashScope's errors have.
type dashErrors struct{}

// AppendError appends the body of an error answer.
func (dashErrors) AppendError(dst []byte, e *llm.Error) []byte {
	return dashscope.Codec{}.AppendError(dst, asSeen(e), &dialect.Facts{Status: e.Status, RequestID: "mock"})
}

// AppendStreamError appends the event that ends a stream that failed.
func (dashErrors) AppendStreamError(dst []byte, e *llm.Error) []byte {
	return dashscope.Codec{}.AppendStreamError(dst, asSeen(e), &dialect.Facts{Status: e.Status, RequestID: "mock"})
}

// wantsEvents reports whether the head asks for a stream: nothing in the body
// does.
func wantsEvents(hr *http.Request) bool {
	return hr.Header.Get("X-Dashscope-Sse") == "enable" || strings.Contains(hr.Header.Get("Accept"), "text/event-stream")
}

func dashStream(hr *http.Request, r *llm.Request) {
	r.Stream = wantsEvents(hr)
	r.IncludeUsage = r.Stream
}

// dashBody is the part of a request that the rules look at. Members that
// DashScope does not know it ignores.
type dashBody struct {
	Model string `json:"model"`
	Input struct {
		Messages []dashMessage `json:"messages"`
		Texts    []string      `json:"texts"`
	} `json:"input"`
	Parameters struct {
		ResultFormat string           `json:"result_format"`
		Incremental  bool             `json:"incremental_output"`
		Temperature  *float64         `json:"temperature"`
		TopP         *float64         `json:"top_p"`
		MaxTokens    *int64           `json:"max_tokens"`
		Tools        []chatTool       `json:"tools"`
		ToolChoice   json.RawMessage  `json:"tool_choice"`
		Thinking     bool             `json:"enable_thinking"`
		Stream       *json.RawMessage `json:"stream"`
		Format       *struct {
			Type string `json:"type"`
		} `json:"response_format"`
	} `json:"parameters"`
}

type dashMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		ID string `json:"id"`
	} `json:"tool_calls"`
}

func checkText(hr *http.Request, body []byte) *llm.Error { return checkGeneration(hr, body, false) }
func checkMultimodal(hr *http.Request, body []byte) *llm.Error {
	return checkGeneration(hr, body, true)
}

func checkGeneration(hr *http.Request, body []byte, multimodal bool) *llm.Error {
	var b dashBody
	if err := json.Unmarshal(body, &b); err != nil {
		return bad("Required body invalid, please check the request body format: %v", err)
	}
	p := &b.Parameters
	switch {
	case b.Model == "":
		return bad("Model not exist.")
	case dialect.MultimodalDashScope(b.Model) != multimodal:
		return bad("url error, please check url！")
	case len(b.Input.Messages) == 0:
		return bad("Either \"prompt\" or \"messages\" must exist and cannot both be none")
	case p.ResultFormat != "message":
		return bad("the mock speaks result_format message only")
	case wantsEvents(hr) && !p.Incremental:
		return bad("The incremental_output parameter must be true when streaming from this model.")
	case p.Temperature != nil && (*p.Temperature < 0 || *p.Temperature >= 2):
		return bad("Temperature should be in [0.0, 2.0)")
	case p.TopP != nil && (*p.TopP <= 0 || *p.TopP > 1):
		return bad("Range of top_p should be (0.0, 1.0]")
	case p.MaxTokens != nil && *p.MaxTokens < 1:
		return bad("Range of max_tokens should be [1, 32768]")
	case p.Thinking && !wantsEvents(hr) && strings.Contains(b.Model, "stream-only"):
		return bad("parameter.enable_thinking must be set to false for non-streaming calls")
	case string(p.ToolChoice) == `"required"`:
		return bad("tool_choice should be one of auto, none, or a named function")
	case p.Thinking && len(p.ToolChoice) > 0 && p.ToolChoice[0] == '{':
		return bad("The tool_choice parameter does not support being set to required or object in thinking mode")
	case p.Format != nil && p.Format.Type == "json_object" && !mentionsJSON(b.Input.Messages):
		return bad("'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")
	}
	return b.conversation(multimodal)
}

func mentionsJSON(messages []dashMessage) bool {
	return slices.ContainsFunc(messages, func(m dashMessage) bool {
		return strings.Contains(strings.ToLower(string(m.Content)), "json")
	})
}

// conversation checks the form of contents, and that tool messages answer
// calls.
func (b *dashBody) conversation(multimodal bool) *llm.Error {
	want := byte('"')
	if multimodal {
		want = '['
	}
	var open []string
	for i, m := range b.Input.Messages {
		switch {
		case len(m.Content) == 0 || m.Content[0] != want:
			return bad("Input should be a valid string or list, by the kind of model: input.messages.%d.content", i)
		case m.Role == "tool":
			at := slices.Index(open, m.ToolCallID)
			if at < 0 {
				return bad("messages with role \"tool\" must be a response to a preceeding message with \"tool_calls\".")
			}
			open = slices.Delete(open, at, at+1)
			continue
		case len(open) > 0:
			return bad("An assistant message with \"tool_calls\" must be followed by tool messages responding to each \"tool_call_id\".")
		}
		for _, c := range m.ToolCalls {
			open = append(open, c.ID)
		}
	}
	if last := b.Input.Messages[len(b.Input.Messages)-1].Role; len(open) > 0 || last != "user" && last != "tool" {
		return bad("The last message must be the user's or a tool's.")
	}
	return nil
}

func checkTexts(_ *http.Request, body []byte) *llm.Error {
	var b dashBody
	const most = 10
	switch err := json.Unmarshal(body, &b); {
	case err != nil:
		return bad("Required body invalid, please check the request body format: %v", err)
	case len(b.Input.Texts) == 0 || len(b.Input.Texts) > most:
		return bad("Value error, batch size is invalid, it should not be larger than 10.: input.contents")
	}
	return nil
}
