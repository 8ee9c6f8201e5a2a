package config

import (
	"fmt"
	"strings"
)

// Kind is a provider's type: a protocol of its own, or a preset of an
// OpenAI-compatible service.
type Kind string

// The kinds with a protocol or an address scheme of their own. All others are
// presets that speak as KindOpenAI does.
const (
	KindOpenAI    Kind = "openai"
	KindAzure     Kind = "azure-openai"
	KindAnthropic Kind = "anthropic"
	KindGemini    Kind = "gemini"
	KindVertex    Kind = "vertex"
	KindDashScope Kind = "dashscope"
	KindMock      Kind = "mock"
)

// KindInfo is what is known of a kind before anything is configured.
type KindInfo struct {
	Kind        Kind
	Wire        Kind   // the protocol: one of the Kind constants
	BaseURL     string // "" when it must be given or is made from other members
	KeyEnv      string // the variable that customarily holds its key; "" = none
	BaseURLEnv  string // the variable that moves its host; "" = none
	KeyOptional bool   // works without a key
	StreamUsage bool   // must be asked for usage in streams
}

// kinds is the table of provider kinds. Base URLs and key variables are those
// of each service's own documentation; local servers use their usual ports.
var kinds = []KindInfo{
	{Kind: KindOpenAI, Wire: KindOpenAI, BaseURL: "https://api.openai.com/v1", KeyEnv: "OPENAI_API_KEY", BaseURLEnv: "BASE_URL", StreamUsage: true},
	{Kind: KindAzure, Wire: KindAzure, KeyEnv: "AZURE_OPENAI_API_KEY", BaseURLEnv: "AZURE_OPENAI_ENDPOINT", StreamUsage: true},
	{Kind: KindAnthropic, Wire: KindAnthropic, BaseURL: "https://api.anthropic.com", KeyEnv: "ANTHROPIC_API_KEY", BaseURLEnv: "ANTHROPIC_BASE_URL"},
	{Kind: KindGemini, Wire: KindGemini, BaseURL: "https://generativelanguage.googleapis.com", KeyEnv: "GEMINI_API_KEY", BaseURLEnv: "GOOGLE_GEMINI_BASE_URL"},
	{Kind: KindVertex, Wire: KindVertex, BaseURLEnv: "VERTEX_BASE_URL", KeyOptional: true},
	{Kind: KindDashScope, Wire: KindDashScope, BaseURL: "https://dashscope.aliyuncs.com/api/v1", KeyEnv: "DASHSCOPE_API_KEY", BaseURLEnv: "DASHSCOPE_BASE_URL"},
	{Kind: KindMock, Wire: KindMock, KeyOptional: true},

	{Kind: "groq", Wire: KindOpenAI, BaseURL: "https://api.groq.com/openai/v1", KeyEnv: "GROQ_API_KEY", StreamUsage: true},
	{Kind: "deepseek", Wire: KindOpenAI, BaseURL: "https://api.deepseek.com", KeyEnv: "DEEPSEEK_API_KEY", StreamUsage: true},
	{Kind: "mistral", Wire: KindOpenAI, BaseURL: "https://api.mistral.ai/v1", KeyEnv: "MISTRAL_API_KEY"},
	{Kind: "xai", Wire: KindOpenAI, BaseURL: "https://api.x.ai/v1", KeyEnv: "XAI_API_KEY", StreamUsage: true},
	{Kind: "together", Wire: KindOpenAI, BaseURL: "https://api.together.xyz/v1", KeyEnv: "TOGETHER_API_KEY", StreamUsage: true},
	{Kind: "openrouter", Wire: KindOpenAI, BaseURL: "https://openrouter.ai/api/v1", KeyEnv: "OPENROUTER_API_KEY", StreamUsage: true},
	{Kind: "moonshot", Wire: KindOpenAI, BaseURL: "https://api.moonshot.ai/v1", KeyEnv: "MOONSHOT_API_KEY", StreamUsage: true},
	{Kind: "zhipu", Wire: KindOpenAI, BaseURL: "https://open.bigmodel.cn/api/paas/v4", KeyEnv: "ZHIPUAI_API_KEY", StreamUsage: true},
	{Kind: "ark", Wire: KindOpenAI, BaseURL: "https://ark.cn-beijing.volces.com/api/v3", KeyEnv: "ARK_API_KEY", StreamUsage: true},

	{Kind: "ollama", Wire: KindOpenAI, BaseURL: "http://127.0.0.1:11434/v1", KeyEnv: "OLLAMA_API_KEY", KeyOptional: true, StreamUsage: true},
	{Kind: "vllm", Wire: KindOpenAI, BaseURL: "http://127.0.0.1:8000/v1", KeyEnv: "VLLM_API_KEY", KeyOptional: true, StreamUsage: true},
	{Kind: "llamacpp", Wire: KindOpenAI, BaseURL: "http://127.0.0.1:8080/v1", KeyEnv: "LLAMA_API_KEY", KeyOptional: true, StreamUsage: true},
	{Kind: "lmstudio", Wire: KindOpenAI, BaseURL: "http://127.0.0.1:1234/v1", KeyEnv: "LMSTUDIO_API_KEY", KeyOptional: true, StreamUsage: true},
}

// Kinds returns the table of provider kinds, a copy.
func Kinds() []KindInfo { return append([]KindInfo(nil), kinds...) }

// Info returns what is known of k; ok is false for an unknown kind.
func (k Kind) Info() (info KindInfo, ok bool) {
	for _, i := range kinds {
		if i.Kind == k {
			return i, true
		}
	}
	return KindInfo{}, false
}

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(b []byte) error {
	if _, ok := Kind(b).Info(); ok {
		*k = Kind(b)
		return nil
	}
	names := make([]string, len(kinds))
	for i, info := range kinds {
		names[i] = string(info.Kind)
	}
	return fmt.Errorf("%q is no provider type; known are %s", b, strings.Join(names, ", "))
}

// trimBase brings a base URL into the one form that providers append their
// paths to: without a trailing slash, and without the end of an endpoint's
// path that people paste.
func trimBase(wire Kind, base string) string {
	base = strings.TrimRight(base, "/")
	switch wire {
	case KindOpenAI, KindAzure:
		base = strings.TrimSuffix(base, "/chat/completions")
	case KindAnthropic:
		base = strings.TrimSuffix(strings.TrimSuffix(base, "/messages"), "/v1")
	case KindGemini:
		base = strings.TrimSuffix(base, "/v1beta")
	}
	return strings.TrimRight(base, "/")
}
