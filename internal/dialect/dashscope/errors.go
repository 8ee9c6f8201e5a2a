package dashscope

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var (
	faultNames = jsonedit.NewNames("code", "message", "error", "type")
	errorNames = jsonedit.NewNames("code", "message", "type")
)

// readFault reads {"code","message","request_id"}, and the OpenAI-like
// {"error":{…}} of the compatible mode, should that answer.
func readFault(body []byte) (code, message string) {
	b := bytes.TrimSpace(body)
	var at [4]jsonedit.Span
	lenient.Members(b, faultNames, at[:])
	inner := lenient.Present(b, at[2])
	if len(inner) == 0 || inner[0] != '{' {
		code, message = lenient.Text(b, at[0]), lenient.Text(b, at[1])
		if message == "" {
			message = lenient.Text(b, at[2])
		}
		return code, message
	}
	var in [3]jsonedit.Span
	lenient.Members(inner, errorNames, in[:])
	if code = lenient.Text(inner, in[0]); code == "" {
		code = lenient.Text(inner, in[2])
	}
	return code, lenient.Text(inner, in[1])
}

// DecodeError reads an error body. status is the HTTP status, inside a stream
// that of the event, or 0 when none is known.
func (Codec) DecodeError(status int, body []byte) *llm.Error {
	code, message := readFault(body)
	e := &llm.Error{}
	f := fault{status: status, code: strings.ToLower(code), text: strings.ToLower(message)}
	e.Kind = f.classify(e)
	return lenient.Explain(e, status, message, body)
}

// fault is an error of DashScope, in lower case.
type fault struct {
	status     int
	code, text string
}

// codes are the error codes, in lower case, of both modes. One that ends in a
// dot stands for all that begin so.
var codes = []struct {
	code string
	kind llm.Kind
}{
	{"datainspectionfailed", llm.KindContentFiltered},
	{"data_inspection_failed", llm.KindContentFiltered},
	{"faqruleblocked", llm.KindContentFiltered},
	{"customroleblocked", llm.KindContentFiltered},
	{"ipinfringementsuspect", llm.KindContentFiltered},

	{"badrequest.toolarge", llm.KindRequestTooLarge},
	{"badrequest.", llm.KindInvalidRequest},
	{"invalidparameter", llm.KindInvalidRequest},
	{"invalidparameter.", llm.KindInvalidRequest},
	{"invalid_parameter_error", llm.KindInvalidRequest},
	{"invalid_request_error", llm.KindInvalidRequest},
	{"invalidurl", llm.KindInvalidRequest},

	{"invalidapikey", llm.KindUpstreamAuth},
	{"invalid_api_key", llm.KindUpstreamAuth},
	{"accessdenied", llm.KindUpstreamAuth},
	{"accessdenied.", llm.KindUpstreamAuth},
	{"access_denied", llm.KindUpstreamAuth},
	{"model.accessdenied", llm.KindUpstreamAuth},
	{"workspace.accessdenied", llm.KindUpstreamAuth},
	{"app.accessdenied", llm.KindUpstreamAuth},
	{"workspacenotfound", llm.KindUpstreamAuth}, // the gateway names the workspace, not the client

	{"modelnotfound", llm.KindNotFound},
	{"model_not_found", llm.KindNotFound},
	{"model_not_supported", llm.KindNotFound},

	{"requesttimeout", llm.KindTimeout},
	{"internalerror.timeout", llm.KindTimeout},

	{"throttling", llm.KindUpstreamRateLimited},
	{"throttling.", llm.KindUpstreamRateLimited},
	{"limitrequests", llm.KindUpstreamRateLimited},
	{"limit_requests", llm.KindUpstreamRateLimited},
	{"limit_burst_rate", llm.KindUpstreamRateLimited},
	{"insufficient_quota", llm.KindUpstreamRateLimited}, // of the compatible mode: a limit that passes

	{"internalerror", llm.KindUpstreamError},
	{"internalerror.", llm.KindUpstreamError},
	{"internal_error", llm.KindUpstreamError},
	{"server_error", llm.KindUpstreamError},
	{"systemerror", llm.KindUpstreamError},
	{"modelservicefailed", llm.KindUpstreamError},
	{"modelservingerror", llm.KindUpstreamError},
	{"modelunavailable", llm.KindUpstreamError},
}

// unpaid are the codes of an account that must pay before it is served.
var unpaid = []string{"arrearage", "prepaidbilloverdue", "postpaidbilloverdue", "commoditynotpurchased", "allocationquota.freetieronly"}

// burstWait is what a rise that was too steep asks for: the documentation says
// to slow down, and no header says for how long.
const burstWait = 5 * time.Second

// classify decides the kind; it sets e.Code where the gateway has a word of
// its own for the case, e.Permanent and e.RetryAfter.
func (f *fault) classify(e *llm.Error) llm.Kind {
	switch {
	case f.owes():
		e.Code, e.Permanent = lenient.CodeQuota, true
		return llm.KindUpstreamRateLimited
	case strings.Contains(f.text, "range of input length"):
		e.Code = lenient.CodeTooLong
		return llm.KindInvalidRequest
	case strings.HasPrefix(f.text, "model not exist"):
		e.Code = lenient.CodeNoModel
		return llm.KindNotFound
	case f.status >= 500 && strings.Contains(f.text, "throttled"):
		return llm.KindUpstreamRateLimited // short of capacity, not broken
	}
	kind, ok := f.known()
	switch {
	case ok:
	case f.status >= 400:
		kind = lenient.KindOf(f.status)
	default:
		kind = llm.KindUpstreamError
	}
	switch {
	case kind == llm.KindContentFiltered:
		e.Code = lenient.CodeFiltered
	case kind == llm.KindNotFound && ok:
		e.Code = lenient.CodeNoModel
	case strings.Contains(f.code, "burst"):
		e.RetryAfter = burstWait
	}
	return kind
}

// owes tells a bill that is not paid from a limit that passes.
func (f *fault) owes() bool {
	for _, c := range unpaid {
		if f.code == c {
			return true
		}
	}
	return f.status == http.StatusPaymentRequired || strings.Contains(f.text, "free allocated quota exceeded")
}

func (f *fault) known() (llm.Kind, bool) {
	for i := range codes {
		c := codes[i].code
		if f.code == c || c[len(c)-1] == '.' && strings.HasPrefix(f.code, c) {
			return codes[i].kind, true
		}
	}
	return 0, false
}

// words are the code and the status that a kind has for DashScope's clients.
var words = [llm.KindCount]struct {
	code   string
	status int
}{
	llm.KindInternal:            {"InternalError", http.StatusInternalServerError},
	llm.KindInvalidRequest:      {"InvalidParameter", http.StatusBadRequest},
	llm.KindUnsupported:         {"InvalidParameter", http.StatusBadRequest},
	llm.KindContentFiltered:     {"DataInspectionFailed", http.StatusBadRequest},
	llm.KindUnauthenticated:     {"InvalidApiKey", http.StatusUnauthorized},
	llm.KindBudgetExceeded:      {"Arrearage", http.StatusBadRequest},
	llm.KindPermissionDenied:    {"AccessDenied", http.StatusForbidden},
	llm.KindNotFound:            {"ModelNotFound", http.StatusNotFound},
	llm.KindRequestTooLarge:     {"BadRequest.TooLarge", http.StatusRequestEntityTooLarge},
	llm.KindRateLimited:         {"Throttling.RateQuota", http.StatusTooManyRequests},
	llm.KindUpstreamRateLimited: {"Throttling.RateQuota", http.StatusTooManyRequests},
	llm.KindCanceled:            {"InternalError", http.StatusInternalServerError},
	llm.KindUpstreamAuth:        {"InvalidApiKey", http.StatusUnauthorized},
	llm.KindUpstreamError:       {"InternalError", http.StatusInternalServerError},
	llm.KindOverloaded:          {"ModelUnavailable", http.StatusServiceUnavailable},
	llm.KindTimeout:             {"RequestTimeOut", http.StatusRequestTimeout},
}

// ErrorWords returns the code that DashScope has for an error, and the HTTP
// status that goes with it: the error's own, when it has one.
func ErrorWords(e *llm.Error) (code string, status int) {
	kind := e.Kind
	if kind >= llm.KindCount {
		kind = llm.KindInternal
	}
	w := words[kind]
	if e.Status >= 400 {
		w.status = e.Status
	}
	if e.Code == lenient.CodeQuota {
		w.code = "Arrearage"
	}
	return w.code, w.status
}

// AppendError appends {"code","message","request_id"}. DashScope has no field
// for the member at fault; the message names it.
func (Codec) AppendError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	code, _ := ErrorWords(e)
	dst = wire.Str(append(dst, '{'), "code", code)
	dst = wire.Str(dst, "message", e.Message)
	if f != nil {
		dst = wire.Str(dst, "request_id", f.RequestID)
	}
	return append(dst, '}')
}

// AppendStreamError appends the error event that ends a stream that failed.
func (k Codec) AppendStreamError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	_, status := ErrorWords(e)
	dst = appendHead(dst, 1, "error", status)
	return append(k.AppendError(dst, e, f), "\n\n"...)
}
