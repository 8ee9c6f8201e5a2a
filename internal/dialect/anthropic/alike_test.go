package anthropic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func newDecoder() dialect.StreamDecoder { return codec.NewStreamDecoder() }

// blockStarts begin the blocks in which deltas mean something else.
var blockStarts = []string{
	`{"type":"text","text":""}`, `{"type":"thinking","thinking":""}`, `{"type":"tool_use","id":"t","name":"f","input":{}}`, `{"type":"server_tool_use"}`,
}

// deltas puts words into a form of delta, in each kind of block one after the
// other, behind each other and apart.
func deltas(form string, words ...string) (events [][]byte) {
	for i, block := range blockStarts {
		events = append(events, fmt.Appendf(nil, `{"type":"content_block_start","index":%d,"content_block":%s}`, i, block))
		for _, w := range words {
			events = append(events, []byte(strings.ReplaceAll(form, "%s", w)))
		}
		if i%2 == 0 {
			events = append(events, fmt.Appendf(nil, `{"type":"content_block_stop","index":%d}`, i))
		}
	}
	return append(events, []byte(`{"type":"message_stop"}`), []byte(strings.ReplaceAll(form, "%s", "x")))
}

// TestAlikeDeltas: remembering the form of deltas changes nothing of what they
// say, whatever block they stand in.
func TestAlikeDeltas(t *testing.T) {
	words := []string{"a", " token", `\n\n`, `say \"hi\"`, `\\`, "", "日本", `{\"type\":\"error\"}`, `"}},{"`, "\xff", `\ud800`, `x`, `x`}
	for _, form := range []string{
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"%s"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"%s"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"%s"}}`,
		` { "delta" : { "text" : "%s", "type" : "text_delta", "text" : "last" }, "type" : "content_block_delta" } `,
		`{"type":"content_block_delta","delta":{"type":"text_delta","text":"%s"},"x":"%s"}`,
		`{"type":"content_block_delta","delta":{"type":"%s","text":"a"}}`,
	} {
		dialecttest.Alike(t, newDecoder, deltas(form, words...))
	}
}

// TestDeltasAreRemembered: the second delta of a form costs no search.
func TestDeltasAreRemembered(t *testing.T) {
	d := &streamDecoder{tool: -1, thought: -1}
	for _, data := range deltas(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}`, "a", "b")[:3] {
		if _, err := d.Decode(nil, sse.Event{Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if text, ok := d.form.Text([]byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"more"}}`)); text != "more" || !ok {
		t.Errorf("%q, %v", text, ok)
	}
}

// FuzzAlikeDeltas: whatever the events.
func FuzzAlikeDeltas(f *testing.F) {
	const form = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}`
	f.Add(form, "a", `b\n`, `"},"type":"x`)
	f.Add(strings.ReplaceAll(form, "text", "thinking"), "a", "", `\`)
	f.Add(`{"delta":{"partial_json":"%s","type":"input_json_delta"},"type":"content_block_delta","obfuscation":"%s"}`, "a", "\xff", `\u0000`)
	f.Fuzz(func(t *testing.T, form, a, b, c string) {
		dialecttest.Alike(t, newDecoder, deltas(form, a, b, a, c, b, a))
	})
}
