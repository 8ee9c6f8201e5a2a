package server

import (
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// CallRecord is what there is to tell of a call to a model that has ended. It
// holds nothing of its content.
type CallRecord struct {
	Time       time.Time // of the request's head
	RequestID  string
	Key        string
	Tenant     string
	Route      string // as asked for when it led nowhere
	Provider   string
	Model      string
	Path       string // the way through the route, when it was not the straight one
	Cache      string // what the cache had to say; "" = it was not asked
	Kind       string // of the error; "" = none
	Routed     bool   // Route is one of a bounded set of names
	Stream     bool
	Priced     bool // Cost is known
	Status     int  // 499 when the client left before the answer was complete
	Attempts   int
	Took       time.Duration
	FirstToken time.Duration // of a stream; 0 = none came
	Usage      llm.Usage
	Cost       llm.Money
}

// watch tells of an exchange that was a call. Batches are told of item by item.
func (x *exchange) watch(now time.Time) {
	if x.snap.Watch == nil || x.ep.idStart == "" && x.ep.op != llm.OpEmbed && x.ep.op != llm.OpCountTokens {
		return
	}
	r := x.srv.records.Get().(*CallRecord)
	*r = CallRecord{
		Time: x.start, RequestID: x.id, Key: x.caller.Name, Tenant: x.caller.Tenant,
		Route: x.rec.route, Provider: x.rec.provider, Model: x.rec.model, Path: x.rec.path, Cache: x.facts.Cache,
		Routed: x.rec.routed, Stream: x.rec.stream, Priced: x.rec.priced, Status: x.logged(), Attempts: x.rec.attempts,
		Took: now.Sub(x.start), Usage: x.rec.usage, Cost: x.rec.cost,
	}
	if e := x.rec.err; e != nil {
		r.Kind = e.Kind.String()
		if r.Status < http.StatusBadRequest {
			r.Status = statusOf(e.Kind) // a stream that failed
		}
	}
	if !x.rec.firstAt.IsZero() {
		r.FirstToken = x.rec.firstAt.Sub(x.start)
	}
	x.snap.Watch(r)
	*r = CallRecord{} // keeps nothing alive
	x.srv.records.Put(r)
}

// watchItem tells of an item of a batch.
func (b *batchRun) watchItem(c *clientCall, began time.Time, o *outcome, e *llm.Error) {
	x := b.x
	if x.snap.Watch == nil {
		return
	}
	r := CallRecord{
		Time: began, RequestID: c.meta.RequestID, Key: x.caller.Name, Tenant: x.caller.Tenant,
		Route: shownModel(c.Model), Provider: o.provider, Model: o.model, Path: c.meta.Path, Cache: o.cache, Priced: o.priced,
		Status: http.StatusOK, Attempts: o.attempts, Took: time.Since(began), Usage: o.usage, Cost: o.cost,
	}
	if c.meta.Route != "" {
		r.Route, r.Routed = c.meta.Route, true
	}
	if e != nil {
		r.Kind, r.Status, r.Provider, r.Attempts = e.Kind.String(), statusOf(e.Kind), e.Provider, e.Attempts
	}
	x.snap.Watch(&r)
}

// shownModel is a model's name as its caller gave it, cut to a sane length.
func shownModel(name string) string {
	const longest = 128
	return name[:min(len(name), longest)]
}

// Load says how much is under way.
func (s *Server) Load() (requests, streams int64) { return s.door.inFlight.Load(), s.streams.Load() }

// Draining reports whether Shutdown was called.
func (s *Server) Draining() bool { return s.draining.Load() }

// RateState is the gateway's own limit of requests.
type RateState struct {
	RPS   float64
	Burst int
	Left  int           // requests that may start at once now
	Reset time.Duration // until the burst is whole again
}

// Rate returns the state of the gateway's own limit; ok is false when it has
// none.
func (s *Server) Rate() (r RateState, ok bool) {
	l := s.snap.Load().Limit
	if l == nil {
		return RateState{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	tokens := l.lim.TokensAt(l.now(time.Now()))
	r = RateState{RPS: float64(l.lim.Limit()), Burst: l.lim.Burst(), Left: max(int(tokens), 0)}
	if missing := float64(r.Burst) - tokens; missing > 0 {
		r.Reset = time.Duration(missing / r.RPS * float64(time.Second))
	}
	return r, true
}
