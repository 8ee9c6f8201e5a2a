package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider"
)

func builtIn(t testing.TB) prices {
	t.Helper()
	p, err := loadPrices(&config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// facts are what a test says of a model's support.
type facts struct {
	sampling, oneSampler, topK     bool
	efforts                        []string
	budget, adaptive, off          bool
	exclusive                      bool
	schema, tools, images, audio   bool
	embeddings                     bool
	maxOutput, budgetMin, budgetTo int64
}

func factsOf(s *dialect.Support) facts {
	t := s.Thinking
	return facts{
		sampling: s.Temperature.Honoured() && s.TopP.Honoured(), oneSampler: s.OneSampler, topK: s.TopK,
		efforts: t.Efforts, budget: t.Budget, adaptive: t.Adaptive, off: t.Off, exclusive: t.Exclusive,
		schema: s.JSONSchema, tools: s.Tools, images: s.Images.Inline, audio: s.Audio.Inline, embeddings: s.Embeddings,
		maxOutput: s.MaxOutput, budgetMin: t.BudgetMin, budgetTo: t.BudgetMax,
	}
}

func TestSupportFromTheCatalogue(t *testing.T) {
	p := builtIn(t)
	bases := map[config.Kind]supporter{
		config.KindOpenAI: dialect.SupportOpenAI, config.KindAzure: provider.SupportAzure, config.KindAnthropic: dialect.SupportAnthropic,
		config.KindGemini: dialect.SupportGemini, config.KindVertex: provider.SupportVertex, config.KindDashScope: dialect.SupportDashScope,
	}
	for _, tc := range []struct {
		kind  config.Kind
		model string
		want  facts
	}{
		{config.KindOpenAI, "gpt-4o-2024-08-06", facts{sampling: true, schema: true, tools: true, images: true, maxOutput: 16384}},
		{config.KindOpenAI, "gpt-4-turbo", facts{sampling: true, tools: true, images: true, maxOutput: 4096}},
		{config.KindOpenAI, "gpt-5", facts{efforts: []string{"minimal", "low", "medium", "high"}, schema: true, tools: true, images: true, maxOutput: 128000}},
		{config.KindOpenAI, "gpt-5.2", facts{sampling: true, efforts: []string{"low", "medium", "high", "xhigh"}, off: true, schema: true, tools: true, images: true, maxOutput: 128000}},
		{config.KindOpenAI, "o1-mini", facts{maxOutput: 65536}},
		{config.KindOpenAI, "text-embedding-3-small", facts{sampling: true, tools: true, embeddings: true}},
		{config.KindAzure, "gpt-4o", facts{sampling: true, schema: true, tools: true, images: true, maxOutput: 16384}},
		{config.KindAnthropic, "claude-3-7-sonnet-latest", facts{sampling: true, topK: true, budget: true, off: true, exclusive: true, tools: true, images: true, maxOutput: 64000, budgetMin: 1024}},
		{config.KindAnthropic, "claude-sonnet-4-5-20250929", facts{sampling: true, oneSampler: true, topK: true, budget: true, off: true, exclusive: true, schema: true, tools: true, images: true, maxOutput: 64000, budgetMin: 1024}},
		{config.KindAnthropic, "claude-opus-5-5", facts{efforts: []string{"low", "medium", "high", "xhigh", "max"}, adaptive: true, off: true, exclusive: true, schema: true, tools: true, images: true, maxOutput: 128000}},
		{config.KindGemini, "models/gemini-2.5-pro", facts{sampling: true, topK: true, budget: true, adaptive: true, schema: true, tools: true, images: true, audio: true, maxOutput: 65536, budgetMin: 128, budgetTo: 32768}},
		{config.KindGemini, "gemini-embedding-001", facts{sampling: true, topK: true, tools: true, embeddings: true}},
		{config.KindVertex, "gemini-2.5-flash", facts{sampling: true, topK: true, budget: true, adaptive: true, off: true, schema: true, tools: true, images: true, audio: true, maxOutput: 65536, budgetMin: 1, budgetTo: 24576}},
		{config.KindVertex, "claude-sonnet-4-5@20250929", facts{sampling: true, oneSampler: true, topK: true, budget: true, off: true, exclusive: true, schema: true, tools: true, images: true, maxOutput: 64000, budgetMin: 1024}},
		{config.KindDashScope, "qwen-max", facts{sampling: true, topK: true, schema: true, tools: true, maxOutput: 8192}},
		{config.KindDashScope, "qwen3.6-plus", facts{sampling: true, topK: true, budget: true, adaptive: true, off: true, schema: true, tools: true, images: true, maxOutput: 65536, budgetMin: 1}},
		{config.KindDashScope, "qwen-vl-max", facts{sampling: true, topK: true, tools: true, images: true, maxOutput: 8192}},
		// The catalogue is silent: the name tells.
		{config.KindAzure, "my-deployment", factsOf(new(provider.SupportAzure("my-deployment")))},
		{config.KindDashScope, "deepseek-v4-pro", factsOf(new(dialect.SupportDashScope("deepseek-v4-pro")))},
	} {
		s := p.known(tc.kind, bases[tc.kind])(tc.model)
		if diff := cmp.Diff(tc.want, factsOf(&s), cmp.AllowUnexported(facts{})); diff != "" {
			t.Errorf("%s %s:\n%s", tc.kind, tc.model, diff)
		}
	}
}

// TestSupportNeverWidens: for every model of the catalogue, what its dialect
// does not have is not promised, and what is said of its thinking can be sent.
func TestSupportNeverWidens(t *testing.T) {
	p := builtIn(t)
	bases := map[string]supporter{"openai": dialect.SupportOpenAI, "anthropic": dialect.SupportAnthropic, "gemini": dialect.SupportGemini, "dashscope": dialect.SupportDashScope}
	n := 0
	for e := range p.catalog.All() {
		base := bases[e.Provider]
		if base == nil {
			continue
		}
		n++
		plain, s := base(e.ID), p.known(config.Kind(e.Provider), base)(e.ID)
		if s.Dialect != plain.Dialect || s.Target != plain.Target || s.Turns != plain.Turns || s.MaxTokensRequired && s.MaxOutput == 0 {
			t.Errorf("%s: %+v", e.ID, s)
		}
		for what, wider := range map[string]bool{
			"tools": s.Tools && !plain.Tools, "json_schema": s.JSONSchema && !plain.JSONSchema, "images": s.Images.Inline && !plain.Images.Inline,
			"audio": s.Audio.Inline && !plain.Audio.Inline, "embeddings": s.Embeddings && !plain.Embeddings,
		} {
			if wider {
				t.Errorf("%s: %s", e.ID, what)
			}
		}
		for _, effort := range s.Thinking.Efforts {
			r := &llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "hi"}}}},
				Reasoning: &llm.ReasoningOptions{Effort: effort}}
			if _, _, err := dialect.Fit(r, s, false); err != nil {
				t.Errorf("%s: effort %s: %v", e.ID, effort, err)
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d models were looked at", n)
	}
}

func TestOwnOpenAI(t *testing.T) {
	for base, want := range map[string]bool{
		"": true, "https://api.openai.com/v1": true, "https://eu.api.openai.com/v1": true, "https://openai.com": true,
		"http://127.0.0.1:8000/v1": false, "https://notopenai.com/v1": false, "https://api.openai.com.evil.test/v1": false, "https://%zz": false,
	} {
		if got := ownOpenAI(base); got != want {
			t.Errorf("%q: %v", base, got)
		}
	}
}
