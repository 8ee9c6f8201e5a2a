package mock

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode/utf8"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	benchTokens     = 16
	benchBytesChunk = 64
	quoteLimit      = 200 // characters of a prompt that the chat answer quotes
	resultLimit     = 600 // characters of a tool result that it quotes
)

// vocabulary is what filler text is made of.
const vocabulary = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat duis aute irure in reprehenderit voluptate velit esse cillum eu fugiat nulla pariatur excepteur sint occaecat cupidatat non proident sunt culpa qui officia deserunt mollit anim id est laborum"

// prose writes n words in sentences of 6 to 13.
func prose(rng *rand.Rand, n int) string {
	words := strings.Fields(vocabulary)
	var s strings.Builder
	left := 0
	for i := range n {
		w := words[rng.IntN(len(words))]
		if left == 0 {
			left = 6 + rng.IntN(8)
			w = strings.ToUpper(w[:1]) + w[1:]
		}
		if i > 0 {
			s.WriteByte(' ')
		}
		s.WriteString(w)
		if left--; left == 0 || i == n-1 {
			s.WriteByte('.')
			left = 0
		}
	}
	return s.String()
}

// fill writes exactly n bytes of ASCII text.
func fill(rng *rand.Rand, n int) string {
	var s strings.Builder
	s.Grow(n + 16)
	for s.Len() < n {
		s.WriteString(prose(rng, 12))
		s.WriteByte(' ')
	}
	b := []byte(s.String()[:n])
	if n > 0 && b[n-1] == ' ' {
		b[n-1] = '.'
	}
	return string(b)
}

// text writes the answer that the model's style asks for.
func (d *draft) text() string {
	switch d.b.style {
	case styleEcho:
		return lastText(d.r)
	case styleLorem:
		return prose(d.rng, d.b.size)
	case styleBytes:
		return fill(d.rng, d.b.size)
	case styleBench:
		return strings.TrimPrefix(strings.Repeat(" ok", d.b.size), " ")
	case styleEmpty:
		return ""
	case styleFilter:
		return prose(d.rng, 8)
	}
	return d.chat()
}

// chat quotes what it was told, so that a reader sees that it arrived.
func (d *draft) chat() string {
	results := freshResults(d.r)
	if len(results) == 0 {
		return fmt.Sprintf("You said: %q. %s", clip(lastText(d.r), quoteLimit), prose(d.rng, 12+d.rng.IntN(12)))
	}
	var s strings.Builder
	for _, t := range results {
		verb := "returned"
		if t.IsError {
			verb = "failed with"
		}
		fmt.Fprintf(&s, "The tool %s %s: %s. ", resultName(d.r, t), verb, clip(plainText(t.Parts), resultLimit))
	}
	s.WriteString(prose(d.rng, 6+d.rng.IntN(6)))
	return s.String()
}

// object is a JSON object for those who asked for one without a schema.
func (d *draft) object() string {
	b := append([]byte(nil), `{"message":`...)
	b = appendJSON(b, clip(lastText(d.r), quoteLimit))
	b = append(b, `,"answer":`...)
	b = appendJSON(b, prose(d.rng, 8))
	return string(fmt.Appendf(b, `,"number":%d,"ok":true}`, d.rng.IntN(1000)))
}

// clip shortens s to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	at := 0
	for range n {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return s[:at] + "…"
}

// lastText returns the text of the last message that a user or a tool sent;
// of any message if none did.
func lastText(r *llm.Request) string {
	for i := len(r.Messages) - 1; i >= 0; i-- {
		if m := &r.Messages[i]; m.Role == llm.RoleUser || m.Role == llm.RoleTool {
			return plainText(m.Parts)
		}
	}
	if n := len(r.Messages); n > 0 {
		return plainText(r.Messages[n-1].Parts)
	}
	return ""
}

// plainText joins the text of parts, tool results included.
func plainText(parts []llm.Part) string {
	var texts []string
	for i := range parts {
		switch p := &parts[i]; p.Type {
		case llm.PartText, llm.PartRefusal:
			texts = append(texts, p.Text)
		case llm.PartToolResult:
			texts = append(texts, plainText(p.ToolResult.Parts))
		}
	}
	return strings.Join(texts, "\n")
}
