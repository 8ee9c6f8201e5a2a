package providertest

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// testAborts lets the client leave at every point of a call. The upstream must
// see it at once: what it goes on writing is billed.
func testAborts(t *testing.T, r *run) {
	whole, events := Answer(200, r.Good), StreamHead()+Chunk(r.Stream[:r.Complete/2])
	late := llm.Errorf(llm.KindTimeout, "the clock of the test ran out")
	for _, tc := range []struct {
		name, said string
		stream     bool
	}{
		{"before the head", "", false},
		{"within the head", whole[:20], false},
		{"behind the head", whole[:strings.Index(whole, "\r\n\r\n")+4], false},
		{"within the body", whole[:len(whole)-3], false},
		{"within an error", strings.Replace(whole, "200 OK", "500 Bad", 1)[:len(whole)-3], false},
		{"before the stream", "", true},
		{"before the first event", StreamHead(), true},
		{"within the stream", events, true},
		{"within what should be a stream", whole[:len(whole)-3], true},
	} {
		for cause, kind := range map[error]llm.Kind{nil: llm.KindCanceled, late: llm.KindTimeout} {
			t.Run(tc.name+", "+kind.String(), func(t *testing.T) {
				r.abort(t, tc.said, tc.stream, cause, kind)
			})
		}
	}
	t.Run("by Close", func(t *testing.T) {
		said, gone := make(chan struct{}), make(chan struct{})
		r.up.Play(SayAndStall(events, said, gone))
		reply, err := r.p.Do(t.Context(), r.Call(true))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reply.Stream.Recv(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := reply.Close(); err != nil {
				t.Error(err)
			}
		}
		await(t, gone, "the upstream sees that the stream was closed")
	})
	t.Run("before the call", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		before := len(r.up.Requests())
		r.wantError(t, r.do(ctx, t, false), Verdict{Kind: llm.KindCanceled})
		if len(r.up.Requests()) != before {
			t.Error("asked all the same")
		}
	})
}

// abort cancels a call once the upstream has said its part and fell silent.
func (r *run) abort(t *testing.T, say string, stream bool, cause error, kind llm.Kind) {
	t.Helper()
	said, gone := make(chan struct{}), make(chan struct{})
	r.up.Play(SayAndStall(say, said, gone))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	done := make(chan outcome, 1)
	go func() { done <- r.do(ctx, t, stream) }()
	await(t, said, "the upstream gets the request")
	cancel(cause)
	await(t, gone, "the upstream sees that the client left")
	select {
	case o := <-done:
		r.wantError(t, o, Verdict{Kind: kind})
	case <-time.After(Patience):
		t.Fatal("the call does not end")
	}
}

// testConnections counts connections: good answers leave them for the next
// call, and dead ones do no harm.
func testConnections(t *testing.T, r *run) {
	t.Run("kept", func(t *testing.T) {
		before := r.up.Accepted()
		for i := range 20 {
			stream := i%2 == 0
			if r.up.Play(Say(r.good(stream))); i >= 10 {
				r.up.Play(Say(StreamHead() + chunks(r.Stream, "\n\n") + LastChunk))
				stream = true
			}
			if o := r.do(t.Context(), t, stream); o.err != nil {
				t.Fatal(o.err)
			}
		}
		if n := r.up.Accepted() - before; n != 1 {
			t.Errorf("%d connections for 20 calls, one after the other", n)
		}
	})
	t.Run("closed while idle", func(t *testing.T) {
		r, watch := *r, &watchedDialer{}
		tr := r.transport(t)
		tr.DialContext = watch.dial
		// Not wrapped: only net/http's transport watches idle connections.
		r.p = r.provider(t, r.up.URL(), struct{ http.RoundTripper }{tr})
		r.up.Play(SayAndHang(Answer(200, r.Good)))
		for range 3 {
			r.wantGood(t, r.do(t.Context(), t, false), r.Good)
			await(t, watch.latest().closed, "the transport sees that the connection is dead")
		}
	})
	t.Run("dead when written to", func(t *testing.T) {
		r, watch := *r, &watchedDialer{}
		tr := r.transport(t)
		tr.DialContext = watch.dial
		r.p = r.provider(t, r.up.URL(), tr)
		r.up.Play(Say(Answer(200, r.Good)))
		r.wantGood(t, r.do(t.Context(), t, false), r.Good)
		watch.latest().kill()
		before := len(r.up.Requests())
		r.wantGood(t, r.do(t.Context(), t, false), r.Good)
		if n := len(r.up.Requests()) - before; n != 1 {
			t.Errorf("the upstream got the request %d times", n)
		}
	})
	t.Run("in parallel", func(t *testing.T) {
		r.up.Play(func(x *Exchange) {
			if strings.Contains(x.Header.Get("Accept"), "event-stream") {
				x.Write(Stream(r.Stream))
				return
			}
			x.Write(Answer(http.StatusOK, r.Good))
		})
		var wg sync.WaitGroup
		outcomes := make([]outcome, 40)
		for i := range 8 {
			wg.Go(func() {
				for j := i; j < len(outcomes); j += 8 {
					outcomes[j] = r.do(t.Context(), t, i%2 == 0)
				}
			})
		}
		wg.Wait()
		for j, o := range outcomes {
			r.wantGood(t, o, r.raw(j%2 == 0))
		}
	})
}

// watchedDialer makes connections that tell of their end.
type watchedDialer struct {
	mu   sync.Mutex
	last *watchedConn
}

func (d *watchedDialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = &watchedConn{Conn: c, closed: make(chan struct{})}
	return d.last, nil
}

func (d *watchedDialer) latest() *watchedConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

type watchedConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{} // closed when the transport closed its end

	mu   sync.Mutex
	dead bool
}

func (c *watchedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.closed) })
	return err
}

// kill lets writes fail as on a connection that the peer has reset.
func (c *watchedConn) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
}

func (c *watchedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	dead := c.dead
	c.mu.Unlock()
	if dead {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return c.Conn.Write(b)
}
