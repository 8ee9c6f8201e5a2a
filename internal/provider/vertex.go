package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/gemini"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// VertexOptions makes the provider for Vertex AI: Google's models, and
// Anthropic's where their name begins with claude-.
//
// The base URL stands for the host that belongs to the location; its path may
// end in the version, v1 if it does not. Keys are API keys for express mode,
// which needs neither credentials nor project nor location, and has Google's
// models only. The client asks the token server too.
type VertexOptions struct {
	Account
	Project  string // "" = the one that the credentials file names
	Location string // a region, or global, us, eu

	// CredentialsFile is a service account's key, or what gcloud left behind
	// for a user. "" = what GOOGLE_APPLICATION_CREDENTIALS names, else
	// gcloud's own file, else the metadata server.
	CredentialsFile string

	Now    func() time.Time    // nil = time.Now
	Getenv func(string) string // nil = os.Getenv
}

// Vertex is the provider for Vertex AI: one exchange for each publisher, and
// the tokens that they share.
type Vertex struct {
	google, claude *HTTP
	tokens         *Tokens // nil in express mode
}

// NewVertex makes the provider. Hosts, paths and the token exchange are those
// of Google's SDKs of 2026, the form of Anthropic's models that of Anthropic's
// SDK. Close it when it is not needed any more.
func NewVertex(o VertexOptions) (*Vertex, error) {
	switch {
	case o.Client == nil:
		return nil, o.wrap(errors.New("a client is needed"))
	case len(o.Keys) > 0:
		return newExpress(o)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	source, identity, err := o.source()
	if err != nil {
		return nil, o.wrap(err)
	}
	base, err := o.place()
	if err != nil {
		return nil, o.wrap(err)
	}
	codec := gemini.Codec{Vertex: true}
	v := &Vertex{tokens: NewTokens(TokensOptions{Source: source, Identity: identity, Now: o.Now})}
	v.google, err = o.provider(Options{Dialect: llm.DialectGemini, Codec: codec, Wire: &vertexWire{base, codec}, Credentials: v.tokens}, SupportVertex)
	if err != nil {
		return nil, err
	}
	v.claude, err = o.provider(Options{Dialect: llm.DialectAnthropic, Codec: claudeCodec{}, Wire: &claudeWire{base}, Credentials: v.tokens}, SupportVertex)
	return v, err
}

// newExpress makes the provider with API keys.
func newExpress(o VertexOptions) (*Vertex, error) {
	base, err := o.base(vertexHost("global"))
	if err != nil {
		return nil, err
	}
	codec := gemini.Codec{Vertex: true}
	google, err := o.provider(Options{Dialect: llm.DialectGemini, Codec: codec, Wire: &expressWire{vertexWire{vertexVersion(base), codec}}}, SupportVertex)
	return &Vertex{google: google}, err
}

// source finds the source of tokens, and whose they are. A file may name the
// project.
func (o *VertexOptions) source() (TokenSource, string, error) {
	path := or(o.CredentialsFile, o.Getenv("GOOGLE_APPLICATION_CREDENTIALS"))
	optional := path == ""
	if optional {
		path = gcloudFile(o.Getenv)
	}
	file, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	switch {
	case err != nil && optional:
		return newMetadataServer(o.Getenv("GCE_METADATA_HOST"), o.Client), "metadata server", nil
	case err != nil:
		return nil, "", fmt.Errorf("credentials file: %w", err)
	}
	source, key, err := readGoogleKey(file, o.Client, o.Now)
	if err != nil {
		return nil, "", err
	}
	o.Project = or(o.Project, key.ProjectID)
	return source, key.Email + key.KeyID + key.ClientID, nil
}

// gcloudFile is where gcloud leaves a user's credentials for programs.
func gcloudFile(getenv func(string) string) string {
	dir := getenv("CLOUDSDK_CONFIG")
	if dir == "" {
		dir = filepath.Join(getenv("HOME"), ".config", "gcloud")
	}
	return filepath.Join(dir, "application_default_credentials.json")
}

// place returns the URL below which publishers stand.
func (o *VertexOptions) place() (*url.URL, error) {
	switch {
	case o.Project == "":
		return nil, errors.New("the project is needed: neither the configuration nor the credentials name one")
	case !plain(o.Project) || !plain(o.Location):
		return nil, errors.New("project and location must consist of letters, digits, dots, colons and dashes")
	}
	u, err := parseBase(or(o.BaseURL, vertexHost(o.Location)))
	if err != nil {
		return nil, err
	}
	return below(vertexVersion(u), "/projects/"+o.Project+"/locations/"+o.Location), nil
}

// plain reports whether a name needs no escaping in a path. Projects may have
// a domain before a colon.
func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != ':' && c != '_' {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

// vertexHost is the host of a location: a region, one of the multi-regions, or
// global.
func vertexHost(location string) string {
	switch location {
	case "global":
		return "https://aiplatform.googleapis.com"
	case "us", "eu":
		return "https://aiplatform." + location + ".rep.googleapis.com"
	}
	return "https://" + location + "-aiplatform.googleapis.com"
}

func vertexVersion(base *url.URL) *url.URL {
	if strings.HasSuffix(base.Path, "/v1") || strings.HasSuffix(base.Path, "/v1beta1") {
		return base
	}
	return below(base, "/v1")
}

// SupportVertex returns what Vertex AI honours with a model of either
// publisher.
func SupportVertex(model string) dialect.Support {
	if isClaude(model) {
		s := dialect.SupportAnthropic(claudeName(model))
		s.Target = "Vertex AI"
		return s
	}
	return dialect.SupportVertex(googleName(model))
}

// Do performs c in one HTTP exchange with the model's publisher.
func (v *Vertex) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	if !isClaude(c.Model) {
		return v.google.Do(ctx, c)
	}
	if v.claude == nil {
		e := llm.Unsupported("model", "model: Anthropic's models need a service account on Vertex AI, not an API key")
		e.Provider = v.google.name
		return nil, e
	}
	return v.claude.Do(ctx, c)
}

// Close ends the exchange with the token server, if one is under way.
func (v *Vertex) Close() error {
	if v.tokens == nil {
		return nil
	}
	return v.tokens.Close()
}

// Speaks returns the dialect in which c reaches the upstream.
func (v *Vertex) Speaks(c *llm.Call) llm.Dialect {
	if isClaude(c.Model) && v.claude != nil {
		return v.claude.Speaks(c)
	}
	return v.google.Speaks(c)
}

// String returns the provider's name.
func (v *Vertex) String() string { return v.google.String() }

// GoString returns the provider's name: what else is in there may be secret.
func (v *Vertex) GoString() string { return v.google.GoString() }

// CredentialUses says when the credentials were last sent.
func (v *Vertex) CredentialUses() []CredentialUse { return v.google.CredentialUses() }

// vertexWire knows the endpoints of Google's models, and of tuned ones.
type vertexWire struct {
	base  *url.URL // with project and location
	codec gemini.Codec
}

// Endpoint returns the URL for c's operation and model.
func (w *vertexWire) Endpoint(c *llm.Call) (*url.URL, error) {
	if id, ok := strings.CutPrefix(c.Model, "endpoints/"); ok {
		return methodURL(w.base, "/endpoints/", id, w.codec.Method(c))
	}
	return methodURL(w.base, "/publishers/google/models/", googleName(c.Model), w.codec.Method(c))
}

// googleName takes what may stand before a model's own name off it.
func googleName(model string) string {
	for _, prefix := range []string{"publishers/google/", "google/", "models/"} {
		model = strings.TrimPrefix(model, prefix)
	}
	return model
}

// Authorize sends the token.
func (w *vertexWire) Authorize(_ context.Context, h http.Header, cred Credential) error {
	return bearer(h, cred)
}

func bearer(h http.Header, cred Credential) error {
	if v := cred.Bearer(); v != nil {
		h["Authorization"] = v
	}
	return nil
}

// expressWire is vertexWire without project and location, and with API keys.
type expressWire struct{ vertexWire }

// Authorize sends the key as x-goog-api-key.
func (w *expressWire) Authorize(_ context.Context, h http.Header, cred Credential) error {
	if v := cred.Plain(); v != nil {
		h["X-Goog-Api-Key"] = v
	}
	return nil
}
