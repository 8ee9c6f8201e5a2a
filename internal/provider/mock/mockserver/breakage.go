package mockserver

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

// edgePage is what a server in front of the API answers in its stead.
const edgePage = "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n<hr><center>mock</center>\r\n</body>\r\n</html>\r\n"

// failsAtOnce reports whether the fault comes instead of an answer's head.
func (x *exchange) failsAtOnce() bool {
	f := x.plan.Fault
	return f != nil && (f.After < 0 || f.Kind == mock.FaultEvent && !x.req.Stream)
}

// fail is the fault that comes instead of an answer.
func (x *exchange) fail() {
	if !x.pause(x.plan.First) {
		return
	}
	f := x.plan.Fault
	e := f.Err("")
	switch f.Kind {
	case mock.FaultHang:
		<-x.r.Context().Done()
		x.entry.canceled()
	case mock.FaultReset:
		x.entry.failed()
		disconnect(x.w, true)
	case mock.FaultHTML:
		x.htmlPage(f)
	case mock.FaultBody:
		x.disguised(e)
	default:
		if e.Status == 0 {
			e.Status = http.StatusInternalServerError
		}
		x.refuse(e)
	}
}

func (x *exchange) htmlPage(f *mock.Fault) {
	x.s.stats.refused(x.entry, f.Status)
	title := strconv.Itoa(f.Status) + " " + http.StatusText(f.Status)
	h := x.w.Header()
	h.Set("Content-Type", "text/html")
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(f.RetryAfter), 10))
	}
	x.w.WriteHeader(f.Status)
	_, _ = fmt.Fprintf(x.w, edgePage, title, title)
}

// disguised answers with an error and status 200.
func (x *exchange) disguised(e *llm.Error) {
	e.Status = http.StatusInternalServerError
	x.entry.failed()
	h := x.w.Header()
	x.rt.surface.head(h, x.meta())
	if x.req.Stream {
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = x.w.Write(x.rt.surface.errors.AppendStreamError(nil, e))
		return
	}
	h.Set("Content-Type", "application/json")
	_, _ = x.w.Write(x.rt.surface.errors.AppendError(nil, e))
}

// breakWhole sends the head and half of a body, and then what the fault says.
func (x *exchange) breakWhole(body []byte) {
	f := x.plan.Fault
	if f.After > 0 {
		_, _ = x.w.Write(body[:len(body)/2])
	}
	rc := http.NewResponseController(x.w)
	if rc.Flush() != nil {
		x.entry.canceled()
		return
	}
	x.entry.tokens(x.plan.Response.Usage.Input, 0)
	x.abandon(f)
}

// broken ends a stream that did not come to its end.
func (x *exchange) broken(rc *http.ResponseController, err error) {
	var f *mock.Fault
	if gone(x.r.Context()) || !errors.As(err, &f) {
		x.entry.canceled()
		return
	}
	if f.Kind != mock.FaultEvent {
		x.abandon(f)
		return
	}
	x.entry.failed()
	e := f.Err("")
	e.Status = http.StatusInternalServerError
	_, _ = x.w.Write(x.rt.surface.errors.AppendStreamError(nil, e))
	_ = rc.Flush()
}

// abandon leaves an answer unfinished, in the way that the fault says.
func (x *exchange) abandon(f *mock.Fault) {
	if f.Kind == mock.FaultStall {
		<-x.r.Context().Done()
		x.entry.canceled()
		return
	}
	x.entry.failed()
	disconnect(x.w, f.Kind == mock.FaultReset)
}

// disconnect closes the connection without ending the answer on it: with a RST
// when reset is wanted, otherwise with a FIN. Where the connection cannot be
// had (HTTP/2), net/http aborts the stream. It does not always return.
func disconnect(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if reset {
		raw := conn
		if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
			raw = t.NetConn()
		}
		if tcp, ok := raw.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = raw.Close()
	}
	_ = conn.Close()
}
