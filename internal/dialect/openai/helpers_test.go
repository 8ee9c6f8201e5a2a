package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// root returns the folder of go.mod.
func root(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// fixture reads a recorded body or stream, and skips the test when the
// recordings are not beside the repository.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(t), "..", "shared", "providers", "fixtures", name))
	if os.IsNotExist(err) {
		t.Skipf("SKIPPED: the recorded fixtures are not here (%s)", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stream returns a recording as the bytes of a stream; one payload per line
// gets its framing and a [DONE].
func stream(t testing.TB, name string) []byte {
	b := fixture(t, name)
	if !strings.HasSuffix(name, ".jsonl") {
		return b
	}
	var out []byte
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = sse.AppendData(out, line)
		}
	}
	return append(out, "data: [DONE]\n\n"...)
}

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
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
	rd := sse.NewReader(r, sse.Options{})
	defer rd.Release()
	d := k.NewStreamDecoder()
	var events []llm.Event
	for {
		ev, err := rd.Next()
		cut := errors.Is(err, io.ErrUnexpectedEOF)
		if errors.Is(err, io.EOF) || cut && !json.Valid(ev.Data) && !bytes.HasPrefix(ev.Data, doneMark) {
			return d.End(events)
		}
		if err != nil && !cut {
			return events, err
		}
		if events, err = d.Decode(events, ev); err != nil {
			return events, err
		}
	}
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
