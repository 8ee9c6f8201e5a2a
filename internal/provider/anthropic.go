package provider

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

const (
	anthropicBase = "https://api.anthropic.com"

	// anthropicVersion is the version of the API whose bodies the codec
	// writes. A client of the same dialect sends its own along.
	anthropicVersion = "2023-06-01"
)

// AnthropicOptions makes the provider for the Anthropic API, or for a server
// that imitates it. The base URL is as https://host, or the whole URL of
// /v1/messages. Keys are sent as x-api-key.
type AnthropicOptions struct {
	Account
	APIVersion string // anthropic-version, unless the client sends one; "" = 2023-06-01
}

// NewAnthropic makes the provider: messages and token counts, which pass
// through for clients of the same dialect.
func NewAnthropic(o AnthropicOptions) (*HTTP, error) {
	base, err := o.base(anthropicBase, "/count_tokens", "/messages", "/v1")
	if err != nil {
		return nil, err
	}
	w := &anthropicWire{
		messages: below(base, "/v1/messages"),
		count:    below(base, "/v1/messages/count_tokens"),
		version:  []string{or(o.APIVersion, anthropicVersion)},
	}
	return o.provider(Options{Dialect: llm.DialectAnthropic, Codec: anthropicCodec{}, Wire: w}, dialect.SupportAnthropic)
}

// anthropicCodec ends a stream with its terminal event: some servers that
// imitate Anthropic leave the connection open behind it.
type anthropicCodec struct{ anthropic.Codec }

// NewStreamDecoder starts reading one stream.
func (k anthropicCodec) NewStreamDecoder() dialect.StreamDecoder {
	return anthropicDecoder{k.Codec.NewStreamDecoder()}
}

type anthropicDecoder struct{ dialect.StreamDecoder }

// Decode reads one event; io.EOF says that nothing counts behind it.
func (d anthropicDecoder) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	dst, err := d.StreamDecoder.Decode(dst, ev)
	if err == nil && string(ev.Name) == "message_stop" {
		err = io.EOF
	}
	return dst, err
}

// anthropicWire knows Anthropic's endpoints.
type anthropicWire struct {
	messages, count *url.URL
	version         []string
}

// Endpoint returns the URL for c's operation.
func (w *anthropicWire) Endpoint(c *llm.Call) (*url.URL, error) {
	switch c.Op {
	case llm.OpChat:
		return w.messages, nil
	case llm.OpCountTokens:
		return w.count, nil
	}
	return nil, llm.Unsupported("model", "the Anthropic API cannot do %s", c.Op)
}

// Authorize sends the key as x-api-key, beside the version that every call
// must name.
func (w *anthropicWire) Authorize(_ context.Context, h http.Header, cred Credential) error {
	if _, ok := h["Anthropic-Version"]; !ok {
		h["Anthropic-Version"] = w.version
	}
	if v := cred.Plain(); v != nil {
		h["X-Api-Key"] = v
	}
	return nil
}
