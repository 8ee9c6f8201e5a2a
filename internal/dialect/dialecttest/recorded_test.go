package dialecttest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dashscope"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/dialect/gemini"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/responses"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// recordedStreams returns the names of all recorded streams.
func recordedStreams(t *testing.T) []string {
	t.Helper()
	root := os.DirFS("../../../../shared/providers/fixtures")
	var names []string
	err := fs.WalkDir(root, ".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".sse") || strings.HasSuffix(path, ".chunks.jsonl") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Skipf("SKIPPED: the recorded data are not here: %v", err)
	}
	return names
}

// spoken returns the codec of the provider that a recording comes from, nil for
// a stream of the Responses API, which only passes through.
func spoken(name string) dialect.Provider {
	folder, file, _ := strings.Cut(name, "/")
	switch {
	case folder != "openai" && folder != "azure":
	case strings.Contains(file, "responses"), slices.Contains([]string{"openai-error.1.chunks.jsonl", "azure-text.1.chunks.jsonl", "azure-tool-call.1.chunks.jsonl"}, file):
		return nil
	}
	switch {
	case strings.HasPrefix(file, "compat-"):
		return openai.Codec{}
	}
	switch folder {
	case "anthropic":
		return anthropic.Codec{}
	case "gemini":
		return gemini.Codec{}
	case "dashscope":
		return dashscope.Codec{}
	}
	return openai.Codec{}
}

// digest is the text itself when it is short, otherwise enough of its SHA-256
// to see a change: the recordings are no part of the repository.
func digest(s string) string {
	if len(s) < 16 {
		return fmt.Sprintf("%q", s)
	}
	h := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%d:%s", len(s), hex.EncodeToString(h[:4]))
}

// gist is one line that says what a stream amounts to.
func gist(a *dialecttest.Answer, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "text=%s", digest(a.Text+a.Refusal))
	for _, r := range a.Reasoning {
		fmt.Fprintf(&b, " reasoning=%s signed=%t", digest(r.Text), r.Signature != "" || r.Redacted != "")
	}
	for _, c := range a.Calls {
		fmt.Fprintf(&b, " call=%s(%s) signed=%t", c.Name, digest(c.Arguments), c.Signature != "")
	}
	u := a.Usage
	fmt.Fprintf(&b, " finish=%s/%s usage=%d+%d+%d/%d+%d", a.Finish, a.Native, u.Input, u.CachedInput, u.CacheWrite, u.Output, u.Reasoning)
	if err != nil {
		fmt.Fprintf(&b, " error=%s", llm.AsError(err).Kind)
	}
	return b.String()
}

// TestRecordedStreams pins what every recorded stream is read as, and the very
// bytes that each client dialect makes of it. A recording that nobody has
// looked at yet fails; so does one that lost its terminal event on the way.
func TestRecordedStreams(t *testing.T) {
	var golden bytes.Buffer
	golden.WriteString("# What each recorded stream is read as, and the SHA-256 of what each client dialect makes of it. Written by -update.\n")
	for _, name := range recordedStreams(t) {
		raw := dialecttest.Fixture(t, name)
		switch {
		case strings.HasSuffix(name, ".jsonl"):
			raw = dialecttest.Chunks(raw)
		case strings.HasPrefix(name, "dashscope/"): // some recordings have lost the lines between events
			raw = bytes.ReplaceAll(raw, []byte("\nid:"), []byte("\n\nid:"))
		default: // the exchange ends a last event that is whole
			raw = append(raw, "\n\n"...)
		}
		fmt.Fprintln(&golden, name)
		codec := spoken(name)
		if codec == nil {
			fmt.Fprintf(&golden, "  passed: %s\n", inspected(t, name, raw))
			continue
		}
		events, err := dialecttest.Decode(codec.NewStreamDecoder(), raw)
		settle(events, raw)
		a := dialecttest.Collect(events)
		if err == nil && (a.Finishes != 1 || a.Starts != 1) {
			t.Errorf("%s: %d starts and %d finishes", name, a.Starts, a.Finishes)
		}
		fmt.Fprintf(&golden, "  read: %s\n", gist(&a, err))
		for _, c := range clientSides() {
			fmt.Fprintf(&golden, "  %s: %s\n", c.name, digest(string(written(c, events, err))))
		}
		if err == nil {
			survives(t, name, &a, events)
		}
	}
	dialecttest.Golden(t, "recorded.golden", golden.Bytes())
}

// settle gives the calls without an id in the recording, for which the decoder
// invents a random one, an id that is the same every time.
func settle(events []llm.Event, recording []byte) {
	for i := range events {
		ev := &events[i]
		if ev.Kind == llm.EventToolCall && ev.ID != "" && !bytes.Contains(recording, []byte(ev.ID)) {
			ev.ID = fmt.Sprintf("call_%d", ev.Index)
		}
	}
}

// written is the stream that a client of this dialect gets.
func written(c *clientSide, events []llm.Event, err error) (out []byte) {
	enc := c.codec.NewStreamEncoder(dialect.StreamOptions{Model: "asked", IncludeUsage: true, Created: 1, ID: "id-1"})
	for i := range events {
		out = enc.Append(out, &events[i])
	}
	f := &dialect.Facts{RequestID: "req_1", Status: 200, Model: "asked"}
	if err != nil {
		return c.codec.AppendStreamError(out, llm.AsError(err), f)
	}
	return enc.AppendEnd(out, f)
}

// survives reads what clients get as their libraries would: the words and the
// calls are those of the recording.
func survives(t *testing.T, name string, want *dialecttest.Answer, events []llm.Event) {
	t.Helper()
	for _, c := range clientSides() {
		reader, ok := c.codec.(dialect.Provider)
		if !ok {
			continue
		}
		again, err := dialecttest.Decode(reader.NewStreamDecoder(), written(c, events, nil))
		if err != nil {
			t.Errorf("%s for %s: %v", name, c.name, err)
			continue
		}
		got := dialecttest.Collect(again)
		if got.Text+got.Refusal != want.Text+want.Refusal || got.Finish != want.Finish {
			t.Errorf("%s for %s: %q %s, want %q %s", name, c.name, got.Text, got.Finish, want.Text, want.Finish)
		}
		if diff := cmp.Diff(names(want), names(&got)); diff != "" {
			t.Errorf("%s for %s: %s", name, c.name, diff)
		}
	}
}

// names are the calls with their arguments, where these are more than nothing.
func names(a *dialecttest.Answer) (all []string) {
	for _, c := range a.Calls {
		if c.Arguments == "" {
			c.Arguments = "{}"
		}
		all = append(all, c.Name+c.Arguments)
	}
	slices.Sort(all)
	return all
}

// inspected is what is learned of a stream that passes through.
func inspected(t *testing.T, name string, raw []byte) string {
	t.Helper()
	ins := responses.Codec{}.NewInspector(false)
	r := sse.NewReader(bytes.NewReader(raw), sse.Options{})
	defer r.Release()
	var a dialecttest.Answer
	for {
		ev, end := r.Next()
		if end != nil && len(ev.Data) == 0 {
			_, err := ins.End()
			return gist(&a, err)
		}
		v, err := ins.Inspect(ev)
		if err != nil {
			return gist(&a, err)
		}
		if v.Usage != nil {
			a.Usage = *v.Usage
		}
		if v.Finish != "" {
			a.Finish = v.Finish
		}
		if v.Last {
			return gist(&a, nil)
		}
	}
}
