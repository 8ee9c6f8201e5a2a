package catalog

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	c := builtin(t)
	for _, tc := range []struct{ provider, model, want string }{
		{"openai", "gpt-4o", "gpt-4o"},
		{"openai", "GPT-4o", "gpt-4o"},
		{"openai", "gpt-4o-2024-08-06", "gpt-4o"},
		{"openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"}, // priced apart
		{"openai", "gpt-4o-2031-01-31", "gpt-4o"},
		{"openai", "gpt-4o-2031", ""},
		{"openai", "gpt-4o-mini-audio-preview", ""},
		{"openai", "chatgpt-4o-latest", ""},
		{"openai", "ft:gpt-4o-mini-2024-07-18:org::id", ""},
		{"openai", "gpt-3.5-turbo-1106", "gpt-3.5-turbo-1106"},
		{"openai", "gpt-3.5-turbo-0613", ""}, // four digits are no sure date
		{"openai", "openai/gpt-4o", "gpt-4o"},
		{"openai", "", ""},
		{"openai", "*", ""},
		{"openai", "claude-opus-4-5", ""},
		{"azure-openai", "gpt-4o", "gpt-4o"},
		{"azure-openai", "gpt-35-turbo", "gpt-3.5-turbo"},
		{"anthropic", "claude-opus-4-5-20251101", "claude-opus-4-5"},
		{"anthropic", "claude-opus-4-8-20260501", "claude-opus-4-8"},
		{"anthropic", "claude-opus-4-8-latest", "claude-opus-4-8"},
		{"anthropic", "claude-opus-4", ""},
		{"anthropic", "claude-opus-4-0", "claude-opus-4-20250514"},
		{"vertex", "claude-opus-4-8@20260501", "claude-opus-4-8"},
		{"vertex", "gemini-2.5-pro", "gemini-2.5-pro"},
		{"vertex", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"},
		{"gemini", "models/gemini-2.5-flash-001", "gemini-2.5-flash"},
		{"gemini", "claude-opus-4-8", ""},
		{"dashscope", "qwen-plus-2025-07-14", "qwen-plus"},
		{"dashscope", "qwen-plus-latest", "qwen-plus"},
		{"mock", "gpt-4o", "*"},
		{"mock", "slow-500ms", "*"},
		{"ollama", "gpt-4o", ""}, // the same name elsewhere is another model
		{"", "gpt-4o", "gpt-4o"},
		{"", "gemini-3.8-flash", "gemini-3.8-flash"},
		{"", "whatever", ""},
		{"", "*", ""},
	} {
		got := ""
		if e := c.Find(tc.provider, tc.model); e != nil {
			got = e.ID
		}
		if got != tc.want {
			t.Errorf("Find(%q, %q) = %q, want %q", tc.provider, tc.model, got, tc.want)
		}
	}
}

func TestFindPatterns(t *testing.T) {
	c := load(t, "", `{"id":"a-*","provider":"p"},{"id":"a-b-*","provider":"p"},{"id":"a-b-c","provider":"p"},{"id":"Org/Big-*","provider":"p"}`)
	for model, want := range map[string]string{
		"a-x": "a-*", "a-b": "a-*", "a-b-x": "a-b-*", "a-b-c": "a-b-c", "A-B-C-2026-01-01": "a-b-c", "a-": "a-*", "org/big-one": "Org/Big-*",
	} {
		if e := c.Find("p", model); e == nil || e.ID != want {
			t.Errorf("Find(%q) = %v, want %s", model, e, want)
		}
	}
	if e := c.Find("p", "b"); e != nil {
		t.Errorf("found %s", e.ID)
	}
	if e := c.Find("", "a-x"); e != nil {
		t.Errorf("a pattern of one provider answers for all: %s", e.ID)
	}
}

// Known is true for a bounded set of names.
func TestKnown(t *testing.T) {
	c := load(t, "", `{"id":"M-1","provider":"gemini","aliases":["one"]},{"id":"*","provider":"mock"}`)
	for _, tc := range []struct {
		provider, model string
		want            bool
	}{
		{"gemini", "M-1", true}, {"gemini", "one", true}, {"vertex", "one", true},
		{"gemini", "m-1", false}, {"gemini", "ONE", false}, {"gemini", "one-2026-01-01", false}, {"gemini", "models/one", false},
		{"openai", "one", false}, {"mock", "x", false}, {"mock", "*", false}, {"gemini", "", false},
	} {
		if got := c.Known(tc.provider, tc.model); got != tc.want {
			t.Errorf("Known(%q, %q) = %v", tc.provider, tc.model, got)
		}
	}
}

func TestFamily(t *testing.T) {
	c := builtin(t)
	for model, want := range map[string]string{
		"gpt-4o": "openai", "gpt-9-nova": "openai", "o1": "openai", "o3-deep-research": "openai", "o4-mini-2025-04-16": "openai",
		"chatgpt-4o-latest": "openai", "ft:gpt-4o-mini:org": "openai", "text-embedding-3-large": "openai", "text-embedding-9": "openai",
		"claude-next-9": "anthropic", "claude-3-opus": "anthropic", "Claude-Opus-5": "anthropic",
		"gemini-5-krypton": "gemini", "models/gemini-9": "gemini", "gemini-embedding-001": "gemini", "text-embedding-004": "gemini",
		"qwen9": "dashscope", "qwq-plus": "dashscope", "qvq-max": "dashscope", "text-embedding-v4": "dashscope",
		"deepseek-chat": "deepseek", "mistral-large-latest": "mistral", "grok-4": "xai", "kimi-k2": "moonshot", "glm-4.6": "zhipu", "doubao-pro": "ark",
		"llama3.2": "", "my-model": "", "": "", "mock": "", "phi-4": "",
	} {
		got, ok := c.Family(model)
		if got != want || ok != (want != "") {
			t.Errorf("Family(%q) = %q, %v, want %q", model, got, ok, want)
		}
	}
}

func TestSells(t *testing.T) {
	c := builtin(t)
	for _, tc := range []struct {
		provider, seller string
		want             bool
	}{
		{"openai", "openai", true}, {"azure-openai", "openai", true}, {"vertex", "anthropic", true}, {"vertex", "gemini", true},
		{"openai", "azure-openai", false}, {"gemini", "anthropic", false}, {"custom", "custom", true}, {"custom", "openai", false},
	} {
		if got := c.Sells(tc.provider, tc.seller); got != tc.want {
			t.Errorf("Sells(%q, %q) = %v", tc.provider, tc.seller, got)
		}
	}
}

// Where models differ, by the providers' documentation.
func TestTraits(t *testing.T) {
	c := builtin(t)
	for _, tc := range []struct {
		provider, model string
		can, cannot     Capabilities
		sampling        Sampling
		thinking        Thinking
	}{
		{"openai", "gpt-4o", CanChat | CanTools | CanImages | CanJSONSchema, CanReason | CanAudio, SamplingAll, Thinking{}},
		{"openai", "gpt-4", CanChat | CanTools, CanImages | CanJSONSchema, SamplingAll, Thinking{}},
		{"openai", "gpt-4-turbo", CanImages, CanJSONSchema, SamplingAll, Thinking{}},
		{"openai", "gpt-5", CanReason, CanAudio, SamplingNone, Thinking{Efforts: []string{"minimal", "low", "medium", "high"}}},
		{"openai", "gpt-5.4-mini", CanReason, 0, SamplingReasoningOff, Thinking{Efforts: []string{"low", "medium", "high", "xhigh"}, Off: true}},
		{"openai", "gpt-6.1-sol", CanReason, 0, SamplingNone, Thinking{Efforts: []string{"low", "medium", "high", "xhigh", "max"}}},
		{"openai", "gpt-5-chat-latest", CanTools, CanReason, SamplingAll, Thinking{}},
		{"openai", "o3", CanReason | CanImages, 0, SamplingNone, Thinking{Efforts: []string{"low", "medium", "high"}}},
		{"openai", "text-embedding-3-small", CanEmbed, CanChat, SamplingAll, Thinking{}},
		{"azure-openai", "gpt-4o", CanImages, CanReason, SamplingAll, Thinking{}},
		{"anthropic", "claude-3-haiku-20240307", CanImages, CanReason | CanJSONSchema, SamplingAll, Thinking{}},
		{"anthropic", "claude-3-7-sonnet-latest", CanReason, CanJSONSchema, SamplingAll, Thinking{Budget: true, BudgetMin: 1024, Off: true}},
		{"anthropic", "claude-sonnet-4-0", CanReason, CanJSONSchema, SamplingOne, Thinking{Budget: true, BudgetMin: 1024, Off: true}},
		{"anthropic", "claude-haiku-4-5", CanReason | CanJSONSchema, 0, SamplingOne, Thinking{Budget: true, BudgetMin: 1024, Off: true}},
		{"anthropic", "claude-opus-4-6", CanReason, 0, SamplingOne,
			Thinking{Efforts: []string{"low", "medium", "high", "max"}, Budget: true, BudgetMin: 1024, Adaptive: true, Off: true}},
		{"anthropic", "claude-opus-4-7", CanReason, CanAudio, SamplingNone,
			Thinking{Efforts: []string{"low", "medium", "high", "xhigh", "max"}, Adaptive: true, Off: true}},
		{"anthropic", "claude-unheard-of", CanJSONSchema, 0, SamplingNone,
			Thinking{Efforts: []string{"low", "medium", "high", "xhigh", "max"}, Adaptive: true, Off: true}},
		{"vertex", "claude-sonnet-4@20250514", CanReason, CanJSONSchema, SamplingOne, Thinking{Budget: true, BudgetMin: 1024, Off: true}},
		{"gemini", "gemini-2.0-flash", CanAudio | CanImages, CanReason, SamplingAll, Thinking{}},
		{"gemini", "gemini-2.5-pro", CanReason, 0, SamplingAll, Thinking{Budget: true, BudgetMin: 128, BudgetMax: 32768, Adaptive: true}},
		{"gemini", "gemini-2.5-flash", CanReason, 0, SamplingAll, Thinking{Budget: true, BudgetMin: 1, BudgetMax: 24576, Adaptive: true, Off: true}},
		{"gemini", "gemini-3.8-flash", CanReason, 0, SamplingAll, Thinking{Efforts: []string{"minimal", "low", "medium", "high"}}},
		{"gemini", "gemini-embedding-001", CanEmbed, CanChat | CanTools, SamplingAll, Thinking{}},
		{"dashscope", "qwen-max", CanTools, CanReason | CanImages, SamplingAll, Thinking{}},
		{"dashscope", "qwen-plus", CanReason, CanImages, SamplingAll, Thinking{Budget: true, BudgetMin: 1, Adaptive: true, Off: true}},
		{"dashscope", "qwen3.7-plus", CanImages, CanAudio, SamplingAll, Thinking{Budget: true, BudgetMin: 1, Adaptive: true, Off: true}},
		{"dashscope", "qwen3.7-max", CanReason, CanImages, SamplingAll, Thinking{Budget: true, BudgetMin: 1, Adaptive: true, Off: true}},
		{"dashscope", "qwen-vl-max", CanImages, CanReason, SamplingAll, Thinking{}},
		{"dashscope", "qwen3-coder-plus", CanTools, CanReason, SamplingAll, Thinking{}},
		{"mock", "any", CanChat | CanEmbed | CanTools, CanAudio, SamplingAll, Thinking{}},
	} {
		got, ok := c.Traits(tc.provider, tc.model)
		if !ok || !got.Capabilities.Has(tc.can) || got.Capabilities&tc.cannot != 0 || got.Sampling != tc.sampling {
			t.Errorf("%s/%s: %v, %v, sampling %s", tc.provider, tc.model, ok, got.Capabilities.Names(), got.Sampling)
		}
		if d := cmp.Diff(tc.thinking, got.Thinking); d != "" {
			t.Errorf("%s/%s: thinking %s", tc.provider, tc.model, d)
		}
	}
	for _, tc := range [][2]string{{"ollama", "gpt-4o"}, {"openai", "claude-opus-5"}, {"openai", "unheard-of"}, {"gemini", "text-embedding-v4"}} {
		if got, ok := c.Traits(tc[0], tc[1]); ok || got.Capabilities != 0 {
			t.Errorf("%v: %+v", tc, got)
		}
	}
	if got, ok := c.Traits("", "gpt-77"); !ok || !got.Capabilities.Has(CanReason) {
		t.Errorf("any provider: %v, %+v", ok, got)
	}
	for model, want := range map[string][2]bool{"qwq-plus": {true, false}, "gpt-5-pro": {false, true}, "gpt-5": {false, false}} {
		if e := c.Find("", model); e.StreamOnly != want[0] || e.ResponsesOnly != want[1] {
			t.Errorf("%s: stream only %v, responses only %v", model, e.StreamOnly, e.ResponsesOnly)
		}
	}
}

func TestCapabilityNames(t *testing.T) {
	got := (CanAudio | CanChat | CanJSONSchema).Names()
	if !slices.Equal(got, []string{"chat", "json_schema", "audio"}) {
		t.Error(got)
	}
	all, err := capabilities(capabilityNames[:])
	if err != nil || !slices.Equal(all.Names(), capabilityNames[:]) {
		t.Errorf("%v, %v", all.Names(), err)
	}
	if Capabilities(0).Has(CanChat) || !all.Has(CanChat|CanAudio) || CanChat.Has(CanChat|CanTools) {
		t.Error("Has")
	}
}

func TestUndated(t *testing.T) {
	for in, want := range map[string]string{
		"m-2024-08-06": "m", "m-20250929": "m", "m@20250929": "m", "m-001": "m", "m-latest": "m",
		"m": "m", "m-4": "m-4", "m-12": "m-12", "m-1234": "m-1234", "m-2024-08": "m-2024-08", "m-2024-8-06": "m-2024-8-06",
		"-2024-08-06": "-2024-08-06", "2024-08-06": "2024-08-06", "m-ddd": "m-ddd", "m-2024-dd-06": "m-2024-dd-06", "": "",
	} {
		if got := undated(in); got != want {
			t.Errorf("undated(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFindAllocs(t *testing.T) {
	c := builtin(t)
	now := day("2026-11-22")
	if n := testing.AllocsPerRun(100, func() {
		c.Find("vertex", "claude-opus-4-8@20260501").Pricer(now)
		c.Family("gpt-77")
		c.Known("azure-openai", "gpt-4o")
		c.Traits("openai", "gpt-77")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFind(b *testing.B) {
	c := builtin(b)
	b.ReportAllocs()
	for b.Loop() {
		c.Find("vertex", "claude-opus-4-8@20260501")
	}
}
