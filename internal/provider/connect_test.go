package provider

import (
	"context"
	"errors"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

// TestConnectTimeoutByAddress: a host with a timeout of its own is given that,
// every other the common one.
func TestConnectTimeoutByAddress(t *testing.T) {
	s := httptest.NewServer(nil)
	defer s.Close()
	addr := s.Listener.Addr().String()
	var asked []string
	dial := func(of time.Duration) error {
		o := TransportOptions{ConnectTimeout: time.Minute, ConnectTimeoutOf: func(a string) time.Duration {
			asked = append(asked, a)
			return of
		}}
		c, err := NewTransport(o).DialContext(context.Background(), "tcp", addr)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := dial(0); err != nil {
		t.Error(err)
	}
	var slow net.Error
	if err := dial(time.Nanosecond); !errors.As(err, &slow) || !slow.Timeout() {
		t.Errorf("a nanosecond is enough: %v", err)
	}
	if len(asked) != 2 || asked[0] != addr {
		t.Errorf("asked for %v", asked)
	}
}
