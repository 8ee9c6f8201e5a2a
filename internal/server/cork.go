package server

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

const (
	// corkFrom is from how many bytes on a piece is worth the copy: below,
	// net/http's own buffer of 4 KiB holds it together with the head.
	corkFrom = 3 << 10
	// corkTo is the largest piece that is copied.
	corkTo = 64 << 10
)

// corks holds the buffers of writes that are put together. It is shared by all
// connections: each needs one for as long as one write takes.
var corks = sync.Pool{New: func() any { return new([]byte) }}

// guestKey is where a connection's context keeps its guest.
type guestKey struct{}

// withGuest is the http.Server's ConnContext hook.
func withGuest(ctx context.Context, nc net.Conn) context.Context {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if g, ok := nc.(*guest); ok {
		return context.WithValue(ctx, guestKey{}, g)
	}
	return ctx
}

// Write writes to the connection, or keeps the bytes for one write with those
// that follow. Only the goroutine that serves the connection writes.
func (g *guest) Write(p []byte) (int, error) {
	if g.held == nil {
		return g.Conn.Write(p)
	}
	*g.held = append(*g.held, p...)
	return len(p), nil
}

// together performs write and sends all that it wrote at once. net/http would
// send a large piece of a chunked answer in three: what fills its buffer, the
// rest, and the chunk's end.
func (g *guest) together(write func() error) error {
	held := corks.Get().(*[]byte)
	*held = (*held)[:0]
	g.held = held
	defer func() { // a panic must not leave the connection corked
		g.held = nil
		if cap(*held) <= 2*corkTo {
			corks.Put(held)
		}
	}()
	err := write()
	g.held = nil
	if len(*held) > 0 {
		if _, werr := g.Conn.Write(*held); err == nil {
			err = werr
		}
	}
	return err
}

// sendNow sends a piece and flushes it.
func (x *exchange) sendNow(p []byte) error {
	if g := x.guest; g != nil && len(p) >= corkFrom && len(p) <= corkTo && x.writeErr == nil {
		x.writeErr = g.together(func() error { x.send(p); return x.flush() })
		return x.writeErr
	}
	x.send(p)
	return x.flush()
}
