package mockserver

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The lean path: models whose names begin with bench get answers that were
// rendered once. The request is not decoded; a look at its bytes finds the
// model and whether a stream is wanted.

const (
	benchPath     = "/v1/chat/completions"
	maxBenches    = 64      // answers kept
	maxRendered   = 8 << 20 // bytes of one answer
	chunkSize     = 256     // bytes of one chunk, about
	maxPooledBody = 1 << 20 // larger request buffers are not kept
)

// leanWords are the words of which a lean model's name may be made: those whose
// answer does not depend on the request.
var leanWords = []string{"bench", "delay-", "slow-", "pace-", "chunk-", "cached-", "cache-write-"}

// rendered is the answer of one lean model.
type rendered struct {
	entry       *entry
	first, pace time.Duration
	total       time.Duration // of a whole answer
	in, out     int64

	body   []byte
	length []string // Content-Length
	plain  events
	usage  events // with the usage that the client asked for
}

// events is a rendered stream.
type events struct {
	all []byte
	end []int // where each event ends in all
}

// benches holds the lean answers; it is copied to be changed.
type benches struct {
	mu  sync.Mutex
	all atomic.Pointer[map[string]*rendered]
}

var (
	jsonType     = []string{"application/json"}
	streamType   = []string{"text/event-stream; charset=utf-8"}
	benchRequest = []string{"req_bench"}
)

// bodies holds buffers for request bodies that are looked at and forgotten.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// serveChat answers a chat completion: the lean way if the model is made for
// it, otherwise as every other call.
func (s *Server) serveChat(w http.ResponseWriter, r *http.Request) {
	if err := s.authorize(s.chat.surface, r); err != nil {
		s.exchange(s.chat, w, r).refuse(err)
		return
	}
	buf, _ := bodies.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= maxPooledBody {
			bodies.Put(buf)
		}
	}()
	err := s.readInto(buf, w, r)
	if err == nil {
		if a := s.lean(r.Context(), buf.Bytes()); a != nil {
			a.serve(w, r, buf.Bytes())
			return
		}
	}
	s.exchange(s.chat, w, r).serve(bytes.Clone(buf.Bytes()), err)
}

func (s *Server) readInto(buf *bytes.Buffer, w http.ResponseWriter, r *http.Request) error {
	if n := r.ContentLength; n >= 0 && n <= s.o.MaxBody {
		buf.Grow(int(n) + bytes.MinRead)
		_, err := buf.ReadFrom(r.Body)
		return err
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, s.o.MaxBody))
	return err
}

// lean returns the rendered answer for a body that asks for a lean model, nil
// for any other.
func (s *Server) lean(ctx context.Context, body []byte) *rendered {
	v := look(body, `"model"`)
	if len(v) == 0 || v[0] != '"' {
		return nil
	}
	v = v[1:]
	name := bytes.TrimPrefix(v, []byte("mock/"))
	end := bytes.IndexByte(v, '"')
	if end < 0 || !bytes.HasPrefix(name, []byte("bench")) {
		return nil
	}
	model := v[:end]
	if all := s.bench.all.Load(); all != nil {
		if a := (*all)[string(model)]; a != nil {
			return a
		}
	}
	return s.prepare(context.WithoutCancel(ctx), string(model))
}

// look returns what follows the first member with this (quoted) name. A quote
// within a JSON string is escaped, so the text of a prompt is never taken for
// a member.
func look(body []byte, name string) []byte {
	for {
		i := bytes.Index(body, []byte(name))
		if i < 0 {
			return nil
		}
		body = bytes.TrimLeft(body[i+len(name):], " \t\r\n")
		if len(body) > 0 && body[0] == ':' {
			return bytes.TrimLeft(body[1:], " \t\r\n")
		}
	}
}

func isTrue(body []byte, name string) bool {
	return bytes.HasPrefix(look(body, name), []byte("true"))
}

// prepare renders the answer of a lean model.
func (s *Server) prepare(ctx context.Context, model string) *rendered {
	for piece := range strings.SplitSeq(strings.TrimPrefix(model, "mock/"), "+") {
		if !slices.ContainsFunc(leanWords, func(w string) bool { return strings.HasPrefix(piece, w) }) {
			return nil
		}
	}
	s.bench.mu.Lock()
	defer s.bench.mu.Unlock()
	old := s.bench.all.Load()
	if old != nil && len(*old) >= maxBenches {
		return nil
	}
	a := s.render(ctx, model)
	if a == nil || len(a.body)+len(a.usage.all) > maxRendered {
		return nil
	}
	next := map[string]*rendered{}
	if old != nil {
		next = maps.Clone(*old)
	}
	next[model] = a
	s.bench.all.Store(&next)
	return a
}

// render works the answer out as for any other model, once.
func (s *Server) render(ctx context.Context, model string) *rendered {
	hi := llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "hi"}}}
	plan, err := s.o.Engine.Plan(llm.OpChat, model, &llm.Request{Model: model, Messages: []llm.Message{hi}})
	if err != nil || plan.Fault != nil {
		return nil
	}
	sf := s.chat.surface
	r := plan.Response
	if chunks := r.Usage.Output / int64(plan.Chunk); chunks*chunkSize+int64(len(r.Text())) > maxRendered {
		return nil
	}
	r.ID = sf.idPrefix + trimPrefix(r.ID)
	body, err := sf.codec.AppendResponse(nil, llm.OpChat, r, &dialect.Facts{})
	if err != nil {
		return nil
	}
	a := &rendered{
		entry: s.stats.row(model), first: plan.First, pace: plan.Pace, total: plan.Whole(),
		in: r.Usage.Input, out: r.Usage.Output,
		body: body, length: []string{strconv.Itoa(len(body))},
	}
	plan.Pace = 0 // the stream is only read here, not given
	for _, usage := range []bool{false, true} {
		src := plan.Stream(ctx)
		enc := sf.codec.NewStreamEncoder(dialect.StreamOptions{Model: model, IncludeUsage: usage, Created: created, ID: r.ID})
		if usage {
			a.usage = drain(src, enc)
		} else {
			a.plain = drain(src, enc)
		}
	}
	return a
}

func drain(src llm.Stream, enc dialect.StreamEncoder) events {
	var e events
	for {
		ev, err := src.Recv()
		if err != nil { // io.EOF: nothing goes wrong with a plan without a fault
			e.all = enc.AppendEnd(e.all, &dialect.Facts{})
			e.end = append(e.end, len(e.all))
			return e
		}
		before := len(e.all)
		if e.all = enc.Append(e.all, ev); len(e.all) > before {
			e.end = append(e.end, len(e.all))
		}
	}
}

func (a *rendered) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	stream := isTrue(body, `"stream"`)
	a.entry.begin(stream)
	defer a.entry.end(stream)
	h := w.Header()
	h["X-Request-Id"] = benchRequest
	d := a.total
	if stream {
		d = a.first
	}
	if d > 0 && !sleep(r, d) {
		a.entry.canceled()
		return
	}
	if stream {
		a.stream(w, r, body)
		return
	}
	h["Content-Type"], h["Content-Length"] = jsonType, a.length
	a.entry.tokens(a.in, a.out)
	a.entry.done()
	if _, err := w.Write(a.body); err != nil {
		a.entry.undone()
	}
}

func (a *rendered) stream(w http.ResponseWriter, r *http.Request, body []byte) {
	ev := &a.plain
	if isTrue(body, `"include_usage"`) {
		ev = &a.usage
	}
	w.Header()["Content-Type"] = streamType
	if a.pace > 0 {
		a.paced(w, r, ev)
		return
	}
	a.entry.tokens(a.in, a.out)
	a.entry.done()
	if _, err := w.Write(ev.all); err != nil {
		a.entry.undone()
	}
}

// paced writes event by event. The tokens that were written are counted in
// proportion to the events.
func (a *rendered) paced(w http.ResponseWriter, r *http.Request, ev *events) {
	rc := http.NewResponseController(w)
	a.entry.tokens(a.in, 0)
	from := 0
	for i, end := range ev.end {
		last := i == len(ev.end)-1
		if i > 0 && !last && !sleep(r, a.pace) {
			a.entry.canceled()
			a.entry.tokens(0, a.out*int64(i)/int64(len(ev.end)))
			return
		}
		if last {
			a.entry.tokens(0, a.out)
			a.entry.done()
		}
		if _, err := w.Write(ev.all[from:end]); err != nil || rc.Flush() != nil {
			a.entry.lost(last, a.out*int64(i)/int64(len(ev.end)))
			return
		}
		from = end
	}
}

// lost corrects the counts when the client turned out to have left.
func (e *entry) lost(counted bool, out int64) {
	if counted {
		e.undone()
		return
	}
	e.canceled()
	e.tokens(0, out)
}

// sleep waits, and reports whether the client is still there afterwards.
func sleep(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
