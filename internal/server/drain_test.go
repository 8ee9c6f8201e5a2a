package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// openStream starts a stream that sends one event and then one for each value
// on more; it ends when more is closed.
func openStream(t *testing.T, path string, change func(*Options)) (h *harness, more chan struct{}, events *bufio.Reader) {
	t.Helper()
	more = make(chan struct{})
	h = serve(t, func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
		if !c.Stream {
			return passing("{}"), nil
		}
		st := &fakeStream{events: texts("one", "two")[1:], err: io.EOF}
		st.before = func(i int) {
			if i == 0 {
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
				st.mu.Lock()
				st.events, st.err = nil, llm.ContextError(ctx)
				st.mu.Unlock()
			}
		}
		return streamOf(st, 0), nil
	}, change)
	resp, err := h.client.Do(h.request("POST", path, map[string]string{chatPath: chatStream, genPath: genStream}[path]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	events = bufio.NewReader(resp.Body)
	if _, err := events.Peek(1); err != nil {
		t.Fatal(err)
	}
	return h, more, events
}

func TestDrainLetsStreamsFinish(t *testing.T) {
	h, more, events := openStream(t, genPath, func(o *Options) { o.Grace = 300 * time.Millisecond })
	if r := h.do("GET", "/readyz", ""); r.status != 200 || !strings.Contains(r.body, `"ready"`) {
		t.Fatalf("before: %+v", r)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- h.Shutdown(context.Background()) }()
	// In the grace time requests are served and told to come back elsewhere.
	r := h.do("GET", "/readyz", "")
	for r.status == 200 {
		r = h.do("GET", "/readyz", "")
	}
	if r.status != 503 || !strings.Contains(r.body, `"draining"`) {
		t.Errorf("in the grace time: %+v", r)
	}
	resp, err := h.client.Do(h.request("POST", chatPath, chatBody))
	if err != nil || resp.StatusCode != 200 || !resp.Close {
		t.Fatalf("in the grace time: %+v, %v", resp, err)
	}
	resp.Body.Close()
	for {
		conn, err := net.Dial("tcp", h.addr)
		if err != nil {
			break // refused: the grace time is over
		}
		conn.Close()
	}
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown did not wait for the stream: %v", err)
	default:
	}
	more <- struct{}{}
	close(more)
	rest, err := io.ReadAll(events)
	if ends, errs := terminals(genPath, string(rest)); err != nil || ends != 1 || errs != 0 || !strings.Contains(string(rest), "two") {
		t.Errorf("the stream ended with %q, %v", rest, err)
	}
	if err := within(t, "the end of Shutdown", stopped); err != nil {
		t.Error(err)
	}
}

// Clients that never pause lose no request that was accepted: each connection
// is closed by agreement, after an answer.
func TestDrainUnderLoad(t *testing.T) {
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return passing("{}"), nil },
		func(o *Options) { o.Grace = 150 * time.Millisecond })
	h.stats.each = nil
	text := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", chatPath, len(chatBody), chatBody)
	var answered atomic.Int64
	running := make(chan struct{})
	var started sync.Once
	// session uses one connection until the server closes it. It returns the
	// number of answers and what ended it.
	session := func(conn net.Conn) (n int, err error) {
		defer conn.Close()
		rd := bufio.NewReader(conn)
		for {
			if _, err := io.WriteString(conn, text); err != nil {
				return n, err
			}
			resp, err := http.ReadResponse(rd, nil)
			if err != nil {
				return n, err
			}
			if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
				return n, fmt.Errorf("%d %q: %w", resp.StatusCode, b, err)
			}
			if answered.Add(1) == 500 {
				started.Do(func() { close(running) })
			}
			if n++; resp.Close {
				return n, nil
			}
		}
	}
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for {
				conn, err := net.Dial("tcp", h.addr)
				if err != nil {
					return // refused: the server has stopped
				}
				n, err := session(conn)
				if err != nil && n == 0 && h.draining.Load() {
					return // the kernel took the connection, the server never did
				}
				if err != nil {
					t.Errorf("after %d answers on a connection: %v", n, err)
					return
				}
			}
		})
	}
	within(t, "the load", running)
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	clients.Wait()
}

func TestHardCloseHasATerminalEvent(t *testing.T) {
	for _, path := range []string{genPath, chatPath} {
		t.Run(path, func(t *testing.T) {
			h, _, events := openStream(t, path, func(o *Options) { o.Drain = 30 * time.Millisecond })
			stopped := make(chan error, 1)
			go func() { stopped <- h.Shutdown(context.Background()) }()
			rest, err := io.ReadAll(events)
			if ends, errs := terminals(path, string(rest)); err != nil || ends != 0 || errs != 1 || !strings.Contains(string(rest), "shutting down") {
				t.Errorf("the stream ended with %q, %v", rest, err)
			}
			if err := within(t, "the end of Shutdown", stopped); err == nil || !strings.Contains(err.Error(), "cut off") {
				t.Errorf("got %v", err)
			}
			if s := h.wait(); s.Status != 200 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

func TestHardCloseAnswersUnaryCalls(t *testing.T) {
	asked := make(chan struct{})
	h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
		close(asked)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}, func(o *Options) { o.Drain = 30 * time.Millisecond })
	answer := make(chan result, 1)
	go func() { answer <- h.post(chatPath, chatBody) }()
	within(t, "the call", asked)
	if err := h.Shutdown(t.Context()); err == nil {
		t.Error("nobody was told that a request was cut off")
	}
	if r := <-answer; r.status != 503 || r.header.Get("Retry-After") != "1" || !strings.Contains(r.body, "shutting down") {
		t.Errorf("got %+v", r)
	}
}

func TestShutdownObeysItsContext(t *testing.T) {
	h, _, events := openStream(t, genPath, func(o *Options) { o.Grace, o.Drain = time.Hour, time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Shutdown(ctx); err == nil {
		t.Error("no error")
	}
	if rest, _ := io.ReadAll(events); strings.Count(string(rest), "event: error\n") != 1 {
		t.Errorf("got %q", rest)
	}
}

func TestReadinessDetail(t *testing.T) {
	var checks []Check
	h := serve(t, nil, func(o *Options) { o.Snapshot.Checks = func() []Check { return checks } })
	for _, tc := range []struct {
		checks []Check
		status int
		body   string
	}{
		{nil, 200, `{"status":"ready"}`},
		{[]Check{{Name: "redis", State: StateDegraded, Detail: "local limits"}}, 200,
			`{"status":"ready","checks":[{"name":"redis","state":"degraded","detail":"local limits"}]}`},
		{[]Check{{Name: "a", State: StateFailed}}, 200, `{"status":"ready","checks":[{"name":"a","state":"failed"}]}`},
		{[]Check{{Name: "a", State: StateFailed, Fatal: true}}, 503, `{"status":"not_ready","checks":[{"name":"a","state":"failed"}]}`},
	} {
		checks = tc.checks
		if r := h.do("GET", "/readyz", ""); r.status != tc.status || strings.TrimSpace(r.body) != tc.body {
			t.Errorf("got %d %s", r.status, r.body)
		}
	}
}

func TestServeReportsAFailingListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	s := New(Options{Snapshot: &Snapshot{Service: fakeService{}}})
	if err := s.Serve(ln); err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNewNeedsAService(t *testing.T) {
	for name, f := range map[string]func(){
		"no snapshot": func() { New(Options{}) },
		"no service":  func() { New(Options{Snapshot: &Snapshot{}}) },
		"swap":        func() { New(Options{Snapshot: &Snapshot{Service: fakeService{}}}).Swap(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

var _ http.Handler = (*Server)(nil)
