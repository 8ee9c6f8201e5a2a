package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/backoff"
	"github.com/llm-gateway/llm-gateway/pkg/client"
)

const (
	// syncEvery is how much of the results a crash of the whole system may
	// take back at most: those of the last second, whose requests are then
	// sent again.
	syncEvery = time.Second
	// showEvery is how often the progress bar moves.
	showEvery = 200 * time.Millisecond
)

// exitSomeFailed is the exit status of a batch that ran to its end with
// failures in it; 1 is that of a command that could not do its work.
const exitSomeFailed = 2

// exitError gives an error an exit status of its own.
type exitError struct {
	code int
	error
}

// Unwrap returns the error without its status.
func (e *exitError) Unwrap() error { return e.error }

// exitCode returns the process's exit status for a command's error.
func exitCode(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return 1
}

// batchOptions are the flags of batch.
type batchOptions struct {
	gatewayFlags
	input, output string
	concurrency   int
	retries       int
	maxWait       time.Duration
	grace         time.Duration
	retryFailed   bool
}

// batch sends each line of a file and writes each answer as a line of another.
func (p program) batch(ctx context.Context, args []string) (err error) {
	o, err := p.batchFlags(args)
	if err != nil {
		return err
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	defer c.Close()
	out, err := openOutput(o.output, o.input, o.retryFailed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	total, err := survey(o.input, out.done)
	if err != nil {
		return err
	}
	b := &batchRun{
		o: o, client: c, out: out, pace: newPace(o.concurrency), began: time.Now(),
		progress: progress{total: total, before: out.sum},
		display:  display{w: p.stderr, width: func() int { return terminalWidth(p.stderr) }},
	}
	return b.run(ctx)
}

func (p program) batchFlags(args []string) (*batchOptions, error) {
	o := &batchOptions{}
	fs := p.flags("batch")
	fs.Usage = usageOf(fs, "batch in.jsonl -o out.jsonl [flags]",
		"Each line of the input is a request of POST /v1/generate, with custom_id or id beside it if you like.\nWhat the output has an answer to is not sent again. Exit status: 0 all good, 2 some failed, 1 could not run.")
	fs.StringVar(&o.output, "o", "", "`file` for the results")
	fs.IntVar(&o.concurrency, "c", 8, "requests at once")
	fs.IntVar(&o.retries, "retries", 10, "how often a request is sent again when the gateway is over a limit or cannot be reached")
	fs.DurationVar(&o.maxWait, "max-wait", 2*time.Minute, "longest Retry-After that is waited for")
	fs.DurationVar(&o.grace, "grace", 30*time.Second, "how long requests under way may take to finish after Ctrl-C; a second one cancels them")
	fs.BoolVar(&o.retryFailed, "retry-failed", false, "send again what the output has a failure for")
	o.register(fs, p.lookupEnv)
	files, err := parseMixed(fs, args)
	switch {
	case err != nil:
		return nil, err
	case len(files) != 1 || o.output == "":
		return nil, errors.New("usage: llm-gateway batch in.jsonl -o out.jsonl; -h lists the flags")
	case o.concurrency < 1 || o.retries < 0 || o.maxWait < 0 || o.grace < 0:
		return nil, errors.New("-c is at least 1; -retries, -max-wait and -grace are not negative")
	}
	o.input = files[0]
	return o, nil
}

// batchRun is one batch on its way. Only the goroutine of run writes to the
// output and to the display.
type batchRun struct {
	o        *batchOptions
	client   *client.Client
	out      *output
	pace     *pace
	backoff  backoff.Backoff
	progress progress
	display  display
	began    time.Time
	stop     context.CancelCauseFunc // nothing more is sent
	dirty    bool                    // something is written and not yet synced
	synced   time.Time
}

// outcome is how an item ended: with a response, with a failure, or, when
// neither is set, not at all.
type outcome struct {
	item     item
	response *client.Response
	failure  *client.Error
	fatal    error // the batch cannot go on
}

// run performs the batch. When ctx ends nothing more is sent; what is under way
// may finish within the grace time, as it is being paid for.
func (b *batchRun) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	b.stop = stop
	calls, cancelCalls := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelCalls()
	var helpers sync.WaitGroup
	helpers.Go(func() { b.limitGrace(ctx, calls, cancelCalls) })
	outcomes, fed := b.start(ctx, calls)
	failed := b.collect(ctx, outcomes, cancelCalls)
	cancelCalls()
	stop(nil)
	helpers.Wait()
	if err := <-fed; failed == nil && err != nil && !errors.Is(err, context.Canceled) {
		failed = err
	}
	return b.finish(failed)
}

// start starts the workers and what feeds them. outcomes is closed when all
// have ended; fed tells once how reading the input went.
func (b *batchRun) start(ctx, calls context.Context) (<-chan outcome, <-chan error) {
	items, outcomes, fed := make(chan item), make(chan outcome), make(chan error, 1) // fed: told before anybody asks
	var all sync.WaitGroup
	all.Go(func() {
		defer close(items)
		fed <- feed(ctx, b.o.input, b.out.done, items)
	})
	for range b.o.concurrency {
		all.Go(func() {
			for it := range items {
				outcomes <- b.perform(ctx, calls, it)
			}
		})
	}
	go func() { // ends with the workers; its reader waits for the close
		all.Wait()
		close(outcomes)
	}()
	return outcomes, fed
}

// limitGrace cancels the calls under way when, after ctx, the grace time has
// ended or a second signal comes.
func (b *batchRun) limitGrace(ctx, calls context.Context, cancel context.CancelFunc) {
	select {
	case <-calls.Done():
		return
	case <-ctx.Done():
	}
	again, done := signal.NotifyContext(calls, os.Interrupt, syscall.SIGTERM)
	defer done()
	_ = backoff.Wait(again, b.o.grace)
	cancel()
}

// collect writes the outcomes as they come, until there are no more. It
// returns why the batch could not run to its end. When results cannot be kept
// it cancels the calls: they would be paid for in vain.
func (b *batchRun) collect(ctx context.Context, outcomes <-chan outcome, cancelCalls func()) (failed error) {
	tick := time.NewTicker(showEvery)
	defer tick.Stop()
	notKept := func(err error) {
		if err != nil {
			failed = cmp.Or(failed, err)
			b.stop(err)
			cancelCalls()
		}
	}
	stopped := ctx.Done()
	for {
		select {
		case o, more := <-outcomes:
			if !more {
				return failed
			}
			failed = cmp.Or(failed, o.fatal)
			notKept(b.keep(&o))
		case <-tick.C:
			notKept(b.sync())
			b.show()
		case <-stopped:
			stopped = nil
			b.display.say(fmt.Sprintf("stopping: what is under way has %v to finish; Ctrl-C cancels it\n", b.o.grace))
		}
	}
}

// keep writes an outcome down.
func (b *batchRun) keep(o *outcome) error {
	if o.response == nil && o.failure == nil {
		return nil
	}
	line, err := appendResult(nil, o)
	if err != nil {
		return err
	}
	if err := b.out.write(line); err != nil {
		return err
	}
	b.dirty = true
	if o.response != nil {
		b.progress.now.addAnswer(o.response.Usage, o.response.Cost)
	} else {
		b.progress.now.failed++
	}
	return nil
}

func (b *batchRun) sync() error {
	if !b.dirty || time.Since(b.synced) < syncEvery {
		return nil
	}
	b.dirty, b.synced = false, time.Now()
	return b.out.f.Sync()
}

func (b *batchRun) show() {
	b.progress.elapsed = time.Since(b.began)
	b.display.show(&b.progress)
}

// finish prints the summary and says how the batch ended.
func (b *batchRun) finish(failed error) error {
	b.progress.elapsed = time.Since(b.began)
	b.display.say(b.progress.summary())
	all := b.progress.before.plus(b.progress.now)
	switch {
	case failed != nil:
		return fmt.Errorf("the batch stopped: %w", failed)
	case all.done() < b.progress.total:
		return fmt.Errorf("stopped with %d of %d requests done; the same command goes on from here", all.done(), b.progress.total)
	case all.failed > 0:
		return &exitError{exitSomeFailed, fmt.Errorf("%d of %d requests failed; -retry-failed sends them again", all.failed, all.done())}
	}
	return nil
}

// perform sends one item until it has its outcome. ctx ends its waits, calls
// its calls.
func (b *batchRun) perform(ctx, calls context.Context, it item) outcome {
	if it.bad != nil {
		return outcome{item: it, failure: it.bad}
	}
	for try := 0; ; try++ {
		if b.pace.start(ctx, it.index) != nil {
			return outcome{item: it}
		}
		r, err := b.client.Generate(calls, client.Request{Raw: it.body})
		if err == nil {
			b.pace.succeeded()
			return outcome{item: it, response: r}
		}
		var e *client.Error
		if !errors.As(err, &e) {
			e = &client.Error{Kind: client.KindConnection, Message: "the call failed", Err: err}
		}
		wait, again := b.again(e, try)
		if !again {
			b.pace.ended()
			return b.failed(calls, it, e)
		}
		b.pace.refused(wait)
	}
}

// patience is how many times more often an item is sent again that lost the race
// for the gateway's own limit: the gateway says when the next turn is, and to
// whom it goes is luck.
const patience = 4

// again says whether, and after what time, an item is sent once more: when the
// gateway did not take it for a limit's sake, or could not be reached.
func (b *batchRun) again(e *client.Error, try int) (time.Duration, bool) {
	tries := b.o.retries
	if e.Kind == client.KindRateLimited {
		tries *= patience
	}
	if try >= tries || !e.Retryable {
		return 0, false
	}
	switch e.Kind {
	case client.KindRateLimited, client.KindUpstreamRateLimited, client.KindOverloaded:
	default:
		return b.backoff.Delay(try), e.NeverSent()
	}
	if e.RetryAfter > 0 {
		return e.RetryAfter, e.RetryAfter <= b.o.maxWait
	}
	return b.backoff.Delay(try), true
}

// failed makes an item's outcome of its last failure. What would befall every
// other item just the same ends the batch instead, so that the next run does
// not have to sort it out.
func (b *batchRun) failed(calls context.Context, it item, e *client.Error) outcome {
	switch {
	case calls.Err() != nil:
		return outcome{item: it}
	case e.Kind == client.KindUnauthenticated || e.Kind == client.KindBudgetExceeded || e.NeverSent():
		b.stop(e)
		return outcome{item: it, fatal: e}
	}
	return outcome{item: it, failure: e}
}
