package dialect

import (
	"math"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// defaultMaxOutput is supplied as max_tokens for a model of which nothing is
// known: every Anthropic model since generation 4 takes it.
const defaultMaxOutput = 32000

var (
	imageTypes    = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}
	documentTypes = []string{"application/pdf", "text/plain"}
)

// SupportOpenAI returns what OpenAI's Chat Completions honour with a model, as
// far as its name tells: reasoning models take no sampling parameters, others
// no reasoning effort. For a compatible server, whose model names mean
// nothing, use SupportCompatible.
func SupportOpenAI(model string) Support {
	s := SupportCompatible()
	s.Target = "OpenAI"
	s.Files.MIME = documentTypes[:1]
	name := bareModel(model)
	switch {
	case strings.HasPrefix(name, "gpt-3"), strings.HasPrefix(name, "gpt-4"), strings.HasPrefix(name, "chatgpt-4o"):
		s.Thinking = Thinking{}
	case reasoningOpenAI(name):
		s.Temperature, s.TopP = Range{}, Range{}
		s.PresencePenalty, s.FrequencyPenalty = Range{}, Range{}
		s.LogitBias = false
	}
	return s
}

// reasoningOpenAI reports whether a model reasons always: the o series and
// gpt-5 and later, but not their chat variants.
func reasoningOpenAI(name string) bool {
	if len(name) > 1 && name[0] == 'o' && name[1] >= '1' && name[1] <= '9' {
		return true
	}
	major, _, ok := Generation(name)
	return ok && strings.HasPrefix(name, "gpt-") && major >= 5 && !strings.Contains(name, "chat")
}

// SupportCompatible returns what an OpenAI-compatible server is asked without
// refusing anything here: the members of Chat Completions that a translated
// answer can hold.
func SupportCompatible() Support {
	return Support{
		Dialect:     llm.DialectOpenAI,
		Target:      "the OpenAI-compatible server",
		Temperature: Range{0, 2}, TopP: Range{0, 1},
		Seed:            Range{math.MinInt64, math.MaxInt64},
		PresencePenalty: Range{-2, 2}, FrequencyPenalty: Range{-2, 2},
		MaxStop: 4, BlankStop: true, LogitBias: true,
		User: true, Metadata: true, Store: true, Verbosity: true,
		ServiceTiers: []string{"auto", "default", "flex", "scale", "priority", "fast"},
		Thinking: Thinking{
			Efforts: []string{"minimal", "low", "medium", "high", "xhigh", "max"}, Off: true,
		},
		JSONObject: true, JSONSchema: true, SchemaWithTools: true,
		Tools: true, StrictTools: true, ToolNames: NameRule{Max: 64},
		ToolRequired: true, ToolNamed: true, AllowedTools: true, ParallelSwitch: true,
		Prefill: true, EmptyText: true,
		Images:      Media{Inline: true, URL: true},
		ImageDetail: true,
		Audio:       Media{Inline: true},
		Files:       Media{Inline: true},
		Embeddings:  true, EmbedTokens: true, EmbedDimensions: true, EmbedMax: 2048,
	}
}

// SupportAnthropic returns what the Anthropic Messages API honours with a
// model, by the generation in its name; a name that tells none counts as the
// newest.
func SupportAnthropic(model string) Support {
	major, minor, ok := Generation(model)
	v := major*100 + minor
	if !ok {
		v = math.MaxInt32
	}
	s := Support{
		Dialect:   llm.DialectAnthropic,
		Target:    "the Anthropic API",
		MaxOutput: anthropicMaxOutput(model, v), MaxTokensRequired: true,
		Temperature: Range{0, 1}, TopP: Range{0, 1}, TopK: true, OneSampler: v >= 400,
		User: true, ServiceTiers: []string{"auto", "default"},
		Thinking:   anthropicThinking(v),
		JSONSchema: v >= 405 || strings.Contains(model, "opus-4-1"), SchemaWithTools: true,
		Tools: true, ToolNames: NameRule{Max: 128},
		ToolRequired: true, ToolNamed: true, ParallelSwitch: true, ObjectArguments: true,
		ToolError: true, ToolImages: true, ToolHistory: true,
		Turns: true, Prefill: v < 406,
		Images: Media{Inline: true, URL: true, MIME: imageTypes},
		Files:  Media{Inline: true, URL: true, MIME: documentTypes},
	}
	s.StrictTools = s.JSONSchema
	if v >= 407 {
		s.Temperature, s.TopP, s.TopK = Range{}, Range{}, false
	}
	if v < 400 {
		s.ToolNames.Max = 64
	}
	return s
}

func anthropicMaxOutput(model string, v int) int64 {
	switch {
	case v < 305:
		return 4096
	case v < 307:
		return 8192
	case v < 405:
		if strings.Contains(model, "opus") {
			return 32000
		}
		return 64000
	case v == 405:
		return 64000
	case v < math.MaxInt32:
		return 128000
	}
	return defaultMaxOutput
}

func anthropicThinking(v int) Thinking {
	t := Thinking{Off: true, Exclusive: true, BudgetMin: 1024}
	switch {
	case v < 307:
		return Thinking{}
	case v < 406:
		t.Budget = true
	case v < 407:
		t.Budget, t.Adaptive = true, true
		t.Efforts = []string{"low", "medium", "high", "max"}
	default:
		t.Adaptive = true
		t.Efforts = []string{"low", "medium", "high", "xhigh", "max"}
	}
	return t
}

// SupportVertex returns what generateContent honours with a model on Vertex AI.
// Unlike the Gemini API it has long fetched media by URL, and it takes one
// text at a time for the newer embedding models.
func SupportVertex(model string) Support {
	s := SupportGemini(model)
	s.Target = "Vertex AI"
	s.Images.URL, s.Files.URL, s.Audio.URL = true, true, true
	s.EmbedMax = 250
	if strings.HasPrefix(bareModel(model), "gemini") {
		s.EmbedMax = 1
	}
	return s
}

// SupportGemini returns what generateContent honours with a model on the
// Gemini API.
func SupportGemini(model string) Support {
	major, minor, ok := Generation(model)
	v := major*100 + minor
	if !ok {
		v = math.MaxInt32
	}
	name := bareModel(model)
	return Support{
		Dialect:     llm.DialectGemini,
		Target:      "the Gemini API",
		Temperature: Range{0, 2}, TopP: Range{0, 1}, TopK: true,
		Seed:            Range{math.MinInt32, math.MaxInt32},
		PresencePenalty: Range{-2, 1.99}, FrequencyPenalty: Range{-2, 1.99},
		MaxStop: 5, BlankStop: true,
		Thinking:   geminiThinking(name, v),
		JSONObject: true, JSONSchema: true, SchemaWithTools: v >= 300,
		Tools: true, StrictTools: true, ToolNames: NameRule{Max: 64, More: ".:", LetterFirst: true},
		ToolRequired: true, ToolNamed: true, ObjectArguments: true, ToolError: true, ToolImages: v >= 300,
		Turns:       true,
		Images:      Media{Inline: true, URL: v >= 300},
		ImageDetail: v >= 300,
		Audio:       Media{Inline: true},
		Files:       Media{Inline: true, URL: v >= 300},
		Embeddings:  true, EmbedDimensions: true, EmbedMax: 100,
	}
}

func geminiThinking(name string, v int) Thinking {
	switch {
	case v >= 300:
		return Thinking{Efforts: []string{"minimal", "low", "medium", "high"}}
	case v < 205:
		return Thinking{}
	case strings.Contains(name, "pro"):
		return Thinking{Budget: true, BudgetMin: 128, BudgetMax: 32768, Adaptive: true}
	case strings.Contains(name, "lite"):
		return Thinking{Budget: true, BudgetMin: 512, BudgetMax: 24576, Off: true, Adaptive: true}
	}
	return Thinking{Budget: true, BudgetMin: 1, BudgetMax: 24576, Off: true, Adaptive: true}
}

// SupportDashScope returns what DashScope's native generation honours with a
// model. Media go to the multimodal models alone, told by their names.
func SupportDashScope(model string) Support {
	name := bareModel(model)
	s := Support{
		Dialect:     llm.DialectDashScope,
		Target:      "DashScope",
		Temperature: Range{0, 1.99}, TopP: Range{0.001, 1}, TopK: true,
		Seed:            Range{0, math.MaxInt32},
		PresencePenalty: Range{-2, 2},
		BlankStop:       true,
		Thinking:        Thinking{Off: true, Budget: true, BudgetMin: 1, Adaptive: true},
		JSONObject:      true, JSONSchema: true, SchemaWithTools: true,
		Tools: true, ToolNames: NameRule{Max: 64}, ToolNamed: true, ParallelSwitch: true,
		EmptyText: true, Embeddings: true, EmbedDimensions: true, EmbedMax: 10,
	}
	if MultimodalDashScope(name) {
		s.Images = Media{Inline: true, URL: true}
	}
	if strings.Contains(name, "omni") {
		s.Audio = Media{Inline: true, URL: true}
	}
	return s
}

// MultimodalDashScope reports whether a Qwen model is served by the
// multimodal-generation path: the vl, qvq and omni models, and qwen3.5 and
// later, except those for code and the max ones.
func MultimodalDashScope(model string) bool {
	name := bareModel(model)
	for _, mark := range []string{"-vl", "qvq", "omni"} {
		if strings.Contains(name, mark) {
			return true
		}
	}
	major, minor, ok := Generation(name)
	return ok && strings.HasPrefix(name, "qwen") && major*100+minor >= 305 &&
		!strings.Contains(name, "coder") && !strings.Contains(name, "max")
}

// bareModel returns a model's name in lower case without a vendor's or path's
// prefix: models/gemini-2.5-pro, anthropic/claude-…, us.anthropic.claude-….
func bareModel(model string) string {
	name := strings.ToLower(model)
	name = name[strings.LastIndexByte(name, '/')+1:]
	if i := strings.Index(name, "claude-"); i > 0 {
		name = name[i:]
	}
	return name
}

// Generation finds the generation in a model's name: 4, 5 in
// claude-sonnet-4-5-20250929; 2, 5 in gemini-2.5-pro; 3, 0 in qwen3-max. Dates
// and sizes (235b) are no generations.
func Generation(model string) (major, minor int, ok bool) {
	name := bareModel(model)
	for i := 0; i < len(name); i++ {
		if !digit(name[i]) {
			continue
		}
		n, end := number10(name, i)
		if end-i > 2 || end < len(name) && name[end] == 'b' {
			i = end - 1
			continue
		}
		if end+1 < len(name) && (name[end] == '.' || name[end] == '-') && digit(name[end+1]) {
			if m, e := number10(name, end+1); e-end-1 <= 2 && (e == len(name) || name[e] != 'b') {
				return n, m, true
			}
		}
		return n, 0, true
	}
	return 0, 0, false
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func number10(s string, i int) (n, end int) {
	for end = i; end < len(s) && digit(s[end]); end++ {
	}
	n, _ = strconv.Atoi(s[i:end])
	return n, end
}
