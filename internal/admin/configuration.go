package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Settings are the gateway's configuration.
type Settings interface {
	// WriteConfig prints the configuration in force as YAML, secrets masked.
	WriteConfig(w io.Writer) error
	// Reload reads the configuration anew and puts it into force. It returns
	// what that changed, secrets shown as fingerprints. After an error the one
	// in force stays; the error says what is wrong with the new one, without
	// secrets.
	Reload(ctx context.Context) ([]string, error)
}

func (a *API) config(w http.ResponseWriter, r *http.Request) error {
	if strings.Contains(r.Header.Get("Accept"), "application/yaml") {
		w.Header().Set("Content-Type", "application/yaml")
		return a.o.Settings.WriteConfig(w)
	}
	var b strings.Builder
	if err := a.o.Settings.WriteConfig(&b); err != nil {
		return err
	}
	return answer(w, struct {
		YAML string `json:"yaml"`
	}{b.String()})
}

func (a *API) reload(w http.ResponseWriter, r *http.Request) error {
	changes, err := a.o.Settings.Reload(r.Context())
	if err != nil {
		a.audit(w, r, "reload", fmt.Sprintf("refused: %v", err))
		return llm.Invalid("", "the configuration in force stays: %v", err)
	}
	a.audit(w, r, "reload", fmt.Sprintf("%d changes", len(changes)))
	if changes == nil {
		changes = []string{}
	}
	return answer(w, struct {
		Changes []string `json:"changes"`
	}{changes})
}

// audit tells of a change that an operator has made, or tried to make.
func (a *API) audit(w http.ResponseWriter, r *http.Request, action, subject string) {
	a.o.Logger.LogAttrs(r.Context(), slog.LevelInfo, "operator changed something",
		slog.String("action", action), slog.String("subject", subject), slog.String("remote", r.RemoteAddr), slog.String("request_id", requestID(w)))
}
