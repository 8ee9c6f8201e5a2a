package server

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// estimated answers a token count for a target that has no such operation, and
// says in a header that it is an estimate. Any other failure stays one.
func (x *exchange) estimated(c *clientCall, err error) error {
	e := llm.AsError(err)
	if c.Op != llm.OpCountTokens || e.Kind != llm.KindUnsupported || e.Param != "" {
		return err
	}
	r, err := c.Request()
	if err != nil {
		return err
	}
	x.noteError(e)
	x.gatewayHeaders()
	x.set("X-Gateway-Estimated", "input_tokens")
	u := llm.Usage{Input: dialect.EstimateTokens(r), Source: llm.UsageEstimated}
	return x.translated(&llm.Reply{Response: &llm.Response{Usage: u}, Usage: u})
}
