package cache

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The words for what a cache had to do with a call, as header, envelope, ledger
// and metric have them.
const (
	Hit    = "hit"    // the answer was kept
	Miss   = "miss"   // a provider was asked
	Shared = "shared" // the answer is that of an identical call, which was under way
	Bypass = "bypass" // the client wanted no kept answer
)

// Store keeps answers for a time. Both methods are safe for concurrent use and
// change no value.
type Store interface {
	// Get returns the value of the first of two keys that has one.
	Get(ctx context.Context, first, second Key) ([]byte, bool)
	// Put keeps a value. It does not wait for anything.
	Put(k Key, value []byte, ttl time.Duration)
}

// Observer counts look-ups. It must not block.
type Observer interface {
	Looked(result string) // one of Hit, Miss, Shared, Bypass
}

// Options makes a Route.
type Options struct {
	Store    Store         // required
	Flights  *Flights      // where identical calls meet; nil = they do not
	TTL      time.Duration // how long an answer is kept
	MaxEntry int           // bytes; a larger answer is not kept; 0 = 1 MiB
	Salt     string        // stands for the route's targets: another one, other answers
	Observer Observer      // nil = nobody
}

// Route is the cache of one route. It is safe for concurrent use.
type Route struct{ o Options }

// NewRoute makes a Route.
func NewRoute(o Options) *Route {
	if o.MaxEntry <= 0 {
		o.MaxEntry = defaultMaxEntry
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Route{o: o}
}

type nobody struct{}

func (nobody) Looked(string) {}

// Do answers a call by what is kept, by an identical call under way, or by up.
// Which of them stands in c.Meta.Cache; it is empty for what is never cached. A
// call that waits for another one waits until the deadline; zero = for ever.
func (r *Route) Do(ctx context.Context, c *llm.Call, deadline time.Time, up Upstream) (*llm.Reply, error) {
	if c.Op == llm.OpCountTokens {
		return up(ctx, c)
	}
	if c.NoStore {
		r.say(c, Bypass)
		return marked(c)(up(ctx, c))
	}
	k, ok := keysOf(c, r.o.Salt)
	if !ok {
		return up(ctx, c)
	}
	if c.NoCache {
		r.say(c, Bypass)
		return r.ask(ctx, c, k, up)
	}
	if reply := r.find(ctx, c, k); reply != nil {
		r.say(c, Hit)
		return marked(c)(reply, nil)
	}
	if r.o.Flights != nil {
		return r.share(ctx, c, k, departing{deadline, up})
	}
	r.say(c, Miss)
	return r.ask(ctx, c, k, up)
}

func (r *Route) say(c *llm.Call, result string) {
	c.Meta.Cache = result
	r.o.Observer.Looked(result)
}

// marked puts the word on a reply.
func marked(c *llm.Call) func(*llm.Reply, error) (*llm.Reply, error) {
	return func(reply *llm.Reply, err error) (*llm.Reply, error) {
		if err == nil {
			reply.Cache = c.Meta.Cache
		}
		return reply, err
	}
}

// find returns a kept answer, nil when there is none.
func (r *Route) find(ctx context.Context, c *llm.Call, k keys) *llm.Reply {
	value, ok := r.o.Store.Get(ctx, k.exact, k.any)
	if !ok {
		return nil
	}
	e, err := parse(value)
	if err != nil {
		return nil // of another version
	}
	reply, err := e.reply(c.Stream)
	if err != nil {
		return nil
	}
	return reply
}

// ask has the call made and keeps the answer.
func (r *Route) ask(ctx context.Context, c *llm.Call, k keys, up Upstream) (*llm.Reply, error) {
	reply, err := up(ctx, c)
	if err != nil {
		return nil, err
	}
	keep := r.keeper(k)
	switch {
	case reply.Stream != nil:
		rec := newRecorder(c, reply, r.o.MaxEntry)
		// Around all that there is: what was read to see the first event counts.
		reply.Stream = &recorded{Stream: reply.Stream, rec: rec, keep: keep}
	case worth(c, reply.Finish):
		keep(whole(reply))
	}
	return marked(c)(reply, nil)
}

// keeper returns what keeps an entry under its key: canonical ones serve both
// forms.
func (r *Route) keeper(k keys) func([]byte) {
	return func(value []byte) {
		switch {
		case value == nil || len(value) > r.o.MaxEntry:
		case kind(value[1]) == kindResponse:
			r.o.Store.Put(k.any, value, r.o.TTL)
		default:
			r.o.Store.Put(k.exact, value, r.o.TTL)
		}
	}
}

// departing is what a call brings along that may begin a flight.
type departing struct {
	deadline time.Time
	up       Upstream
}

// share lets the call join an identical one, or begin it.
func (r *Route) share(ctx context.Context, c *llm.Call, k keys, d departing) (*llm.Reply, error) {
	var own *llm.Call
	reader := r.o.Flights.board(ctx, func() departure {
		own = detached(c)
		return departure{key: k.exact, call: own, up: d.up, keep: r.keeper(k), max: r.o.MaxEntry}
	}, k.exact)
	switch {
	case reader == nil: // the end is near
		r.say(c, Miss)
		return r.ask(ctx, c, k, d.up)
	case !reader.leader:
		r.say(c, Shared)
		return marked(c)(reader.await(ctx, d.deadline, c.Stream))
	}
	r.say(c, Miss)
	if c.Deadline.IsZero() {
		d.deadline = time.Time{} // the flight's own says the same, and better
	}
	reply, err := reader.await(ctx, d.deadline, c.Stream)
	if reader.landed {
		c.Meta.Path = own.Meta.Path
	}
	return marked(c)(reply, err)
}

// detached returns a flight's own call: it is under the route's deadline, not
// under the client's wish, and what it notes is not the client's.
func detached(c *llm.Call) *llm.Call {
	own := *c
	own.Deadline = time.Time{}
	own.Meta = c.Meta.Detached()
	own.Meta.Cache = Miss
	return &own
}
