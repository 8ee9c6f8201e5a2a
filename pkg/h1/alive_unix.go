//go:build unix

package h1

import (
	"crypto/tls"
	"net"
	"syscall"
)

// open looks, without waiting, whether the server has closed a kept connection
// or sent something that nobody asked for; either makes it useless.
func (c *conn) open() bool {
	nc := c.nc
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true // never wait for something to read
	})
	return err == nil && quiet
}

var _ syscall.Conn = (*net.TCPConn)(nil)
