package cache

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisOptions makes a Redis.
type RedisOptions struct {
	Client  redis.UniversalClient // required; it stays its maker's
	Prefix  string                // of every key
	Timeout time.Duration         // for one command; default 100 ms
	Failed  func(op string)       // a look-up (read) or an entry (write) was lost; it must not block. nil = nobody
}

const (
	defaultTimeout = 100 * time.Millisecond

	// failuresToRest is how many commands in a row must fail before Redis is
	// left alone for a while, so that calls do not all wait for it.
	failuresToRest = 3
	restTime       = time.Second

	maxWaiting      = 256     // entries
	maxWaitingBytes = 8 << 20 // of them together
)

// Redis keeps answers where all replicas find them. A look-up waits for at most
// the time-out; what fails is a miss. Entries are written by one goroutine, so
// that no answer waits for them; while too many wait, more are dropped. It is
// safe for concurrent use and must be closed.
type Redis struct {
	o        RedisOptions
	queue    chan write
	waiting  atomic.Int64 // bytes
	failures atomic.Int32 // in a row
	rest     atomic.Int64 // until then Redis is not asked, Unix nanoseconds

	life   context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type write struct {
	key   Key
	value []byte
	ttl   time.Duration
}

// NewRedis starts an engine.
func NewRedis(o RedisOptions) *Redis {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Failed == nil {
		o.Failed = func(string) {}
	}
	r := &Redis{o: o, queue: make(chan write, maxWaiting)} // a queue by design, see Redis
	// Not of any caller: entries are written after theirs have gone.
	r.life, r.cancel = context.WithCancel(context.Background())
	r.wg.Go(r.write)
	return r
}

func (r *Redis) name(k Key) string {
	return r.o.Prefix + "cache:" + base64.RawURLEncoding.EncodeToString(k[:])
}

// Get returns the value of the first of two keys that has one.
func (r *Redis) Get(ctx context.Context, first, second Key) ([]byte, bool) {
	if r.resting() {
		r.o.Failed("read")
		return nil, false
	}
	limited, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	var got [2]*redis.StringCmd
	// Two commands of one round trip: in a cluster the keys may live apart.
	_, err := r.o.Client.Pipelined(limited, func(p redis.Pipeliner) error {
		got[0], got[1] = p.Get(limited, r.name(first)), p.Get(limited, r.name(second))
		return nil
	})
	if ctx.Err() != nil {
		return nil, false // the caller's, not Redis's
	}
	for _, g := range got {
		if g == nil {
			continue
		}
		if b, err := g.Bytes(); err == nil {
			r.outcome(nil)
			return b, true
		}
	}
	if r.outcome(err) {
		r.o.Failed("read")
	}
	return nil, false
}

// Put has a value written.
func (r *Redis) Put(k Key, value []byte, ttl time.Duration) {
	if r.waiting.Add(int64(len(value))) <= maxWaitingBytes {
		select {
		case r.queue <- write{k, value, ttl}:
			return
		default:
		}
	}
	r.waiting.Add(-int64(len(value)))
	r.o.Failed("write")
}

func (r *Redis) write() {
	for {
		select {
		case <-r.life.Done():
			return
		case w := <-r.queue:
			r.waiting.Add(-int64(len(w.value)))
			if r.resting() || r.outcome(r.set(w)) {
				r.o.Failed("write")
			}
		}
	}
}

func (r *Redis) set(w write) error {
	ctx, cancel := context.WithTimeout(r.life, r.o.Timeout)
	defer cancel()
	return r.o.Client.Set(ctx, r.name(w.key), w.value, w.ttl).Err()
}

// resting reports whether Redis is left alone. One caller in each restTime
// tries again.
func (r *Redis) resting() bool {
	until := r.rest.Load()
	if until == 0 {
		return false
	}
	now := time.Now()
	return now.UnixNano() < until || !r.rest.CompareAndSwap(until, now.Add(restTime).UnixNano())
}

// outcome notes how a command ended, and reports whether it failed.
func (r *Redis) outcome(err error) (failed bool) {
	if err == nil || errors.Is(err, redis.Nil) {
		r.failures.Store(0)
		r.rest.Store(0)
		return false
	}
	if r.failures.Add(1) >= failuresToRest {
		r.rest.CompareAndSwap(0, time.Now().Add(restTime).UnixNano())
	}
	return true
}

// Close drops what is not yet written and ends the goroutine.
func (r *Redis) Close() error {
	r.cancel()
	r.wg.Wait()
	return nil
}
