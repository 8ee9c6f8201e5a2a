package service

import (
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Model is what a caller may ask for, with the facts known of it.
type Model struct {
	ID            string
	OwnedBy       string   // the provider's name, or "llm-gateway" for a route
	Created       int64    // Unix seconds; 0 when unknown
	ContextWindow int64    // tokens; 0 when unknown
	MaxOutput     int64    // tokens; 0 when unknown
	Capabilities  []string // chat, embed, tools, images, …
}

// Models returns the models that the caller may ask for, sorted by name.
func (s *Service) Models(c *llm.Caller) []Model {
	if c == nil || c.Models == nil {
		return s.models
	}
	var may []Model
	for _, m := range s.models {
		if c.May(m.ID) {
			may = append(may, m)
		}
	}
	return may
}

func sortModels(models []Model) []Model {
	sorted := slices.Clone(models)
	slices.SortFunc(sorted, func(a, b Model) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(sorted, func(a, b Model) bool { return a.ID == b.ID })
}
