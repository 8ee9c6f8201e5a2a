package app

import (
	"fmt"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

// makers is the one table of provider kinds: a protocol and who speaks it.
// Presets of OpenAI-compatible services share one row.
func (a *App) makers() map[config.Kind]func(name string, p *config.Provider) (llm.Provider, error) {
	return map[config.Kind]func(string, *config.Provider) (llm.Provider, error){
		config.KindOpenAI: a.newOpenAI,
		config.KindMock: func(name string, _ *config.Provider) (llm.Provider, error) {
			return mock.New(mock.Options{Name: name}), nil
		},
	}
}

// newProvider makes the provider of one entry of the configuration.
func (a *App) newProvider(name string, p *config.Provider) (llm.Provider, error) {
	info, _ := p.Type.Info()
	mk, ok := a.makers()[info.Wire]
	if !ok {
		return nil, fmt.Errorf("providers.%s.type: %q has no implementation", name, p.Type)
	}
	made, err := mk(name, p)
	if err != nil {
		return nil, fmt.Errorf("providers.%s: %w", name, err)
	}
	return made, nil
}

func (a *App) newOpenAI(name string, p *config.Provider) (llm.Provider, error) {
	return provider.NewOpenAI(provider.OpenAIOptions{
		Name: name, BaseURL: p.BaseURL, Keys: reveal(p.Keys), Codec: openAICodec(p), Organization: p.Organization, Project: p.Project,
		Headers: revealMap(p.Headers), Client: a.client, Version: a.o.Version, MaxBody: int64(a.o.Config.HTTP.MaxResponse),
	})
}

func openAICodec(p *config.Provider) openai.Codec {
	return openai.Codec{NoStreamUsage: p.StreamUsage != nil && !*p.StreamUsage}
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
