package limits

import (
	"context"
	_ "embed" // the scripts
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The defaults of RedisOptions.
const (
	DefaultRedisTimeout = 100 * time.Millisecond
	DefaultLeaseLife    = 60 * time.Second
	DefaultProbe        = 500 * time.Millisecond
)

// RedisOptions makes a Redis engine.
type RedisOptions struct {
	// URL is redis://, rediss:// (TLS) or unix://. With the parameter
	// master_name it names sentinels, with addr nodes of a cluster, as go-redis
	// has it.
	URL     string
	Prefix  string        // of every key
	Timeout time.Duration // for one command on the way of a call; 0 = DefaultRedisTimeout

	// Refuse makes calls fail that have a limit while Redis is away, instead
	// of going on with limits of this process.
	Refuse bool

	// LeaseLife is how long the slots of a replica that has crashed stay
	// taken; 0 = DefaultLeaseLife.
	LeaseLife time.Duration
	Probe     time.Duration // between two looks for a Redis that is away; 0 = DefaultProbe

	Local    *Memory                  // what answers while Redis is away; nil = a new one
	OnChange func(up bool, err error) // Redis was lost or found again; err says why it was lost; one call at a time
	OnLocal  func()                   // one call was admitted, or refused, without Redis
}

// Redis is the engine of replicas that share their limits. An admission is one
// round trip; settlements are gathered and sent in batches by one goroutine. It
// is safe for concurrent use. Close it when no call is under way any more.
type Redis struct {
	o       RedisOptions
	client  redis.UniversalClient
	local   *Memory
	replica string // random: names leases and batches

	up       atomic.Bool
	failures atomic.Int32 // in a row
	ids      atomic.Uint64

	admit, settles, renews, reads *redis.Script
	queue                         queue
	cancel                        context.CancelFunc
	done                          chan struct{}
}

//go:embed redis.lua
var luaCommon string

//go:embed admit.lua
var luaAdmit string

//go:embed settle.lua
var luaSettle string

//go:embed renew.lua
var luaRenew string

//go:embed read.lua
var luaRead string

// failuresToTrip is how many commands in a row must fail before Redis counts as
// away and only the owner's probes still ask it.
const failuresToTrip = 3

// NewRedis connects. Redis need not be there: until it is, the engine does what
// it does when Redis is lost. An error is about the options.
func NewRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	o.Timeout = orDefault(o.Timeout, DefaultRedisTimeout)
	o.LeaseLife = orDefault(o.LeaseLife, DefaultLeaseLife)
	o.Probe = orDefault(o.Probe, DefaultProbe)
	if o.Local == nil {
		o.Local = NewMemory(nil)
	}
	if o.OnChange == nil {
		o.OnChange = func(bool, error) {}
	}
	if o.OnLocal == nil {
		o.OnLocal = func() {}
	}
	logging.Disable() // go-redis writes to stderr what OnChange tells better
	client, err := dial(o)
	if err != nil {
		return nil, err
	}
	r := &Redis{
		o: o, client: client, local: o.Local, replica: strconv.FormatUint(rand.Uint64(), 36), done: make(chan struct{}), //nolint:gosec // a name that must differ, not be secret
		admit: redis.NewScript(luaCommon + luaAdmit), settles: redis.NewScript(luaCommon + luaSettle), renews: redis.NewScript(luaCommon + luaRenew),
		reads: redis.NewScript(luaCommon + luaRead),
	}
	r.queue.init()
	if err := r.ping(ctx); err != nil {
		o.OnChange(false, err)
	} else {
		r.up.Store(true)
		o.OnChange(true, nil)
	}
	// The owner outlives whoever makes the engine; Close ends it.
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	go r.run(life)
	return r, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}

// Up reports whether Redis answers.
func (r *Redis) Up() bool { return r.up.Load() }

// Refuses reports whether calls are refused while Redis is away.
func (r *Redis) Refuses() bool { return r.o.Refuse }

// Client returns the connections to Redis, for other rooms to share. Close ends
// them.
func (r *Redis) Client() redis.UniversalClient { return r.client }

// bind prepares a subject for both engines. All keys share one hash tag, so
// that a cluster lets a script have them together.
func (r *Redis) bind(s *Subject) {
	r.local.bind(s)
	base := r.key(s.Scope, s.Name)
	s.hash, s.slots = base, base+":slots"
	life := 2 * windowSlots * time.Second
	if s.rate > 0 {
		fill := bucket{}
		life = max(life, 2*min(fill.until(s, s.cap), 1000*time.Hour))
	}
	if s.Rule.budgeted() {
		life = max(life, 33*24*time.Hour)
	}
	s.life = life.Milliseconds()
	s.args = [...]any{
		strconv.FormatFloat(s.Rule.RPS, 'f', -1, 64), s.Rule.Burst, s.Rule.TPM, max(s.Rule.Concurrency, 0),
		max(int64(s.Rule.Day), 0), max(int64(s.Rule.Month), 0), s.life,
	}
}

// take asks Redis, for at most the time-out, or does without it.
func (r *Redis) take(ctx context.Context, l *Lease) (refusal, error) {
	if !r.up.Load() {
		return r.without(ctx, l)
	}
	// What this replica has settled may still be on its way; before a caller
	// is refused for it, it has to arrive.
	mark, pending := r.queue.mark()
	ref, err := r.ask(ctx, l)
	late := pending && (ref.limit == LimitConcurrency || ref.limit == LimitTokens)
	if err == nil && late && r.queue.await(ctx, mark, r.o.Timeout) {
		ref, err = r.ask(ctx, l)
	}
	if err == nil {
		r.failures.Store(0)
		return ref, nil
	}
	r.queue.put(r.abandoned(l)...)
	if e := llm.ContextError(ctx); e != nil {
		return refusal{}, e
	}
	r.failed(err)
	return r.without(ctx, l)
}

// without answers for a call while Redis does not.
func (r *Redis) without(ctx context.Context, l *Lease) (refusal, error) {
	r.o.OnLocal()
	if r.o.Refuse {
		e := llm.Errorf(llm.KindOverloaded, "the limits cannot be checked now: their shared store does not answer")
		e.RetryAfter = r.o.Probe
		return refusal{}, e
	}
	l.id = 0
	return r.local.take(ctx, l)
}

func (r *Redis) ask(ctx context.Context, l *Lease) (refusal, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	l.id = r.ids.Add(1)
	keys := make([]string, 0, 2*l.n)
	args := make([]any, 0, 2+l.n*8)
	args = append(args, r.leaseName(l.id), r.o.LeaseLife.Milliseconds())
	for i, s := range l.subjects[:l.n] {
		keys = append(keys, s.hash, s.slots)
		args = append(append(args, s.args[:]...), l.tokens[i])
	}
	raw, err := r.admit.Run(ctx, r.client, keys, args...).Slice()
	if err != nil {
		return refusal{}, err
	}
	a := answer{raw: raw}
	ref := r.read(&a, l)
	if a.bad {
		return refusal{}, errAnswer
	}
	if ref.limit == LimitNone {
		r.queue.opened(l)
	}
	return ref, nil
}

func (r *Redis) leaseName(id uint64) string { return r.replica + ":" + strconv.FormatUint(id, 36) }

// settle puts the corrections into the queue. Money that a budget counts is
// waited for, at most the time-out long: the call counts as in flight until all
// replicas know what it has spent, so that a budget is overshot by the calls in
// flight and no more. The wait is that of a batch, which many share. What has
// not arrived by then stays in the queue.
func (r *Redis) settle(l *Lease, u used) {
	if l.id == 0 {
		r.local.settle(l, u)
		r.queue.put(r.spent(l, u)...)
		return
	}
	r.queue.closed(l.id)
	var room [scopes]entry
	list, money := r.corrections(room[:0], l, u)
	r.queue.put(list...)
	if money && r.up.Load() {
		mark, _ := r.queue.mark()
		r.queue.await(context.Background(), mark, r.o.Timeout) // whether the client is still there does not matter
	}
}

// corrections appends what a settlement changes, and reports whether it spends
// money that a budget counts.
func (r *Redis) corrections(list []entry, l *Lease, u used) (_ []entry, money bool) {
	for i, s := range l.subjects[:l.n] {
		e := entry{subject: s, second: l.slots[i]}
		if s.Rule.Concurrency > 0 {
			e.lease = l.id
		}
		if s.Rule.TPM > 0 {
			now, before := u.of(l.tokens[i]), l.tokens[i]
			e.refund, e.extra = max(before-now, 0), max(now-before, 0)
		}
		if s.Rule.budgeted() {
			e.cost = u.cost
			money = money || u.cost > 0
			r.local.spend(s, u.cost)
		}
		if !e.empty() {
			list = append(list, e)
		}
	}
	return list, money
}

// spent are the entries for money alone: that of calls made while Redis was
// away is told to it later.
func (r *Redis) spent(l *Lease, u used) []entry {
	var list []entry
	for _, s := range l.subjects[:l.n] {
		if s.Rule.budgeted() && u.cost > 0 {
			list = append(list, entry{subject: s, cost: u.cost})
		}
	}
	return list
}

// abandoned are the entries that free what an admission has perhaps taken whose
// answer never came. Its tokens fall out of the window by themselves.
func (r *Redis) abandoned(l *Lease) []entry {
	var list []entry
	for _, s := range l.subjects[:l.n] {
		if s.Rule.Concurrency > 0 && l.id != 0 {
			list = append(list, entry{subject: s, lease: l.id})
		}
	}
	return list
}

// failed counts a command that Redis did not answer, and gives Redis up after a
// few in a row.
func (r *Redis) failed(err error) {
	if r.failures.Add(1) >= failuresToTrip && r.up.CompareAndSwap(true, false) {
		r.queue.lost(err)
	}
}

func (r *Redis) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	return r.client.Ping(ctx).Err()
}

// Close sends what is not yet settled, waiting for at most two seconds, and
// ends the connections.
func (r *Redis) Close() error {
	r.cancel()
	<-r.done
	return r.client.Close()
}
