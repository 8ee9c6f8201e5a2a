package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counting counts the deadlines that reach the connection.
type counting struct {
	net.Conn
	set atomic.Int64
}

func (c *counting) SetReadDeadline(t time.Time) error {
	c.set.Add(1)
	return c.Conn.SetReadDeadline(t)
}

// inBubble gives a guest whose other end is a pipe's.
func inBubble(t *testing.T, f func(t *testing.T, g *guest, c *counting, far net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		c := &counting{Conn: near}
		f(t, &guest{Conn: c}, c, far)
	})
}

// TestReadDeadlineHolds: a deadline ends a read when it was asked for before
// the read, while it waited, and in the past.
func TestReadDeadlineHolds(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guest, _ *counting, _ net.Conn) {
		began := time.Now()
		read := func() (time.Duration, error) {
			_, err := g.Read(make([]byte, 1))
			return time.Since(began), err
		}
		_ = g.SetReadDeadline(began.Add(time.Second))
		if d, err := read(); d != time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("asked before: %v after %v", err, d)
		}
		_ = g.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { _ = g.SetReadDeadline(began.Add(3 * time.Second)) })
		if d, err := read(); d != 3*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("asked while it waits: %v after %v", err, d)
		}
		_ = g.SetReadDeadline(time.Unix(1, 0))
		if d, err := read(); d != 3*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("in the past: %v after %v", err, d)
		}
		_ = g.SetDeadline(began.Add(4 * time.Second))
		if d, err := read(); d != 4*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("both directions: %v after %v", err, d)
		}
		if _, err := g.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the write: %v", err)
		}
	})
}

// TestReadDeadlineThatNobodyAsksForAnyMore: it is left in place and ends no
// read, neither when it was lifted nor when it was put off.
func TestReadDeadlineThatNobodyAsksForAnyMore(t *testing.T) {
	for _, later := range []time.Duration{0, time.Minute} {
		inBubble(t, func(t *testing.T, g *guest, c *counting, far net.Conn) {
			began := time.Now()
			_ = g.SetReadDeadline(began.Add(time.Second))
			go func() { _, _ = far.Write([]byte("a")) }()
			if _, err := g.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			asked := time.Time{}
			if later > 0 {
				asked = began.Add(later)
			}
			_ = g.SetReadDeadline(asked)
			if n := c.set.Load(); n != 1 {
				t.Errorf("%d deadlines set before the read", n)
			}
			time.AfterFunc(10*time.Second, func() { _, _ = far.Write([]byte("b")) })
			var b [1]byte
			if n, err := g.Read(b[:]); n != 1 || err != nil || b[0] != 'b' || time.Since(began) != 10*time.Second {
				t.Errorf("%d bytes %q, %v after %v", n, b, err, time.Since(began))
			}
			if later > 0 {
				if _, err := g.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != later {
					t.Errorf("the later deadline: %v after %v", err, time.Since(began))
				}
			}
		})
	}
}

// TestReadDeadlineComesNearer: an earlier deadline replaces a later one.
func TestReadDeadlineComesNearer(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guest, _ *counting, far net.Conn) {
		began := time.Now()
		_ = g.SetReadDeadline(began.Add(time.Hour))
		go func() { _, _ = far.Write([]byte("a")) }()
		if _, err := g.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		_ = g.SetReadDeadline(began.Add(time.Second))
		if _, err := g.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestKeptConnectionSetsFewDeadlines: of the seven that net/http asks for with
// each request, two reach the connection.
func TestKeptConnectionSetsFewDeadlines(t *testing.T) {
	inBubble(t, func(t *testing.T, g *guest, c *counting, far net.Conn) {
		const rounds = 50
		go func() {
			for range rounds {
				time.Sleep(time.Millisecond)
				_, _ = far.Write([]byte("r"))
			}
		}()
		var b [1]byte
		for range rounds {
			_ = g.SetReadDeadline(time.Now().Add(2 * time.Minute)) // idle
			if _, err := g.Read(b[:]); err != nil {
				t.Fatal(err)
			}
			_ = g.SetReadDeadline(time.Time{})
			_ = g.SetReadDeadline(time.Now().Add(10 * time.Second)) // head
			_ = g.SetReadDeadline(time.Now().Add(time.Minute))      // body
			_ = g.SetReadDeadline(time.Time{})                      // the handler has it
			done := make(chan struct{})
			go func() { // the watch for a client that leaves
				defer close(done)
				_, _ = g.Read(b[:])
			}()
			synctest.Wait()
			_ = g.SetReadDeadline(time.Unix(1, 0))
			<-done
			_ = g.SetReadDeadline(time.Time{})
		}
		if n := c.set.Load(); n > 2*rounds+1 {
			t.Errorf("%d deadlines set for %d requests", n, rounds)
		}
	})
}

// TestReadAfterClose fails as the connection does.
func TestReadAfterClose(t *testing.T) {
	near, far := net.Pipe()
	_ = near.Close()
	_ = far.Close()
	g := &guest{Conn: near}
	_ = g.SetReadDeadline(time.Now().Add(time.Hour))
	for range 2 {
		if _, err := g.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v", err)
		}
	}
}
