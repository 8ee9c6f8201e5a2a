package openai

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// Rewrite returns c.Raw with the model replaced by c.Model and, for a stream,
// with stream_options.include_usage set, so that the count is known. All else
// stays byte for byte; when nothing changes it is c.Raw itself.
func (k Codec) Rewrite(c *llm.Call) ([]byte, error) {
	p := &c.Peek
	var edits [3]jsonedit.Edit
	n := 0
	var tail []byte // members to add at the end
	if p.ModelSpan.Present() && p.Model != c.Model {
		edits[n] = jsonedit.Edit{Span: jsonedit.Span(p.ModelSpan), New: jsonedit.AppendString(nil, c.Model)}
		n++
	} else if !p.ModelSpan.Present() && c.Model != "" {
		tail = append(jsonedit.AppendString(append(tail, `"model":`...), c.Model), ',')
	}
	if p.Stream && !p.IncludeUsage && !k.NoStreamUsage && c.Op != llm.OpEmbed {
		edit, ok, err := withUsage(c.Raw, jsonedit.Span(p.StreamOptions))
		switch {
		case err != nil:
			return nil, err
		case !p.StreamOptions.Present():
			tail = append(tail, `"stream_options":{"include_usage":true},`...)
		case ok:
			edits[n] = edit
			n++
		}
	}
	if len(tail) > 0 {
		tail = tail[:len(tail)-1]
		if !p.Empty {
			tail = append([]byte{','}, tail...)
		}
		edits[n] = jsonedit.Edit{Span: jsonedit.Span{Start: p.End, End: p.End}, New: tail}
		n++
	}
	if n == 0 {
		return c.Raw, nil
	}
	if n > 1 && edits[0].Start > edits[1].Start {
		edits[0], edits[1] = edits[1], edits[0]
	}
	return jsonedit.Splice(c.Raw, edits[:n]...), nil
}

var includeUsage = jsonedit.NewNames("include_usage")

// withUsage returns the edit that makes an existing stream_options ask for
// usage. A value that is neither an object nor null is left for the provider
// to refuse.
func withUsage(raw []byte, at jsonedit.Span) (edit jsonedit.Edit, ok bool, err error) {
	switch jsonedit.Kind(raw, at) {
	case 'n':
		return jsonedit.Edit{Span: at, New: []byte(`{"include_usage":true}`)}, true, nil
	case '{':
	default:
		return edit, false, nil
	}
	var found [1]jsonedit.Span
	end, members, err := jsonedit.FindIn(raw, at, includeUsage, found[:])
	switch {
	case err != nil:
		return edit, false, &llm.Error{Kind: llm.KindInvalidRequest, Param: "stream_options", Message: "invalid 'stream_options': " + err.Error(), Err: err}
	case found[0].Present():
		return jsonedit.Edit{Span: found[0], New: []byte("true")}, true, nil
	case members == 0:
		return jsonedit.Edit{Span: jsonedit.Span{Start: end, End: end}, New: []byte(`"include_usage":true`)}, true, nil
	}
	return jsonedit.Edit{Span: jsonedit.Span{Start: end, End: end}, New: []byte(`,"include_usage":true`)}, true, nil
}

// Inspect finds usage and finish reason in a whole answer that passes through.
// An answer that is no JSON object, or that is an error in spite of its
// status, is returned as *llm.Error.
func (k Codec) Inspect(_ llm.Op, body []byte) (llm.Usage, llm.FinishReason, error) {
	var a answer
	var u llm.Usage
	if err := a.parse(body); err != nil {
		return u, "", lenient.Malformed("answer", err)
	}
	if a.fault() != nil && a.choice == nil {
		return u, "", k.DecodeError(0, body)
	}
	a.usage(&u)
	native := a.native()
	if native == "" {
		return u, "", nil
	}
	var at [msgCount]jsonedit.Span
	msg := a.message()
	lenient.Members(msg, messageNames, at[:])
	calls := lenient.Present(msg, at[msgCalls])
	return u, finishOf(native, calls != nil && !emptyArray(calls)), nil
}
