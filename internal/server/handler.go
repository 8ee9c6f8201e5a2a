package server

import (
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// call answers every request for one model call: all operations, all dialects,
// whole answers and streams.
func call(x *exchange) error {
	x.rec.timed = true
	raw, err := x.body()
	if err != nil {
		return err
	}
	c, err := x.newCall(raw, x.id)
	if err != nil {
		return err
	}
	x.lend(c)
	x.called = true
	reply, err := x.snap.Service.Do(x.ctx(), &c.Call)
	x.rec.asked(&c.Call)
	x.facts.Cache = c.meta.Cache
	x.limitHeaders(&c.quota)
	if err != nil {
		return x.estimated(c, err)
	}
	defer reply.Close()
	x.note(reply)
	switch {
	case reply.Stream != nil && c.Stream:
		return x.stream(c, reply)
	case reply.Raw != nil && reply.Dialect == x.ep.dialect:
		return x.answer(reply.Raw)
	case reply.Response != nil:
		if err := packEmbeddings(c, reply.Response); err != nil {
			return err
		}
		return x.translated(reply)
	}
	return llm.Errorf(llm.KindInternal, "the reply does not fit the request")
}

// packEmbeddings gives vectors the form that the client asked for, which is not
// always the one that the provider chose.
func packEmbeddings(c *clientCall, r *llm.Response) error {
	if len(r.Embeddings) == 0 {
		return nil
	}
	req, err := c.Request()
	if err != nil {
		return err
	}
	return dialect.PackEmbeddings(r, req.Embed != nil && req.Embed.Base64)
}

// clientCall is a call together with what decodes it. It lives as long as
// anyone holds the call, which may be longer than the request (a shadow), so it
// is never reused.
type clientCall struct {
	llm.Call
	meta  llm.Meta
	loan  llm.Loan // of Raw
	quota llm.Quota
	codec dialect.Client
	once  sync.Once
	req   *llm.Request
	err   error
}

// newCall makes the call for a body. id names the call in logs and ledger.
func (x *exchange) newCall(raw []byte, id string) (*clientCall, error) {
	peek, err := dialect.Peek(raw)
	if err != nil {
		return nil, err
	}
	drop, err := wantsDrop(x.req.Header)
	if err != nil {
		return nil, err
	}
	noCache, noStore := cacheControl(x.req.Header)
	c := &clientCall{codec: x.ep.client}
	c.meta = llm.Meta{RequestID: id, TraceID: x.trace(), Sampled: x.sampled, Caller: x.caller, Quota: &c.quota}
	c.Call = llm.Call{
		Op: x.ep.op, Dialect: x.ep.dialect, Model: peek.Model, Raw: raw, Peek: peek,
		Stream: peek.Stream && x.ep.op == llm.OpChat,
		Drop:   drop, NoCache: noCache, NoStore: noStore, Forward: forward(x.req.Header, x.snap.Forward), Meta: &c.meta,
	}
	c.Request = c.request
	if x.ep.dialect == llm.DialectNative {
		return c, c.gatewayMembers(x.start)
	}
	return c, nil
}

// request decodes the body at most once, and only if somebody asks. The result
// may point into the body.
func (c *clientCall) request() (*llm.Request, error) {
	c.Keep()
	c.once.Do(func() { c.req, c.err = c.codec.DecodeRequest(c.Op, c.Raw) })
	return c.req, c.err
}

// gatewayMembers takes the members of a native body that are for the gateway
// itself. The native dialect is always translated, so decoding it costs nothing
// extra here.
func (c *clientCall) gatewayMembers(start time.Time) error {
	req, err := c.request()
	if err != nil {
		return err
	}
	c.meta.Tags = req.Tags
	if req.Timeout > 0 {
		c.Deadline = start.Add(req.Timeout)
	}
	return nil
}

// asked notes what a call asks for: its metadata and the route that it took; the service writes it down in Meta.
// An unknown model is shown as asked for, cut to a sane length.
func (r *record) asked(c *llm.Call) {
	r.tags, r.path, r.cache, r.stream = c.Meta.Tags, c.Meta.Path, c.Meta.Cache, c.Stream
	r.route, r.routed = c.Meta.Route, c.Meta.Route != ""
	if !r.routed {
		r.route = shownModel(c.Model)
	}
}

// note puts what a reply tells of the call on record.
func (x *exchange) note(r *llm.Reply) {
	x.rec.provider, x.rec.model, x.rec.attempts = r.Provider, r.Model, r.Attempts
	x.rec.upstream = r.Upstream
	x.facts.Cache = r.Cache
	if r.Stream == nil {
		x.charge(r.Usage, r.Price)
	}
	x.replyHeaders(r)
}

// charge notes usage and, when the model has a price, cost.
func (x *exchange) charge(u llm.Usage, p llm.Pricer) {
	x.rec.usage = u
	x.rec.cost, x.rec.priced = costOf(u, p)
}

// costOf returns what u costs; ok is false when that is not known.
func costOf(u llm.Usage, p llm.Pricer) (cost llm.Money, ok bool) {
	if p == nil || u.Source == llm.UsageUnknown {
		return 0, false
	}
	return p.Cost(u)
}
