package limits

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	maxBatch     = 64                     // entries of one script, which blocks Redis while it runs
	batchTimeout = 2 * time.Second        // nobody waits for a batch but the next one
	farewell     = 2 * time.Second        // for what is left at the end
	retryBatch   = 100 * time.Millisecond // after a batch that failed while Redis is not yet given up
)

// owner is the state of the one goroutine that sends settlements, renews slots
// and looks for a Redis that is away.
type owner struct {
	r     *Redis
	seq   uint64  // number of the batch at hand
	batch []entry // not known to have arrived
	told  bool    // what OnChange was told last
	asked uint64  // the last admission that was asked for when it was looked last
}

// run is that goroutine. It ends with ctx, after a last try to send what is
// left.
func (r *Redis) run(ctx context.Context) {
	defer close(r.done)
	o := &owner{r: r, told: r.up.Load()}
	renew := time.NewTicker(r.o.LeaseLife / 3)
	defer renew.Stop()
	probe := time.NewTimer(o.pause())
	defer probe.Stop()
	for {
		select {
		case <-ctx.Done():
			o.leave(context.WithoutCancel(ctx))
			return
		case <-r.queue.wake:
		case <-renew.C:
			o.renew(ctx)
		case <-probe.C:
			o.probe(ctx)
			probe.Reset(o.pause())
		}
		o.tell()
		if r.up.Load() && !o.send(ctx) {
			probe.Reset(min(retryBatch, o.pause()))
		}
		o.tell()
	}
}

// pause is the time between two probes, with a jitter that keeps replicas from
// coming back all at once.
func (o *owner) pause() time.Duration {
	return o.r.o.Probe + rand.N(o.r.o.Probe/4+1) //nolint:gosec // jitter
}

// tell reports a loss that a call has found.
func (o *owner) tell() {
	if o.told && !o.r.up.Load() {
		o.told = false
		o.r.o.OnChange(false, o.r.queue.takeLost())
	}
}

// look finds the loss of a Redis that no call asks: a replica without traffic
// tells of it, too.
func (o *owner) look(ctx context.Context) {
	r := o.r
	asked := r.ids.Load()
	idle := asked == o.asked
	o.asked = asked
	if !idle {
		return
	}
	if err := r.ping(ctx); err != nil {
		if ctx.Err() == nil {
			r.failed(err)
		}
		return
	}
	r.failures.Store(0)
}

// probe looks whether a Redis that is away has come back. It is up only when
// what has waited for it has arrived.
func (o *owner) probe(ctx context.Context) {
	r := o.r
	if r.up.Load() {
		o.look(ctx)
		return
	}
	if r.ping(ctx) != nil {
		return
	}
	r.remind()
	if !o.send(ctx) {
		return
	}
	o.renew(ctx)
	r.failures.Store(0)
	r.up.Store(true)
	o.told = true
	r.o.OnChange(true, nil)
}

// send sends all there is, batch by batch, and reports whether it arrived.
func (o *owner) send(ctx context.Context) bool {
	for {
		if o.batch == nil {
			if o.batch = o.r.queue.batch(maxBatch); len(o.batch) == 0 {
				o.batch = nil
				return true
			}
			o.seq++
		}
		if err := o.sendBatch(ctx); err != nil {
			o.r.failed(err)
			return false
		}
		o.r.queue.sent(len(o.batch))
		o.batch = nil
	}
}

// sendBatch sends the batch at hand. It may have been sent before.
func (o *owner) sendBatch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	r := o.r
	keys := make([]string, 0, 1+2*len(o.batch))
	args := make([]any, 0, 1+8*len(o.batch))
	keys = append(keys, r.o.Prefix+"{limits}:batch:"+r.replica)
	args = append(args, o.seq)
	for i := range o.batch {
		e := &o.batch[i]
		lease := ""
		if e.lease != 0 {
			lease = r.leaseName(e.lease)
		}
		keys = append(keys, e.subject.hash, e.subject.slots)
		args = append(args, lease, e.second, e.refund, e.extra, money(e.cost), e.subject.life, money(e.leastDay), money(e.leastMonth))
	}
	return r.settles.Run(ctx, r.client, keys, args...).Err()
}

// money is an amount as the scripts have it.
func money(m llm.Money) string { return strconv.FormatInt(int64(max(m, 0)), 10) }

// renew keeps the slots of calls that are under way. A lease that ends
// meanwhile is freed by a batch, and batches come after this.
func (o *owner) renew(ctx context.Context) {
	r := o.r
	var keys []string
	args := []any{r.o.LeaseLife.Milliseconds()}
	flush := func() {
		if len(keys) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, batchTimeout)
		defer cancel()
		if err := r.renews.Run(ctx, r.client, keys, args...).Err(); err != nil {
			r.failed(err)
		}
		keys, args = keys[:0], args[:1]
	}
	type slot struct {
		id  uint64
		set string
	}
	var held []slot
	r.queue.leases(func(id uint64, set string) { held = append(held, slot{id, set}) })
	for _, s := range held {
		keys = append(keys, s.set)
		args = append(args, r.leaseName(s.id))
		if len(keys) == 4*maxBatch {
			flush()
		}
	}
	flush()
}

// leave sends what is left when the engine is closed.
func (o *owner) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	if o.r.up.Load() || o.r.ping(ctx) == nil {
		o.send(ctx)
	}
}
