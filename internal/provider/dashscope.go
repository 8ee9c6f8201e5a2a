package provider

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dashscope"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// dashScopeBase is the host for accounts in China. Keys are bound to a region:
// international ones belong to dashscope-intl.aliyuncs.com, others to hosts of
// their workspace.
const dashScopeBase = "https://dashscope.aliyuncs.com/api/v1"

// compatibleMode ends the base URL of DashScope's OpenAI-compatible mode.
const compatibleMode = "/compatible-mode/v1"

// DashScopeOptions makes the provider for Alibaba's DashScope (Qwen). The base
// URL is https://host/api/v1 for the native form, which knows all models and
// their thinking, or https://host/compatible-mode/v1 for the OpenAI-compatible
// one, in which bodies of OpenAI clients pass through. A host alone means the
// native form. Keys are sent as bearer tokens.
type DashScopeOptions struct {
	Account
	Workspace string // X-DashScope-WorkSpace
}

// NewDashScope makes the provider. Endpoints and headers are those of
// DashScope's SDK of 2026.
func NewDashScope(o DashScopeOptions) (*HTTP, error) {
	base, err := o.base(dashScopeBase, "/chat/completions", "/embeddings", "/services/aigc/text-generation/generation",
		"/services/aigc/multimodal-generation/generation", "/services/embeddings/text-embedding/text-embedding")
	if err != nil {
		return nil, err
	}
	o.header("X-DashScope-WorkSpace", o.Workspace)
	if strings.HasSuffix(base.Path, compatibleMode) {
		return newDashScopeCompatible(o, base)
	}
	return o.provider(Options{Dialect: llm.DialectDashScope, Codec: dashscope.Codec{}, Wire: newDashScopeWire(base)}, dialect.SupportDashScope)
}

// newDashScopeCompatible makes the provider for the compatible mode. There,
// insufficient_quota is a limit that passes.
func newDashScopeCompatible(o DashScopeOptions, base *url.URL) (*HTTP, error) {
	native := o.Support
	if native == nil {
		native = dialect.SupportDashScope
	}
	return NewOpenAI(OpenAIOptions{
		Name: o.Name, BaseURL: base.String(), Keys: o.Keys, Headers: o.Headers, Client: o.Client,
		Support: func(model string) dialect.Support { return compatible(native(model)) },
		Codec:   openai.Codec{MaxTokensName: "max_tokens", QuotaThrottles: true},
		Version: o.Version, MaxBody: o.MaxBody, MaxEvent: o.MaxEvent,
	})
}

// compatible narrows what DashScope honours to its compatible mode: the same,
// but thinking, whose members OpenAI does not have.
func compatible(s dialect.Support) dialect.Support {
	s.Dialect, s.Target = llm.DialectOpenAI, "DashScope's compatible mode"
	s.Thinking = dialect.Thinking{}
	return s
}

// dashScopeWire knows the endpoints of the native form.
type dashScopeWire struct {
	text, multimodal, embeddings, tokenizer *url.URL
	enable                                  []string
}

func newDashScopeWire(base *url.URL) *dashScopeWire {
	if base.Path == "" {
		base = below(base, "/api/v1")
	}
	return &dashScopeWire{
		text:       below(base, "/services/aigc/text-generation/generation"),
		multimodal: below(base, "/services/aigc/multimodal-generation/generation"),
		embeddings: below(base, "/services/embeddings/text-embedding/text-embedding"),
		tokenizer:  below(base, "/tokenizer"),
		enable:     []string{"enable"},
	}
}

// Endpoint returns the URL for c's operation. Models that take media have one
// of their own; to send one to the other's is an error.
func (w *dashScopeWire) Endpoint(c *llm.Call) (*url.URL, error) {
	switch {
	case c.Op == llm.OpEmbed:
		return w.embeddings, nil
	case c.Op == llm.OpCountTokens:
		return w.tokenizer, nil
	case dialect.MultimodalDashScope(c.Model):
		return w.multimodal, nil
	}
	return w.text, nil
}

// Authorize sends the key as a bearer token. It also asks for a stream: in this
// dialect a header does, not the body.
func (w *dashScopeWire) Authorize(_ context.Context, h http.Header, cred Credential) error {
	if v := cred.Bearer(); v != nil {
		h["Authorization"] = v
	}
	if v := h["Accept"]; len(v) == 1 && v[0] == "text/event-stream" {
		h["X-Dashscope-Sse"] = w.enable
	}
	return nil
}
