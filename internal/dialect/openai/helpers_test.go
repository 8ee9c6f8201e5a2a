package openai

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// stream returns a recording as the bytes of a stream; one payload per line
// gets its framing and a [DONE].
func stream(t testing.TB, name string) []byte {
	b := dialecttest.Fixture(t, name)
	if !strings.HasSuffix(name, ".jsonl") {
		return b
	}
	return append(dialecttest.Chunks(b), "data: [DONE]\n\n"...)
}

// testdata reads an input written for the tests.
func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeStream decodes the bytes of a stream as a provider would send them.
func decodeStream(k Codec, r io.Reader) ([]llm.Event, error) {
	return dialecttest.DecodeFrom(k.NewStreamDecoder(), r)
}

// collect sums the events of a stream up to the whole answer that they make.
func collect(events []llm.Event) *llm.Response {
	r := &llm.Response{}
	blocks := map[int]*llm.Reasoning{}
	calls := map[int]*llm.ToolCall{}
	var parts []llm.Part
	grow := func(t llm.PartType, s string) {
		if n := len(parts); n > 0 && parts[n-1].Type == t {
			parts[n-1].Text += s
			return
		}
		parts = append(parts, llm.Part{Type: t, Text: s})
	}
	for _, ev := range events {
		switch ev.Kind {
		case llm.EventStart:
			r.ID, r.Model = ev.ID, ev.Model
		case llm.EventText:
			grow(llm.PartText, ev.Text)
		case llm.EventRefusal:
			grow(llm.PartRefusal, ev.Text)
		case llm.EventReasoning:
			b := blocks[ev.Block]
			if b == nil {
				b = &llm.Reasoning{}
				blocks[ev.Block] = b
				parts = append(parts, llm.Part{Type: llm.PartReasoning, Reasoning: b})
			}
			b.Text += ev.Text
			b.Signature += ev.Signature
			b.Redacted += ev.Redacted
			b.ID += ev.ID
			if ev.Origin != 0 {
				b.Origin = ev.Origin
			}
		case llm.EventToolCall:
			c := calls[ev.Index]
			if c == nil {
				c = &llm.ToolCall{}
				calls[ev.Index] = c
				parts = append(parts, llm.Part{Type: llm.PartToolCall, ToolCall: c})
			}
			c.ID += ev.ID
			c.Name += ev.Name
			c.Arguments += ev.Text
			c.Signature += ev.Signature
		case llm.EventFinish:
			r.Finish, r.NativeFinish = ev.Finish, ev.Native
		case llm.EventUsage:
			r.Usage = *ev.Usage
		}
	}
	r.Parts = parts
	return r
}
