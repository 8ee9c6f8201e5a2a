package providertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// testStreams plays the forms in which a good stream can come.
func testStreams(t *testing.T, r *run) {
	crlf := strings.ReplaceAll(r.Stream, "\n", "\r\n")
	for _, tc := range []struct {
		name   string
		script Script
		raw    string
	}{
		{"one chunk", Say(Stream(r.Stream)), r.Stream},
		{"an event a chunk", Say(StreamHead() + chunks(r.Stream, "\n\n") + LastChunk), r.Stream},
		{"a byte a chunk", Say(StreamHead() + chunks(r.Stream, "") + LastChunk), r.Stream},
		{"slow drip", Drip(StreamHead() + chunks(r.Stream, "") + LastChunk), r.Stream},
		{"until close", SayAndHang("HTTP/1.1 200 OK\r\nContent-Type: TEXT/Event-Stream\r\n\r\n" + r.Stream), r.Stream},
		{"CRLF", Say(Stream(crlf)), crlf},
		{"gzip", Say(Stream(Gzip(r.Stream), "Content-Encoding", "gzip")), r.Stream},
		{"early hints", Say("HTTP/1.1 103 Early Hints\r\n\r\n" + Stream(r.Stream)), r.Stream},
		{"a line of 1 MiB", Say(Stream(padded(r.Stream))), padded(r.Stream)},
		{"the last blank line missing", Say(Stream(strings.TrimSuffix(r.Stream, "\n"))), r.Stream},
		{"the last line ends missing", Say(Stream(strings.TrimSuffix(r.Stream, "\n\n"))), r.Stream},
		{"keep-alive comments", Say(StreamHead() + Chunk(": wait\n\n") + chunks(strings.ReplaceAll(r.Stream, "\n\n", "\n\n: PROCESSING\n\n"), "\n\n") + LastChunk), r.Stream},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.up.Play(tc.script)
			r.wantGood(t, r.do(t.Context(), t, true), tc.raw)
		})
	}
	if !r.Terminal {
		return
	}
	last := r.Stream[strings.LastIndex(strings.TrimRight(r.Stream, "\n"), "\n\n")+2:]
	for name, more := range map[string]string{
		"the end twice":             last + last,
		"the whole once more":       r.Stream,
		"an error behind the end":   r.StreamError,
		"rubbish behind the end":    "\x00\xff{{{",
		"very much behind the end":  strings.Repeat("data: {}\n\n", 20_000),
		"a comment behind the end":  ": bye\n\n",
		"half an event, then a cut": "data: {\"a",
	} {
		t.Run(name, func(t *testing.T) {
			r.up.Play(Say(Stream(r.Stream + more)))
			r.wantGood(t, r.do(t.Context(), t, true), r.Stream)
		})
	}
	t.Run("never closed behind the end", func(t *testing.T) {
		said, gone := make(chan struct{}), make(chan struct{})
		r.up.Play(SayAndStall(StreamHead()+Chunk(r.Stream), said, gone))
		r.wantGood(t, r.do(t.Context(), t, true), r.Stream)
		await(t, gone, "the connection that did not end is given up")
	})
}

// chunks cuts s behind each sep into chunks; "" cuts at every byte.
func chunks(s, sep string) string {
	var b strings.Builder
	if sep == "" {
		for i := range len(s) {
			b.WriteString(Chunk(s[i : i+1]))
		}
		return b.String()
	}
	for part := range strings.SplitAfterSeq(s, sep) {
		b.WriteString(Chunk(part))
	}
	return b.String()
}

// padded puts 1 MiB of white space into the first JSON text of a stream, where
// it means nothing.
func padded(stream string) string {
	return strings.Replace(stream, "{", "{"+strings.Repeat(" ", 1<<20), 1)
}

// testBrokenStreams plays answers to streaming calls that fail.
func testBrokenStreams(t *testing.T, r *run) {
	for name, s := range map[string]Script{
		"nothing":                   Say(Stream("")),
		"comments alone":            Say(Stream(": a\n\n: b\n\n")),
		"an empty body":             Say(Answer(200, "")),
		"no stream but HTML":        Say(Answer(200, "<html></html>", "Content-Type", "text/html")),
		"no stream but the answer":  Say(Answer(200, r.Good)),
		"a stream by another name":  Say(Stream(r.Stream, "Content-Type", "text/plain")),
		"an event that is no JSON":  Say(Stream("data: nonsense\n\n")),
		"an event that is cut JSON": Say(Stream("data: {\"id\":\n\n")),
		"an endless line":           Say(StreamHead() + Chunk("data: "+strings.Repeat("x", 9<<20)) + LastChunk),
		"reset at once":             SayAndReset(StreamHead()),
		"no gzip":                   Say(Stream(r.Stream, "Content-Encoding", "gzip")),
	} {
		t.Run(name, func(t *testing.T) {
			r.up.Play(s)
			o := r.do(t.Context(), t, true)
			r.wantError(t, o, retry())
			if o.events != 0 {
				t.Errorf("%d events of content before the failure", o.events)
			}
		})
	}
	t.Run("JSON error", func(t *testing.T) {
		r.up.Play(Say(Answer(200, r.Disguised)))
		for _, stream := range []bool{false, true} {
			if o := r.do(t.Context(), t, stream); o.err == nil || o.err.Status != 200 {
				t.Errorf("stream %v: got %+v, %v", stream, o.reply, o.err)
			}
		}
	})
	if r.StreamError == "" {
		return
	}
	first := r.Stream[:r.Complete/2]
	first = first[:strings.LastIndex(first, "\n\n")+2]
	for _, tc := range []struct{ name, before string }{{"error first", ""}, {"error after a comment", ": wait\n\n"}, {"error in the middle", first}} {
		for _, cut := range []string{"\n\n", "\n\n" + r.Stream} {
			t.Run(tc.name, func(t *testing.T) {
				r.up.Play(Say(Stream(tc.before + strings.TrimRight(r.StreamError, "\n") + cut)))
				o := r.do(t.Context(), t, true)
				if o.err == nil {
					t.Fatalf("not seen: %q", o.raw)
				}
				if tc.before != first && o.events != 0 {
					t.Error("content before the error")
				}
				if strings.Contains(o.raw, "error") {
					t.Errorf("the provider's error was passed on: %q", o.raw)
				}
			})
		}
	}
}

// testCuts ends the stream behind each byte, once as if that were its end and
// once by breaking the connection.
func testCuts(t *testing.T, r *run) {
	for n := range len(r.Stream) {
		part := r.Stream[:n]
		for name, s := range map[string]Script{
			"ended":  Say(Stream(part)),
			"closed": SayAndHang(StreamHead() + Chunk(part)),
			"reset":  SayAndReset(StreamHead() + Chunk(part)),
		} {
			r.up.Play(s)
			o := r.do(t.Context(), t, true)
			if err := r.cut(o, n, name == "ended"); err != "" {
				t.Fatalf("%s behind %q: %s", name, part[max(0, n-60):], err)
			}
		}
	}
}

// cut says what is wrong with the outcome of a stream that ended at n.
func (r *run) cut(o outcome, n int, clean bool) string {
	if !strings.HasPrefix(r.Stream, strings.TrimSuffix(o.raw, "data: [DONE]\n\n")) {
		return fmt.Sprintf("passed on %q", o.raw)
	}
	if !strings.HasPrefix(r.Text, o.text) {
		return fmt.Sprintf("text %q", o.text)
	}
	// The blank line behind the event may be missing.
	over := n >= len(strings.TrimRight(r.Stream[:r.Complete], "\n"))
	switch {
	case o.err == nil && (!over || !clean && !r.ended(n)):
		return "taken for a whole answer"
	case o.err != nil && (o.err.Kind != llm.KindUpstreamError || !o.err.Retryable()):
		return "judged as " + o.err.Error()
	case o.err != nil && over && clean && strings.HasSuffix(r.Stream[:n], "\n\n"):
		return "not taken for a whole answer: " + o.err.Error()
	case o.err == nil && o.finish != r.Finish:
		return fmt.Sprintf("finish %q", o.finish)
	}
	return ""
}

// ended reports whether the first n bytes of the stream hold its terminal
// event, but for the last blank line.
func (r *run) ended(n int) bool { return r.Terminal && n >= len(strings.TrimRight(r.Stream, "\n")) }
