package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// writeChunk is how much is written to a client under one write deadline.
const writeChunk = 256 << 10

// answer writes a whole successful body.
func (x *exchange) answer(body []byte) error {
	x.whole(http.StatusOK, body)
	if x.writeErr != nil {
		return x.writeErr
	}
	return nil
}

// translated writes a whole answer in the client's dialect.
func (x *exchange) translated(r *llm.Reply) error {
	body, err := x.ep.client.AppendResponse(x.buf[:0], x.ep.op, r.Response, x.fillFacts(http.StatusOK))
	if err != nil {
		return err
	}
	x.buf = body
	return x.answer(body)
}

// whole writes a complete JSON body with its status.
func (x *exchange) whole(status int, body []byte) {
	h := x.Header()
	h["Content-Type"] = contentJSON
	x.set("Content-Length", strconv.Itoa(len(body)))
	x.WriteHeader(status)
	for len(body) > writeChunk && x.writeErr == nil {
		x.send(body[:writeChunk])
		body = body[writeChunk:]
		x.extend(time.Now())
	}
	x.send(body)
}

// Header values that many answers share; nobody writes to them.
var (
	contentJSON   = []string{"application/json"}
	contentNDJSON = []string{"application/x-ndjson"}
	contentSSE    = []string{"text/event-stream"}
	noCache       = []string{"no-cache"}
	noStore       = []string{"no-store"}
	noSniff       = []string{"nosniff"}
	noBuffering   = []string{"no"} // nginx: proxy_buffering off for this answer
)

// send writes p unless the client has failed before; Write keeps the error.
func (x *exchange) send(p []byte) {
	if x.writeErr == nil && len(p) > 0 {
		_, _ = x.Write(p)
	}
}

// replyHeaders sets the headers that tell about the call.
func (x *exchange) replyHeaders(r *llm.Reply) {
	x.gatewayHeaders()
	if len(r.Dropped) > 0 {
		x.set("X-Gateway-Dropped", strings.Join(r.Dropped, ", "))
	}
}

// gatewayHeaders sets what is known of errors too.
func (x *exchange) gatewayHeaders() {
	if x.rec.provider != "" {
		x.set("X-Gateway-Provider", x.rec.provider)
	}
	if x.rec.model != "" {
		x.set("X-Gateway-Model", x.rec.model)
	}
	if x.facts.Cache != "" {
		x.set("X-Gateway-Cache", x.facts.Cache)
	}
	if x.rec.attempts > 0 {
		x.set("X-Gateway-Attempts", strconv.Itoa(x.rec.attempts))
	}
}
