package openai

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// fault is what an error body says, whatever its shape.
type fault struct {
	message string
	typ     string
	code    string
	param   string
	status  int  // said by the body itself; 0 when it says none
	json    bool // the body was JSON
	flagged bool // OpenRouter: moderation stopped the request
	text    string
}

// DecodeError reads the error body of any OpenAI-compatible provider. status
// is the HTTP status, or 0 for an error inside a stream or inside an answer
// with status 200. The message is redacted; what a provider says of the
// gateway's own account or credential is kept for logs (Err) alone.
func (k Codec) DecodeError(status int, body []byte) *llm.Error {
	f := readFault(body)
	if status < 400 {
		status = f.status
	}
	e := &llm.Error{Code: f.code, Param: dialect.Redact(f.param)}
	e.Kind = k.classify(status, &f, e)
	e.Code = tidyCode(e.Code)
	return lenient.Explain(e, status, f.message, body)
}

// tidyCode leaves out codes that only repeat the status, and such as are no
// identifier.
func tidyCode(code string) string {
	if code == "" || len(code) > 64 || code[0] >= '0' && code[0] <= '9' {
		return ""
	}
	for i := range len(code) {
		if c := code[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return ""
		}
	}
	return code
}

// readFault tries the shapes of the known providers. A list holds one error
// (Google); an error may be an object, a string, or stand at the top level.
func readFault(body []byte) fault {
	var f fault
	b := bytes.TrimSpace(body)
	if len(b) > 0 && b[0] == '[' {
		b = firstOf(b)
	}
	if len(b) == 0 || b[0] != '{' || wire.Body(b) != nil {
		return f
	}
	f.json = true
	f.read(b, 0)
	return f
}

var faultNames = jsonedit.NewNames("message", "type", "code", "param", "error", "detail", "status", "status_code",
	"innererror", "inner_error", "metadata", "msg", "loc", "error_msg", "raw_status_code", "errors", "title")

const (
	faultMessage = iota
	faultType
	faultCode
	faultParam
	faultError
	faultDetail
	faultStatus
	faultStatusCode
	faultInner
	faultInner2
	faultMetadata
	faultMsg
	faultLoc
	faultErrorMsg
	faultRawStatus
	faultErrors
	faultTitle
	faultCount
)

// maxFaultDepth bounds how deep errors are looked for inside errors.
const maxFaultDepth = 4

// read gathers what the object v says; what has been found already, further
// out, stays unless v says it better.
func (f *fault) read(v []byte, depth int) {
	if depth > maxFaultDepth {
		return
	}
	var at [faultCount]jsonedit.Span
	lenient.Members(v, faultNames, at[:])
	for _, i := range []int{faultMessage, faultMsg, faultErrorMsg, faultTitle} {
		if s := lenient.Text(v, at[i]); s != "" {
			f.message = s
			break
		}
	}
	if s := scalar(v, at[faultCode]); s != "" {
		f.setCode(s)
	}
	// Google's status is a word, Zhipu's and Groq's a number.
	if s := lenient.Text(v, at[faultStatus]); s != "" && f.code == "" {
		f.setCode(s)
	}
	for _, i := range []int{faultStatusCode, faultRawStatus, faultStatus} {
		f.setStatus(lenient.Count(v, at[i]))
	}
	if s := lenient.Text(v, at[faultType]); s != "" && s != "error" {
		f.typ = s
	}
	if s := lenient.Text(v, at[faultParam]); s != "" {
		f.param = s
	}
	for _, i := range []int{faultError, faultDetail, faultErrors} {
		f.nested(lenient.Present(v, at[i]), depth+1)
	}
	for _, i := range []int{faultInner, faultInner2} {
		if inner := lenient.Present(v, at[i]); inner != nil {
			f.inner(inner)
		}
	}
	f.metadata(lenient.Present(v, at[faultMetadata]), depth+1)
}

// scalar decodes a string or a number as text.
func scalar(raw []byte, at jsonedit.Span) string {
	if jsonedit.Kind(raw, at) == '0' {
		return string(at.Of(raw))
	}
	return lenient.Text(raw, at)
}

// setCode takes a code; a number that is a status says that.
func (f *fault) setCode(s string) {
	if n, err := strconv.Atoi(s); err == nil {
		f.setStatus(int64(n))
		if n >= 400 && n < 600 {
			return
		}
	}
	f.code = s
}

func (f *fault) setStatus(n int64) {
	if n >= 400 && n < 600 && f.status == 0 {
		f.status = int(n)
	}
}

// nested reads an error inside an error: an object, a string, or FastAPI's
// list of faults.
func (f *fault) nested(v []byte, depth int) {
	switch {
	case len(v) == 0 || depth > maxFaultDepth:
	case v[0] == '{':
		f.read(v, depth)
	case v[0] == '"':
		if s := lenient.Text(v, jsonedit.Span{Start: 0, End: len(v)}); s != "" {
			f.message = s
		}
	case v[0] == '[':
		first := firstOf(v)
		f.nested(first, depth+1)
		f.location(first)
	}
}

// firstOf returns the first element of the array v.
func firstOf(v []byte) []byte {
	var first []byte
	lenient.Elems(v, func(v []byte) {
		if first == nil {
			first = v
		}
	})
	return first
}

// location takes FastAPI's loc, ["body","messages",0], as the path of the
// member at fault.
func (f *fault) location(v []byte) {
	var at [faultCount]jsonedit.Span
	lenient.Members(v, faultNames, at[:])
	loc := lenient.Present(v, at[faultLoc])
	var path strings.Builder
	lenient.Elems(loc, func(v []byte) {
		s := scalar(v, jsonedit.Span{Start: 0, End: len(v)})
		switch {
		case s == "" || path.Len() == 0 && s == "body":
		case v[0] != '"':
			path.WriteString("[" + s + "]")
		default:
			if path.Len() > 0 {
				path.WriteByte('.')
			}
			path.WriteString(s)
		}
	})
	if f.param == "" {
		f.param = path.String()
	}
}

// inner reads Azure's innererror, whose code says why content was filtered.
func (f *fault) inner(v []byte) {
	var at [faultCount]jsonedit.Span
	lenient.Members(v, faultNames, at[:])
	if lenient.Text(v, at[faultCode]) == "ResponsibleAIPolicyViolation" {
		f.flagged = true
	}
}

var metadataNames = jsonedit.NewNames("raw", "reasons", "flagged_input")

// metadata reads OpenRouter's: the error of the provider behind it, and why
// moderation stopped a request.
func (f *fault) metadata(v []byte, depth int) {
	if v == nil {
		return
	}
	var at [3]jsonedit.Span
	lenient.Members(v, metadataNames, at[:])
	f.flagged = f.flagged || lenient.Present(v, at[1]) != nil || lenient.Present(v, at[2]) != nil
	raw := lenient.Text(v, at[0])
	if raw == "" {
		return
	}
	inner := readFaultAt([]byte(raw), depth)
	switch {
	case inner.json && inner.message != "":
		f.message += ": " + inner.message
		f.code = or(f.code, inner.code)
	case !inner.json && !strings.Contains(raw, "<"):
		f.message += ": " + raw
	}
}

func readFaultAt(body []byte, depth int) fault {
	if depth > maxFaultDepth {
		return fault{}
	}
	return readFault(body)
}
