package gemini

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// errorWords are the HTTP status and the google.rpc word of a kind.
var errorWords = [llm.KindCount]struct {
	code int
	word string
}{
	llm.KindInternal:            {http.StatusInternalServerError, "INTERNAL"},
	llm.KindInvalidRequest:      {http.StatusBadRequest, "INVALID_ARGUMENT"},
	llm.KindUnsupported:         {http.StatusBadRequest, "INVALID_ARGUMENT"},
	llm.KindContentFiltered:     {http.StatusBadRequest, "INVALID_ARGUMENT"},
	llm.KindUnauthenticated:     {http.StatusUnauthorized, "UNAUTHENTICATED"},
	llm.KindBudgetExceeded:      {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	llm.KindPermissionDenied:    {http.StatusForbidden, "PERMISSION_DENIED"},
	llm.KindNotFound:            {http.StatusNotFound, "NOT_FOUND"},
	llm.KindRequestTooLarge:     {http.StatusRequestEntityTooLarge, "INVALID_ARGUMENT"},
	llm.KindRateLimited:         {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	llm.KindUpstreamRateLimited: {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
	llm.KindCanceled:            {statusCanceled, "CANCELLED"},
	llm.KindUpstreamAuth:        {http.StatusBadGateway, "INTERNAL"},
	llm.KindUpstreamError:       {http.StatusBadGateway, "INTERNAL"},
	llm.KindOverloaded:          {http.StatusServiceUnavailable, "UNAVAILABLE"},
	llm.KindTimeout:             {http.StatusGatewayTimeout, "DEADLINE_EXCEEDED"},
}

const statusCanceled = 499

// AppendError appends {"error":{code, message, status}}, with the wait in a
// RetryInfo where there is one.
func (Codec) AppendError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	kind := e.Kind
	if kind >= llm.KindCount {
		kind = llm.KindInternal
	}
	w := errorWords[kind]
	if f != nil && f.Status >= 400 {
		w.code = f.Status
	}
	dst = wire.Num(append(dst, `{"error":{`...), "code", int64(w.code))
	dst = wire.Str(wire.Str(dst, "message", e.Message), "status", w.word)
	if e.RetryAfter > 0 {
		dst = append(wire.Key(dst, "details"), `[{"@type":"type.googleapis.com/google.rpc.RetryInfo"`...)
		dst = append(wire.Str(dst, "retryDelay", duration(e.RetryAfter)), "}]"...)
	}
	return append(dst, "}}"...)
}

// duration writes a wait as protobuf's JSON does: in seconds.
func duration(d time.Duration) string {
	return strconv.FormatFloat(d.Round(time.Millisecond).Seconds(), 'f', -1, 64) + "s"
}

// AppendStreamError appends the event that ends a stream that failed.
func (k Codec) AppendStreamError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	dst = k.AppendError(append(dst, "data: "...), e, f)
	return append(dst, "\n\n"...)
}

var (
	faultNames  = jsonedit.NewNames("error", "error_description")
	statusNames = jsonedit.NewNames("code", "message", "status", "details")
	detailNames = jsonedit.NewNames("reason", "metadata", "retryDelay", "violations")
	quotaNames  = jsonedit.NewNames("quota_limit_value")
	limitNames  = jsonedit.NewNames("quotaId")
)

// fault is what an error body says.
type fault struct {
	code    int
	word    string // google.rpc status, or OAuth's error
	message string
	reason  string // of ErrorInfo
	wait    time.Duration
	daily   bool // the quota is one for the day
	none    bool // the quota is zero
	oauth   bool // the token exchange failed
}

// readFault reads google.rpc.Status, alone or as the only element of a list, or
// the error of a token exchange.
func readFault(body []byte) fault {
	var f fault
	b := bytes.TrimSpace(body)
	if len(b) > 0 && b[0] == '[' {
		list := b
		b = nil
		lenient.Elems(list, func(v []byte) {
			if b == nil {
				b = v
			}
		})
	}
	var at [2]jsonedit.Span
	lenient.Members(b, faultNames, at[:])
	inner := lenient.Present(b, at[0])
	if len(inner) > 0 && inner[0] == '"' {
		f.oauth = true
		f.word, f.message = lenient.Text(b, at[0]), lenient.Text(b, at[1])
		return f
	}
	var in [4]jsonedit.Span
	lenient.Members(inner, statusNames, in[:])
	f.code = int(lenient.Count(inner, in[0]))
	f.message, f.word = lenient.Text(inner, in[1]), lenient.Text(inner, in[2])
	lenient.Elems(lenient.Present(inner, in[3]), f.detail)
	return f
}

// detail reads one of the details that matter: ErrorInfo, RetryInfo,
// QuotaFailure.
func (f *fault) detail(v []byte) {
	var at [4]jsonedit.Span
	lenient.Members(v, detailNames, at[:])
	if s := lenient.Text(v, at[0]); s != "" {
		f.reason = s
	}
	var in [1]jsonedit.Span
	meta := lenient.Present(v, at[1])
	lenient.Members(meta, quotaNames, in[:])
	f.none = f.none || lenient.Text(meta, in[0]) == "0"
	if d, err := time.ParseDuration(lenient.Text(v, at[2])); err == nil && d > 0 {
		f.wait = d
	}
	lenient.Elems(lenient.Present(v, at[3]), func(v []byte) {
		lenient.Members(v, limitNames, in[:])
		f.daily = f.daily || strings.Contains(lenient.Text(v, in[0]), "PerDay")
	})
}

// DecodeError reads an error body of the Gemini API, of Vertex AI or of
// Google's token exchange. status is 0 for an error inside a stream.
func (Codec) DecodeError(status int, body []byte) *llm.Error {
	f := readFault(body)
	if status < 400 && f.code >= 400 && f.code < 600 {
		status = f.code
	}
	e := &llm.Error{RetryAfter: f.wait}
	e.Kind = f.classify(status, e)
	return lenient.Explain(e, status, f.message, body)
}

// kinds are the google.rpc words whose meaning does not depend on the status.
var kinds = map[string]llm.Kind{
	"UNAUTHENTICATED":    llm.KindUpstreamAuth,
	"PERMISSION_DENIED":  llm.KindUpstreamAuth,
	"NOT_FOUND":          llm.KindNotFound,
	"RESOURCE_EXHAUSTED": llm.KindUpstreamRateLimited,
	"DEADLINE_EXCEEDED":  llm.KindTimeout,
	"UNAVAILABLE":        llm.KindUpstreamError,
	"INTERNAL":           llm.KindUpstreamError,
	"UNKNOWN":            llm.KindUpstreamError,
	"ABORTED":            llm.KindUpstreamError,
	"CANCELLED":          llm.KindUpstreamError,
}

func (f *fault) classify(status int, e *llm.Error) llm.Kind {
	text := strings.ToLower(f.message)
	switch {
	case f.oauth, f.reason == "API_KEY_INVALID", strings.Contains(text, "api key not valid"), strings.Contains(text, "api key expired"):
		return llm.KindUpstreamAuth
	case f.word == "FAILED_PRECONDITION" && (strings.Contains(text, "location") || strings.Contains(text, "billing")):
		return llm.KindUpstreamAuth // of the gateway's account, not of the request
	case status < 500 && tooLong(text):
		e.Code = lenient.CodeTooLong
		return llm.KindInvalidRequest
	}
	kind, ok := kinds[f.word]
	switch {
	case ok:
	case status > 0:
		kind = lenient.KindOf(status)
	case f.word != "":
		kind = llm.KindInvalidRequest
	default:
		kind = llm.KindUpstreamError
	}
	switch kind {
	case llm.KindNotFound:
		e.Code = lenient.CodeNoModel
	case llm.KindUpstreamRateLimited:
		if f.daily || f.none || strings.Contains(text, "limit: 0,") {
			e.Permanent, e.Code = true, lenient.CodeQuota
		}
	}
	return kind
}

// tooLong knows Google's wording for a prompt that does not fit.
func tooLong(text string) bool {
	return strings.Contains(text, "token count") && strings.Contains(text, "exceeds the maximum") ||
		strings.Contains(text, "input context") && strings.Contains(text, "too long")
}
