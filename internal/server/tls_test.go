package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/testcert"
)

// secured turns the harness's server into one of TLS, and returns what gives
// clients that trust it. The clients' protocol is HTTP/2, or 1.1 with old.
func secured(t *testing.T, certs *atomic.Pointer[tls.Config]) (change func(*Options), client func(h *harness, old bool) *http.Client) {
	t.Helper()
	ca := testcert.NewAuthority(t, "authority")
	certs.Store(&tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{ca.Issue(t, "server", time.Now().Add(time.Hour))},
	})
	change = func(o *Options) { o.TLS = certs.Load }
	client = func(h *harness, old bool) *http.Client {
		h.url = "https://" + h.addr
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}, ForceAttemptHTTP2: !old}
		t.Cleanup(tr.CloseIdleConnections)
		h.client = &http.Client{Transport: tr}
		return h.client
	}
	return change, client
}

func TestTLSProtocols(t *testing.T) {
	var certs atomic.Pointer[tls.Config]
	change, client := secured(t, &certs)
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return passing("{}"), nil }, change)
	for _, old := range []bool{false, true} {
		c := client(h, old)
		resp, err := c.Do(h.request("POST", chatPath, chatBody))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := map[bool]int{false: 2, true: 1}[old]; resp.ProtoMajor != want || resp.StatusCode != 200 || string(body) != "{}" || err != nil {
			t.Errorf("HTTP/%d: %d %s, %v", resp.ProtoMajor, resp.StatusCode, body, err)
		}
		if resp.Header.Get("Strict-Transport-Security") != "max-age=31536000" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("header %v", resp.Header)
		}
	}
}

// TestTLSRefusals: plain HTTP, HTTP/2 without TLS, and old protocols have no
// way in.
func TestTLSRefusals(t *testing.T) {
	var certs atomic.Pointer[tls.Config]
	change, _ := secured(t, &certs)
	h := serve(t, nil, change)
	conn := h.tcp("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(conn); !strings.HasPrefix(string(b), "HTTP/1.0 400") || strings.Contains(string(b), `"ok"`) {
		t.Errorf("in the clear: %q", b)
	}
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}
	if c, err := d.DialContext(t.Context(), "tcp", h.addr); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	plain := serve(t, nil)
	conn = plain.tcp("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if b, _ := io.ReadAll(conn); !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) || bytes.Contains(b, []byte(" 200 ")) {
		t.Errorf("HTTP/2 in the clear: %q", b)
	}
}

// TestHTTP2StreamFlushes: each event is with the client before the next is made.
func TestHTTP2StreamFlushes(t *testing.T) {
	var certs atomic.Pointer[tls.Config]
	change, client := secured(t, &certs)
	step := make(chan struct{})
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) {
		st := &fakeStream{events: raws("data: 1\n\n", "data: 2\n\n", "data: [DONE]\n\n"), err: io.EOF}
		st.before = func(i int) {
			if i > 0 && i < 3 {
				<-step
			}
		}
		return streamOf(st, llm.DialectOpenAI), nil
	}, change)
	resp, err := client(h, false).Do(h.request("POST", chatPath, chatStream))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("HTTP/%d %v", resp.ProtoMajor, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	for i, want := range []string{"data: 1", "data: 2", "data: [DONE]"} {
		if i > 0 {
			step <- struct{}{}
		}
		if !lines.Scan() || lines.Text() != want || !lines.Scan() {
			t.Fatalf("event %d: %q, %v", i, lines.Text(), lines.Err())
		}
	}
}

// TestHTTP2SlowReader: a client that reads nothing is cut off by the write
// deadline, and its neighbours on the same connection are not.
func TestHTTP2SlowReader(t *testing.T) {
	var certs atomic.Pointer[tls.Config]
	change, client := secured(t, &certs)
	big := strings.Repeat("x", 1<<20)
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		if !c.Stream {
			return passing("{}"), nil
		}
		return streamOf(&loop{ev: llm.Event{Kind: llm.EventRaw, Raw: []byte("data: " + big + "\n\n")}, left: 1000}, llm.DialectOpenAI), nil
	}, change, func(o *Options) { o.Snapshot.Write = 400 * time.Millisecond })
	c := client(h, false)
	resp, err := c.Do(h.request("POST", chatPath, chatStream))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if s := h.wait(); s.Status != 499 {
		t.Errorf("the slow one: %+v", s)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the cut answer ends as if it were whole")
	}
	var reused atomic.Bool
	req := h.request("POST", chatPath, chatBody)
	req = req.WithContext(withConnReuse(req.Context(), &reused))
	if r := h.send(req); r.status != 200 || !reused.Load() {
		t.Errorf("its neighbour: %+v, same connection %v", r, reused.Load())
	}
}

// TestHTTP2Refusals: what ends a connection of HTTP/1 ends a stream only.
func TestHTTP2Refusals(t *testing.T) {
	var certs atomic.Pointer[tls.Config]
	change, client := secured(t, &certs)
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return passing("{}"), nil }, change,
		func(o *Options) {
			o.Snapshot.MaxBody = 1000
			o.ReadBody = 300 * time.Millisecond
			o.MaxHeaderBytes = 8 << 10
		})
	client(h, false)
	if r := h.do("GET", "/healthz", ""); r.status != 200 {
		t.Fatalf("got %+v", r)
	}
	stuck, free := io.Pipe()
	defer free.Close()
	for name, tc := range map[string]struct {
		body   io.ReadCloser
		status int
	}{
		"too large": {io.NopCloser(strings.NewReader(strings.Repeat("x", 2000))), 413},
		"too slow":  {stuck, 408},
	} {
		var reused atomic.Bool
		req := h.request("POST", chatPath, "", "Content-Type: application/json")
		req = req.WithContext(withConnReuse(req.Context(), &reused))
		req.Body = tc.body
		if r := h.send(req); r.status != tc.status || !reused.Load() {
			t.Errorf("%s: %d, same connection %v", name, r.status, reused.Load())
		}
	}
	req := h.request("GET", "/healthz", "", "X-A: "+strings.Repeat("a", 20<<10))
	if resp, err := h.client.Do(req); err == nil {
		resp.Body.Close()
		if resp.StatusCode != 431 {
			t.Errorf("a huge header: %d", resp.StatusCode)
		}
	}
}

// TestHTTP2Drain: a stream that is open when the server stops is served to its
// end, and the connection is given up.
func TestHTTP2Drain(t *testing.T) {
	var certs atomic.Pointer[tls.Config]
	change, client := secured(t, &certs)
	open, release := make(chan struct{}), make(chan struct{})
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) {
		st := &fakeStream{events: raws("data: 1\n\n", "data: [DONE]\n\n"), err: io.EOF}
		st.before = func(i int) {
			if i == 1 {
				close(open)
				<-release
			}
		}
		return streamOf(st, llm.DialectOpenAI), nil
	}, change)
	resp, err := client(h, false).Do(h.request("POST", chatPath, chatStream))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	within(t, "the stream's start", open)
	down := make(chan error, 1)
	go func() { down <- h.Shutdown(context.WithoutCancel(t.Context())) }()
	for !h.draining.Load() {
		<-time.After(time.Millisecond)
	}
	select {
	case err := <-down:
		t.Fatalf("did not wait for the stream: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "data: 1\n\ndata: [DONE]\n\n" {
		t.Errorf("got %q, %v", b, err)
	}
	if err := within(t, "the end", down); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if f, n := h.door.fresh.Load(), h.door.inFlight.Load(); f != 0 || n != 0 {
		t.Errorf("%d fresh, %d in flight are left", f, n)
	}
}

// TestHTTP2CutOff: a stream that outlives the drain time ends with an error
// event, not in silence.
func TestHTTP2CutOff(t *testing.T) {
	var certs atomic.Pointer[tls.Config]
	change, client := secured(t, &certs)
	h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
		st := &fakeStream{events: raws("data: 1\n\n"), err: errors.New("cut")}
		st.before = func(i int) {
			if i == 1 {
				<-ctx.Done()
			}
		}
		return streamOf(st, llm.DialectOpenAI), nil
	}, change, func(o *Options) { o.Drain = 100 * time.Millisecond })
	resp, err := client(h, false).Do(h.request("POST", chatPath, chatStream))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := h.Shutdown(t.Context()); err == nil {
		t.Error("nobody is told that a stream was cut")
	}
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), "shutting down") || strings.Contains(string(b), "[DONE]") {
		t.Errorf("got %q, %v", b, err)
	}
}

// TestTLSSilentHandshake: who connects and does not shake hands is dropped
// after the time for a head.
func TestTLSSilentHandshake(t *testing.T) {
	var certs atomic.Pointer[tls.Config]
	change, _ := secured(t, &certs)
	h := serve(t, nil, change, func(o *Options) { o.ReadHeader = 100 * time.Millisecond })
	conn := h.tcp("\x16\x03\x01")
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("still open: %v", err)
	}
	for h.door.fresh.Load() != 0 {
		<-time.After(time.Millisecond)
	}
}

// withConnReuse notes whether a request went out on a connection that was there.
func withConnReuse(ctx context.Context, reused *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused.Store(i.Reused) }})
}
