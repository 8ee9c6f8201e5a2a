//go:build !race

package dashscope

import (
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// TestAllocations guards what each piece of a stream may cost.
func TestAllocations(t *testing.T) {
	data := []byte(`{"output":{"choices":[{"message":{"role":"assistant","content":" a few words"},"finish_reason":"null"}]},"usage":{"total_tokens":9,"output_tokens":4,"input_tokens":5},"request_id":"r"}`)
	ev := sse.Event{Name: []byte("result"), Data: data, Raw: data}
	other := sse.Event{Name: []byte("result"), Raw: data, Data: []byte(`{"output":{"choices":[{"message":{"role":"assistant","content":" a few words"},"finish_reason":"null"}]},"usage":{"total_tokens":10,"output_tokens":5,"input_tokens":5},"request_id":"r"}`)}
	decode := codec.NewStreamDecoder()
	encode := codec.NewStreamEncoder(dialect.StreamOptions{})
	piece := llm.Event{Kind: llm.EventText, Text: " a few words"}
	events := make([]llm.Event, 0, 4)
	out := make([]byte, 0, 4096)
	for name, c := range map[string]struct {
		max float64
		run func()
	}{
		"decode": {4, func() { // each time the text and the count
			events, _ = decode.Decode(events[:0], ev)
			events, _ = decode.Decode(events[:0], other)
		}},
		"encode": {0, func() { out = encode.Append(out[:0], &piece) }},
	} {
		if n := testing.AllocsPerRun(100, c.run); n > c.max {
			t.Errorf("%s allocates %v times, want at most %v", name, n, c.max)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	data := []byte(`{"output":{"choices":[{"message":{"role":"assistant","content":" a few words"},"finish_reason":"null"}]},"usage":{"total_tokens":9,"output_tokens":4,"input_tokens":5},"request_id":"r"}`)
	ev := sse.Event{Name: []byte("result"), Data: data, Raw: data}
	d := codec.NewStreamDecoder()
	events := make([]llm.Event, 0, 4)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if events, err = d.Decode(events[:0], ev); err != nil {
			b.Fatal(err)
		}
	}
}
