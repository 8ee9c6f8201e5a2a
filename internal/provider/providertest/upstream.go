package providertest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Patience bounds every wait of the kit. It is no measure of speed: a wait that
// takes so long has failed.
const Patience = 10 * time.Second

// Script is what an Upstream does with one request.
type Script func(x *Exchange)

// Request is what an Upstream received.
type Request struct {
	Method string
	Path   string // with the query, as it was on the wire
	Header http.Header
	Body   []byte
	Length int64 // Content-Length; -1 when the body came in chunks
}

// Upstream is a server that does with each request what its script says, down
// to the bytes. It is closed, and its goroutines waited for, at the end of the
// test.
type Upstream struct {
	ln net.Listener
	wg sync.WaitGroup

	mu       sync.Mutex
	script   Script
	conns    map[net.Conn]bool
	accepted int
	requests []*Request
	closed   bool
}

// NewUpstream starts an Upstream on a port of its own.
func NewUpstream(t testing.TB, s Script) *Upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &Upstream{ln: ln, script: s, conns: map[net.Conn]bool{}}
	u.wg.Add(1)
	go u.accept()
	t.Cleanup(u.Close)
	return u
}

// URL returns the address as http://host:port.
func (u *Upstream) URL() string { return "http://" + u.ln.Addr().String() }

// Play sets what happens to the requests from now on.
func (u *Upstream) Play(s Script) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.script = s
}

// Accepted returns how many connections were made so far.
func (u *Upstream) Accepted() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.accepted
}

// Requests returns what was received so far.
func (u *Upstream) Requests() []*Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*Request(nil), u.requests...)
}

// Last returns the latest request, nil when there was none.
func (u *Upstream) Last() *Request {
	all := u.Requests()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// Close ends all connections and waits for their goroutines.
func (u *Upstream) Close() {
	u.mu.Lock()
	u.closed = true
	for c := range u.conns {
		c.Close()
	}
	u.mu.Unlock()
	u.ln.Close()
	u.wg.Wait()
}

func (u *Upstream) accept() {
	defer u.wg.Done()
	for {
		conn, err := u.ln.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		if u.closed {
			u.mu.Unlock()
			conn.Close()
			return
		}
		u.accepted++
		u.conns[conn] = true
		u.wg.Add(1)
		u.mu.Unlock()
		go u.serve(conn)
	}
}

func (u *Upstream) serve(conn net.Conn) {
	defer u.wg.Done()
	defer func() {
		u.mu.Lock()
		delete(u.conns, conn)
		u.mu.Unlock()
		conn.Close()
	}()
	br := bufio.NewReader(conn)
	for {
		req, err := receive(br)
		if err != nil {
			return
		}
		u.mu.Lock()
		u.requests = append(u.requests, req)
		script := u.script
		u.mu.Unlock()
		x := &Exchange{Request: req, conn: conn, br: br}
		script(x)
		if x.over {
			return
		}
	}
}

func receive(br *bufio.Reader) (*Request, error) {
	r, err := http.ReadRequest(br)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return &Request{Method: r.Method, Path: r.RequestURI, Header: r.Header, Body: body, Length: r.ContentLength}, nil
}
