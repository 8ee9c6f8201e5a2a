package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// counted counts the writes of its connections.
type counted struct {
	net.Listener
	writes atomic.Int64
	broken atomic.Bool // writes of more than a kilobyte fail
}

func (l *counted) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{nc, l}, nil
}

type countedConn struct {
	net.Conn
	l *counted
}

var errBroken = errors.New("broken pipe")

func (c *countedConn) Write(p []byte) (int, error) {
	c.l.writes.Add(1)
	if c.l.broken.Load() && len(p) > 1<<10 {
		return 0, errBroken
	}
	return c.Conn.Write(p)
}

// burst serves a stream that passes through in pieces of the given sizes and
// returns what the client got and in how many writes.
func burst(t *testing.T, l *counted, sizes ...int) (body string, want string, err error) {
	t.Helper()
	var pieces []string
	for i, n := range sizes {
		pieces = append(pieces, fmt.Sprintf("data: {\"n\":%d,\"x\":%q}\n\n", i, strings.Repeat("x", n)))
	}
	s := New(Options{Snapshot: &Snapshot{Service: fakeService{do: func(context.Context, *llm.Call) (*llm.Reply, error) {
		return streamOf(&fakeStream{events: raws(pieces...), err: io.EOF}, llm.DialectOpenAI), nil
	}}}})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		<-served
	}()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/v1/chat/completions",
		strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}`))
	req.Header.Set("Content-Type", "application/json")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), strings.Join(pieces, ""), err
}

func listener(t *testing.T) *counted {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &counted{Listener: ln}
}

// TestBurstsLeaveInOneWrite: every piece of a stream costs one write, whatever
// its size, and so does the end.
func TestBurstsLeaveInOneWrite(t *testing.T) {
	for _, sizes := range [][]int{{10}, {10, 20, 30}, {3 << 10, 5 << 10}, {20 << 10}, {corkTo - 100, 4 << 10, 10}} {
		l := listener(t)
		got, want, err := burst(t, l, sizes...)
		if err != nil || got != want {
			t.Errorf("%v: %v, %d of %d bytes", sizes, err, len(got), len(want))
		}
		if n := l.writes.Load(); n > int64(len(sizes))+1 {
			t.Errorf("%v: %d writes for %d pieces", sizes, n, len(sizes))
		}
	}
}

// TestLargePiecesAreNotCopied: they leave as net/http likes, whole.
func TestLargePiecesAreNotCopied(t *testing.T) {
	l := listener(t)
	if got, want, err := burst(t, l, 2*corkTo, 10); err != nil || got != want {
		t.Errorf("%v, %d of %d bytes", err, len(got), len(want))
	}
}

// TestBrokenBurst: a write that fails where pieces are put together ends the
// stream as any other does.
func TestBrokenBurst(t *testing.T) {
	l := listener(t)
	l.broken.Store(true)
	if got, _, err := burst(t, l, 10, 8<<10, 8<<10); err == nil || strings.Contains(got, "xxxxxxxxxxxxxxxxxxxx") {
		t.Errorf("%v, %d bytes", err, len(got))
	}
	if n := l.writes.Load(); n > 3 {
		t.Errorf("%d writes on a broken connection", n)
	}
}

// TestCorkSurvivesPanics: a handler that panics leaves no connection corked.
func TestCorkSurvivesPanics(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	defer near.Close()
	g := &guest{Conn: near}
	func() {
		defer func() { _ = recover() }()
		_ = g.together(func() error { _, _ = g.Write([]byte("lost")); panic("x") })
	}()
	if g.held != nil {
		t.Error("the connection is corked")
	}
}
