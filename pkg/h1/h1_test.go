package h1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTransport(t testing.TB, o Options) *Transport {
	tr := New(o)
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func post(ctx context.Context, url string, body []byte) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	return req
}

// counting wraps a server's listener and counts the connections it accepts.
type counting struct {
	net.Listener
	n atomic.Int32
}

func (c *counting) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return nc, err
}

func serve(t testing.TB, h http.HandlerFunc) (string, *counting) {
	s := httptest.NewUnstartedServer(h)
	c := &counting{Listener: s.Listener}
	s.Listener = c
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, c
}

func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil || int64(len(b)) != r.ContentLength {
		http.Error(w, "bad body", http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Seen", fmt.Sprint(r.Method, " ", r.URL.RequestURI(), " ", r.Host, " ", r.Header.Get("X-Two")))
	_, _ = w.Write(b)
}

func TestExchangesReuseOneConnection(t *testing.T) {
	base, conns := serve(t, echo)
	tr := newTransport(t, Options{})
	for _, size := range []int{0, 1, 100, joined, joined + 1, 100_000, inline, inline + 1, 3 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		req := post(t.Context(), base+"/a%2Fb?q=1", body)
		req.Header["X-Two"] = []string{"v"}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(got, body) || resp.StatusCode != 200 {
			t.Errorf("%d bytes: status %d, %d bytes back, %v", size, resp.StatusCode, len(got), err)
		}
		if want := "POST /a%2Fb?q=1 " + strings.TrimPrefix(base, "http://") + " v"; resp.Header.Get("X-Seen") != want {
			t.Errorf("server saw %q, want %q", resp.Header.Get("X-Seen"), want)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := conns.n.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestGetHeadAndEmptyAnswers(t *testing.T) {
	base, conns := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/zero":
			w.Header().Set("Content-Length", "0")
		default:
			_, _ = io.WriteString(w, "hello")
		}
	})
	tr := newTransport(t, Options{})
	for _, tc := range []struct{ method, path, want string }{
		{"GET", "/", "hello"}, {"HEAD", "/", ""}, {"GET", "/none", ""}, {"GET", "/zero", ""}, {"", "/", "hello"},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), tc.method, base+tc.path, nil)
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatalf("%s %s: %v", tc.method, tc.path, err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != tc.want || err != nil {
			t.Errorf("%s %s: %q, %v", tc.method, tc.path, b, err)
		}
		resp.Body.Close()
	}
	if n := conns.n.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// raw is a server that speaks bytes: it reads one request's head and body and
// then runs the script on the connection.
func raw(t testing.TB, script func(n int, c net.Conn, br *bufio.Reader)) string {
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return "http://" + ln.Addr().String()
}

func readRequest(br *bufio.Reader) error {
	req, err := http.ReadRequest(br)
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return err
}

func ask(t *testing.T, tr *Transport, url string) (string, error) {
	t.Helper()
	resp, err := tr.RoundTrip(post(t.Context(), url, []byte("hi")))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func TestAnswersOfAllForms(t *testing.T) {
	for _, tc := range []struct {
		name, answer, want string
		err                string // in the error of head or body; "" = none
		conns              int32  // connections for two requests
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", "", 1},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", "ok", "", 1},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", "", 1},
		{"close", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", "ok", "", 2},
		{"until EOF", "HTTP/1.1 200 OK\r\n\r\nok", "ok", "", 2},
		{"http 1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", "", 2},
		{"trailing garbage", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokGARBAGE", "ok", "", 2},
		{"cut body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "ok", "unexpected EOF", 2},
		{"cut chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok", "ok", "unexpected EOF", 2},
		{"no answer", "", "", "without an answer", 2},
		{"cut head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "", "without an answer", 2},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "", "malformed", 2},
		{"endless interim", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20), "", "interim", 2},
		{"switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nbinary", "", "", 2},
		{"huge head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10) + "\r\n\r\n", "", "too large", 2},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "", "Content-Length", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var conns atomic.Int32
			base := raw(t, func(_ int, c net.Conn, br *bufio.Reader) {
				conns.Add(1)
				keep := tc.conns == 1
				for readRequest(br) == nil {
					_, _ = io.WriteString(c, tc.answer)
					if !keep {
						return
					}
				}
			})
			tr := newTransport(t, Options{})
			for range 2 {
				got, err := ask(t, tr, base)
				if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got %q, %v", got, err)
				}
			}
			if n := conns.Load(); n != tc.conns {
				t.Errorf("%d connections, want %d", n, tc.conns)
			}
		})
	}
}

// TestClosedWhileIdle: the server closes a kept connection; the next request
// must not notice.
func TestClosedWhileIdle(t *testing.T) {
	closed := make(chan struct{}, 1)
	base := raw(t, func(_ int, c net.Conn, br *bufio.Reader) {
		if readRequest(br) == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
		c.Close()
		closed <- struct{}{}
	})
	tr := newTransport(t, Options{})
	for i := range 5 {
		if got, err := ask(t, tr, base); got != "ok" || err != nil {
			t.Fatalf("request %d: %q, %v", i, got, err)
		}
		<-closed
		age(tr, 2*fresh)
	}
}

// age makes the kept connections look unused for d.
func age(tr *Transport, d time.Duration) {
	tr.pool.mu.Lock()
	defer tr.pool.mu.Unlock()
	for _, stack := range tr.pool.idle {
		for _, c := range stack {
			c.idleAt = c.idleAt.Add(-d)
		}
	}
}

func TestCancelEndsTheExchangeAtOnce(t *testing.T) {
	reason := errors.New("the clock ran out")
	for _, where := range []string{"before the head", "in the body", "before the start"} {
		t.Run(where, func(t *testing.T) {
			entered, left := make(chan struct{}), make(chan struct{})
			base, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if where == "in the body" {
					_, _ = io.WriteString(w, "part")
					_ = http.NewResponseController(w).Flush()
				}
				close(entered)
				<-r.Context().Done()
				close(left)
			})
			tr := newTransport(t, Options{})
			ctx, cancel := context.WithCancelCause(t.Context())
			if where == "before the start" {
				cancel(reason)
				if _, err := tr.RoundTrip(post(ctx, base, []byte("x"))); !errors.Is(err, reason) {
					t.Fatal(err)
				}
				return
			}
			go func() { <-entered; cancel(reason) }()
			resp, err := tr.RoundTrip(post(ctx, base, []byte("x")))
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, reason) {
				t.Errorf("got %v", err)
			}
			<-left // the server has seen it
		})
	}
}

func TestCloseBeforeTheEndStopsTheServer(t *testing.T) {
	left := make(chan struct{})
	base, conns := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		_, _ = io.Copy(io.Discard, r.Body)
		rc := http.NewResponseController(w)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, "tick"); err != nil || rc.Flush() != nil {
				return
			}
		}
	})
	tr := newTransport(t, Options{})
	resp, err := tr.RoundTrip(post(t.Context(), base, []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	resp.Body.Close()
	<-left
	if n := conns.n.Load(); n != 1 || tr.pool.all != 0 {
		t.Errorf("%d connections, %d kept", n, tr.pool.all)
	}
}

// TestCloseWhileReading is what a drain with a clock does.
func TestCloseWhileReading(t *testing.T) {
	base, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	resp, err := newTransport(t, Options{}).RoundTrip(post(t.Context(), base, []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	go resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("no error")
	}
}

func TestEarlyRefusalOfALargeBody(t *testing.T) {
	base := raw(t, func(_ int, c net.Conn, br *bufio.Reader) {
		if _, err := http.ReadRequest(br); err == nil { // the body stays unread
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
			_, _ = io.Copy(io.Discard, io.LimitReader(br, 1<<20))
		}
	})
	resp, err := newTransport(t, Options{}).RoundTrip(post(t.Context(), base, make([]byte, 64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); resp.StatusCode != 413 || string(b) != "no" || err != nil {
		t.Errorf("%d %q %v", resp.StatusCode, b, err)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	tr := newTransport(t, Options{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	for range 3 {
		if got, err := ask(t, tr, s.URL); got != "hi" || err != nil {
			t.Fatal(got, err)
		}
		age(tr, 2*fresh)
	}
	if _, err := ask(t, newTransport(t, Options{}), s.URL); err == nil {
		t.Error("an unknown authority was accepted")
	}
}

func TestWhatGoesToTheFallback(t *testing.T) {
	var fell int
	fallback := roundTripper(func(*http.Request) (*http.Response, error) { fell++; return nil, errors.New("fallback") })
	tr := newTransport(t, Options{Fallback: fallback, Proxy: func(u *url.URL) bool { return u.Hostname() == "proxied.test" }})
	chunked := post(t.Context(), "http://x.test/", nil)
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader("x")), -1
	upgrade := post(t.Context(), "http://x.test/", []byte("x"))
	upgrade.Header.Set("Upgrade", "websocket")
	for i, req := range []*http.Request{chunked, upgrade, post(t.Context(), "http://proxied.test/", []byte("x")), post(t.Context(), "ftp://x.test/", []byte("x"))} {
		if _, err := tr.RoundTrip(req); err == nil || fell != i+1 {
			t.Errorf("request %d: %v", i, err)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSmugglingIsRefused(t *testing.T) {
	tr := newTransport(t, Options{DialContext: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, errors.New("no")
	}})
	for name, change := range map[string]func(*http.Request){
		"value":  func(r *http.Request) { r.Header["X"] = []string{"a\r\nEvil: 1"} },
		"name":   func(r *http.Request) { r.Header["X Y"] = []string{"a"} },
		"empty":  func(r *http.Request) { r.Header[""] = []string{"a"} },
		"method": func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\n" },
		"host":   func(r *http.Request) { r.Host = "a\r\nb" },
	} {
		req := post(t.Context(), "http://x.test/", []byte("x"))
		change(req)
		if _, err := tr.RoundTrip(req); err == nil || strings.Contains(err.Error(), "Evil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongContentLength(t *testing.T) {
	base, _ := serve(t, echo)
	req := post(t.Context(), base, []byte("hello"))
	req.ContentLength = 9
	if _, err := newTransport(t, Options{}).RoundTrip(req); err == nil || !strings.Contains(err.Error(), "Content-Length") {
		t.Error(err)
	}
}

func TestPoolBoundsAndExpiry(t *testing.T) {
	base, conns := serve(t, func(w http.ResponseWriter, r *http.Request) {
		echo(w, r)
	})
	tr := newTransport(t, Options{MaxIdlePerHost: 2, IdleTimeout: time.Hour})
	var answers []*http.Response
	for range 5 { // five at once, so five connections
		resp, err := tr.RoundTrip(post(t.Context(), base, []byte("x")))
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, resp)
	}
	for _, r := range answers {
		_, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if n := conns.n.Load(); n != 5 || tr.pool.all != 2 {
		t.Errorf("%d connections, %d kept", n, tr.pool.all)
	}
	age(tr, 2*time.Hour)
	tr.pool.expire()
	if tr.pool.all != 0 || len(tr.pool.idle) != 0 || tr.pool.swept {
		t.Errorf("%d kept after their life", tr.pool.all)
	}
	if got, err := ask(t, tr, base); got != "x" && got != "hi" || err != nil {
		t.Error(got, err)
	}
}

func TestConcurrently(t *testing.T) {
	base, _ := serve(t, echo)
	tr := newTransport(t, Options{MaxIdlePerHost: 4})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				body := fmt.Appendf(nil, "%d-%d", g, i)
				if i%7 == 3 {
					go cancel()
				}
				resp, err := tr.RoundTrip(post(ctx, base, body))
				if err == nil {
					var b []byte
					b, err = io.ReadAll(resp.Body)
					resp.Body.Close()
					if err == nil && !bytes.Equal(b, body) {
						t.Errorf("sent %q, got %q", body, b)
					}
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

func BenchmarkRoundTrip(b *testing.B) {
	base, _ := serve(b, echo)
	std := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	defer std.CloseIdleConnections()
	for name, tr := range map[string]http.RoundTripper{"h1": newTransport(b, Options{}), "net-http": std} {
		b.Run(name, func(b *testing.B) {
			body := bytes.Repeat([]byte("x"), 200)
			b.ReportAllocs()
			for b.Loop() {
				resp, err := tr.RoundTrip(post(b.Context(), base, body))
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
}
