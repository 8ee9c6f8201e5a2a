package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route/canary"
)

// Canaries shows and steers the canaries of routes. SteerCanary takes the
// actions pause, resume, promote and rollback; its errors are *llm.Error.
type Canaries interface {
	Canaries() []canary.Status
	SteerCanary(ctx context.Context, route, action string) (canary.Status, error)
}

// maxSteer is the longest body of a steering request, in bytes.
const maxSteer = 4 << 10

func (a *API) canaries(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, struct {
		Canaries []canary.Status `json:"canaries"`
	}{a.o.Canaries.Canaries()})
}

// steerCanary does what the body says and answers with the canary as it is then.
func (a *API) steerCanary(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Action string `json:"action"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSteer))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil {
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			return &statusError{http.StatusRequestEntityTooLarge, llm.Errorf(llm.KindRequestTooLarge, "the body is longer than %d bytes", maxSteer)}
		}
		return llm.Errorf(llm.KindInvalidRequest, `the body must be {"action": "pause"}, or resume, promote, rollback`)
	}
	name := r.PathValue("route")
	s, err := a.o.Canaries.SteerCanary(r.Context(), name, body.Action)
	if err != nil {
		return err
	}
	a.audit(w, r, "canary."+body.Action, name)
	return answer(w, s)
}
