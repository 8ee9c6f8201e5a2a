package providertest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Exchange is the server's end of one request. Failures to write are ignored:
// the client may have left, and that is what many scripts are about.
type Exchange struct {
	*Request
	conn net.Conn
	br   *bufio.Reader
	over bool // the connection is not used again
}

// Write sends bytes as they are.
func (x *Exchange) Write(b string) {
	if _, err := io.WriteString(x.conn, b); err != nil {
		x.over = true
	}
}

// Reset breaks the connection with a TCP reset.
func (x *Exchange) Reset() {
	x.over = true
	if tcp, ok := x.conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // the connection may be gone already
	}
	x.conn.Close()
}

// Hang closes the connection in an orderly way.
func (x *Exchange) Hang() {
	x.over = true
	x.conn.Close()
}

// AwaitGone blocks until the client closes the connection, or the Upstream is
// closed.
func (x *Exchange) AwaitGone() {
	x.over = true
	for {
		if _, err := x.br.ReadByte(); err != nil {
			return
		}
	}
}

// Drip sends bytes one at a time, each in a packet of its own as far as the
// network lets it.
func (x *Exchange) Drip(b string) {
	for i := range len(b) {
		x.Write(b[i : i+1])
	}
}

// Answer is a whole answer with a Content-Length. Further headers are given as
// name, value pairs; a Content-Type among them replaces the usual one.
func Answer(status int, body string, headers ...string) string {
	return head(status, "application/json", headers) + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// StreamHead is the head of an answer that comes in chunks, a stream of events
// unless a Content-Type is given.
func StreamHead(headers ...string) string {
	return head(http.StatusOK, "text/event-stream; charset=utf-8", headers) + "Transfer-Encoding: chunked\r\n\r\n"
}

func head(status int, contentType string, headers []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	for i := 0; i+1 < len(headers); i += 2 {
		if strings.EqualFold(headers[i], "Content-Type") {
			contentType = ""
		}
		fmt.Fprintf(&b, "%s: %s\r\n", headers[i], headers[i+1])
	}
	if contentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", contentType)
	}
	return b.String()
}

// Chunk is one chunk of a body, "" for no bytes.
func Chunk(data string) string {
	if data == "" {
		return ""
	}
	return fmt.Sprintf("%x\r\n%s\r\n", len(data), data)
}

// LastChunk ends a body of chunks.
const LastChunk = "0\r\n\r\n"

// Stream is a whole answer of events, in one chunk.
func Stream(events string, headers ...string) string {
	return StreamHead(headers...) + Chunk(events) + LastChunk
}

// Gzip compresses data.
func Gzip(data string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, data) //nolint:errcheck // a bytes.Buffer takes everything
	z.Close()
	return b.String()
}

// Say writes an answer at once and keeps the connection.
func Say(answer string) Script { return func(x *Exchange) { x.Write(answer) } }

// SayAndHang writes an answer and closes the connection.
func SayAndHang(answer string) Script {
	return func(x *Exchange) {
		x.Write(answer)
		x.Hang()
	}
}

// SayAndReset writes an answer and resets the connection.
func SayAndReset(answer string) Script {
	return func(x *Exchange) {
		x.Write(answer)
		x.Reset()
	}
}

// Drip writes an answer byte by byte.
func Drip(answer string) Script { return func(x *Exchange) { x.Drip(answer) } }

// SayAndStall writes an answer, which may be none or part of one, closes said,
// and keeps silent until the client leaves; then it closes gone.
func SayAndStall(answer string, said, gone chan<- struct{}) Script {
	return func(x *Exchange) {
		x.Write(answer)
		close(said)
		x.AwaitGone()
		close(gone)
	}
}

// SayForever writes an answer and then one piece after the other until the
// client leaves; then it closes gone.
func SayForever(answer, piece string, gone chan<- struct{}) Script {
	return func(x *Exchange) {
		for x.Write(answer); !x.over; {
			x.Write(piece)
		}
		close(gone)
	}
}
