package admin

import (
	"net/http"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/shadow"
)

// Shadows shows what copies of calls have come to.
type Shadows interface {
	Shadows() []shadow.Status
}

func (a *API) shadows(w http.ResponseWriter, _ *http.Request) error {
	all := a.o.Shadows.Shadows()
	slices.SortFunc(all, func(x, y shadow.Status) int { return strings.Compare(x.Route, y.Route) })
	return answer(w, struct {
		Shadows []shadow.Status `json:"shadows"`
	}{all})
}
