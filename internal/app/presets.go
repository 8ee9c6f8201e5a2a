package app

import (
	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
)

// preset is where an OpenAI-compatible service differs from OpenAI when it is
// asked; how it differs when it answers, the codec knows of them all. Bodies of
// OpenAI clients pass through untouched: these are for what is translated.
type preset struct {
	codec openai.Codec
	lacks func(*dialect.Support) // nil = nothing that is known
}

// presets holds the facts of the services' own documentation and of recorded
// traffic. A service that is absent, or an own server under type openai, is
// asked everything.
var presets = map[config.Kind]preset{
	"deepseek": {
		codec: openai.Codec{MaxTokensName: "max_tokens", ReasoningField: "reasoning_content"},
		lacks: func(s *dialect.Support) {
			s.JSONSchema, s.LogitBias, s.Seed = false, false, dialect.Range{}
		},
	},
	"groq": {
		codec: openai.Codec{MaxTokensName: "max_completion_tokens", ReasoningField: "reasoning"},
		lacks: func(s *dialect.Support) { s.LogitBias, s.ServiceTiers = false, []string{"auto", "flex"} },
	},
	"mistral": { // its seed has another name, random_seed
		codec: openai.Codec{MaxTokensName: "max_tokens"},
		lacks: func(s *dialect.Support) { s.LogitBias, s.Seed = false, dialect.Range{} },
	},
	"xai":        {codec: openai.Codec{MaxTokensName: "max_tokens"}},
	"together":   {codec: openai.Codec{MaxTokensName: "max_tokens"}},
	"openrouter": {codec: openai.Codec{MaxTokensName: "max_tokens", ReasoningField: "reasoning_details"}},
	"moonshot": {
		codec: openai.Codec{MaxTokensName: "max_tokens", ReasoningField: "reasoning_content"},
		lacks: func(s *dialect.Support) { s.Temperature.Max = 1 },
	},
	"zhipu": {
		codec: openai.Codec{MaxTokensName: "max_tokens", ReasoningField: "reasoning_content"},
		lacks: func(s *dialect.Support) {
			s.Temperature.Max, s.MaxStop, s.ToolRequired, s.ToolNamed = 1, 1, false, false
		},
	},
	"ark": {codec: openai.Codec{MaxTokensName: "max_tokens"}},
	"ollama": { // it ignores what it does not know, which would be dropping in silence
		codec: openai.Codec{MaxTokensName: "max_tokens"},
		lacks: func(s *dialect.Support) { s.LogitBias = false },
	},
	"vllm": {codec: openai.Codec{MaxTokensName: "max_tokens", ReasoningField: "reasoning"}},
	"llamacpp": { // it takes the choice of one function for auto
		codec: openai.Codec{MaxTokensName: "max_tokens"},
		lacks: func(s *dialect.Support) { s.ToolNamed = false },
	},
	"lmstudio": {
		codec: openai.Codec{MaxTokensName: "max_tokens"},
		lacks: func(s *dialect.Support) { s.JSONObject = false },
	},
}

// supporter returns what the service honours; its model names are its own.
func (p preset) supporter(kind config.Kind) supporter {
	return func(string) dialect.Support {
		s := dialect.SupportCompatible()
		s.Target = string(kind)
		if p.lacks != nil {
			p.lacks(&s)
		}
		return s
	}
}
