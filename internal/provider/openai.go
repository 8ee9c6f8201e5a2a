package provider

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// openAIBase is where OpenAI's own API is.
const openAIBase = "https://api.openai.com/v1"

// OpenAIOptions makes the provider for OpenAI or any server that is compatible
// with it.
type OpenAIOptions struct {
	Name    string
	BaseURL string   // as https://host/v1, or the whole URL of /chat/completions; "" = OpenAI's own
	Keys    []string // none, or only empty ones, for servers without authentication (Ollama)
	Codec   Codec    // openai.Codec with the deviations of a compatible server; nil = OpenAI's own

	// Responses watches Responses bodies pass to /responses; nil = the
	// server has no such endpoint, and they are translated.
	Responses dialect.Passer

	Organization string            // OpenAI-Organization
	Project      string            // OpenAI-Project
	Headers      map[string]string // further headers; values may be secret

	// Support says what the server honours with a model. nil = what is known
	// of OpenAI, or of a compatible server when BaseURL is another host.
	Support func(model string) dialect.Support

	Client   *http.Client
	Version  string // the gateway's, for User-Agent
	MaxBody  int64  // see Options
	MaxEvent int

	OnRefused OnRefused // see there; nil = nobody is told
}

// NewOpenAI makes the provider. Endpoints and authentication are those of
// OpenAI's OpenAPI document 2.3.0.
func NewOpenAI(o OpenAIOptions) (*HTTP, error) {
	w, err := newOpenAIWire(or(o.BaseURL, openAIBase))
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", o.Name, err)
	}
	keys, err := NewKeys(o.Keys...)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", o.Name, err)
	}
	headers := maps.Clone(o.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	for name, value := range map[string]string{"OpenAI-Organization": o.Organization, "OpenAI-Project": o.Project} {
		if value != "" {
			headers[name] = value
		}
	}
	if o.Codec == nil {
		o.Codec = openai.Codec{}
	}
	pass := map[llm.Dialect]dialect.Passer{}
	if o.Responses != nil {
		pass[llm.DialectResponses] = o.Responses
	}
	if o.Support == nil {
		o.Support = supportOf(w.chat)
	}
	return New(Options{
		Name: o.Name, Dialect: llm.DialectOpenAI, Codec: o.Codec, Wire: w, Pass: pass,
		Client: o.Client, Credentials: keys, Headers: headers, Fit: FitTo(o.Support),
		Version: o.Version, MaxBody: o.MaxBody, MaxEvent: o.MaxEvent, OnRefused: o.OnRefused,
	})
}

func supportOf(u *url.URL) func(string) dialect.Support {
	if strings.HasSuffix(u.Hostname(), ".openai.com") {
		return dialect.SupportOpenAI
	}
	return func(string) dialect.Support { return dialect.SupportCompatible() }
}

// openAIWire knows OpenAI's endpoints. The URLs are made once.
type openAIWire struct{ chat, embeddings, responses *url.URL }

func newOpenAIWire(base string) (*openAIWire, error) {
	b, err := parseBase(base, "/chat/completions", "/embeddings", "/responses")
	if err != nil {
		return nil, err
	}
	return &openAIWire{
		chat:       below(b, "/chat/completions"),
		embeddings: below(b, "/embeddings"),
		responses:  below(b, "/responses"),
	}, nil
}

// Endpoint returns the URL for c's operation and dialect.
func (w *openAIWire) Endpoint(c *llm.Call) (*url.URL, error) {
	switch {
	case c.Op == llm.OpEmbed:
		return w.embeddings, nil
	case c.Op == llm.OpChat && c.Dialect == llm.DialectResponses:
		return w.responses, nil
	case c.Op == llm.OpChat:
		return w.chat, nil
	}
	return nil, llm.Unsupported("", "this provider cannot do %s", c.Op)
}

// Authorize sends the key as a bearer token, and nothing without a key.
func (w *openAIWire) Authorize(_ context.Context, h http.Header, cred Credential) error {
	if v := cred.Bearer(); v != nil {
		h["Authorization"] = v
	}
	return nil
}
