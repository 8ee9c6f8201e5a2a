package providertest

import "github.com/llm-gateway/llm-gateway/internal/llm"

// StatusVerdict is how a status is judged when the body says nothing.
func StatusVerdict(status int) Verdict {
	switch {
	case status >= 300 && status < 400:
		return Verdict{llm.KindUpstreamError, true} // the base URL is wrong
	case status == 401 || status == 403:
		return Verdict{Kind: llm.KindUpstreamAuth}
	case status == 402:
		return Verdict{llm.KindUpstreamRateLimited, true}
	case status == 404:
		return Verdict{Kind: llm.KindNotFound}
	case status == 413:
		return Verdict{Kind: llm.KindRequestTooLarge}
	case status == 429:
		return Verdict{Kind: llm.KindUpstreamRateLimited}
	case status == 408 || status == 409 || status >= 500:
		return Verdict{Kind: llm.KindUpstreamError}
	}
	return Verdict{Kind: llm.KindInvalidRequest}
}
