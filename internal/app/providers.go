package app

import (
	"fmt"
	"io"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/responses"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

// maker makes the provider of one entry of the configuration.
type maker struct {
	*App
	prices prices
	name   string
	*config.Provider
}

// makers is the one table of provider kinds: a protocol and who speaks it.
// Presets of OpenAI-compatible services share one row.
var makers = map[config.Kind]func(m *maker) (llm.Provider, error){
	config.KindOpenAI:    (*maker).openAI,
	config.KindAzure:     (*maker).azure,
	config.KindAnthropic: (*maker).anthropic,
	config.KindGemini:    func(m *maker) (llm.Provider, error) { return provider.NewGemini(m.account(dialect.SupportGemini)) },
	config.KindVertex:    (*maker).vertex,
	config.KindDashScope: (*maker).dashScope,
	config.KindMock:      func(m *maker) (llm.Provider, error) { return mock.New(mock.Options{Name: m.name}), nil },
}

// newProvider makes the provider of one entry of the configuration. prices
// tell what its models can do.
func (a *App) newProvider(name string, p *config.Provider, known prices) (llm.Provider, error) {
	info, _ := p.Type.Info()
	mk, ok := makers[info.Wire]
	if !ok {
		return nil, fmt.Errorf("providers.%s.type: %q has no implementation", name, p.Type)
	}
	made, err := mk(&maker{a, known, name, p})
	if err != nil {
		return nil, fmt.Errorf("providers.%s: %w", name, err)
	}
	return made, nil
}

// closeProviders ends what providers do in the background. Calls under way are
// not disturbed.
func closeProviders(made map[string]llm.Provider) {
	for _, p := range made {
		if c, ok := p.(io.Closer); ok {
			_ = c.Close() // there is nothing to be done about it
		}
	}
}

// account is what every kind of provider is made of. support says what its
// dialect honours; the catalogue knows better where it knows a model.
func (m *maker) account(support supporter) provider.Account {
	return provider.Account{
		Name: m.name, BaseURL: m.BaseURL, Keys: reveal(m.Keys), Headers: revealMap(m.Headers), Support: m.prices.known(m.Type, support),
		Client: m.client, Version: m.o.Version, MaxBody: int64(m.o.Config.HTTP.MaxResponse), OnRefused: m.credentialRefused(m.name),
	}
}

func (m *maker) openAI() (llm.Provider, error) {
	quirks := presets[m.Type]
	o := provider.OpenAIOptions{
		Name: m.name, BaseURL: m.BaseURL, Keys: reveal(m.Keys), Codec: m.codec(quirks.codec), Organization: m.Organization, Project: m.Project,
		Headers: revealMap(m.Headers), Client: m.client, Version: m.o.Version, MaxBody: int64(m.o.Config.HTTP.MaxResponse),
		Support: quirks.supporter(m.Type), OnRefused: m.credentialRefused(m.name),
	}
	if m.Type == config.KindOpenAI { // whatever its address, it is to speak all of OpenAI's API
		o.Responses, o.Support = responses.Codec{}, nil
		if ownOpenAI(m.BaseURL) {
			o.Support = m.prices.known(m.Type, dialect.SupportOpenAI)
		}
	}
	return provider.NewOpenAI(o)
}

func (m *maker) azure() (llm.Provider, error) {
	return provider.NewAzure(provider.AzureOptions{
		Account: m.account(provider.SupportAzure), APIVersion: m.APIVersion, Deployments: m.Deployments,
		Codec: m.codec(openai.Codec{}), Responses: responses.Codec{},
	})
}

func (m *maker) anthropic() (llm.Provider, error) {
	return provider.NewAnthropic(provider.AnthropicOptions{Account: m.account(dialect.SupportAnthropic)})
}

func (m *maker) vertex() (llm.Provider, error) {
	return provider.NewVertex(provider.VertexOptions{
		Account: m.account(provider.SupportVertex), Project: m.Project, Location: m.Location, CredentialsFile: m.Credentials,
	})
}

func (m *maker) dashScope() (llm.Provider, error) {
	return provider.NewDashScope(provider.DashScopeOptions{Account: m.account(dialect.SupportDashScope), Workspace: m.Workspace})
}

// codec is what speaks to an OpenAI-compatible server. The configuration says
// whether a stream is asked for its usage.
func (m *maker) codec(k openai.Codec) openai.Codec {
	k.NoStreamUsage = m.StreamUsage != nil && !*m.StreamUsage
	return k
}

func reveal(secrets []config.Secret) []string {
	plain := make([]string, len(secrets))
	for i, s := range secrets {
		plain[i] = s.Reveal()
	}
	return plain
}

func revealMap(secrets map[string]config.Secret) map[string]string {
	plain := make(map[string]string, len(secrets))
	for k, s := range secrets {
		plain[k] = s.Reveal()
	}
	return plain
}
