package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestIdleConnections: ten thousand clients that keep a connection and say
// nothing cost memory alone, little of it, and stand in nobody's way.
func TestIdleConnections(t *testing.T) {
	const (
		clients = 10_000
		most    = 40 << 10 // bytes of resident memory a connection: two goroutines' stacks, two buffers of 4 KiB
	)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	// Go raises the soft limit to the hard one by itself, in both processes.
	if limit.Max < clients+1000 {
		t.Skipf("skipped: %d open files are allowed here, %d are needed; raise `ulimit -Hn`", limit.Max, clients+1000)
	}
	p := startPair(t)
	addr := strings.TrimPrefix(p.gw.base, "http://")
	before := p.gw.memory(t, "VmRSS")
	conns := make([]net.Conn, 0, clients)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range clients {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		conns = append(conns, c)
		_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
		if status := ping(t, c); status != http.StatusOK {
			t.Fatalf("connection %d: %d", i, status)
		}
	}
	each := (p.gw.memory(t, "VmRSS") - before) / clients
	t.Logf("%d idle connections: %d bytes of resident memory each", clients, each)
	if each > most {
		t.Errorf("an idle connection costs %d bytes, more than %d", each, most)
	}
	began := time.Now()
	resp := post(t, p.gw.base+"/v1/generate", `{"prompt":"hi"}`)
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if d := time.Since(began); resp.StatusCode != http.StatusOK || d > 2*time.Second {
		t.Errorf("a call beside them: %d after %v", resp.StatusCode, d)
	}
	for _, i := range []int{0, clients / 2, clients - 1} {
		if status := ping(t, conns[i]); status != http.StatusOK {
			t.Errorf("connection %d later: %d", i, status)
		}
	}
	if err := p.gw.terminate(t, 30*time.Second); err != nil {
		t.Errorf("the end with idle connections: %v", err)
	}
}

// ping makes one request on a connection and reads its answer.
func ping(t *testing.T, c net.Conn) int {
	t.Helper()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
