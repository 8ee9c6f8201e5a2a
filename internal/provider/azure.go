package provider

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// azureVersion is the latest dated api-version that is generally available.
const azureVersion = "2024-10-21"

// AzureOptions makes the provider for one Azure OpenAI resource. Its keys are
// sent as api-key, and as a bearer token when they are a JSON web token (Entra
// ID). The base URL says by its path which of Azure's forms is spoken:
//
//	https://res.openai.azure.com                            a deployment in the path, the model in the body ignored
//	https://res.openai.azure.com/openai/deployments/prod    this deployment, whatever model is asked
//	https://res.openai.azure.com/openai/v1                  the deployment's name as the model, no api-version
//	https://res.services.ai.azure.com/models                Foundry model inference: the same, with an api-version
//
// Anything may stand before the path (a front door). The path of an endpoint at
// the end is taken off.
type AzureOptions struct {
	Account

	// APIVersion is the api-version; "" = 2024-10-21. "v1" and "preview" are
	// those of the v1 form, which they choose too; there, dated ones are not
	// sent.
	APIVersion string

	Deployments map[string]string // model to deployment; a model that is absent is its deployment's name
	Codec       openai.Codec
	Responses   dialect.Passer // see OpenAIOptions
}

// NewAzure makes the provider. URL forms and authentication are those of
// Azure's data-plane specification of 2024-10-21 and of its v1 form.
func NewAzure(o AzureOptions) (*HTTP, error) {
	w, err := newAzureWire(o.BaseURL, or(o.APIVersion, azureVersion), o.Deployments)
	if err != nil {
		return nil, o.wrap(err)
	}
	codec := azureCodec{Codec: o.Codec, w: w}
	codec.NoStreamUsage = codec.NoStreamUsage || w.before("2024-09-01")
	pass := map[llm.Dialect]dialect.Passer{}
	if o.Responses != nil && w.responses != nil {
		pass[llm.DialectResponses] = azurePasser{o.Responses, w}
	}
	return o.provider(Options{Dialect: llm.DialectOpenAI, Codec: codec, Wire: w, Pass: pass}, SupportAzure)
}

// SupportAzure returns what Azure OpenAI honours with a model: what OpenAI does.
func SupportAzure(model string) dialect.Support {
	s := dialect.SupportOpenAI(model)
	s.Target = "Azure OpenAI"
	return s
}

// azureWire knows Azure's URLs.
type azureWire struct {
	version     string
	deployments map[string]string

	byPath    *url.URL // below it: /{deployment}/chat/completions; nil when the model stands in the body
	chat      *url.URL // the endpoints when the model stands in the body, or the deployment is fixed
	embed     *url.URL
	responses *url.URL // nil when this form or version has none
}

func newAzureWire(base, version string, deployments map[string]string) (*azureWire, error) {
	if base == "" {
		return nil, errors.New("the base URL is needed: it holds the resource's name")
	}
	u, err := parseBase(base, "/chat/completions", "/embeddings", "/responses")
	if err != nil {
		return nil, err
	}
	w := &azureWire{version: version, deployments: maps.Clone(deployments)}
	dated := version
	if version == "v1" || version == "preview" {
		dated = ""
	}
	head, _, fixed := strings.Cut(u.Path, "/deployments/")
	switch {
	case fixed:
		w.fix(u, head)
	case strings.HasSuffix(u.Path, "/v1"), dated == "":
		w.v1(u)
	case strings.HasSuffix(u.Path, "/models"):
		w.chat, w.embed = w.versioned(below(u, "/chat/completions")), w.versioned(below(u, "/embeddings"))
	default:
		root := openAIRoot(u)
		w.byPath = below(root, "/deployments/")
		w.responses = w.versioned(below(root, "/responses"))
	}
	if w.before("2025-03-01") {
		w.responses = nil
	}
	return w, nil
}

// fix sets the endpoints of one deployment.
func (w *azureWire) fix(u *url.URL, head string) {
	w.chat, w.embed = w.versioned(below(u, "/chat/completions")), w.versioned(below(u, "/embeddings"))
	root := *u
	root.Path, root.RawPath = head, ""
	w.responses = w.versioned(below(&root, "/responses"))
}

// v1 sets the endpoints of the v1 form. Its api-version is optional, and never
// a date.
func (w *azureWire) v1(u *url.URL) {
	if !strings.HasSuffix(u.Path, "/v1") {
		u = below(openAIRoot(u), "/v1")
	}
	if w.version != "preview" {
		w.version = ""
	}
	w.chat, w.embed = w.versioned(below(u, "/chat/completions")), w.versioned(below(u, "/embeddings"))
	w.responses = w.versioned(below(u, "/responses"))
}

// openAIRoot returns the URL that ends in /openai.
func openAIRoot(u *url.URL) *url.URL {
	if strings.HasSuffix(u.Path, "/openai") {
		return u
	}
	return below(u, "/openai")
}

func (w *azureWire) versioned(u *url.URL) *url.URL { return withQuery(u, "api-version", w.version) }

// before reports whether the api-version is one from before a day. The version
// of the v1 form is none.
func (w *azureWire) before(day string) bool {
	return len(w.version) >= len(day) && w.version[0] == '2' && w.version[:len(day)] < day
}

// deployment returns the name of the deployment that serves a model.
func (w *azureWire) deployment(model string) string {
	if d := w.deployments[model]; d != "" {
		return d
	}
	return model
}

// Endpoint returns the URL for c's operation, dialect and model.
func (w *azureWire) Endpoint(c *llm.Call) (*url.URL, error) {
	switch {
	case c.Op == llm.OpChat && c.Dialect == llm.DialectResponses:
		return w.responses, nil
	case c.Op == llm.OpChat:
		return w.endpoint(c, w.chat, "/chat/completions")
	case c.Op == llm.OpEmbed:
		return w.endpoint(c, w.embed, "/embeddings")
	}
	return nil, llm.Unsupported("", "this provider cannot do %s", c.Op)
}

func (w *azureWire) endpoint(c *llm.Call, fixed *url.URL, path string) (*url.URL, error) {
	if w.byPath == nil {
		return fixed, nil
	}
	u, err := modelPath(w.byPath, "", w.deployment(c.Model), path)
	if err != nil {
		return nil, err
	}
	return w.versioned(u), nil
}

// Authorize sends the key as api-key, or a token of Entra ID as a bearer token.
func (w *azureWire) Authorize(_ context.Context, h http.Header, cred Credential) error {
	switch v := cred.Plain(); {
	case v == nil:
	case isToken(v[0]):
		h["Authorization"] = cred.Bearer()
	default:
		h["Api-Key"] = v
	}
	return nil
}

// isToken reports whether a credential has the form of a JSON web token: three
// parts, the first an encoded object. Azure's keys have no dots.
func isToken(s string) bool { return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") == 2 }

// azureCodec puts the deployment's name where the model stands in the body.
// What the model can do is still told by its own name.
type azureCodec struct {
	openai.Codec
	w *azureWire
}

// renamed returns c as the body must name its model. In the form that has the
// deployment in the path Azure ignores the body's model, and it stays.
func (w *azureWire) renamed(c *llm.Call) *llm.Call {
	d := w.deployment(c.Model)
	if d == c.Model || w.byPath != nil && c.Dialect != llm.DialectResponses {
		return c
	}
	return c.WithModel(d)
}

// AppendRequest appends the body of a translated request.
func (k azureCodec) AppendRequest(dst []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	codec := k.Codec
	switch {
	case codec.MaxTokensName != "":
	case openai.Reasons(c.Model):
		codec.MaxTokensName = "max_completion_tokens"
	default:
		codec.MaxTokensName = "max_tokens"
	}
	return codec.AppendRequest(dst, k.w.renamed(c), r)
}

// Rewrite returns the body that passes through.
func (k azureCodec) Rewrite(c *llm.Call) ([]byte, error) { return k.Codec.Rewrite(k.w.renamed(c)) }

// azurePasser does the same for another dialect.
type azurePasser struct {
	dialect.Passer
	w *azureWire
}

// Rewrite returns the body that passes through.
func (p azurePasser) Rewrite(c *llm.Call) ([]byte, error) { return p.Passer.Rewrite(p.w.renamed(c)) }
