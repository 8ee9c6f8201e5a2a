package providertest

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// testRequest checks what every provider must send.
func testRequest(t *testing.T, r *run) {
	for _, stream := range []bool{false, true} {
		r.up.Play(Say(r.good(stream)))
		r.wantGood(t, r.do(t.Context(), t, stream), r.raw(stream))
		req := r.up.Last()
		path := r.Path
		if stream {
			path = r.StreamPath
		}
		if req.Method != http.MethodPost || req.Path != path {
			t.Errorf("asked %s %s, want POST %s", req.Method, req.Path, path)
		}
		if req.Length != int64(len(req.Body)) || req.Length == 0 {
			t.Errorf("the body has %d bytes and Content-Length %d", len(req.Body), req.Length)
		}
		if got := req.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type %q", got)
		}
		if got := req.Header.Get("User-Agent"); !strings.HasPrefix(got, "llm-gateway/") {
			t.Errorf("User-Agent %q", got)
		}
		if got := req.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("asked for compression: %q", got)
		}
		if r.CheckRequest != nil {
			r.CheckRequest(t, req, stream)
		}
	}
	if n := len(r.up.Requests()); n != 2 {
		t.Errorf("%d requests for two calls", n)
	}
}

// good is a good answer as it is on the wire.
func (r *run) good(stream bool) string {
	if stream {
		return Stream(r.Stream)
	}
	return Answer(http.StatusOK, r.Good)
}

func (r *run) raw(stream bool) string {
	if stream {
		return r.Stream
	}
	return r.Good
}

// testWhole plays the forms in which a good whole answer can come.
func testWhole(t *testing.T, r *run) {
	chunked := StreamHead("Content-Type", "application/json")
	for name, s := range map[string]Script{
		"plain":              Say(Answer(200, r.Good)),
		"another 2xx status": Say(Answer(201, r.Good)),
		"slow drip":          Drip(Answer(200, r.Good)),
		"blank lines first":  Say(Answer(200, "\n\r\n \t\n"+r.Good)),
		"many blank lines":   Say(Answer(200, strings.Repeat("\n", 64<<10)+r.Good)),
		"white space last":   Say(Answer(200, r.Good)),
		"odd content type":   Say(Answer(200, r.Good, "Content-Type", "text/plain")),
		"chunks":             Say(chunked + Chunk(r.Good[:7]) + Chunk(r.Good[7:]) + LastChunk),
		"until close":        SayAndHang("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + r.Good),
		"old protocol":       SayAndHang("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + r.Good),
		"close announced":    SayAndHang(Answer(200, r.Good, "Connection", "close")),
		"gzip":               Say(Answer(200, Gzip(r.Good), "Content-Encoding", "gzip")),
		"gzip in chunks":     Say(StreamHead("Content-Type", "application/json", "Content-Encoding", "GZIP") + Chunk(Gzip(r.Good)) + LastChunk),
		"100 continue":       Say("HTTP/1.1 100 Continue\r\n\r\n" + Answer(200, r.Good)),
		"early hints":        Say(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 3) + Answer(200, r.Good)),
	} {
		t.Run(name, func(t *testing.T) {
			r.up.Play(s)
			r.wantGood(t, r.do(t.Context(), t, false), r.Good)
		})
	}
	t.Run("request id", func(t *testing.T) {
		r.up.Play(Say(Answer(200, r.Good, "X-Request-Id", "req_42")))
		o := r.do(t.Context(), t, false)
		if c := r.Call(false); o.reply.ID != "req_42" || o.reply.Attempts != 1 || o.reply.Model != c.Model || o.reply.Provider == "" {
			t.Errorf("got %+v", o.reply)
		}
	})
}

// testBodies plays heads that promise an answer and bodies that are none.
func testBodies(t *testing.T, r *run) {
	full := Answer(200, r.Good)
	zipped, spaces := Gzip(r.Good), strings.Repeat(" ", maxBody)
	for name, s := range map[string]Script{
		"empty":                     Say(Answer(200, "")),
		"no content":                Say("HTTP/1.1 204 No Content\r\n\r\n"),
		"white space alone":         Say(Answer(200, " \r\n")),
		"HTML":                      Say(Answer(200, "<html><body>Welcome</body></html>", "Content-Type", "text/html")),
		"text":                      Say(Answer(200, "upstream ok", "Content-Type", "text/plain")),
		"a stream":                  Say(Stream(r.Stream)),
		"cut JSON":                  Say(Answer(200, r.Good[:len(r.Good)/2])),
		"JSON of another kind":      Say(Answer(200, "[]")),
		"content length too long":   SayAndHang(strings.Replace(full, "Content-Length: ", "Content-Length: 1", 1)),
		"closed within the body":    SayAndHang(full[:len(full)-3]),
		"reset within the body":     SayAndReset(full[:len(full)-3]),
		"chunks without an end":     SayAndHang(StreamHead("Content-Type", "application/json") + Chunk(r.Good)),
		"malformed chunk":           SayAndHang(StreamHead("Content-Type", "application/json") + "zz\r\n" + r.Good),
		"too large by its head":     Say(Answer(200, spaces+r.Good)),
		"too large in chunks":       Say(StreamHead("Content-Type", "application/json") + Chunk(spaces+r.Good) + LastChunk),
		"too large when unzipped":   Say(Answer(200, Gzip(spaces+r.Good), "Content-Encoding", "gzip")),
		"cut gzip":                  Say(Answer(200, zipped[:len(zipped)-9], "Content-Encoding", "gzip")),
		"no gzip":                   Say(Answer(200, r.Good, "Content-Encoding", "gzip")),
		"unknown content encoding":  Say(Answer(200, r.Good, "Content-Encoding", "zstd")),
		"enormous promise, no body": SayAndHang("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			r.up.Play(s)
			r.wantError(t, r.do(t.Context(), t, false), retry())
		})
	}
}

// testEndless plays answers that never end, where they must: each is given up.
func testEndless(t *testing.T, r *run) {
	typed := func(status int, contentType string) string {
		return head(status, "", []string{"Content-Type", contentType}) + "Transfer-Encoding: chunked\r\n\r\n"
	}
	for _, tc := range []struct {
		name, head string
		stream     bool
		want       Verdict
	}{
		{"answer", typed(200, "application/json"), false, retry()},
		{"error", typed(500, "text/plain"), false, r.Verdict(500)},
		{"redirect", typed(302, "text/plain"), false, r.Verdict(302)},
		{"answer instead of a stream", typed(200, "text/plain"), true, retry()},
		{"event", typed(200, "text/event-stream") + Chunk("data: "), true, retry()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			gone := make(chan struct{})
			r.up.Play(SayForever(tc.head, Chunk(strings.Repeat("x", 64<<10)), gone))
			r.wantError(t, r.do(t.Context(), t, tc.stream), tc.want)
			await(t, gone, "the upstream sees that it is not heard any more")
		})
	}
	t.Run("another protocol", func(t *testing.T) {
		said, gone := make(chan struct{}), make(chan struct{})
		r.up.Play(SayAndStall("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", said, gone))
		r.wantError(t, r.do(t.Context(), t, false), Verdict{Kind: llm.KindUpstreamError, Permanent: true})
		await(t, gone, "the upstream sees that its protocol is not spoken")
	})
}

// testNetwork plays failures before there is an answer.
func testNetwork(t *testing.T, r *run) {
	full := Answer(200, r.Good)
	for name, s := range map[string]Script{
		"closed before the first byte": SayAndHang(""),
		"reset before the first byte":  SayAndReset(""),
		"closed within the head":       SayAndHang(full[:20]),
		"reset within the head":        SayAndReset(full[:20]),
		"no HTTP":                      SayAndHang("SSH-2.0-OpenSSH_9.2\r\n"),
		"enormous head":                SayAndHang("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n"),
		"endless hints":                SayAndHang(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("x", 1000)+"\r\n\r\n", 2000)),
	} {
		t.Run(name, func(t *testing.T) {
			r.up.Play(s)
			for _, stream := range []bool{false, true} {
				r.wantError(t, r.do(t.Context(), t, stream), retry())
			}
		})
	}
	t.Run("connection refused", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		r := *r
		r.p = r.provider(t, "http://"+ln.Addr().String(), r.transport(t))
		r.wantError(t, r.do(t.Context(), t, false), retry())
	})
	t.Run("no such host", func(t *testing.T) {
		r := *r
		tr := r.transport(t)
		tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "host.internal", IsNotFound: true}}
		}
		r.p = r.provider(t, "http://host.internal", tr)
		o := r.do(t.Context(), t, false)
		r.wantError(t, o, retry())
		if strings.Contains(o.err.Message, "internal") {
			t.Errorf("the message names the host: %s", o.err.Message)
		}
	})
	t.Run("connecting takes too long", func(t *testing.T) {
		r := *r
		tr := r.transport(t)
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&net.Dialer{Deadline: time.Unix(1, 0)}).DialContext(ctx, network, addr)
		}
		r.p = r.provider(t, "http://192.0.2.1:9", tr)
		r.wantError(t, r.do(t.Context(), t, false), Verdict{Kind: llm.KindTimeout})
	})
}

// testStatuses plays every status there is, with an empty body and with the
// provider's usual error.
func testStatuses(t *testing.T, r *run) {
	for status := 200; status <= 599; status++ {
		for _, body := range []string{"", r.Error(status, "it failed with "+Key+" in hand")} {
			head := strconv.Itoa(status)
			switch {
			case status == http.StatusNoContent || status == http.StatusNotModified:
				r.up.Play(Say("HTTP/1.1 " + head + " None\r\nX-Request-Id: 1\r\n\r\n"))
			default:
				r.up.Play(Say(Answer(status, body, "Location", "/elsewhere?key="+Key)))
			}
			want := r.Verdict(status)
			if status < 300 {
				want = retry()
			}
			o := r.do(t.Context(), t, status%2 == 0)
			r.wantError(t, o, want)
			if o.err.Status != status || o.err.Attempts != 1 {
				t.Errorf("status %d: the error says %d, and %d attempts", status, o.err.Status, o.err.Attempts)
			}
			if t.Failed() {
				t.Fatalf("at status %d with body %q", status, body)
			}
		}
	}
	if n := r.up.Accepted(); n > 3 {
		t.Errorf("%d connections: refused ones were not used again", n)
	}
}

// testRefusals plays error answers with their heads.
func testRefusals(t *testing.T, r *run) {
	for _, f := range r.Refusals {
		t.Run(f.Name, func(t *testing.T) {
			r.up.Play(Say(Answer(f.Status, f.Body, f.Header...)))
			for _, stream := range []bool{false, true} {
				o := r.do(t.Context(), t, stream)
				r.wantError(t, o, f.Verdict)
				if o.err.Status != f.Status {
					t.Errorf("status %d", o.err.Status)
				}
			}
		})
	}
	for _, tc := range []struct {
		name, body string
		status     int
		headers    []string
		wait       time.Duration
	}{
		{"seconds", "", 429, []string{"Retry-After", "7"}, 7 * time.Second},
		{"milliseconds first", "", 503, []string{"Retry-After", "7", "Retry-After-Ms", "250"}, 250 * time.Millisecond},
		{"not on what does not pass", "", 400, []string{"Retry-After", "7"}, 0},
		{"zero is none", "", 429, []string{"Retry-After-Ms", "0"}, 0},
		{"HTML error", "<html>502 Bad Gateway</html>", 502, []string{"Content-Type", "text/html", "Retry-After", "1.5"}, 1500 * time.Millisecond},
		{"endless error", strings.Repeat("x", 1<<20), 500, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.up.Play(Say(Answer(tc.status, tc.body, tc.headers...)))
			o := r.do(t.Context(), t, false)
			r.wantError(t, o, r.Verdict(tc.status))
			if o.err.RetryAfter != tc.wait {
				t.Errorf("wait %v, want %v", o.err.RetryAfter, tc.wait)
			}
		})
	}
}
