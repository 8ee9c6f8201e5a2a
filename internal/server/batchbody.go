package server

import (
	"math"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/native"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// batchRequest is the body of POST /v1/generate/batch. Items alias the body.
type batchRequest struct {
	items       [][]byte
	concurrency int
}

// decodeBatch reads a batch. Unknown members are refused, like everywhere in
// the native dialect. A concurrency above what the gateway allows is a wish,
// and is lowered.
func decodeBatch(raw []byte, o BatchOptions) (*batchRequest, error) {
	if err := wire.Body(raw); err != nil {
		return nil, err
	}
	req := &batchRequest{concurrency: o.Concurrency}
	err := wire.Object(wire.Trim(raw), func(name string, v []byte) error {
		switch name {
		case "requests":
			return req.decodeItems(v, o.MaxItems)
		case "concurrency":
			n, err := wire.Int(v, 1, math.MaxInt32)
			req.concurrency = min(int(n), o.MaxConcurrency)
			return err
		}
		return wire.Wrong("unknown field")
	})
	if err == nil && len(req.items) == 0 {
		err = wire.At(wire.Wrong("expected an array of at least one request"), "requests")
	}
	if err != nil {
		return nil, wire.Explain(err)
	}
	return req, nil
}

func (r *batchRequest) decodeItems(v []byte, most int) error {
	if r.items != nil {
		return wire.Wrong("given twice")
	}
	r.items = [][]byte{}
	return wire.Array(v, func(i int, item []byte) error {
		if i == most {
			return wire.Wrong("a batch has at most %d requests", most)
		}
		r.items = append(r.items, item)
		return nil
	})
}

// batchSummary sums up the outcomes.
type batchSummary struct {
	succeeded, failed, attempts int

	usage    llm.Usage // reported only if all of it is
	cost     llm.Money
	unpriced bool // an answer has no known price, so the sum has none
}

func (s *batchSummary) add(o *outcome) {
	s.attempts += o.attempts
	if !o.ok {
		s.failed++
		return
	}
	s.succeeded++
	s.usage.Input += o.usage.Input
	s.usage.CachedInput += o.usage.CachedInput
	s.usage.CacheWrite += o.usage.CacheWrite
	s.usage.CacheWrite1h += o.usage.CacheWrite1h
	s.usage.Output += o.usage.Output
	s.usage.Reasoning += o.usage.Reasoning
	if s.succeeded == 1 || s.usage.Source == llm.UsageReported {
		s.usage.Source = o.usage.Source
	}
	s.cost += o.cost
	s.unpriced = s.unpriced || !o.priced
}

// priced reports whether the sum of costs is known.
func (s *batchSummary) priced() bool { return s.succeeded > 0 && !s.unpriced }

// appendTo appends the summary as a JSON object.
func (s *batchSummary) appendTo(b []byte) []byte {
	b = wire.Num(append(b, '{'), "succeeded", int64(s.succeeded))
	b = wire.Num(b, "failed", int64(s.failed))
	b = native.AppendUsage(wire.Key(b, "usage"), &s.usage)
	var cost *llm.Money
	if s.priced() {
		cost = &s.cost
	}
	return append(native.AppendCost(wire.Key(b, "cost"), cost), '}')
}

// noteBatch puts the sums on the request's record. The time spent on upstreams
// overlaps itself in a batch, so there is no overhead to tell.
func (x *exchange) noteBatch(s *batchSummary) {
	x.rec.attempts, x.rec.usage = s.attempts, s.usage
	x.rec.cost, x.rec.priced = s.cost, s.priced()
}

// batchJSON collects the results and answers with one envelope.
type batchJSON struct {
	x       *exchange
	results [][]byte
}

func (w *batchJSON) result(o outcome) error {
	w.results[o.index] = o.body
	return nil
}

func (w *batchJSON) end(s *batchSummary) error {
	b := wire.Num([]byte{'{'}, "code", http.StatusOK)
	b = wire.Str(b, "message", "success")
	b = wire.Str(b, "request_id", w.x.id)
	b = append(wire.Key(b, "data"), `{"results":[`...)
	for i, r := range w.results {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r...)
	}
	b = s.appendTo(append(b, `],"summary":`...))
	return w.x.answer(append(b, "}}"...))
}

// batchLines writes each result as a line as soon as it is there, and the
// summary as the last line.
type batchLines struct{ x *exchange }

func (w *batchLines) result(o outcome) error { return w.line(o.body) }

func (w *batchLines) end(s *batchSummary) error {
	return w.line(append(s.appendTo([]byte(`{"summary":`)), '}'))
}

func (w *batchLines) line(body []byte) error {
	x := w.x
	if x.status == 0 {
		h := x.Header()
		h["Content-Type"], h["Cache-Control"], h["X-Accel-Buffering"] = contentNDJSON, noCache, noBuffering
		x.WriteHeader(http.StatusOK)
	} else {
		x.extend(time.Now())
	}
	x.send(append(body, '\n'))
	return x.flush()
}
