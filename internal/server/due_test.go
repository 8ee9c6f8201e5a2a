package server

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// journal writes down what a client is sent: each flush ends an entry.
type journal struct {
	sink
	now  strings.Builder
	sent []string
}

func (j *journal) Write(p []byte) (int, error) { return j.now.Write(p) }

func (j *journal) FlushError() error {
	j.sent = append(j.sent, j.now.String())
	j.now.Reset()
	return nil
}

// sentBy serves a canonical stream and returns its words, flush by flush; what
// is left to net/http comes last.
func sentBy(t *testing.T, st llm.Stream) (entries []string, whole string) {
	t.Helper()
	g := newRig(chatPath, chatStream, func(context.Context, *llm.Call) (*llm.Reply, error) { return streamOf(st, 0), nil })
	j := &journal{sink: g.w}
	g.srv.ServeHTTP(j, g.req)
	j.sent = append(j.sent, j.now.String())
	for _, s := range j.sent {
		var words []string
		for line := range strings.Lines(s) {
			if _, rest, ok := strings.Cut(line, `"content":"`); ok {
				word, _, _ := strings.Cut(rest, `"`)
				words = append(words, word)
			}
			for _, mark := range []string{`"finish_reason":"`, `{"error"`, "[DONE]"} {
				if strings.Contains(line, mark) {
					words = append(words, strings.Trim(mark, `{":`))
				}
			}
		}
		entries = append(entries, strings.Trim(strings.Join(words, " "), " "))
	}
	return entries, strings.Join(j.sent, "")
}

// TestBurstsLeaveTogether: an event waits exactly as long as the next one is
// said to be there, and whatever comes instead of it sends it on.
func TestBurstsLeaveTogether(t *testing.T) {
	cut := llm.Errorf(llm.KindUpstreamError, "the connection broke")
	with := func(more string, evs []llm.Event) []llm.Event {
		for i := range evs {
			evs[i].More = i < len(more) && more[i] == '+'
		}
		return evs
	}
	boom := func(i int) {
		if i == 3 {
			panic("boom")
		}
	}
	all := func() []llm.Event { return append(texts("a", "b", "c"), finish()...) }
	for _, tc := range []struct {
		name string
		st   *fakeStream
		want string
	}{
		{"each for itself", &fakeStream{events: with("------", all()), err: io.EOF}, "a|b|c|finish_reason|[DONE]"},
		{"one burst", &fakeStream{events: with("++++++", all()), err: io.EOF}, "a b c finish_reason [DONE]"},
		{"two bursts", &fakeStream{events: with("++-++-", all()), err: io.EOF}, "a b|c finish_reason|[DONE]"},
		{"the start waits for content", &fakeStream{events: with("-+-", texts("a", "b")), err: io.EOF}, "a b|finish_reason [DONE]"},
		{"cut with a burst", &fakeStream{events: with("+++", texts("a", "b")), err: cut}, "a b|error"},
		{"a panic behind a burst", &fakeStream{events: with("++++", texts("a", "b", "c")), before: boom}, "a b|error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			entries, _ := sentBy(t, tc.st)
			if got := strings.Trim(strings.Join(entries, "|"), "| "); strings.ReplaceAll(got, "| ", "|") != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestBurstsAreTheSameBytes: how events are put together changes none of them,
// and a burst without end leaves in bounded pieces.
func TestBurstsAreTheSameBytes(t *testing.T) {
	play := func(more bool) *fakeStream {
		evs := texts()
		for range 2000 {
			evs = append(evs, llm.Event{Kind: llm.EventText, Text: "some words of an answer"})
		}
		evs = append(evs, finish()...)
		for i := range evs {
			evs[i].More = more
		}
		return &fakeStream{events: evs, err: io.EOF}
	}
	lone, want := sentBy(t, play(false))
	burst, got := sentBy(t, play(true))
	normal := func(s string) string { // the ids and times of two answers differ
		if i, j := strings.Index(s, `"created":`), strings.Index(s, `,"model"`); i > 0 && j > i {
			s = strings.ReplaceAll(s, s[i:j], "")
		}
		return s
	}
	if normal(got) != normal(want) {
		t.Errorf("%d bytes in bursts, %d alone", len(got), len(want))
	}
	if pieces := len(got)/maxDue + 1; len(lone) < 2000 || len(burst) > pieces+1 || len(burst) < pieces-1 {
		t.Errorf("%d writes alone, %d in bursts of %d bytes", len(lone), len(burst), len(got))
	}
}

// translatedRig answers with equal pieces of text, which come one by one or in
// one burst.
func translatedRig(events int, burst bool) *rig {
	ev := llm.Event{Kind: llm.EventText, Text: " token", More: burst}
	return newRig(chatPath, chatStream, func(context.Context, *llm.Call) (*llm.Reply, error) {
		return streamOf(&loop{ev: ev, left: events}, 0), nil
	})
}

// A translated stream must not allocate per event either.
func TestTranslatedStreamAllocations(t *testing.T) {
	if racing {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for _, burst := range []bool{false, true} {
		per := func(events int) float64 {
			return testing.AllocsPerRun(50, translatedRig(events, burst).run)
		}
		if few, many := per(10), per(1010); many > few+10 {
			t.Errorf("burst %v: %v allocations for 10 events, %v for 1,010", burst, few, many)
		}
	}
}

func BenchmarkTranslatedStream(b *testing.B) {
	for name, burst := range map[string]bool{"alone": false, "burst": true} {
		b.Run(name, func(b *testing.B) {
			g := translatedRig(100, burst)
			b.ReportAllocs()
			for b.Loop() {
				g.run()
			}
		})
	}
}
