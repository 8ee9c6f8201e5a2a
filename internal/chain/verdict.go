package chain

import (
	"context"
	"errors"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// verdict returns err as an *llm.Error. When ctx has ended, what came back from
// below is most likely only the echo of that, in whatever words the transport
// has for it; then the context's own reason takes its place. An answer that the
// upstream gave with a status stands, and so does a panic.
func verdict(ctx context.Context, err error) *llm.Error {
	e := llm.AsError(err)
	if e.Status != 0 {
		return e
	}
	ended := llm.ContextError(ctx)
	if ended == nil || e.Kind == ended.Kind && e.Message == ended.Message {
		return e
	}
	if p := (*panicked)(nil); errors.As(e, &p) {
		return e
	}
	return ended
}

// prime is llm.Prime, with the time it waited added to the reply's.
func prime(r *llm.Reply) error {
	if r.Stream == nil {
		return nil
	}
	start := time.Now()
	err := llm.Prime(r)
	r.Upstream += time.Since(start)
	return err
}

// remaining returns how much time a call has left, by its own deadline and by
// the context's, and whether either is set.
func remaining(ctx context.Context, c *llm.Call) (left time.Duration, limited bool) {
	end := c.Deadline
	if d, ok := ctx.Deadline(); ok && (end.IsZero() || d.Before(end)) {
		end = d
	}
	if end.IsZero() {
		return 0, false
	}
	return time.Until(end), true
}
