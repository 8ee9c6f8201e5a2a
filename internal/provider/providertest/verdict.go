package providertest

import "github.com/llm-gateway/llm-gateway/internal/llm"

// StatusVerdict is how a status is judged when the body says nothing. A
// redirect is permanent: the base URL is wrong. So is 402: a bill is unpaid.
// 403 is a fault of the gateway's key, as 401 is, and never the caller's; it
// is permanent because providers under test have one key.
func StatusVerdict(status int) Verdict {
	switch status {
	case 401, 403:
		return Verdict{Kind: llm.KindUpstreamAuth, Permanent: true}
	case 402:
		return Verdict{Kind: llm.KindUpstreamRateLimited, Permanent: true}
	case 404:
		return Verdict{Kind: llm.KindNotFound}
	case 408, 504:
		return Verdict{Kind: llm.KindTimeout}
	case 409, 424, 425, 499:
		return Verdict{Kind: llm.KindUpstreamError}
	case 413:
		return Verdict{Kind: llm.KindRequestTooLarge}
	case 429, 498:
		return Verdict{Kind: llm.KindUpstreamRateLimited}
	}
	switch {
	case status >= 300 && status < 400:
		return Verdict{Kind: llm.KindUpstreamError, Permanent: true}
	case status >= 400 && status < 500:
		return Verdict{Kind: llm.KindInvalidRequest}
	}
	return Verdict{Kind: llm.KindUpstreamError}
}
