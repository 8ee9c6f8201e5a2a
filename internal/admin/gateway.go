package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Gateway tells the state of the gateway.
type Gateway interface {
	Status() Status
	// Providers asks the shared store when an account has a budget.
	Providers(ctx context.Context) ([]Provider, error)
	Routes() []Route
}

// CredentialLister lists the secrets of providers by their fingerprints.
type CredentialLister interface{ Credentials() []Credential }

// LimitReader tells the use of limits: at most most rows, and whether there are
// more.
type LimitReader interface {
	Limits(ctx context.Context, most int) (rows []LimitRow, more bool, err error)
}

// maxLimitRows is how many rules an answer has at most.
const maxLimitRows = 1000

func (a *API) status(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, a.o.Gateway.Status())
}

func (a *API) providers(w http.ResponseWriter, r *http.Request) error {
	list, err := a.o.Gateway.Providers(r.Context())
	if err != nil {
		return storeAway(err)
	}
	return answer(w, struct {
		Providers []Provider `json:"providers"`
	}{list})
}

func (a *API) routesInForce(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, struct {
		Routes []Route `json:"routes"`
	}{a.o.Gateway.Routes()})
}

func (a *API) credentials(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, struct {
		Credentials []Credential `json:"credentials"`
	}{a.o.Credentials.Credentials()})
}

func (a *API) limits(w http.ResponseWriter, r *http.Request) error {
	rows, more, err := a.o.Limits.Limits(r.Context(), maxLimitRows)
	if err != nil {
		return storeAway(err)
	}
	return answer(w, struct {
		Limits    []LimitRow `json:"limits"`
		Truncated bool       `json:"truncated"`
	}{rows, more})
}

// storeAway answers when Redis does not tell what is in use.
func storeAway(err error) *llm.Error {
	e := llm.Errorf(llm.KindOverloaded, "the shared store of the limits does not answer")
	e.RetryAfter, e.Err = time.Second, err
	return e
}
