package content

import (
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// part writes one part, its text as far as there is room. It reports false
// when there is none.
func (w *writer) part(p *part, more bool) bool {
	var b []byte
	if more {
		b = append(b, ',')
	}
	b, hasText := p.head(b)
	if !hasText {
		return w.fixed(append(b, '}'))
	}
	room := w.left - len(b) - len(`""}`)
	if room < min(len(p.text), utf8.UTFMax) {
		w.cut = true
		return false
	}
	b, short := appendText(b, p.text, room)
	b = append(b, '}')
	w.b, w.left = append(w.b, b...), w.left-len(b)
	w.cut = w.cut || short
	return true
}

// head begins a part, up to its text if it has one.
func (p *part) head(b []byte) (_ []byte, hasText bool) {
	switch p.kind {
	case llm.PartText:
		return field(typed(b, "text"), "content"), true
	case llm.PartRefusal:
		return field(typed(b, "refusal"), "content"), true
	case llm.PartReasoning:
		return field(typed(b, "reasoning"), "content"), true
	case llm.PartToolCall:
		return field(p.appendNames(typed(b, "tool_call")), "arguments"), true
	case llm.PartToolResult:
		return field(p.appendNames(typed(b, "tool_call_response")), "response"), true
	case llm.PartImage, llm.PartAudio, llm.PartFile:
		return p.appendMedia(b), false
	}
	return field(typed(b, "body"), "content"), true
}

func typed(b []byte, name string) []byte {
	return jsonedit.AppendString(append(b, `{"type":`...), name)
}

func field(b []byte, name string) []byte {
	return append(jsonedit.AppendString(append(b, ','), name), ':')
}

func (p *part) appendNames(b []byte) []byte {
	if p.id != "" {
		b = jsonedit.AppendString(field(b, "id"), shown(p.id))
	}
	if p.name != "" {
		b = jsonedit.AppendString(field(b, "name"), shown(p.name))
	}
	return b
}

// appendMedia says that there is an image, a sound or a file, and where, but
// not what is in it. A URL goes without its query, which may sign it.
func (p *part) appendMedia(b []byte) []byte {
	kind := "blob"
	if p.media != nil && p.media.URL != "" {
		kind = "uri"
	}
	b = jsonedit.AppendString(field(typed(b, kind), "modality"), modality(p.kind))
	if p.media == nil {
		return b
	}
	if p.media.MIME != "" {
		b = jsonedit.AppendString(field(b, "mime_type"), shown(p.media.MIME))
	}
	if kind == "uri" {
		return jsonedit.AppendString(field(b, "uri"), plainURL(p.media.URL))
	}
	if n := len(p.media.Data); n > 0 {
		b = strconv.AppendInt(field(b, "base64_bytes"), int64(n), 10)
	}
	return b
}

func modality(t llm.PartType) string {
	switch t {
	case llm.PartImage:
		return "image"
	case llm.PartAudio:
		return "audio"
	}
	return "document"
}

// plainURL is a URL without user, query and fragment.
func plainURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return dialect.Clip(dialect.HideKeys(plain.String()), 2*maxName)
}

// shown bounds a name.
func shown(s string) string { return dialect.Clip(dialect.HideKeys(s), maxName) }

// slack is how much more than there is room for is searched for keys: one that
// stands across the end must be found.
const slack = 512

// appendText appends a JSON string of at most room bytes between its quotes,
// cut on a rune, in which nothing looks like a key.
func appendText(b []byte, s string, room int) (_ []byte, cut bool) {
	if len(s) > room+slack {
		s, cut = head(s, room+slack), true
	}
	s = dialect.HideKeys(s)
	if len(s) > room {
		s, cut = head(s, room), true
	}
	for from := len(b); ; {
		b = jsonedit.AppendString(b[:from], s)
		over := len(b) - from - len(`""`) - room
		if over <= 0 {
			return b, cut
		}
		// An escape is six bytes at most, so that as many bytes must go at least.
		s, cut = head(s, len(s)-(over+5)/6), true
	}
}

// head returns the first n bytes of s, or up to three fewer so that no rune is
// cut.
func head(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// errorText is what a failure says, which its client was told too.
func errorText(e *llm.Error) string {
	return dialect.Clip(dialect.HideKeys(e.Message), dialect.MaxMessage)
}
