package server

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// batch answers POST /v1/generate/batch. Each item is a native request of its
// own: decoded, limited, routed, and told its own outcome.
//
// A batch honours every limit that single requests do. The batch itself has
// taken one token of the gateway's rate limit, which pays for the first item
// to run; each further item takes one more. It waits for it, as the batch is
// one connection and not a thousand impatient ones, but it stands in no queue
// ahead of single requests, and after BatchOptions.MaxWait it fails with its
// own 429. The limits of keys, tenants and routes are the service's, call by
// call; an item that meets one waits in the same way.
func batch(x *exchange) error {
	raw, err := x.body()
	if err != nil {
		return err
	}
	req, err := decodeBatch(raw, x.snap.Batch)
	if err != nil {
		return err
	}
	x.called = true
	b := &batchRun{x: x, items: req.items, outcomes: make(chan outcome), paid: true}
	var w batchWriter = &batchJSON{x: x, results: make([][]byte, len(req.items))}
	if acceptsNDJSON(x.req.Header) {
		w = &batchLines{x: x}
	}
	return b.run(min(req.concurrency, len(req.items)), w)
}

func acceptsNDJSON(h http.Header) bool {
	for _, v := range h["Accept"] {
		if strings.Contains(strings.ToLower(v), contentNDJSON[0]) {
			return true
		}
	}
	return false
}

// batchWriter writes the outcomes of a batch: all at the end, or as they come.
// Its methods return the client's failure.
type batchWriter interface {
	result(o outcome) error
	end(s *batchSummary) error
}

// batchRun is one batch on its way.
type batchRun struct {
	x        *exchange
	items    [][]byte
	outcomes chan outcome

	mu   sync.Mutex // held by the one worker whose turn it is to start an item
	next int
	paid bool // the next item's token has been taken
}

// outcome is how one item ended.
type outcome struct {
	index    int
	body     []byte // the result as a JSON object
	ok       bool
	usage    llm.Usage
	cost     llm.Money
	priced   bool
	attempts int
	provider string
	model    string
	cache    string
}

// run starts the workers, hands each outcome to w as it comes, and waits until
// all have ended. When the client leaves, what is under way is cancelled.
func (b *batchRun) run(workers int, w batchWriter) error {
	ctx, cancel := context.WithCancel(b.x.ctx())
	defer cancel()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() { b.work(ctx) })
	}
	var sum batchSummary
	var failed error
	for range b.items {
		o := <-b.outcomes
		sum.add(&o)
		if failed == nil {
			if failed = w.result(o); failed != nil {
				cancel()
			}
		}
	}
	all.Wait()
	b.x.noteBatch(&sum)
	if e := llm.ContextError(b.x.ctx()); e != nil && e.Kind == llm.KindCanceled {
		return e
	}
	if failed != nil {
		return failed
	}
	return w.end(&sum)
}

// work takes one item after the other until there is none left.
func (b *batchRun) work(ctx context.Context) {
	for {
		i, err := b.take(ctx)
		if i >= len(b.items) {
			return
		}
		b.outcomes <- b.item(ctx, i, err)
	}
}

// take waits for the next item's turn under the gateway's rate limit. The error
// is the item's outcome.
func (b *batchRun) take(ctx context.Context) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.next
	if i >= len(b.items) {
		return i, nil
	}
	b.next++
	if b.paid {
		b.paid = false
		return i, nil
	}
	if e := llm.ContextError(ctx); e != nil {
		return i, e
	}
	return i, b.x.snap.Limit.wait(ctx, b.x.snap.Batch.MaxWait)
}

// item performs one item and renders its outcome. A panic is the item's
// failure, and not the process's.
func (b *batchRun) item(ctx context.Context, i int, err error) (o outcome) {
	facts := dialect.Facts{RequestID: b.x.id + "-" + strconv.Itoa(i)}
	defer func() {
		if p := recover(); p != nil {
			b.x.logPanic(p, debug.Stack())
			o = b.failed(i, llm.Errorf(llm.KindInternal, "internal error"), &facts)
		}
	}()
	if err == nil {
		o, err = b.perform(ctx, i, &facts)
	} else {
		b.x.tellRefused(facts.RequestID, err)
	}
	if err != nil {
		if e := llm.ContextError(b.x.ctx()); e != nil {
			err = e
		}
		o = b.failed(i, llm.AsError(err), &facts)
	}
	return o
}

func (b *batchRun) perform(ctx context.Context, i int, f *dialect.Facts) (outcome, error) {
	c, err := b.x.newCall(b.items[i], f.RequestID)
	if err == nil && c.Stream {
		err = llm.Invalid("stream", "an item of a batch cannot be a stream")
	}
	if err != nil {
		b.x.tellRefused(f.RequestID, err)
		return outcome{}, err
	}
	began := time.Now()
	reply, err := b.do(ctx, &c.Call)
	if err != nil {
		b.watchItem(c, began, &outcome{}, llm.AsError(err))
		return outcome{}, err
	}
	defer reply.Close()
	if reply.Response == nil {
		return outcome{}, llm.Errorf(llm.KindInternal, "the reply does not fit the request")
	}
	f.Status, f.Provider, f.Model, f.Attempts, f.Cache = http.StatusOK, reply.Provider, reply.Model, reply.Attempts, reply.Cache
	f.Usage, f.Latency = reply.Usage, time.Since(began)
	o := outcome{
		index: i, ok: true, usage: reply.Usage, attempts: reply.Attempts, provider: reply.Provider, model: reply.Model, cache: reply.Cache,
	}
	if o.cost, o.priced = costOf(reply.Usage, reply.Price); o.priced {
		f.Cost = &o.cost
	}
	b.watchItem(c, began, &o, nil)
	body, err := b.x.ep.client.AppendResponse(nil, b.x.ep.op, reply.Response, f)
	if err != nil {
		return outcome{}, err
	}
	o.body = itemBody(i, reply.Dropped, body)
	return o, nil
}

// do performs an item's call, and again after the time that a limit asks for,
// while that is within BatchOptions.MaxWait.
func (b *batchRun) do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	began := time.Now()
	for {
		reply, err := b.x.snap.Service.Do(ctx, c)
		if err == nil {
			return reply, nil
		}
		e := llm.AsError(err)
		if e.Kind != llm.KindRateLimited || e.RetryAfter <= 0 || time.Since(began)+e.RetryAfter > b.x.snap.Batch.MaxWait {
			return nil, err
		}
		sleep(ctx, e.RetryAfter)
		if e := llm.ContextError(ctx); e != nil {
			return nil, e
		}
	}
}

func (b *batchRun) failed(i int, e *llm.Error, f *dialect.Facts) outcome {
	f.Status, f.Provider, f.Attempts = statusOf(e.Kind), e.Provider, e.Attempts
	return outcome{index: i, body: itemBody(i, nil, b.x.ep.errors.AppendError(nil, e, f)), attempts: e.Attempts}
}

// itemBody puts the item's index, and what was dropped on the client's wish, in
// front of the members of its envelope.
func itemBody(i int, dropped []string, envelope []byte) []byte {
	out := make([]byte, 0, len(envelope)+24)
	out = append(out, `{"index":`...)
	out = strconv.AppendInt(out, int64(i), 10)
	for j, name := range dropped {
		if j == 0 {
			out = append(out, `,"dropped":[`...)
		} else {
			out = append(out, ',')
		}
		out = jsonedit.AppendString(out, name)
	}
	if len(dropped) > 0 {
		out = append(out, ']')
	}
	out = append(out, ',')
	return append(out, envelope[1:]...)
}
