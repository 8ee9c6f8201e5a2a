package mockserver

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// The limits that the rate-limit headers speak of. Nothing enforces them; a
// model name asks for a 429.
const (
	limitRequests = 10_000
	limitTokens   = 2_000_000
)

// openAI is the surface of OpenAI's API: Chat Completions, Embeddings, Models.
func (s *Server) openAI() *surface {
	chat, embed := chatShape(), embedShape()
	return &surface{
		idPrefix: "chatcmpl-",
		codec:    openai.Codec{},
		errors:   openAIErrors{},
		key:      openAIKey,
		noKey:    openAINoKey,
		head:     openAIHead,
		routes: []route{
			{pattern: "POST " + benchPath, op: llm.OpChat, check: func(_ *http.Request, b []byte) *llm.Error { return strictly(chat, chatRules, b) }},
			{pattern: "POST /v1/embeddings", op: llm.OpEmbed, check: func(_ *http.Request, b []byte) *llm.Error { return strictly(embed, nil, b) }},
			{pattern: "GET /v1/models", serve: s.serveModels},
			{pattern: "GET /v1/models/{id...}", serve: s.serveModel},
		},
	}
}

// strictly checks a body against its shape, and then the rules.
func strictly(s *shape, rules func([]byte) *llm.Error, body []byte) *llm.Error {
	err := s.check(body, jsonedit.Span{Start: 0, End: len(body)}, "")
	if err != nil && err.Param == "model" && err.Code == "missing_required_parameter" {
		return noModel()
	}
	if err != nil || rules == nil {
		return err
	}
	return rules(body)
}

// openAIKey also takes the key as Azure does.
func openAIKey(r *http.Request) string {
	if key := r.Header.Get("Api-Key"); key != "" {
		return key
	}
	return bearer(r)
}

func bearer(r *http.Request) string {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return key
}

func openAINoKey(got string) *llm.Error {
	e := &llm.Error{
		Kind: llm.KindUnauthenticated, Status: http.StatusUnauthorized, Code: "invalid_api_key",
		Message: "Incorrect API key provided. You can find your API key where the mock was started (--key).",
	}
	if got == "" {
		e.Code = ""
		e.Message = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
	}
	return e
}

// openAIHead sets the headers that OpenAI sets. A 429 says when to come back,
// unless its reason is a quota, which time does not cure.
func openAIHead(h http.Header, m *meta) {
	h.Set("X-Request-Id", m.requestID)
	h.Set("Openai-Processing-Ms", strconv.FormatInt(m.millis, 10))
	h.Set("Openai-Version", "2020-10-01")
	h.Set("Openai-Organization", "mock")
	remaining, reset := int64(limitRequests-1), 6*time.Millisecond
	if e := m.err; e != nil {
		if e.RetryAfter > 0 {
			h.Set("Retry-After", strconv.FormatInt(seconds(e.RetryAfter), 10))
			h.Set("Retry-After-Ms", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10))
		}
		switch {
		case e.Status == http.StatusUnauthorized:
			h.Set("Www-Authenticate", `Bearer realm="OpenAI API"`)
			return
		case e.Status == http.StatusTooManyRequests:
			remaining, reset = 0, max(e.RetryAfter, time.Second)
		}
	}
	h.Set("X-Ratelimit-Limit-Requests", strconv.Itoa(limitRequests))
	h.Set("X-Ratelimit-Limit-Tokens", strconv.Itoa(limitTokens))
	h.Set("X-Ratelimit-Remaining-Requests", strconv.FormatInt(remaining, 10))
	h.Set("X-Ratelimit-Remaining-Tokens", strconv.FormatInt(max(0, limitTokens-m.input), 10))
	h.Set("X-Ratelimit-Reset-Requests", reset.String())
	h.Set("X-Ratelimit-Reset-Tokens", (time.Duration(m.input) * 30 * time.Microsecond).Round(time.Millisecond).String())
}

// seconds rounds up to whole seconds, as Retry-After has them.
func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

// openAIErrors words errors as the API does, upstream failures included.
type openAIErrors struct{}

type errorBody struct {
	Error errorFields `json:"error"`
}

type errorFields struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// AppendError appends the body of an error answer.
func (openAIErrors) AppendError(dst []byte, e *llm.Error) []byte {
	typ, code := openAIType(e)
	b, err := json.Marshal(errorBody{errorFields{Message: e.Message, Type: typ, Param: orNull(e.Param), Code: orNull(code)}})
	if err != nil { // strings always encode
		return dst
	}
	return append(dst, b...)
}

// AppendStreamError appends the event of an error within a stream. No [DONE]
// follows it.
func (o openAIErrors) AppendStreamError(dst []byte, e *llm.Error) []byte {
	return sse.AppendData(dst, o.AppendError(nil, e))
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// openAIType returns type and code of an error as OpenAI has them for its
// status: the type of a 401 is no authentication_error.
func openAIType(e *llm.Error) (typ, code string) {
	code = e.Code
	or := func(s string) {
		if code == "" {
			code = s
		}
	}
	switch {
	case e.Code == "insufficient_quota":
		return "insufficient_quota", code
	case e.Status == http.StatusTooManyRequests:
		or("rate_limit_exceeded")
		return "requests", code
	case e.Status == http.StatusServiceUnavailable:
		or("server_is_overloaded")
		return "service_unavailable_error", code
	case e.Status >= http.StatusInternalServerError:
		return "server_error", code
	case e.Status == http.StatusUnauthorized && e.Kind == llm.KindUpstreamAuth:
		or("invalid_api_key")
	}
	return "invalid_request_error", code
}

func (s *Server) serveModels(w http.ResponseWriter, _ *http.Request) {
	names := s.o.Engine.Models()
	list := make([]openai.Model, 0, len(names))
	for _, n := range names {
		list = append(list, openAIModel(n))
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openai.AppendModels(nil, list))
}

func openAIModel(name string) openai.Model {
	return openai.Model{ID: name, OwnedBy: "mock", Created: created}
}

func (s *Server) serveModel(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if err := s.o.Engine.Check(id); err != nil {
		s.exchange(s.chat, w, r).refuse(withStatus(err))
		return
	}
	m := openAIModel(id)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openai.AppendModel(nil, &m))
}
