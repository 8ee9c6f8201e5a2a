package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// readDeadline is the read deadline of a connection, set when a read needs it.
// net/http changes the deadline seven times for each request of a kept
// connection, and only two of these changes meet a read. Setting one costs as
// much as looking up a key.
type readDeadline struct {
	mu      sync.Mutex
	reading bool
	asked   time.Time // what the last caller wants
	set     time.Time // what the connection has; zero = none
}

// ask notes a deadline. A read that waits is given it at once.
func (d *readDeadline) ask(nc net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = t
	if !d.reading {
		return nil
	}
	d.set = t
	return nc.SetReadDeadline(t)
}

// begin makes the connection ready for a read: its deadline is the one that
// was asked for, or an earlier one, which read then sees through.
func (d *readDeadline) begin(nc net.Conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reading = true
	if d.set.Equal(d.asked) || !d.set.IsZero() && (d.asked.IsZero() || d.set.Before(d.asked)) {
		return nil
	}
	d.set = d.asked
	return nc.SetReadDeadline(d.asked)
}

// end ends a read that brought n bytes. again says that it was ended by a
// deadline that nobody asks for any more; the right one is in place then.
func (d *readDeadline) end(nc net.Conn, n int, err error) (again bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil && n == 0 && !d.set.Equal(d.asked) && errors.Is(err, os.ErrDeadlineExceeded) {
		d.set = d.asked
		again = nc.SetReadDeadline(d.asked) == nil
	}
	d.reading = again
	return again
}

// Read reads from the connection.
func (g *guest) Read(p []byte) (n int, err error) {
	if err = g.reads.begin(g.Conn); err != nil {
		g.reads.end(g.Conn, 0, nil)
		return 0, err
	}
	for again := true; again; again = g.reads.end(g.Conn, n, err) {
		n, err = g.Conn.Read(p)
	}
	return n, err
}

// SetReadDeadline sets the deadline of reads; a zero t is none.
func (g *guest) SetReadDeadline(t time.Time) error { return g.reads.ask(g.Conn, t) }

// SetDeadline sets the deadline of reads and writes; a zero t is none.
func (g *guest) SetDeadline(t time.Time) error {
	return errors.Join(g.reads.ask(g.Conn, t), g.Conn.SetWriteDeadline(t))
}
