package provider

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
)

// Account is what every upstream account needs, whatever it speaks.
type Account struct {
	Name    string
	BaseURL string   // "" = the provider's own, where it has one
	Keys    []string // used in turn

	Headers  map[string]string                  // sent with every request; values may be secret
	Support  func(model string) dialect.Support // what is honoured with a model; nil = what its name tells
	Client   *http.Client                       // see Options
	Version  string                             // the gateway's, for User-Agent
	MaxBody  int64                              // see Options
	MaxEvent int                                // see Options

	OnRefused OnRefused // see there; nil = nobody is told
}

// base reads the base URL, or the provider's own; see parseBase.
func (a *Account) base(own string, endpoints ...string) (*url.URL, error) {
	u, err := parseBase(or(a.BaseURL, own), endpoints...)
	return u, a.wrap(err)
}

// provider makes the provider of the account: o says what it speaks and where.
// Without credentials of its own its requests carry the account's keys. support
// holds where the account says nothing.
func (a *Account) provider(o Options, support func(model string) dialect.Support) (*HTTP, error) {
	if o.Credentials == nil {
		keys, err := NewKeys(a.Keys...)
		if err != nil {
			return nil, a.wrap(err)
		}
		o.Credentials = keys
	}
	if a.Support != nil {
		support = a.Support
	}
	o.Name, o.Client, o.Headers, o.Fit = a.Name, a.Client, a.Headers, FitTo(support)
	o.Version, o.MaxBody, o.MaxEvent = a.Version, a.MaxBody, a.MaxEvent
	o.OnRefused = a.OnRefused
	return New(o)
}

// header adds a header to those of the account.
func (a *Account) header(name, value string) {
	if value == "" {
		return
	}
	headers := maps.Clone(a.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	headers[name] = value
	a.Headers = headers
}

// wrap says whose error it is.
func (a *Account) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("provider %s: %w", a.Name, err)
}
