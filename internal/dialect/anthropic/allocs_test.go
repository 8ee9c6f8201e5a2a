//go:build !race

package anthropic

import (
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// TestAllocations guards what each piece of a stream may cost.
func TestAllocations(t *testing.T) {
	ev := sse.Event{Name: []byte("content_block_delta"),
		Data: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words"}}`)}
	inspect, decode := codec.NewInspector(false), codec.NewStreamDecoder()
	encode := codec.NewStreamEncoder(dialect.StreamOptions{})
	piece := llm.Event{Kind: llm.EventText, Text: " a few words"}
	events := make([]llm.Event, 0, 4)
	out := make([]byte, 0, 4096)
	for name, c := range map[string]struct {
		max float64
		run func()
	}{
		"inspect": {0, func() { _, _ = inspect.Inspect(ev) }},
		"decode":  {1, func() { events, _ = decode.Decode(events[:0], ev) }}, // the text itself
		"encode":  {0, func() { out = encode.Append(out[:0], &piece) }},
	} {
		if n := testing.AllocsPerRun(100, c.run); n > c.max {
			t.Errorf("%s allocates %v times, want at most %v", name, n, c.max)
		}
	}
}
