package provider

import (
	"io"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// FuzzStreams checks that what comes of a stream does not depend on how it was
// cut into reads, in either form.
func FuzzStreams(f *testing.F) {
	for _, s := range []string{
		openAIStream, openAIAnswer, openAIUsage + "data: [DONE]\n\n", ": ping\n\n" + openAIAnswer, "{\"error\":{\"message\":\"x\"}}\n",
		strings.ReplaceAll(openAIStream, "\n", "\r\n"), strings.ReplaceAll(openAIStream, "\n", "\r"),
		`data: {"error":{"message":"x"}}` + "\n\n", "event: error\ndata: {}\n\n", "data: [DONE]", "\xef\xbb\xbf" + openAIStream,
	} {
		f.Add(s, uint8(7), true)
	}
	f.Fuzz(func(t *testing.T, stream string, size uint8, hide bool) {
		for _, raw := range []bool{true, false} {
			c := openAICall(t, true)
			c.Peek.IncludeUsage = !hide
			if !raw {
				c.Raw = nil
			}
			whole := relay(t, c, &pieces{list: []string{stream}})
			var cut []string
			for rest := stream; rest != ""; {
				n := min(int(size)+1, len(rest))
				cut, rest = append(cut, rest[:n]), rest[n:]
			}
			if pieced := relay(t, c, &pieces{list: cut}); pieced != whole {
				t.Errorf("raw %v: %+v, in pieces of %d: %+v", raw, whole, int(size)+1, pieced)
			}
		}
	})
}

// relayed is all that came of a stream.
type relayed struct {
	bytes, text, end string
	usage            llm.Usage
	finish           llm.FinishReason
	textBytes        int
}

func relay(t testing.TB, c *llm.Call, body io.ReadCloser) (all relayed) {
	t.Helper()
	p := answering(t, OpenAIOptions{Codec: openAICodec}, respondWith(body))
	r, err := p.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		ev, err := r.Stream.Recv()
		if err != nil {
			all.end = told(ev, err)
			return all
		}
		all.bytes += string(ev.Raw)
		all.text += ev.Text
		all.textBytes += ev.TextBytes
		if ev.Usage != nil {
			all.usage = *ev.Usage
		}
		if ev.Finish != "" {
			all.finish = ev.Finish
		}
	}
}

func FuzzBaseURL(f *testing.F) {
	for _, s := range []string{"https://host/v1", "http://h:1/a%2Fb/chat/completions?x=y#z", "//h", "https://u:p@h", "http://[::1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := newOpenAIWire(s)
		if err != nil {
			return
		}
		for _, u := range []string{w.chat.RequestURI(), w.embeddings.RequestURI(), w.responses.RequestURI()} {
			if !strings.HasPrefix(u, "/") || strings.ContainsAny(u, " \r\n") {
				t.Errorf("%q asks for %q", s, u)
			}
		}
		if w.chat.User != nil || w.chat.Host == "" {
			t.Errorf("%q became %v", s, w.chat)
		}
	})
}
