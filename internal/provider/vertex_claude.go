package provider

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/gemini"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// claudeVersion stands in the body of requests to Anthropic's models on Vertex
// AI, in place of the header and of the model.
const claudeVersion = `"anthropic_version":"vertex-2023-10-16"`

// isClaude reports whether a model is one of Anthropic's.
func isClaude(model string) bool {
	return strings.HasPrefix(model, "claude-") || strings.HasPrefix(model, "publishers/anthropic/") || strings.HasPrefix(model, "anthropic/")
}

// claudeName takes what may stand before a model's own name off it.
func claudeName(model string) string {
	for _, prefix := range []string{"publishers/", "anthropic/", "models/"} {
		model = strings.TrimPrefix(model, prefix)
	}
	return model
}

// claudeWire knows the endpoints of Anthropic's models on Vertex AI.
type claudeWire struct{ base *url.URL }

// Endpoint returns the URL for c's operation and model. Token counts have a
// model of their own; the one that is meant stands in the body.
func (w *claudeWire) Endpoint(c *llm.Call) (*url.URL, error) {
	const publisher = "/publishers/anthropic/models/"
	switch {
	case c.Op == llm.OpCountTokens:
		return methodURL(w.base, publisher, "count-tokens", "rawPredict")
	case c.Op != llm.OpChat:
		return nil, llm.Unsupported("model", "Anthropic's models cannot do %s", c.Op)
	case c.Stream:
		return modelPath(w.base, publisher, claudeName(c.Model), ":streamRawPredict")
	}
	return methodURL(w.base, publisher, claudeName(c.Model), "rawPredict")
}

// Authorize sends the token.
func (w *claudeWire) Authorize(_ context.Context, h http.Header, cred Credential) error {
	return bearer(h, cred)
}

// claudeCodec is Anthropic's dialect as Vertex AI wants it: the model stands in
// the URL, the version in the body.
type claudeCodec struct{ anthropicCodec }

// AppendRequest appends the body of a translated request.
func (k claudeCodec) AppendRequest(dst []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	body, err := k.anthropicCodec.AppendRequest(nil, c.WithModel(claudeName(c.Model)), r)
	if err != nil {
		return nil, err
	}
	body, err = forVertex(body, c.Op == llm.OpCountTokens)
	return append(dst, body...), err
}

// Rewrite returns the body that passes through.
func (k claudeCodec) Rewrite(c *llm.Call) ([]byte, error) {
	body := c.Raw
	count := c.Op == llm.OpCountTokens
	if count {
		var err error
		if body, err = k.anthropicCodec.Rewrite(c.WithModel(claudeName(c.Model))); err != nil {
			return nil, err
		}
	}
	return forVertex(body, count)
}

// DecodeError reads an error of Anthropic's, or of the platform in front of it.
func (k claudeCodec) DecodeError(status int, body []byte) *llm.Error {
	if bytes.Contains(body, []byte(`"type"`)) && bytes.Contains(body, []byte(`_error"`)) {
		return k.anthropicCodec.DecodeError(status, body)
	}
	return gemini.Codec{Vertex: true}.DecodeError(status, body)
}

var vertexNames = jsonedit.NewNames("model", "anthropic_version")

// forVertex puts the version into a body, in the place of the model unless that
// is to stay. All else stays byte for byte.
func forVertex(raw []byte, keepModel bool) ([]byte, error) {
	var at [2]jsonedit.Span
	end, n, err := jsonedit.Find(raw, vertexNames, at[:])
	if err != nil {
		e := llm.Invalid("", "the body is no JSON object, or names a member twice")
		e.Err = err
		return nil, e
	}
	model, version := at[0], at[1]
	switch {
	case model.Present() && !keepModel && !version.Present():
		return jsonedit.Splice(raw, jsonedit.Edit{Span: jsonedit.Span{Start: keyOf(raw, model), End: model.End}, New: []byte(claudeVersion)}), nil
	case model.Present() && !keepModel:
		return jsonedit.Splice(raw, jsonedit.Edit{Span: memberWithComma(raw, model)}), nil
	case version.Present():
		return raw, nil
	}
	member := []byte(claudeVersion)
	if n > 0 {
		member = append([]byte{','}, member...)
	}
	return jsonedit.Splice(raw, jsonedit.Edit{Span: jsonedit.Span{Start: end, End: end}, New: member}), nil
}

// keyOf returns the offset of the key of the member whose value stands at a
// span. Quotes inside a key are escaped, and this key has none.
func keyOf(raw []byte, value jsonedit.Span) int {
	colon := bytes.LastIndexByte(raw[:value.Start], ':')
	closing := bytes.LastIndexByte(raw[:colon], '"')
	return bytes.LastIndexByte(raw[:closing], '"')
}

// memberWithComma returns where a member stands, with the comma that goes with
// it. There is another member, so there is one.
func memberWithComma(raw []byte, value jsonedit.Span) jsonedit.Span {
	s := jsonedit.Span{Start: keyOf(raw, value), End: value.End}
	rest := bytes.TrimLeft(raw[s.End:], " \t\r\n")
	if rest[0] == ',' {
		s.End = len(raw) - len(rest) + 1
		return s
	}
	s.Start = bytes.LastIndexByte(raw[:s.Start], ',')
	return s
}
