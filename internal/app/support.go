package app

import (
	"net/url"
	"strings"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/catalog"
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// supporter says what a target honours with a model.
type supporter func(model string) dialect.Support

// known narrows what a dialect honours by what the catalogue knows of a model.
// Where the catalogue is silent, what the model's name tells stands.
func (p prices) known(kind config.Kind, base supporter) supporter {
	return func(model string) dialect.Support {
		s := base(model)
		t, ok := p.catalog.Traits(string(kind), model)
		if !ok {
			return s
		}
		if e := p.catalog.Find(string(kind), model); e != nil && e.MaxOutput > 0 {
			s.MaxOutput = e.MaxOutput
		}
		s.Thinking = thinking(t.Thinking, s.Thinking.Exclusive)
		sampling(&s, t.Sampling)
		if t.Capabilities != 0 {
			capable(&s, t.Capabilities)
		}
		return s
	}
}

// thinking takes over how a model's reasoning is asked for. What it excludes is
// the dialect's affair.
func thinking(t catalog.Thinking, exclusive bool) dialect.Thinking {
	if len(t.Efforts) == 0 && !t.Budget && !t.Adaptive {
		return dialect.Thinking{}
	}
	return dialect.Thinking{
		Efforts: t.Efforts, Off: t.Off, Budget: t.Budget, BudgetMin: t.BudgetMin, BudgetMax: t.BudgetMax,
		Adaptive: t.Adaptive, Exclusive: exclusive,
	}
}

// sampling takes over which sampling parameters a model has. A model that has
// them only while it does not reason is sent them: whether it reasons by
// default is the provider's to say.
func sampling(s *dialect.Support, rule catalog.Sampling) {
	if rule == catalog.SamplingNone {
		s.Temperature, s.TopP, s.TopK, s.OneSampler = dialect.Range{}, dialect.Range{}, false, false
		if s.Dialect == llm.DialectOpenAI {
			s.PresencePenalty, s.FrequencyPenalty, s.LogitBias = dialect.Range{}, dialect.Range{}, false
		}
		return
	}
	s.OneSampler = rule == catalog.SamplingOne
	switch {
	case s.Temperature.Honoured():
	case s.Dialect == llm.DialectOpenAI:
		all := dialect.SupportCompatible()
		s.Temperature, s.TopP, s.LogitBias = all.Temperature, all.TopP, true
		s.PresencePenalty, s.FrequencyPenalty = all.PresencePenalty, all.FrequencyPenalty
	case s.Dialect == llm.DialectAnthropic:
		s.Temperature, s.TopP, s.TopK = dialect.Range{Min: 0, Max: 1}, dialect.Range{Min: 0, Max: 1}, true
	}
}

// capable takes away what a model cannot do. It adds nothing: a dialect that
// has no place for images has none for any model.
func capable(s *dialect.Support, can catalog.Capabilities) {
	if !can.Has(catalog.CanTools) && can.Has(catalog.CanChat) {
		s.Tools = false
	}
	if !can.Has(catalog.CanImages) {
		s.Images, s.Files = dialect.Media{}, dialect.Media{}
	}
	if !can.Has(catalog.CanAudio) {
		s.Audio = dialect.Media{}
	}
	s.JSONSchema = s.JSONSchema && can.Has(catalog.CanJSONSchema)
	s.Embeddings = s.Embeddings && can.Has(catalog.CanEmbed)
}

// ownOpenAI reports whether a base URL is OpenAI's own: the names of models
// mean nothing elsewhere.
func ownOpenAI(base string) bool {
	u, err := url.Parse(base)
	return err == nil && (base == "" || u.Hostname() == "openai.com" || strings.HasSuffix(u.Hostname(), ".openai.com"))
}
