package sse

import (
	"fmt"
	"strings"
	"testing"
)

const openAIChunk = `data: {"id":"chatcmpl-0000","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","system_fingerprint":"fp_0","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}` + "\n\n"

func BenchmarkNext(b *testing.B) {
	stream := strings.Repeat(openAIChunk, 100) + "data: [DONE]\n\n"
	for _, readSize := range []int{len(openAIChunk), 1500, 4096} {
		b.Run(fmt.Sprintf("openai100/read%d", readSize), func(b *testing.B) {
			src := &sizedReader{}
			b.ReportAllocs()
			b.SetBytes(int64(len(stream)))
			for b.Loop() {
				src.reset(stream, readSize)
				r := NewReader(src, Options{})
				for {
					if _, err := r.Next(); err != nil {
						break
					}
				}
				r.Release()
			}
		})
	}
}

// sizedReader returns at most size bytes with each Read.
type sizedReader struct {
	strings.Reader
	size int
}

func (s *sizedReader) reset(text string, size int) {
	s.Reset(text)
	s.size = size
}

func (s *sizedReader) Read(p []byte) (int, error) { return s.Reader.Read(p[:min(len(p), s.size)]) }

func TestSteadyStateAllocs(t *testing.T) {
	for name, one := range map[string]string{
		"one line":   openAIChunk,
		"many lines": "event: x\ndata: a\ndata: b\n\n",
		"crlf":       "data: abc\r\n\r\n",
		"comment":    ": ping\n\n",
		"medium":     "data: " + strings.Repeat("m", 2*defaultBuffer) + "\n\n",
	} {
		src := &repeatReader{text: []byte(one)}
		r := NewReader(src, Options{})
		for range 100 {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		n := testing.AllocsPerRun(1000, func() {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			r.Buffered()
		})
		if n != 0 {
			t.Errorf("%s: %v allocations per event", name, n)
		}
	}
}

// repeatReader is an endless stream of one event.
type repeatReader struct {
	text []byte
	at   int
}

func (r *repeatReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], r.text[r.at:])
		n, r.at = n+c, (r.at+c)%len(r.text)
	}
	return n, nil
}
