package dialect

import (
	"errors"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// The members that Peek acts on, in any dialect; their order is that of
// peekNames. A member that a dialect does not know stays unread by its codec.
const (
	peekModel = iota
	peekStream
	peekStreamOptions
	peekMaxTokens
	peekMaxCompletionTokens
	peekMaxOutputTokens
	peekCount
)

var (
	peekNames = jsonedit.NewNames("model", "stream", "stream_options",
		"max_tokens", "max_completion_tokens", "max_output_tokens")
	usageNames = jsonedit.NewNames("include_usage")
)

// Peek checks that raw is one well-formed JSON object and reads the members
// that routing and limits need, in one pass. A null counts as absent, though
// its span is told, so that a rewriter replaces it rather than adding the
// member a second time. A limit below zero, which some servers take to mean
// none, counts as absent too.
//
// The error is an *llm.Error of KindInvalidRequest: for malformed JSON it
// gives the byte offset; for a member of the wrong type, or one that appears
// twice, it names the member. Nothing but the model's name is allocated.
func Peek(raw []byte) (llm.Peek, error) {
	var at [peekCount]jsonedit.Span
	end, n, err := jsonedit.Find(raw, peekNames, at[:])
	if err != nil {
		return llm.Peek{}, peekError(err, "")
	}
	p := llm.Peek{
		ModelSpan:     llm.Span(at[peekModel]),
		StreamOptions: llm.Span(at[peekStreamOptions]),
		End:           end,
		Empty:         n == 0,
	}
	if given(raw, at[peekModel]) {
		if p.Model, err = jsonedit.String(raw, at[peekModel]); err != nil {
			return llm.Peek{}, llm.Invalid("model", "model must be a string")
		}
	}
	if p.Stream, err = peekBool(raw, at[peekStream], "stream"); err != nil {
		return llm.Peek{}, err
	}
	if p.IncludeUsage, err = peekUsage(raw, at[peekStreamOptions]); err != nil {
		return llm.Peek{}, err
	}
	for i := peekMaxTokens; i < peekCount; i++ {
		limit, err := peekLimit(raw, at[i], peekNames.Name(i))
		if err != nil {
			return llm.Peek{}, err
		}
		p.MaxTokens = max(p.MaxTokens, limit)
	}
	return p, nil
}

func given(raw []byte, at jsonedit.Span) bool {
	return at.Present() && !jsonedit.IsNull(raw, at)
}

func peekBool(raw []byte, at jsonedit.Span, name string) (bool, error) {
	if !given(raw, at) {
		return false, nil
	}
	v, err := jsonedit.Bool(raw, at)
	if err != nil {
		return false, llm.Invalid(name, "%s must be true or false", name)
	}
	return v, nil
}

func peekLimit(raw []byte, at jsonedit.Span, name string) (int64, error) {
	if !given(raw, at) {
		return 0, nil
	}
	v, err := jsonedit.Int64(raw, at)
	if err != nil {
		return 0, llm.Invalid(name, "%s must be an integer", name)
	}
	return v, nil
}

// peekUsage reads stream_options.include_usage.
func peekUsage(raw []byte, at jsonedit.Span) (bool, error) {
	if !given(raw, at) {
		return false, nil
	}
	if jsonedit.Kind(raw, at) != '{' {
		return false, llm.Invalid("stream_options", "stream_options must be an object")
	}
	var usage [1]jsonedit.Span
	if _, _, err := jsonedit.FindIn(raw, at, usageNames, usage[:]); err != nil {
		return false, peekError(err, "stream_options.")
	}
	return peekBool(raw, usage[0], "stream_options.include_usage")
}

// peekError says to the client what jsonedit found; path stands before the
// name of a member.
func peekError(err error, path string) *llm.Error {
	var dup *jsonedit.DuplicateError
	if errors.As(err, &dup) {
		name := path + dup.Name
		e := llm.Invalid(name, "%s appears twice, the second time at byte %d", name, dup.Offset)
		e.Err = err
		return e
	}
	e := llm.Errorf(llm.KindInvalidRequest, "malformed JSON: %v", err)
	e.Err = err
	return e
}
