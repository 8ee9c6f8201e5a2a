package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestDrainServesConnectionsThatHaveJustArrived: a connection that was accepted
// before the drain, and sends its request during it, gets its answer.
func TestDrainServesConnectionsThatHaveJustArrived(t *testing.T) {
	s := New(Options{Snapshot: &Snapshot{Service: &fakeService{}}, Drain: 5 * time.Second})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	var conns []net.Conn
	for range 10 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	for s.door.fresh.Load() != 10 {
		<-time.After(time.Millisecond)
	}
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(context.WithoutCancel(t.Context())) }()
	for !s.draining.Load() {
		<-time.After(time.Millisecond)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	for i, c := range conns {
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || !resp.Close {
			t.Errorf("connection %d: status %d, close %v", i, resp.StatusCode, resp.Close)
		}
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if f, n := s.door.fresh.Load(), s.door.inFlight.Load(); f != 0 || n != 0 {
		t.Errorf("%d fresh, %d in flight are left", f, n)
	}
}

// TestDrainDoesNotWaitForSilentConnections: one that never says anything costs
// a second, not the whole drain time.
func TestDrainDoesNotWaitForSilentConnections(t *testing.T) {
	s := New(Options{Snapshot: &Snapshot{Service: &fakeService{}}, Drain: time.Minute})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for s.door.fresh.Load() != 1 {
		<-time.After(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	_ = s.Shutdown(ctx) // net/http closes what has been silent for 5 s
	if ctx.Err() != nil {
		t.Error("the drain waited for a connection that says nothing")
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestDrainCountsWhatItCutsOff: a stream that outlives the drain ends with a
// terminal event, and is told of.
func TestDrainCountsWhatItCutsOff(t *testing.T) {
	cut := make(chan int64, 2)
	begun := make(chan struct{})
	st := &fakeStream{events: texts("a"), err: llm.Errorf(llm.KindUpstreamError, "the connection broke")}
	h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
		st.before = func(i int) {
			if i == 2 { // behind the start and the first word
				close(begun)
				<-ctx.Done()
			}
		}
		return streamOf(st, 0), nil
	}, func(o *Options) { o.Drain, o.Cut = 50*time.Millisecond, func(n int64) { cut <- n } })
	answer := make(chan string, 1)
	go func() {
		resp, err := h.client.Do(h.request("POST", "/v1/generate", `{"prompt":"x","stream":true}`))
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-begun
	if err := h.Shutdown(t.Context()); err == nil {
		t.Error("nothing was said of the stream")
	}
	if n := <-cut; n != 1 {
		t.Errorf("%d were cut off", n)
	}
	if got := <-answer; strings.Count(got, "event: error") != 1 || !strings.Contains(got, "shutting down") || !strings.Contains(got, `"text":"a"`) {
		t.Errorf("the client got %q", got)
	}
}
