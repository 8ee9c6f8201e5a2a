package app

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/chain"
)

// drainFarewell is how long the end of the program waits for streams that are
// still read on for their usage.
const drainFarewell = 5 * time.Second

// openDrainer makes the owner of drains. It is made after the ledger and the
// limits, and so ends before them: its calls are settled and recorded.
func (a *App) openDrainer() {
	a.drainer = chain.NewDrainer(chain.DrainerOptions{Observer: a.metrics.Drains()})
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.life), drainFarewell)
		defer cancel()
		a.drainer.Close(ctx)
		return nil
	})
}
