package provider

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/gemini"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const geminiBase = "https://generativelanguage.googleapis.com"

// NewGemini makes the provider for the Gemini API: answers, token counts and
// embeddings. The base URL is as https://host, with or without a version. Keys
// are sent in a header, never in the URL. Paths and authentication are those of
// Google's SDKs of 2026.
func NewGemini(a Account) (*HTTP, error) {
	base, err := a.base(geminiBase, "/models")
	if err != nil {
		return nil, err
	}
	return a.provider(Options{Dialect: llm.DialectGemini, Codec: gemini.Codec{}, Wire: &geminiWire{base: geminiVersion(base)}}, dialect.SupportGemini)
}

// geminiVersion adds the version that has all features to a base without one.
func geminiVersion(base *url.URL) *url.URL {
	last := base.Path[strings.LastIndexByte(base.Path, '/')+1:]
	if len(last) > 1 && last[0] == 'v' && last[1] >= '1' && last[1] <= '9' {
		return base
	}
	return below(base, "/v1beta")
}

// geminiWire knows the endpoints: the model and the method stand in the path.
type geminiWire struct {
	base  *url.URL // with the version
	codec gemini.Codec
}

// Endpoint returns the URL for c's operation and model.
func (w *geminiWire) Endpoint(c *llm.Call) (*url.URL, error) {
	kind, name := "/models/", strings.TrimPrefix(c.Model, "models/")
	if tuned, ok := strings.CutPrefix(c.Model, "tunedModels/"); ok {
		kind, name = "/tunedModels/", tuned
	}
	return methodURL(w.base, kind, name, w.codec.Method(c))
}

// methodURL returns the URL of a method of a model. A stream is asked for as
// server-sent events: without alt=sse it would be a JSON array.
func methodURL(base *url.URL, kind, model, method string) (*url.URL, error) {
	u, err := modelPath(base, kind, model, ":"+method)
	if err != nil || !strings.HasPrefix(method, "stream") {
		return u, err
	}
	return withQuery(u, "alt", "sse"), nil
}

// Authorize sends the key as x-goog-api-key.
func (w *geminiWire) Authorize(_ context.Context, h http.Header, cred Credential) error {
	if v := cred.Plain(); v != nil {
		h["X-Goog-Api-Key"] = v
	}
	return nil
}
