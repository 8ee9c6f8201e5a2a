package openai

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// errorWords are the type and the code that a kind has for OpenAI clients;
// an error's own code stands before the table's.
var errorWords = [llm.KindCount]struct{ typ, code string }{
	llm.KindInternal:            {"server_error", ""},
	llm.KindInvalidRequest:      {"invalid_request_error", ""},
	llm.KindUnsupported:         {"invalid_request_error", "unsupported_parameter"},
	llm.KindContentFiltered:     {"invalid_request_error", "content_filter"},
	llm.KindUnauthenticated:     {"invalid_request_error", "invalid_api_key"},
	llm.KindBudgetExceeded:      {"insufficient_quota", "budget_exceeded"},
	llm.KindPermissionDenied:    {"permission_error", ""},
	llm.KindNotFound:            {"invalid_request_error", "model_not_found"},
	llm.KindRequestTooLarge:     {"invalid_request_error", ""},
	llm.KindRateLimited:         {"rate_limit_error", "rate_limit_exceeded"},
	llm.KindUpstreamRateLimited: {"rate_limit_error", ""},
	llm.KindCanceled:            {"server_error", ""},
	llm.KindUpstreamAuth:        {"server_error", ""},
	llm.KindUpstreamError:       {"server_error", ""},
	llm.KindOverloaded:          {"server_error", ""},
	llm.KindTimeout:             {"server_error", "timeout"},
}

// ErrorWords returns the type and code that an OpenAI client sees of e; code
// is "" when there is none.
func ErrorWords(e *llm.Error) (typ, code string) {
	kind := e.Kind
	if kind >= llm.KindCount {
		kind = llm.KindInternal
	}
	w := errorWords[kind]
	return w.typ, or(e.Code, w.code)
}

// AppendError appends {"error":{message, type, param, code}}, all four always
// there, as the SDKs expect.
func (Codec) AppendError(dst []byte, e *llm.Error, _ *dialect.Facts) []byte {
	typ, code := ErrorWords(e)
	dst = wire.Str(append(dst, `{"error":{`...), "message", e.Message)
	dst = wire.Str(dst, "type", typ)
	dst = wire.StrOrNull(dst, "param", e.Param)
	dst = wire.StrOrNull(dst, "code", code)
	return append(dst, `}}`...)
}

// AppendStreamError appends the event that ends a stream that failed. No
// [DONE] follows: the SDKs take an event with an error as final.
func (k Codec) AppendStreamError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	dst = k.AppendError(append(dst, "data: "...), e, f)
	return append(dst, "\n\n"...)
}
