package openai

import (
	"net/http"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The codes and types of providers that say more than the status. They are
// compared in lower case. Zhipu's are numbers.
var (
	quotaCodes = set("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "credit_balance_exhausted",
		"exceeded_current_quota_error", "arrearage", "prepaidbilloverdue", "postpaidbilloverdue", "commoditynotpurchased",
		"allocationquota.freetieronly", "quotaexceeded", "accountoverdueerror", "insufficient_balance",
		"1112", "1113", "1121", "1304", "1308", "1310")
	filterCodes = set("content_filter", "content_policy_violation", "responsibleaipolicyviolation", "datainspectionfailed",
		"data_inspection_failed", "inputtextriskdetection", "outputtextriskdetection", "inputimageriskdetection",
		"outputimageriskdetection", "sensitivecontentdetected", "image_content_policy_violation", "bio_policy", "1301")
	lengthCodes = set("context_length_exceeded", "exceed_context_size_error", "string_above_max_length", "1261")
	authCodes   = set("invalid_api_key", "authentication_error", "authenticationerror", "invalid_authentication_error",
		"invalidapikey", "permissiondenied", "unauthenticated", "1000", "1001", "1002", "1003", "1004")
	modelCodes = set("model_not_found", "deploymentnotfound", "modelnotopen", "invalidendpointormodel.notfound",
		"model_not_supported", "unknown_model", "1211")
	busyCodes = set("rate_limit_exceeded", "rate_limit_reached_error", "engine_overloaded_error", "rate_limit_error",
		"ratelimitreached", "too_many_requests", "toomanyrequests", "throttling", "throttling.ratequota",
		"throttling.burstrate", "throttling.allocationquota", "1302", "1303", "1305", "1312", "nocapacity", "slow_down")
	downTypes = set("server_error", "api_error", "internal_error", "internal_server_error", "service_unavailable_error",
		"unavailable_error", "overloaded_error", "server_is_overloaded", "internalservererror", "internalserviceerror",
		"1234", "500", "network_error")
	callerTypes = set("invalid_request_error", "invalid_value", "badrequesterror", "badrequest", "invalid_argument",
		"invalidparameter", "missingparameter", "tool_use_failed", "invalid_prompt", "unsupported_parameter",
		"unsupported_value", "unknown_parameter", "1210", "1212", "1213", "1214", "1215")
)

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// says reports whether the code or the type of f is in words. Codes with a
// suffix after a dot (SensitiveContentDetected.SevereViolation) count as the
// word itself.
func (f *fault) says(words map[string]bool) bool {
	for _, s := range [...]string{f.code, f.typ} {
		s = strings.ToLower(s)
		if head, _, ok := strings.Cut(s, "."); words[s] || ok && words[head] {
			return true
		}
	}
	return false
}

// mentions reports whether the message holds one of the phrases, which are in
// lower case.
func (f *fault) mentions(phrases ...string) bool {
	if f.text == "" {
		f.text = strings.ToLower(f.message)
	}
	for _, p := range phrases {
		if strings.Contains(f.text, p) {
			return true
		}
	}
	return false
}

// classify decides the kind; it sets e.Code where the gateway has a word of
// its own for the case, and e.Permanent.
func (k Codec) classify(status int, f *fault, e *llm.Error) llm.Kind {
	switch {
	case f.filtered(status):
		e.Code = lenient.CodeFiltered
		return llm.KindContentFiltered
	case f.tooLong(status):
		e.Code = lenient.CodeTooLong
		return llm.KindInvalidRequest
	case k.outOfQuota(status, f):
		e.Code, e.Permanent = lenient.CodeQuota, true
		return llm.KindUpstreamRateLimited
	case f.refused(status):
		e.Code = ""
		return llm.KindUpstreamAuth
	case status == http.StatusNotFound, status < 500 && f.says(modelCodes):
		e.Code = lenient.CodeNoModel
		return llm.KindNotFound
	}
	if status == 0 {
		return f.byWords()
	}
	return byStatus(status, f, e)
}

func (f *fault) filtered(status int) bool {
	return f.says(filterCodes) || f.flagged && status < 500 ||
		status == http.StatusForbidden && f.mentions("moderation", "flagged")
}

// tooLong knows the wording of the servers that have no code for a prompt that
// does not fit.
func (f *fault) tooLong(status int) bool {
	if f.says(lengthCodes) {
		return true
	}
	if status >= 500 || status == http.StatusTooManyRequests {
		return false
	}
	return f.mentions("maximum context length", "max context length", "context window", "prompt is too long", "prompt too long",
		"exceeds the available context size", "range of input length", "input token count", "max_new_tokens` must be",
		"exceeds the maximum number of tokens")
}

// outOfQuota tells a bill that is not paid from a limit that passes.
func (k Codec) outOfQuota(status int, f *fault) bool {
	if status == http.StatusPaymentRequired {
		return true
	}
	if f.says(quotaCodes) {
		throttled := k.QuotaThrottles && strings.EqualFold(or(f.code, f.typ), lenient.CodeQuota)
		return !throttled || f.mentions("free allocated quota")
	}
	if status == http.StatusForbidden || status == http.StatusTooManyRequests || status == http.StatusBadRequest {
		return f.mentions("credit balance is too low", "used all available credits", "free allocated quota exceeded",
			"out of credits", "insufficient credits", "insufficient balance", "spending limit")
	}
	return false
}

// refused reports whether the provider did not accept the gateway's
// credential; some answer 400 to a bad key.
func (f *fault) refused(status int) bool {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return true
	case status == http.StatusBadRequest, status == 0:
		return f.says(authCodes) || f.mentions("incorrect api key", "invalid api key", "api key not valid", "invalid api-key")
	}
	return false
}

func byStatus(status int, f *fault, e *llm.Error) llm.Kind {
	switch status {
	case http.StatusTooManyRequests, statusFlexCapacity:
		// One request above the whole limit, and a limit that lasts for hours,
		// do not pass by waiting.
		e.Permanent = f.mentions("request too large", "per day", "(rpd)", "(tpd)")
		return llm.KindUpstreamRateLimited
	case http.StatusFailedDependency:
		return llm.KindUpstreamError
	}
	return lenient.KindOf(status)
}

// statusFlexCapacity is Groq's answer when its flexible tier is full.
const statusFlexCapacity = 498

// byWords decides for an error without a status: one in a stream, or one in
// the body of an answer with status 200.
func (f *fault) byWords() llm.Kind {
	switch {
	case f.says(busyCodes):
		return llm.KindUpstreamRateLimited
	case f.says(downTypes):
		return llm.KindUpstreamError
	case f.says(callerTypes):
		return llm.KindInvalidRequest
	}
	return llm.KindUpstreamError
}
