package h1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
)

// waitBuffer is what a connection holds while it carries a stream of events,
// which waits most of its time: a few events, with the framing of their chunks.
const waitBuffer = 1 << 10

func isEvents(h http.Header) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/event-stream")
}

// slim exchanges the reader's buffer for a small one. The body's framing, which
// is net/http's, holds on to the reader itself, so that it is replaced in place.
func (c *conn) slim() {
	left, _ := c.br.Peek(c.br.Buffered()) // which never fails: it is there
	var src io.Reader = c
	if len(left) > 0 {
		src = io.MultiReader(bytes.NewReader(bytes.Clone(left)), c)
	}
	large := *c.br
	c.t.readers.Put(&large)
	*c.br = *bufio.NewReaderSize(src, waitBuffer)
}

// restore undoes slim before the next exchange.
func (c *conn) restore() {
	if c.br.Size() >= readBuffer {
		return
	}
	large, ok := c.t.readers.Get().(*bufio.Reader)
	if !ok {
		large = bufio.NewReaderSize(c, readBuffer)
	}
	large.Reset(c)
	c.br = large
}
