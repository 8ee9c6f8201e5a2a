package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"strconv"
	"time"
)

// BatchOptions tunes a batch. The zero value is good.
type BatchOptions struct {
	Concurrency     int                // items at once, lowered to what the gateway allows; 0 = the gateway's default
	DropUnsupported bool               // as Request.DropUnsupported, for all items
	Summary         func(BatchSummary) // called once, when the gateway has told the sums; may be nil
}

// BatchResult is how one item ended: Response or Err is set.
type BatchResult struct {
	Index    int // of the request
	Response *Response
	Err      *Error
	Raw      json.RawMessage // the result as it came
}

// BatchSummary sums up a batch.
type BatchSummary struct {
	Succeeded int   `json:"succeeded"`
	Failed    int   `json:"failed"`
	Usage     Usage `json:"usage"`
	Cost      *Cost `json:"cost"` // nil unless every answer has a price
}

// Batch sends many requests in one call, at most 1,000 of them, and yields each
// result as it finishes. An item's own failure stands in its result. The
// iteration's error is the whole batch's: it was refused, or broke off before
// every item had its result; it comes last, with an Index of -1. Leaving the
// loop cancels what is under way.
func (c *Client) Batch(ctx context.Context, reqs []Request, o BatchOptions) iter.Seq2[BatchResult, error] {
	return func(yield func(BatchResult, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		b, err := c.openBatch(ctx, reqs, &o)
		if err != nil {
			yield(BatchResult{Index: -1}, err)
			return
		}
		defer b.body.Close()
		for {
			r, err := b.next(ctx)
			if err != nil {
				yield(BatchResult{Index: -1}, err)
				return
			}
			if r == nil {
				b.drain(cancel)
				return
			}
			if !yield(*r, nil) {
				return
			}
		}
	}
}

// batch reads the results of one batch.
type batch struct {
	body    io.ReadCloser
	lines   lines
	seen    []bool
	got     int
	summary func(BatchSummary)
}

func (c *Client) openBatch(ctx context.Context, reqs []Request, o *BatchOptions) (*batch, error) {
	body, err := encodeBatch(reqs, o.Concurrency)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, &call{path: "/v1/generate/batch", accept: typeNDJSON, body: body, drop: o.DropUnsupported})
	if err != nil {
		return nil, err
	}
	if !hasType(resp, typeNDJSON) {
		defer resp.Body.Close()
		return nil, protocolError("expected lines of JSON, got %q", resp.Header.Get("Content-Type"))
	}
	return &batch{
		body: resp.Body, lines: lines{r: bufio.NewReader(resp.Body), most: c.o.MaxAnswer},
		seen: make([]bool, len(reqs)), summary: o.Summary,
	}, nil
}

// encodeBatch is written by hand so that raw requests stay as they are.
func encodeBatch(reqs []Request, concurrency int) ([]byte, error) {
	body := []byte(`{"requests":[`)
	for i := range reqs {
		raw, err := reqs[i].encode(false)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, raw...)
	}
	body = append(body, ']')
	if concurrency > 0 {
		body = strconv.AppendInt(append(body, `,"concurrency":`...), int64(concurrency), 10)
	}
	return append(body, '}'), nil
}

// batchLine is a result, or the summary that ends the batch.
type batchLine struct {
	envelope
	Index   *int          `json:"index"`
	Dropped []string      `json:"dropped"`
	Summary *BatchSummary `json:"summary"`
}

// next returns the next result, nil at the end of a complete batch.
func (b *batch) next(ctx context.Context) (*BatchResult, error) {
	raw, err := b.lines.next()
	if err != nil {
		return nil, b.broken(ctx, err)
	}
	var l batchLine
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, &Error{Kind: KindProtocol, Message: "a line of the batch cannot be read", Err: err}
	}
	switch {
	case l.Summary != nil && b.got == len(b.seen):
		if b.summary != nil {
			b.summary(*l.Summary)
		}
		return nil, nil
	case l.Summary != nil:
		return nil, protocolError("the batch ended with %d of %d results", b.got, len(b.seen))
	case l.Index == nil && l.failure() != nil:
		return nil, l.asError() // the whole batch failed on its way
	case l.Index == nil || *l.Index < 0 || *l.Index >= len(b.seen) || b.seen[*l.Index]:
		return nil, protocolError("a result belongs to no request of the batch: %s", excerpt(raw))
	}
	b.seen[*l.Index] = true
	b.got++
	return l.result(raw), nil
}

func (l *batchLine) result(raw []byte) *BatchResult {
	out := &BatchResult{Index: *l.Index, Raw: bytes.Clone(raw)}
	if l.failure() != nil {
		out.Err = l.asError()
		return out
	}
	r, err := l.response()
	if err != nil {
		out.Err = err.(*Error) //nolint:errorlint // made a line above, never wrapped
		return out
	}
	r.Dropped = l.Dropped
	out.Response = r
	return out
}

func (b *batch) broken(ctx context.Context, err error) error {
	if err == errLineTooLong {
		return &Error{Kind: KindProtocol, Message: "the gateway sent a result beyond the limit", Err: err}
	}
	e := transportError(ctx, err)
	if e.Kind == KindConnection {
		e.Message = "the batch broke off"
	}
	return e
}

func (b *batch) drain(cancel context.CancelFunc) {
	timer := time.AfterFunc(drainTime, cancel)
	defer timer.Stop()
	for {
		if _, err := b.lines.next(); err != nil {
			return
		}
	}
}
