package provider

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// FitTo makes the Fitter that checks requests against what the target honours
// with a model. support is called for each request that is translated.
func FitTo(support func(model string) dialect.Support) Fitter {
	return func(c *llm.Call, r *llm.Request) (*llm.Request, []string, error) {
		s := support(c.Model)
		s.Same = c.Dialect == s.Dialect
		return dialect.Fit(r, s, c.Drop)
	}
}
