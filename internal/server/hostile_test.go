package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// answers reads all answers of a connection until it closes or falls silent.
func answers(t *testing.T, h *harness, text string) (statuses string) {
	t.Helper()
	conn := h.tcp(text)
	_ = conn.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return strings.TrimSpace(statuses + " open")
			}
			return strings.TrimSpace(statuses + " end") // or a reset
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		statuses += fmt.Sprint(" ", resp.StatusCode)
	}
}

// TestSmugglingForms: requests that two servers in a row could read
// differently. Each has one reading here: refused, and the connection is
// closed so that nothing behind it is taken for a request; or the one that RFC
// 9112 gives. In the table "end" is a closed connection, "open" one that waits
// for the next request.
func TestSmugglingForms(t *testing.T) {
	const (
		line    = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
		hidden  = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
		chunked = "Transfer-Encoding: chunked\r\n"
	)
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(chatBody), chatBody)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(chatBody))
	for _, tc := range []struct{ name, text, want string }{
		{"honest", line + length + "\r\n" + chatBody, "200 open"},
		{"honest, pipelined", line + length + "\r\n" + chatBody + hidden, "200 404 open"},
		{"two lengths", line + "Content-Length: 0\r\n" + length + "\r\n" + chatBody + hidden, "400 end"},
		{"one length twice", line + length + length + "\r\n" + chatBody, "200 open"},
		{"a list of lengths", line + "Content-Length: 60, 0\r\n\r\n" + chatBody + hidden, "400 end"},
		{"length with a sign", line + "Content-Length: +60\r\n\r\n" + chatBody, "400 end"},
		{"negative length", line + "Content-Length: -1\r\n\r\n" + chatBody, "400 end"},
		{"length in hexadecimal", line + "Content-Length: 0x3c\r\n\r\n" + chatBody, "400 end"},
		{"length beyond 64 bits", line + "Content-Length: 18446744073709551676\r\n\r\n" + chatBody, "400 end"},
		// RFC 9112 §6.3: chunked decides, and what follows is a request of its
		// own, which needs a credential of its own.
		{"length and chunked", line + "Content-Length: 3\r\n" + chunked + "\r\n" + chunks, "200 open"},
		{"chunked twice", line + chunked + chunked + "\r\n" + chunks + hidden, "501 end"},
		{"chunked, not last", line + "Transfer-Encoding: chunked, identity\r\n\r\n" + chunks + hidden, "501 end"},
		{"another coding", line + "Transfer-Encoding: xchunked\r\n\r\n" + chunks + hidden, "501 end"},
		{"gzip, chunked", line + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks + hidden, "501 end"},
		{"a vertical tab before chunked", line + "Transfer-Encoding: \x0bchunked\r\n\r\n" + chunks + hidden, "400 end"},
		{"a space before the colon", line + "Transfer-Encoding : chunked\r\n\r\n" + chunks + hidden, "400 end"},
		{"a folded length", line + "Content-Length: 1\r\n 0\r\n\r\n" + chatBody + hidden, "400 end"},
		{"a header without a name", line + ": x\r\n\r\n", "400 end"},
		{"a first header that is folded", "GET /healthz HTTP/1.1\r\n X: y\r\nHost: x\r\n\r\n", "400 end"},
		{"a zero byte in a value", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n", "400 end"},
		{"a bare CR in a value", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\rX-B: b\r\n\r\n", "400 end"},
		{"a chunk length too long", line + chunked + "\r\n" + strings.Repeat("0", 30) + "3c\r\n" + chatBody + "\r\n0\r\n\r\n" + hidden, "400 end"},
		{"a chunk length with a sign", line + chunked + "\r\n+3c\r\n" + chatBody + "\r\n0\r\n\r\n" + hidden, "400 end"},
		{"a chunk that is longer than said", line + chunked + "\r\n1\r\n" + chatBody + "\r\n0\r\n\r\n" + hidden, "400 end"},
		{"a bare LF behind a chunk length", line + chunked + "\r\n3c\n" + chatBody + "\r\n0\r\n\r\n" + hidden, "400 end"},
		{"endless chunk extensions", line + chunked + "\r\n1;" + strings.Repeat("x", 8<<10) + "\r\n{\r\n0\r\n\r\n" + hidden, "400 end"},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", "400 end"},
		{"two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400 end"},
		{"another protocol", "GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n", "505 end"},
		{"two spaces", "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "400 end"},
		{"no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 end"},
		{"an upgrade to HTTP/2", "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "200 open"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got atomic.Value
			h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
				got.Store(string(c.Raw))
				return passing("{}"), nil
			})
			if s := answers(t, h, tc.text); s != tc.want {
				t.Errorf("got %s, want %s", s, tc.want)
			}
			if b := got.Load(); b != nil && b != chatBody {
				t.Errorf("the body was read as %q", b)
			}
		})
	}
}

// TestPathTricks: a path is compared as it is. No trick leads to a guarded
// endpoint around its guard, and none is answered with a redirect, which would
// make a client send its prompt again.
func TestPathTricks(t *testing.T) {
	h := serve(t, nil, func(o *Options) { o.Snapshot.Auth = keys(nil) })
	for _, path := range []string{
		"//v1/generate", "/v1//generate", "/v1/generate/", "/v1/./generate", "/v1/../v1/generate", "/v1/%2e%2e/v1/generate", "/v1/%2e/generate",
		"/v1/generate%00", "/v1/generate%20", "/v1/generate;a=b", "/V1/Generate", "/v1/generate%3fx=y", "/v1%2fgenerate/", `/v1\generate`,
		"/v1/generate/batch/", "/./healthz", "/healthz/..", "/%2e%2e/%2e%2e/etc/passwd", "/admin/v1/../../v1/models", "/v1/models/../generate", "/v1/models/..%2fgenerate",
		"/v1/models/%2e%2e/generate", "/.well-known/../v1/models", "/%61dmin/v1/status", "/v1/%67enerate/x",
	} {
		for _, method := range []string{"GET", "POST"} {
			conn := h.tcp(method + " " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			b, _ := io.ReadAll(conn)
			status, _, _ := strings.Cut(strings.TrimPrefix(string(b), "HTTP/1.1 "), " ")
			switch status {
			case "400", "401", "404", "405":
			default:
				t.Errorf("%s %s: %.60q", method, path, b)
			}
		}
	}
	// The absolute form names a host, not another path, and its guard holds.
	if s := answers(t, h, "POST http://other.example/v1/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); s != "401 end" {
		t.Errorf("absolute form: %s", s)
	}
}

// TestCompressedBodies: a compressed body is refused unread, whatever it would
// become.
func TestCompressedBodies(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := io.CopyN(z, zeros{}, 64<<20); err != nil {
		t.Fatal(err)
	}
	_ = z.Close()
	h := serve(t, nil)
	for _, coding := range []string{"gzip", "deflate", "br", "zstd", "gzip, gzip", "x-gzip", "identity, gzip"} {
		r := h.post(chatPath, bomb.String(), "Content-Encoding: "+coding)
		if r.status != 415 || r.header.Get("Accept-Encoding") != "identity" {
			t.Errorf("%s: %d %s", coding, r.status, r.body)
		}
	}
	// Without the header it is bytes like others, and no JSON.
	if r := h.post(chatPath, bomb.String()); r.status != 400 {
		t.Errorf("without a header: %d %s", r.status, r.body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestBodyOf64MiB costs no more memory than the limit allows, whether its
// length is told or not.
func TestBodyOf64MiB(t *testing.T) {
	h := serve(t, nil)
	for name, length := range map[string]int64{"told": 64 << 20, "chunked": -1} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		req := h.request("POST", chatPath, "", "Content-Type: application/json", "Expect: 100-continue")
		req.Body, req.ContentLength = io.NopCloser(io.LimitReader(zeros{}, 64<<20)), length
		if resp, err := h.client.Do(req); err == nil { // else the server has closed while the client wrote
			resp.Body.Close()
			if resp.StatusCode != 413 {
				t.Errorf("%s: %d", name, resp.StatusCode)
			}
		}
		if s := h.wait(); s.Status != 413 {
			t.Errorf("%s: %+v", name, s)
		}
		runtime.ReadMemStats(&after)
		// Growing by doubling may cost a few times the limit of 16 MiB.
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 6*(16<<20) || length > 0 && cost > 4<<20 {
			t.Errorf("%s: %d MiB allocated", name, cost>>20)
		}
	}
}

// TestHostileJSON: depth, repetition, text that is no UTF-8 and much of
// anything end in a 400 in the dialect of the path, at a bounded cost.
func TestHostileJSON(t *testing.T) {
	var calls atomic.Int64
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		calls.Add(1)
		_, err := c.Request()
		if err == nil {
			err = llm.Errorf(llm.KindInternal, "this was taken for a request")
		}
		return nil, err
	})
	deep := func(open, inner, end string) string {
		return `{"model":"m","messages":` + strings.Repeat(open, 200_000) + inner + strings.Repeat(end, 200_000) + `}`
	}
	for name, body := range map[string]string{
		"deep arrays":        deep("[", "", "]"),
		"deep objects":       deep(`{"a":`, "1", "}"),
		"deep and never end": `{"model":"m","messages":` + strings.Repeat("[", 1_000_000),
		"invalid UTF-8 text": `{"model":"` + "\xff\xfe" + `","messages":[]`,
		"a member twice":     `{"model":"a","model":"b","messages":[]}`,
		"escaped member":     `{"model":"a","mod\u0065l":"b","messages":[]}`,
		"zero bytes":         strings.Repeat("\x00", 100_000),
		"a BOM":              "\ufeff" + chatBody,
		"two values":         chatBody + chatBody,
		"half a surrogate":   `{"model":"\ud800`,
		"huge number":        `{"model":"m","messages":[],"max_tokens":` + strings.Repeat("9", 100_000) + `}`,
		"control characters": "{\"model\":\"a\nb\"}",
	} {
		for _, path := range []string{chatPath, msgPath, rspPath, genPath} {
			began := time.Now()
			r := h.post(path, body)
			if r.status != 400 {
				t.Errorf("%s, %s: %d %.200s", name, path, r.status, r.body)
				continue
			}
			shape(t, path, r)
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("%s, %s: took %v", name, path, d)
			}
		}
	}
}

// TestSlowHead: a head that trickles is cut off at its time limit, however
// busy it looks.
func TestSlowHead(t *testing.T) {
	h := serve(t, nil, func(o *Options) { o.ReadHeader = 200 * time.Millisecond })
	conn := h.tcp("GET /healthz HTTP/1.1\r\nHost: x\r\n")
	began := time.Now()
	for time.Since(began) < 5*time.Second {
		if _, err := io.WriteString(conn, "X-A: b\r\n"); err != nil {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("the connection lasted %v", d)
	}
}
