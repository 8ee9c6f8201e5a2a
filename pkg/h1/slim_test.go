package h1

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestEventsAreReadWithASmallBuffer: what came with the head, what follows in
// pieces, and the exchange after it on the same connection all arrive whole.
func TestEventsAreReadWithASmallBuffer(t *testing.T) {
	long := strings.Repeat("x", 5000)
	base := raw(t, func(_ int, c net.Conn, br *bufio.Reader) {
		for readRequest(br) == nil {
			head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
			fmt.Fprintf(c, "%s6\r\ndata: \r\n", head) // the first chunk with the head
			fmt.Fprintf(c, "%x\r\n%s\r\n", len(long), long)
			fmt.Fprint(c, "2\r\n\n\n\r\n0\r\n\r\n")
		}
	})
	tr := newTransport(t, Options{})
	for range 3 {
		if got, err := ask(t, tr, base); err != nil || got != "data: "+long+"\n\n" {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	c := tr.pool.pop(onlyKey(tr))
	if c == nil || c.br.Size() != readBuffer {
		t.Fatal("the connection was not kept, or with a small buffer")
	}
	c.close()
}

// TestOnlyEventsAreSlim: any other answer is read as before.
func TestOnlyEventsAreSlim(t *testing.T) {
	base, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		w.(http.Flusher).Flush() // no Content-Length
		_, _ = io.WriteString(w, "data: 1\n\n")
	})
	for ct, size := range map[string]int{"text/event-stream; charset=utf-8": waitBuffer, "application/json": readBuffer} {
		tr := newTransport(t, Options{})
		resp, err := tr.RoundTrip(post(t.Context(), base+"/?type="+url.QueryEscape(ct), []byte("x")))
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Body.(*body).c.br.Size(); got != size {
			t.Errorf("%s: a buffer of %d bytes, want %d", ct, got, size)
		}
		_ = resp.Body.Close()
	}
}

func onlyKey(tr *Transport) key {
	tr.pool.mu.Lock()
	defer tr.pool.mu.Unlock()
	for k := range tr.pool.idle {
		return k
	}
	return key{}
}
