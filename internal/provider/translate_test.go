package provider

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dashscope"
	"github.com/llm-gateway/llm-gateway/internal/dialect/gemini"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// exchange2K is a request of two kilobytes, as OpenAI's clients write it.
func exchange2K(stream bool) []byte {
	b := `{"model":"claude-opus-4-7","max_completion_tokens":1000,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"` +
		strings.Repeat("Tell me of the weather in the cities along the river. ", 34) + `"}]`
	if stream {
		b += `,"stream":true`
	}
	return append([]byte(b), '}')
}

// said2K is an answer of two kilobytes in an upstream's dialect, whole and in a
// hundred chunks.
func said2K(tb testing.TB, codec dialect.Client) (whole, stream []byte) {
	words := strings.Repeat("It rains on ", 160)
	r := &llm.Response{ID: "a1", Model: "m", Created: 1, Finish: llm.FinishStop, Parts: []llm.Part{{Type: llm.PartText, Text: words}},
		Usage: llm.Usage{Input: 500, Output: 480, Source: llm.UsageReported}}
	whole, err := codec.AppendResponse(nil, llm.OpChat, r, &dialect.Facts{RequestID: "r1"})
	if err != nil {
		tb.Fatal(err)
	}
	enc := codec.NewStreamEncoder(dialect.StreamOptions{Model: "m", IncludeUsage: true, ID: "a1", Created: 1})
	stream = enc.Append(nil, &llm.Event{Kind: llm.EventStart, ID: "a1", Model: "m"})
	const chunks = 100
	for i := range chunks {
		n := len(words) / chunks
		stream = enc.Append(stream, &llm.Event{Kind: llm.EventText, Text: words[i*n : (i+1)*n]})
	}
	stream = enc.Append(stream, &llm.Event{Kind: llm.EventFinish, Finish: llm.FinishStop})
	stream = enc.Append(stream, &llm.Event{Kind: llm.EventUsage, Usage: &r.Usage})
	return whole, enc.AppendEnd(stream, &dialect.Facts{RequestID: "r1"})
}

// turnaround is one exchange as the gateway makes it: the body is peeked at, or
// decoded; the answer is handed on, or encoded.
func turnaround(tb testing.TB, p *HTTP, raw []byte, stream bool) {
	peek, err := dialect.Peek(raw)
	if err != nil {
		tb.Fatal(err)
	}
	c := &llm.Call{Op: llm.OpChat, Model: "claude-opus-4-7", Dialect: llm.DialectOpenAI, Raw: raw, Peek: peek, Stream: stream, Meta: &llm.Meta{}}
	client := openai.Codec{}
	c.Request = func() (*llm.Request, error) { return client.DecodeRequest(llm.OpChat, raw) }
	r, err := p.Do(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 0, 4096)
	if r.Stream == nil {
		if r.Raw == nil {
			_, err = client.AppendResponse(buf, llm.OpChat, r.Response, &dialect.Facts{})
		}
		if err != nil {
			tb.Fatal(err)
		}
		return
	}
	var enc dialect.StreamEncoder
	if r.Dialect != llm.DialectOpenAI {
		enc = client.NewStreamEncoder(dialect.StreamOptions{Model: "m"})
	}
	for {
		ev, err := r.Stream.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			tb.Fatal(err)
		}
		if enc != nil {
			buf = enc.Append(buf[:0], ev)
		}
	}
}

// BenchmarkTranslation compares an exchange of 2 KB each way (streams: 100
// chunks) that passes through with one that is translated from OpenAI to
// Anthropic, over real HTTP. cpu-µs/op is the processor time of the process,
// the upstream's included, which is the same for both.
func BenchmarkTranslation(b *testing.B) {
	for _, stream := range []bool{false, true} {
		name := "unary"
		if stream {
			name = "stream"
		}
		for _, way := range []string{"passing", "translated"} {
			b.Run(name+"/"+way, func(b *testing.B) {
				p, raw := translating(b, way == "translated"), exchange2K(stream)
				b.ReportAllocs()
				began := cpuTime(b)
				for b.Loop() {
					turnaround(b, p, raw, stream)
				}
				b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
			})
		}
	}
}

// translating makes a provider of one of the two dialects, with a server that
// answers as fast as net/http can.
func translating(tb testing.TB, translated bool) *HTTP {
	var codec dialect.Client = openai.Codec{}
	if translated {
		codec = anthropic.Codec{}
	}
	whole, stream := said2K(tb, codec)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // a test's stub
		body, typ := whole, "application/json"
		if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			body, typ = stream, "text/event-stream"
		}
		w.Header()["Content-Type"] = []string{typ}
		w.Write(body) //nolint:errcheck // a test's stub
	}))
	tb.Cleanup(s.Close)
	client := NewClient(NewTransport(TransportOptions{}))
	var p *HTTP
	var err error
	if translated {
		p, err = NewAnthropic(AnthropicOptions{Account: Account{Name: "bench", BaseURL: s.URL, Keys: []string{"sk-test-0000"}, Client: client}})
	} else {
		p, err = NewOpenAI(OpenAIOptions{Name: "bench", BaseURL: s.URL + "/v1", Keys: []string{"sk-test-0000"}, Client: client})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestTurnaroundsAreWhatTheBenchmarkSays: one passes, the other is translated.
func TestTurnaroundsAreWhatTheBenchmarkSays(t *testing.T) {
	for _, translated := range []bool{false, true} {
		p := translating(t, translated)
		for _, stream := range []bool{false, true} {
			turnaround(t, p, exchange2K(stream), stream)
		}
	}
	if n := len(exchange2K(false)); n < 1900 || n > 2200 {
		t.Errorf("the request has %d bytes", n)
	}
}

// endless is a stream's body that repeats one piece after its beginning, for so
// many times.
type endless struct {
	rest, piece []byte
	left        int
}

func (e *endless) Read(b []byte) (int, error) {
	for len(e.rest) == 0 {
		if e.left == 0 {
			return 0, io.EOF
		}
		e.left--
		e.rest = e.piece
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *endless) Close() error { return nil }

// TestTranslatedStreamsHoldConstantMemory: after a hundred thousand events the
// heap holds no more than after a thousand. The native and the Responses
// dialect repeat the whole answer in their last event, so they must keep it.
func TestTranslatedStreamsHoldConstantMemory(t *testing.T) {
	for _, tc := range []struct {
		name  string
		codec interface {
			dialect.Client
			Codec
		}
		client dialect.Client
	}{
		{"anthropic to openai", anthropic.Codec{}, openai.Codec{}},
		{"gemini to openai", gemini.Codec{}, openai.Codec{}},
		{"dashscope to openai", dashscope.Codec{}, openai.Codec{}},
		{"openai to anthropic", openai.Codec{}, anthropic.Codec{}},
		{"gemini to anthropic", gemini.Codec{}, anthropic.Codec{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			head, piece := splitStream(tc.codec)
			const most = 100_000
			body := &endless{rest: head, piece: piece, left: most}
			p, err := New(Options{Name: "fake", Dialect: llm.DialectGemini, Codec: tc.codec, Wire: &openAIWire{},
				Client: NewClient(respondWith(body))})
			if err != nil {
				t.Fatal(err)
			}
			c := &llm.Call{Op: llm.OpChat, Model: "m", Stream: true, Meta: &llm.Meta{}, Request: func() (*llm.Request, error) {
				return &llm.Request{Model: "m", Stream: true, Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "x"}}}}}, nil
			}}
			r, err := p.Do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			enc := tc.client.NewStreamEncoder(dialect.StreamOptions{Model: "m"})
			var buf []byte
			var early, late uint64
			for n := range most - 10 {
				ev, err := r.Stream.Recv()
				if err != nil {
					t.Fatal(err)
				}
				buf = enc.Append(buf[:0], ev)
				if n == 1000 {
					early = heap()
				}
			}
			late = heap()
			runtime.KeepAlive(enc)
			runtime.KeepAlive(r)
			if late > early+64<<10 {
				t.Errorf("the heap grew from %d to %d bytes", early, late)
			}
		})
	}
}

// splitStream returns the beginning of a stream, up to its first piece of text,
// and one event of text.
func splitStream(codec dialect.Client) (head, piece []byte) {
	enc := codec.NewStreamEncoder(dialect.StreamOptions{Model: "m", ID: "a1", Created: 1})
	head = enc.Append(nil, &llm.Event{Kind: llm.EventStart, ID: "a1", Model: "m"})
	head = enc.Append(head, &llm.Event{Kind: llm.EventText, Text: "first"})
	return head, bytes.Clone(enc.Append(nil, &llm.Event{Kind: llm.EventText, Text: "some more words of the answer"}))
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
