package dialecttest

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// Alike holds a decoder that remembers the form of events against itself
// without that memory: the second one is shown each event with another number
// of blanks behind the first brace, so that none is like the one before.
func Alike(t *testing.T, newDecoder func() dialect.StreamDecoder, events [][]byte) {
	t.Helper()
	quick, slow := newDecoder(), newDecoder()
	for i, data := range events {
		got, gerr := quick.Decode(nil, sse.Event{Data: data})
		want, werr := slow.Decode(nil, sse.Event{Data: blanks(data, i)})
		same(t, data, want, got, werr, gerr)
		if gerr != nil {
			return
		}
	}
	got, gerr := quick.End(nil)
	want, werr := slow.End(nil)
	same(t, []byte("the end"), want, got, werr, gerr)
}

func same(t *testing.T, data []byte, want, got []llm.Event, werr, gerr error) {
	t.Helper()
	if (werr == nil) != (gerr == nil) || werr != nil && llm.AsError(werr).Kind != llm.AsError(gerr).Kind {
		t.Fatalf("%s: %v where %v was due", data, gerr, werr)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: (-want +got)\n%s", data, diff)
	}
}

func blanks(data []byte, n int) []byte {
	rest, ok := bytes.CutPrefix(data, []byte("{"))
	if !ok {
		return data
	}
	return append(append([]byte("{"), bytes.Repeat([]byte(" "), n)...), rest...)
}
