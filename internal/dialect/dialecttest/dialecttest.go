// Package dialecttest helps the codecs' tests: golden files, recorded streams,
// and checks that every codec must pass.
package dialecttest

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"testing/iotest"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// The flag -update rewrites golden files instead of comparing with them.
var update = flag.Bool("update", false, "rewrite golden files")

// Golden compares got with testdata/name.
func Golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path) //nolint:gosec // a test's own data
	if err != nil {
		t.Fatalf("%v (run the test with -update to write it)", err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s: want\n%s\ngot\n%s", path, want, got)
	}
}

// Fixture returns a recorded file, which lies beside the repository and not in
// it. The test is skipped where it is absent.
func Fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures(t), filepath.FromSlash(name))) //nolint:gosec // a test's own data
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("SKIPPED: the recorded data are not here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fixtures finds the recorded data from the root of the repository.
func fixtures(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return filepath.Join(dir, "..", "shared", "providers", "fixtures")
}

// Chunks frames payloads, one JSON text a line, as server-sent events.
func Chunks(payloads []byte) []byte {
	var out []byte
	for line := range bytes.Lines(payloads) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = sse.AppendData(out, line)
		}
	}
	return out
}

// Decode reads a whole stream with d and returns its events; err is what ended
// it early.
func Decode(d dialect.StreamDecoder, stream []byte) ([]llm.Event, error) {
	return DecodeFrom(d, bytes.NewReader(stream))
}

// DecodeFrom is Decode for a source that delivers as it likes.
func DecodeFrom(d dialect.StreamDecoder, src io.Reader) ([]llm.Event, error) {
	r := sse.NewReader(src, sse.Options{})
	defer r.Release()
	var events []llm.Event
	for {
		ev, err := r.Next()
		if errors.Is(err, io.ErrUnexpectedEOF) && len(ev.Data) > 0 {
			var derr error
			if events, derr = d.Decode(events, ev); derr != nil {
				return events, derr
			}
		}
		if err != nil {
			return d.End(events)
		}
		if events, err = d.Decode(events, ev); err != nil {
			return events, err
		}
	}
}

// Splits checks that a stream is read alike however its bytes arrive.
func Splits(t *testing.T, newDecoder func() dialect.StreamDecoder, stream []byte) {
	t.Helper()
	want, wantErr := Decode(newDecoder(), stream)
	got, gotErr := DecodeFrom(newDecoder(), iotest.OneByteReader(bytes.NewReader(stream)))
	if !reflect.DeepEqual(want, got) || (wantErr == nil) != (gotErr == nil) {
		t.Fatalf("byte by byte: %v, %v\n%+v", wantErr, gotErr, got)
	}
	for i := range stream {
		src := io.MultiReader(bytes.NewReader(stream[:i]), bytes.NewReader(stream[i:]))
		got, gotErr := DecodeFrom(newDecoder(), src)
		if !reflect.DeepEqual(want, got) || (wantErr == nil) != (gotErr == nil) {
			t.Fatalf("split at %d: %v, %v\n%+v", i, wantErr, gotErr, got)
		}
	}
}

// Answer is what a stream amounts to.
type Answer struct {
	ID, Model string
	Text      string
	Refusal   string
	Reasoning []llm.Reasoning
	Calls     []llm.ToolCall
	Finish    llm.FinishReason
	Native    string
	Sequence  string
	Usage     llm.Usage
	Finishes  int // finish events
	Starts    int // start events
}

// Collect joins the events of a stream.
func Collect(events []llm.Event) Answer {
	var a Answer
	for i := range events {
		a.add(&events[i])
	}
	return a
}

func (a *Answer) add(ev *llm.Event) {
	switch ev.Kind {
	case llm.EventStart:
		a.ID, a.Model = ev.ID, ev.Model
		a.Starts++
	case llm.EventText:
		a.Text += ev.Text
	case llm.EventRefusal:
		a.Refusal += ev.Text
	case llm.EventReasoning:
		for len(a.Reasoning) <= ev.Block {
			a.Reasoning = append(a.Reasoning, llm.Reasoning{})
		}
		r := &a.Reasoning[ev.Block]
		r.Text += ev.Text
		r.Signature += ev.Signature
		r.Redacted += ev.Redacted
		r.Origin = max(r.Origin, ev.Origin)
	case llm.EventToolCall:
		for len(a.Calls) <= ev.Index {
			a.Calls = append(a.Calls, llm.ToolCall{})
		}
		c := &a.Calls[ev.Index]
		c.ID += ev.ID
		c.Name += ev.Name
		c.Arguments += ev.Text
		c.Signature += ev.Signature
	case llm.EventFinish:
		a.Finish, a.Native, a.Sequence = ev.Finish, ev.Native, ev.StopSequence
		a.Finishes++
	case llm.EventUsage:
		a.Usage = *ev.Usage
	}
}
