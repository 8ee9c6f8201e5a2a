package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// newcomers is how long a drain waits for the first request of a
	// connection that was accepted and has sent nothing yet.
	newcomers = time.Second
	// settlePoll and settleCalm say how a drain finds out that nothing more
	// comes: so many looks in a row, so far apart.
	settlePoll = 5 * time.Millisecond
	settleCalm = 4
)

// door watches the listeners and the connections that came through them.
// http.Server.Shutdown drops a request that it has read but not begun to serve;
// so before it is called, no connection may be left whose first request is
// still on its way.
type door struct {
	mu        sync.Mutex
	listeners []net.Listener
	fresh     atomic.Int64 // connections whose first request has not come
	inFlight  atomic.Int64 // requests being served
}

// guest is a connection that knows whether its first request has come.
type guest struct {
	net.Conn
	known    atomic.Bool
	held     *[]byte // what waits to be written together; nil = nothing waits, see cork.go
	reads    readDeadline
	writable time.Time // until then the write deadline needs no renewal; see exchange.extend
}

type doorway struct {
	net.Listener
	d *door
}

// Accept returns the next connection.
func (l doorway) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.d.fresh.Add(1)
	return &guest{Conn: nc}, nil
}

// open wraps a listener.
func (d *door) open(ln net.Listener) net.Listener {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listeners = append(d.listeners, ln)
	return doorway{ln, d}
}

// close lets nobody in any more.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, ln := range d.listeners {
		_ = ln.Close()
	}
}

// state is the http.Server's ConnState hook.
func (d *door) state(nc net.Conn, s http.ConnState) {
	if t, encrypted := nc.(*tls.Conn); encrypted {
		nc = t.NetConn()
	}
	g, ok := nc.(*guest)
	if ok && s != http.StateNew && g.known.CompareAndSwap(false, true) {
		d.fresh.Add(-1)
	}
}

// settle waits until every accepted connection has had its request served, or
// ctx ends. Connections that say nothing are not waited for longer than
// newcomers.
func (d *door) settle(ctx context.Context) {
	patience := time.Now().Add(newcomers)
	for calm := 0; calm < settleCalm && ctx.Err() == nil; {
		quiet := d.inFlight.Load() == 0 && (d.fresh.Load() == 0 || time.Now().After(patience))
		if calm++; !quiet {
			calm = 0
		}
		sleep(ctx, settlePoll)
	}
}
