package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// sink is a client that takes everything and costs nothing.
type sink struct {
	header http.Header
	n      int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { s.n += len(p); return len(p), nil }
func (s *sink) FlushError() error           { return nil }

func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

// rig sends the same request again and again past the network.
type rig struct {
	srv  *Server
	w    sink
	req  *http.Request
	body *bytes.Reader
}

func newRig(path, body string, do func(context.Context, *llm.Call) (*llm.Reply, error)) *rig {
	g := &rig{w: sink{header: http.Header{}}, body: bytes.NewReader([]byte(body))}
	caller := &llm.Caller{Name: "app"}
	g.srv = New(Options{
		Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
		Snapshot: &Snapshot{
			Service: fakeService{do: do}, Limit: NewLimit(1e9, 1<<30),
			Auth: authFunc(func(context.Context, string) (*llm.Caller, error) { return caller, nil }),
		},
	})
	g.req = &http.Request{
		Method: "POST", URL: &url.URL{Path: path}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "gateway",
		Header:        http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer sk-test-0000"}, "User-Agent": {"bench"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(g.body),
	}
	return g
}

func (g *rig) run() {
	clear(g.w.header)
	_, _ = g.body.Seek(0, io.SeekStart)
	g.srv.ServeHTTP(&g.w, g.req)
}

// Our own side of a unary call that passes through: authentication, limit, log
// line and headers included; net/http and the service's side excluded.
const ceilingUnary = 15

func unaryRig(size int) *rig {
	reply := passing(`{"id":"x","choices":[]}`)
	body := strings.Replace(chatBody, "hi", strings.Repeat("x", size), 1)
	return newRig(chatPath, body, func(context.Context, *llm.Call) (*llm.Reply, error) { return reply, nil })
}

func TestUnaryAllocations(t *testing.T) {
	g := unaryRig(200)
	g.run()
	if g.w.n == 0 {
		t.Fatal("no answer")
	}
	if racing {
		t.Skip("the race detector makes sync.Pool forget")
	}
	if n := testing.AllocsPerRun(200, g.run); n > ceilingUnary {
		t.Errorf("%v allocations, the ceiling is %d", n, ceilingUnary)
	}
}

// A stream must not allocate per event.
func TestStreamAllocations(t *testing.T) {
	per := func(events int) float64 {
		g := streamRig(events)
		return testing.AllocsPerRun(50, g.run)
	}
	if few, many := per(10), per(1010); many > few+10 {
		t.Errorf("%v allocations for 10 events, %v for 1,010", few, many)
	}
}

// loop is a stream of equal events.
type loop struct {
	ev   llm.Event
	left int
}

func (l *loop) Recv() (*llm.Event, error) {
	if l.left--; l.left < 0 {
		return nil, io.EOF
	}
	return &l.ev, nil
}
func (l *loop) Close() error { return nil }

func streamRig(events int) *rig {
	ev := llm.Event{Kind: llm.EventRaw, Raw: []byte("data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n")}
	return newRig(chatPath, chatStream, func(context.Context, *llm.Call) (*llm.Reply, error) {
		return streamOf(&loop{ev: ev, left: events}, llm.DialectOpenAI), nil
	})
}

func BenchmarkUnary(b *testing.B) {
	for name, size := range map[string]int{"200B": 200, "10KB": 10_000, "100KB": 100_000} {
		b.Run(name, func(b *testing.B) {
			g := unaryRig(size)
			b.ReportAllocs()
			for b.Loop() {
				g.run()
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	b.Run("raw/100", func(b *testing.B) {
		g := streamRig(100)
		b.ReportAllocs()
		for b.Loop() {
			g.run()
		}
	})
	b.Run("native/100", func(b *testing.B) {
		ev := llm.Event{Kind: llm.EventText, Text: "hello"}
		g := newRig(genPath, genStream, func(context.Context, *llm.Call) (*llm.Reply, error) {
			return streamOf(&loop{ev: ev, left: 100}, 0), nil
		})
		b.ReportAllocs()
		for b.Loop() {
			g.run()
		}
	})
}

func BenchmarkNativeUnary(b *testing.B) {
	reply := answer("hello")
	g := newRig(genPath, genBody, func(context.Context, *llm.Call) (*llm.Reply, error) { return reply, nil })
	b.ReportAllocs()
	for b.Loop() {
		g.run()
	}
}

func BenchmarkError(b *testing.B) {
	g := newRig(chatPath, chatBody, func(context.Context, *llm.Call) (*llm.Reply, error) {
		return nil, &llm.Error{Kind: llm.KindUpstreamError, Message: "no", Err: errors.New("x")}
	})
	b.ReportAllocs()
	for b.Loop() {
		g.run()
	}
}
