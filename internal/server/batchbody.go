package server

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
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
	if _, err := dialect.Peek(raw); err != nil { // malformed JSON, with its offset
		return nil, err
	}
	req := &batchRequest{concurrency: o.Concurrency}
	seen := false
	err := jsonedit.Each(raw, jsonedit.Span{End: len(raw)}, func(key string, value jsonedit.Span) (err error) {
		switch key {
		case "requests":
			if seen {
				return llm.Invalid("requests", "the member requests is given twice")
			}
			seen = true
			req.items, err = batchItems(raw, value, o.MaxItems)
		case "concurrency":
			req.concurrency, err = batchConcurrency(raw, value, o)
		default:
			err = llm.Invalid(key, "unknown field %q", key)
		}
		return err
	})
	if err == nil && len(req.items) == 0 {
		err = llm.Invalid("requests", "requests must be an array of at least one request")
	}
	if err != nil {
		return nil, llm.AsError(err)
	}
	return req, nil
}

func batchItems(raw []byte, at jsonedit.Span, most int) ([][]byte, error) {
	if jsonedit.Kind(raw, at) != '[' {
		return nil, llm.Invalid("requests", "requests must be an array")
	}
	var items [][]byte
	err := jsonedit.EachElem(raw, at, func(i int, value jsonedit.Span) error {
		if i == most {
			return llm.Invalid("requests", "a batch has at most %d requests", most)
		}
		items = append(items, raw[value.Start:value.End:value.End])
		return nil
	})
	return items, err
}

func batchConcurrency(raw []byte, at jsonedit.Span, o BatchOptions) (int, error) {
	if jsonedit.IsNull(raw, at) {
		return o.Concurrency, nil
	}
	n, err := jsonedit.Int64(raw, at)
	if err != nil || n < 1 {
		return 0, llm.Invalid("concurrency", "concurrency must be a whole number of at least 1")
	}
	return int(min(n, int64(o.MaxConcurrency))), nil
}

// batchSummary sums up the outcomes.
type batchSummary struct {
	succeeded, failed, attempts int

	usage     llm.Usage
	estimated bool
	cost      llm.Money
	unpriced  bool // an answer has no known price, so the sum has none
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
	s.estimated = s.estimated || o.usage.Source != llm.UsageReported
	s.cost += o.cost
	s.unpriced = s.unpriced || !o.priced
}

// priced reports whether the sum of costs is known.
func (s *batchSummary) priced() bool { return s.succeeded > 0 && !s.unpriced }

type usageBody struct {
	Input       int64 `json:"input_tokens"`
	CachedInput int64 `json:"cached_input_tokens"`
	Output      int64 `json:"output_tokens"`
	Reasoning   int64 `json:"reasoning_tokens"`
	Total       int64 `json:"total_tokens"`
	Estimated   bool  `json:"estimated"`
}

type costBody struct {
	Amount   llm.Money `json:"amount"`
	Currency string    `json:"currency"`
}

type summaryBody struct {
	Succeeded int       `json:"succeeded"`
	Failed    int       `json:"failed"`
	Usage     usageBody `json:"usage"`
	Cost      *costBody `json:"cost"`
}

func (s *batchSummary) body() summaryBody {
	u := s.usage
	b := summaryBody{Succeeded: s.succeeded, Failed: s.failed, Usage: usageBody{
		Input: u.Input, CachedInput: u.CachedInput, Output: u.Output, Reasoning: u.Reasoning, Total: u.Total(), Estimated: s.estimated,
	}}
	if s.priced() {
		b.Cost = &costBody{Amount: s.cost, Currency: "USD"}
	}
	return b
}

// noteBatch puts the sums on the request's record. The time spent on upstreams
// overlaps itself in a batch, so there is no overhead to tell.
func (x *exchange) noteBatch(s *batchSummary) {
	x.rec.attempts, x.rec.usage = s.attempts, s.usage
	x.rec.usage.Source = llm.UsageReported
	if s.estimated {
		x.rec.usage.Source = llm.UsageEstimated
	}
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
	type data struct {
		Results []json.RawMessage `json:"results"`
		Summary summaryBody       `json:"summary"`
	}
	d := data{Summary: s.body()}
	for _, r := range w.results {
		d.Results = append(d.Results, r)
	}
	return w.x.json(http.StatusOK, struct {
		Code      int    `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
		Data      data   `json:"data"`
	}{http.StatusOK, "success", w.x.id, d})
}

// batchLines writes each result as a line as soon as it is there, and the
// summary as the last line.
type batchLines struct{ x *exchange }

func (w *batchLines) result(o outcome) error { return w.line(o.body) }

func (w *batchLines) end(s *batchSummary) error {
	line, err := json.Marshal(struct {
		Summary summaryBody `json:"summary"`
	}{s.body()})
	if err != nil {
		return llm.AsError(err)
	}
	return w.line(line)
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
