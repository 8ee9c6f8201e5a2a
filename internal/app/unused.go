package app

import (
	"log/slog"
	"slices"

	"github.com/llm-gateway/llm-gateway/config"
)

// notYet lists the settings of a configuration that are read and checked but
// that this version does not act upon, so that nobody relies on them.
func notYet(cfg *config.Config) []string {
	var keys []string
	for name, r := range cfg.Models {
		for key, set := range map[string]bool{"log_bodies": r.LogBody} {
			if set {
				keys = append(keys, "models."+name+"."+key)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

func (a *App) warnNotYet(cfg *config.Config) {
	for _, key := range notYet(cfg) {
		a.log.Warn("this setting is not acted upon by this version", slog.String("key", key))
	}
}
