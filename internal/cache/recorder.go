package cache

import (
	"encoding/json"
	"io"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// pieceSize is how much of a kept stream makes a piece of its own: as much is
// written to a client at once when it is given again.
const pieceSize = 32 << 10

// recorder gathers a stream that passes by, up to a size.
type recorder struct {
	c      *llm.Call
	e      entry
	max    int // bytes of an entry
	over   bool
	raw    bool
	answer llm.Collector
}

func newRecorder(c *llm.Call, r *llm.Reply, limit int) *recorder {
	return &recorder{c: c, e: about(r), max: limit}
}

// add takes one event, whose bytes are copied.
func (r *recorder) add(ev *llm.Event) {
	if r.over {
		return
	}
	if ev.Kind == llm.EventRaw {
		r.raw = true
		r.piece(ev.Raw)
	}
	r.answer.Add(ev)
	if len(r.e.body)+r.answer.Size() > r.max {
		r.over, r.e.body, r.e.pieces, r.answer = true, nil, nil, llm.Collector{}
	}
}

func (r *recorder) piece(b []byte) {
	n := len(r.e.pieces)
	switch {
	case len(b) == 0:
		return
	case n > 0 && r.e.pieces[n-1]+len(b) <= pieceSize:
		r.e.pieces[n-1] += len(b)
	default:
		r.e.pieces = append(r.e.pieces, len(b))
	}
	r.e.body = append(r.e.body, b...)
}

// entry returns the bytes of the entry of a stream that has come to its end,
// nil when it must not be kept.
func (r *recorder) entry() []byte {
	if r.over {
		return nil
	}
	resp := r.answer.Response()
	if !worth(r.c, resp.Finish) {
		return nil
	}
	r.e.usage, r.e.finish = resp.Usage, resp.Finish
	if r.raw {
		r.e.kind = kindStream
		if len(r.e.body) == 0 || r.answer.Size() > 0 {
			return nil // of both kinds: nothing that could be given again
		}
		return r.e.append(make([]byte, 0, len(r.e.body)+headRoom))
	}
	resp.Created = time.Now().Unix()
	b, err := json.Marshal(resp)
	if err != nil {
		return nil
	}
	r.e.kind, r.e.body, r.e.dialect = kindResponse, b, 0
	return r.e.append(make([]byte, 0, len(b)+headRoom))
}

// recorded is a stream that a recorder watches on its way to the one reader.
type recorded struct {
	llm.Stream
	rec  *recorder
	keep func(value []byte)
}

// Recv passes an event on.
func (s *recorded) Recv() (*llm.Event, error) {
	ev, err := s.Stream.Recv()
	switch {
	case s.rec == nil:
	case err == nil:
		s.rec.add(ev)
	default:
		if err == io.EOF {
			s.keep(s.rec.entry())
		}
		s.rec = nil
	}
	return ev, err
}
