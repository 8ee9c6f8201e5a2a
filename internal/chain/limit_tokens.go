package chain

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/backoff"
	"github.com/llm-gateway/llm-gateway/pkg/bucket"
)

// defaultOutput is what is reserved for the answer of a call that sets no
// maximum.
const defaultOutput = 1024

// claim is what one attempt takes out of a provider account's tokens.
type claim struct{ tokens, prompt int64 }

// demand estimates a call. What would be more than the whole bucket is let
// through with a full one: whether it is too large is for the provider to say.
func (l *Limit) demand(c *llm.Call) claim {
	if l.o.Estimate == nil {
		return claim{1, 1}
	}
	prompt, output := l.o.Estimate(c)
	if output < 0 {
		output = defaultOutput
	}
	return claim{min(prompt+output, l.o.Gate.tokens.Burst()), prompt}
}

// waitTokens takes a call's tokens within d, or gives the slot back.
func (l *Limit) waitTokens(ctx context.Context, t claim, d time.Duration) (waited bool, e *llm.Error) {
	g := l.o.Gate
	if g.tokens == nil {
		return false, nil
	}
	for until := time.Now().Add(d); ; waited = true {
		wait, ok := g.tokens.Reserve(t.tokens)
		if ok {
			return waited, nil
		}
		if wait == bucket.Never || time.Until(until) < wait {
			e = l.refusal(limitTokens, wait)
		} else if backoff.Wait(ctx, wait) != nil {
			e = llm.ContextError(ctx)
		}
		if e != nil {
			g.release()
			return true, e
		}
	}
}

func (g *Gate) giveBack(t claim) {
	if g.tokens != nil {
		g.tokens.GiveBack(t.tokens)
	}
}

// leave frees the slot and settles the tokens with what the attempt really
// used: what the provider reported; of a stream without a report what came of
// it; of a whole answer without one what was reserved; of a failure nothing.
func (g *Gate) leave(t claim, d *llm.Done) {
	if g.tokens != nil {
		g.tokens.Settle(t.tokens, t.used(d))
	}
	g.release()
}

func (t claim) used(d *llm.Done) int64 {
	switch {
	case d.Usage.Source != llm.UsageUnknown:
		return max(d.Usage.Total(), 0)
	case d.Events > 0 || d.Gone:
		return t.prompt + (d.TextBytes+3)/4
	case d.Err == nil:
		return t.tokens
	}
	return 0
}
