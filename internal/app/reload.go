package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/provider"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

// maxLoggedChanges bounds the line that tells of a reload.
const maxLoggedChanges = 50

// logReload tells what a reload changed, and returns it. Secrets appear as
// fingerprints.
func (a *App) logReload(from, to *config.Config) []string {
	changes := config.Diff(from, to)
	lines := make([]string, 0, min(len(changes), maxLoggedChanges+1))
	for i, c := range changes {
		if i == maxLoggedChanges {
			lines = append(lines, fmt.Sprintf("and %d more", len(changes)-i))
			break
		}
		lines = append(lines, c.String())
	}
	a.log.Info("configuration reloaded", slog.Int("changes", len(changes)), slog.Any("diff", lines))
	for _, w := range to.Warnings {
		a.log.Warn(w)
	}
	return lines
}

// Check says whether a gateway can be made of a configuration, without opening
// a port, a database or any connection.
func Check(o Options) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &App{o: o, log: o.Logger, life: context.Background(), metrics: telemetry.NewMetrics(o.Version, o.Commit)}
	a.ops.start()
	a.limits = limits.NewMemory(nil)
	a.client = provider.NewClient(&http.Transport{})
	snap, err := a.build(o.Config)
	if err != nil {
		return err
	}
	snap.close()
	return nil
}
