package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/catalog"
	"github.com/llm-gateway/llm-gateway/internal/chain"
	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/server"
	"github.com/llm-gateway/llm-gateway/internal/shadow"
)

const (
	// ledgerFile is where usage records go when nobody says otherwise: a file
	// in the working folder.
	ledgerFile = "llm-gateway.db"

	ledgerFlush = 10 * time.Second // for what waits, at the end
)

// openLedger starts the usage ledger. A store that was asked for must work, or
// at least be one that may yet come (a server); the default one need not: a
// read-only container has no place for it.
func (a *App) openLedger(cfg *config.Config) error {
	store, err := a.ledgerStore(cfg.Usage.Database)
	if err != nil {
		return fmt.Errorf("usage.database: %w", err)
	}
	a.store = store
	o := ledger.Options{Store: store, Logger: a.log, Retention: cfg.Usage.Retention.Std()}
	o.Observer = a.metrics.Ledger(func() int { return a.ledger.Stats().Waiting })
	a.ledger = ledger.New(o)
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.life), ledgerFlush)
		defer cancel()
		return a.ledger.Close(ctx)
	})
	return nil
}

func (a *App) ledgerStore(name config.Secret) (ledger.Store, error) {
	if !name.IsZero() {
		return ledger.Open(a.life, name.Reveal())
	}
	store, err := ledger.Open(a.life, ledgerFile)
	if err != nil {
		a.log.Warn("usage records are not kept: they end with the process, as nothing can be written here; set DATABASE_URL or usage.database to keep them",
			slog.Any("error", err))
		return &ledger.Memory{}, nil
	}
	return store, nil
}

// ledgerCheck is the ledger's line in GET /readyz. What failed is in the log.
func (a *App) ledgerCheck() server.Check {
	c := server.Check{Name: "ledger", State: server.StateOK}
	s := a.ledger.Stats()
	switch {
	case s.Failing != "":
		c.State, c.Detail = server.StateDegraded, fmt.Sprintf("usage records cannot be written: %d wait, %d lost", s.Waiting, s.Lost)
	case s.Store == ledger.InMemory:
		c.Detail = "usage records are kept in memory only"
	}
	return c
}

// withLedger gives a snapshot what it shows of the ledger, and the reverse.
func (a *App) withLedger(e *server.Snapshot, cfg *config.Config) {
	e.Usage, e.Refused = a, a.refused
	a.withOperators(e, cfg)
	others := e.Checks
	e.Checks = func() []server.Check {
		var checks []server.Check
		if others != nil {
			checks = others()
		}
		return append(checks, a.ledgerCheck(), a.keysCheck())
	}
}

// refused records a request that was refused before any attempt.
func (a *App) refused(c *llm.Call, e *llm.Error) {
	r := recordOf(c)
	r.Time, r.Outcome, r.Kind = time.Now(), ledger.OutcomeRejected, e.Kind.String()
	switch e.Kind {
	case llm.KindCanceled:
		r.Outcome = "client_gone"
	case llm.KindTimeout:
		r.Outcome = r.Kind
	}
	a.ledger.Record(r)
}

// recordOf is what a call alone tells.
func recordOf(c *llm.Call) ledger.Record {
	m := c.Meta
	r := ledger.Record{RequestID: m.RequestID, Route: m.Route, Cache: m.Cache, Op: c.Op, Dialect: c.Dialect, Stream: c.Stream, Tags: m.Tags}
	if m.Caller != nil {
		r.Principal, r.Tenant, r.Labels = m.Caller.Name, m.Caller.Tenant, m.Caller.Labels
	}
	if strings.HasPrefix(m.Route, shadow.Prefix) {
		r.Shadow, r.Labels = true, map[string]string{"shadow": "true"}
	}
	return r
}

// attemptRecorder records the attempts at one target.
type attemptRecorder struct {
	ledger    *ledger.Recorder
	prices    prices
	provider  string
	kind      string // the catalogue's name for the provider
	label     string // the model's bounded name
	speaks    speaker
	lastPrice atomic.Pointer[namedPrice]
}

// namedPrice is a price and what the ledger calls it.
type namedPrice struct {
	price llm.Pricer
	name  string
}

// speaker knows in which dialect a call reaches its upstream.
type speaker interface{ Speaks(c *llm.Call) llm.Dialect }

// speakerOf returns nil for a provider that speaks none, as the built-in mock.
func speakerOf(p llm.Provider) speaker {
	s, _ := p.(speaker)
	return s
}

// AttemptEnded writes one record.
func (o *attemptRecorder) AttemptEnded(a chain.Attempt) {
	c, d := a.Call, &a.Done
	r := recordOf(c)
	r.Time, r.UpstreamID, r.Provider, r.Model, r.Upstream = a.Start, a.UpstreamID, o.provider, o.label, c.Model
	r.Attempt, r.Outcome = c.Meta.NextAttempt(), d.Outcome()
	if o.speaks != nil {
		r.UpstreamDialect = o.speaks.Speaks(c)
	}
	r.Answered, r.FirstToken, r.Took = a.Answered, a.FirstToken, a.Took
	switch {
	case d.Err != nil:
		r.Kind = d.Err.Kind.String()
	case d.Gone:
		r.Kind = llm.KindCanceled.String()
	}
	r.Usage = usageOf(c, d)
	if r.Usage.Source != llm.UsageUnknown && c.Op != llm.OpCountTokens {
		o.charge(&r)
	}
	o.ledger.Record(r)
}

// cost is what an attempt's record says it has cost, 0 when nobody knows.
func (o *attemptRecorder) cost(c *llm.Call, d llm.Done) llm.Money {
	u := usageOf(c, &d)
	if u.Source == llm.UsageUnknown || c.Op == llm.OpCountTokens {
		return 0
	}
	price := o.prices.of(o.kind, c.Model)
	if price == nil {
		return 0
	}
	cost, ok := price.Cost(u)
	if !ok {
		return 0
	}
	return cost
}

// usageOf is what an attempt used. Counting tokens uses none.
func usageOf(c *llm.Call, d *llm.Done) llm.Usage {
	switch {
	case c.Op == llm.OpCountTokens:
		return llm.Usage{Source: llm.UsageReported}
	case d.Outcome() == llm.HedgeLost && d.Usage.Source == llm.UsageUnknown && !d.Stream:
		return calledOff(c)
	case d.Stream && d.Usage.Source == llm.UsageUnknown:
		return ledger.Estimate(*d, promptBytes(c))
	}
	return ledger.Estimate(*d, 0)
}

// charge sets the cost by the price that holds now.
func (o *attemptRecorder) charge(r *ledger.Record) {
	price := o.prices.of(o.kind, r.Upstream)
	if price == nil {
		r.Unpriced = true
		return
	}
	cost, ok := price.Cost(r.Usage)
	if or, is := price.(orElse); is {
		price = or.of(r.Usage)
	}
	r.Cost, r.Unpriced, r.Price = cost, !ok, o.nameOf(price)
}

// nameOf returns what the ledger calls a price: the day from which it holds.
func (o *attemptRecorder) nameOf(p llm.Pricer) string {
	if last := o.lastPrice.Load(); last != nil && last.price == p {
		return last.name
	}
	name := "configured"
	if dated, ok := p.(*catalog.Price); ok {
		name = "catalogue"
		if !dated.From.IsZero() {
			name = dated.From.Format(time.DateOnly)
		}
	}
	o.lastPrice.Store(&namedPrice{p, name})
	return name
}

// mediaBytes is what an image or a file counts for in an estimate: some 1,000
// tokens, whatever its size.
const mediaBytes = 4000

// smallBody is the largest request that is estimated by its bytes; a larger one
// may hold images.
const smallBody = 64 << 10

// promptBytes returns how much text a call sends, for an estimate.
func promptBytes(c *llm.Call) int {
	if n := len(c.Raw); n > 0 && n <= smallBody {
		return n
	}
	req, err := c.Request()
	if err != nil {
		return len(c.Raw)
	}
	n := 0
	for i := range req.Messages {
		n += partBytes(req.Messages[i].Parts)
	}
	for i := range req.Tools {
		n += len(req.Tools[i].Description) + len(req.Tools[i].Parameters) + len(req.Tools[i].Raw)
	}
	return n
}

func partBytes(parts []llm.Part) int {
	n := 0
	for i := range parts {
		p := &parts[i]
		n += len(p.Text)
		switch {
		case p.Media != nil:
			n += mediaBytes
		case p.Reasoning != nil:
			n += len(p.Reasoning.Text)
		case p.ToolCall != nil:
			n += len(p.ToolCall.Name) + len(p.ToolCall.Arguments)
		case p.ToolResult != nil:
			n += partBytes(p.ToolResult.Parts)
		}
	}
	return n
}

// CallerUsage returns what a caller has used since a time.
func (a *App) CallerUsage(ctx context.Context, c *llm.Caller, from time.Time) (server.Use, error) {
	rows, err := a.ledger.Usage(ctx, ledger.Query{From: from, Only: map[ledger.Group]string{ledger.ByKey: c.Name, ledger.ByTenant: c.Tenant}})
	u := server.Use{From: from}
	u.SetCost(ledger.Spent(rows))
	if err != nil {
		e := llm.Errorf(llm.KindOverloaded, "the usage ledger does not answer")
		e.Err = err
		return u, e
	}
	if len(rows) > 0 {
		s := &rows[0].Sums
		u.Requests, u.InputTokens, u.CachedInput, u.OutputTokens, u.ReasoningTokens = s.Requests, s.Input, s.CachedInput, s.Output, s.Reasoning
		u.EstimatedTokens, u.Unpriced = s.EstimatedInput+s.EstimatedOutput, s.Unpriced
	}
	return u, nil
}

// spentSince returns what a limit's subject has spent since a time, so that
// budgets outlive a restart. The time should be the beginning of an hour.
func (a *App) spentSince(ctx context.Context, scope limits.Scope, name string, from time.Time) (llm.Money, error) {
	q := ledger.Query{From: from}
	switch scope {
	case limits.ScopeTenant:
		q.Only = map[ledger.Group]string{ledger.ByTenant: name}
	case limits.ScopeKey:
		q.Only = map[ledger.Group]string{ledger.ByKey: name}
	case limits.ScopeRoute:
		q.Only = map[ledger.Group]string{ledger.ByRoute: name}
	case limits.ScopeProvider:
		q.Only = map[ledger.Group]string{ledger.ByProvider: name}
	}
	rows, err := a.ledger.Usage(ctx, q)
	if err != nil {
		return 0, fmt.Errorf("spent since %s: %w", from.Format(time.RFC3339), err)
	}
	return ledger.Spent(rows), nil
}
