package dialect

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestFitThinking(t *testing.T) {
	effort := func(s string) llm.ReasoningOptions { return llm.ReasoningOptions{Effort: s} }
	budget := func(n int64) llm.ReasoningOptions { return llm.ReasoningOptions{Budget: &n} }
	adaptive := func(s string) llm.ReasoningOptions { return llm.ReasoningOptions{Effort: s, Adaptive: true} }
	const manual, mixed, newest = "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5"
	cases := []struct {
		name    string
		s       Support
		in      llm.ReasoningOptions
		max     int64
		want    llm.ReasoningOptions
		refused string // without drop; want is then what drop gives
		dropped string
	}{
		{name: "level to level", s: SupportOpenAI("o3"), in: effort("high"), want: effort("high")},
		{name: "level to budget", s: SupportAnthropic(manual), in: effort("medium"), want: budget(8192)},
		{name: "weakest level to least budget", s: SupportAnthropic(manual), in: effort("minimal"), want: budget(1024)},
		{name: "budget fits in max_tokens", s: SupportAnthropic(manual), in: effort("high"), max: 4000, want: budget(3000)},
		{name: "no room for a budget", s: SupportAnthropic(manual), in: effort("low"), max: 1200,
			refused: "reasoning_effort", dropped: "reasoning_effort"},
		{name: "none to a budget", s: SupportAnthropic(manual), in: effort("none"), want: budget(0)},
		{name: "client's budget", s: SupportAnthropic(manual), in: budget(5000), max: 6000, want: budget(5000)},
		{name: "client's budget too large", s: SupportAnthropic(manual), in: budget(9000), max: 6000, want: budget(5999),
			refused: "thinking", dropped: "thinking=5999"},
		{name: "client's budget too small", s: SupportAnthropic(manual), in: budget(10), want: budget(1024),
			refused: "thinking", dropped: "thinking=1024"},
		{name: "adaptive to a budget", s: SupportAnthropic(manual), in: adaptive(""), want: budget(8192)},
		{name: "level to adaptive", s: SupportAnthropic(newest), in: effort("high"), want: adaptive("high")},
		{name: "weaker than all levels", s: SupportAnthropic(newest), in: effort("minimal"), want: adaptive("low")},
		{name: "stronger than all levels", s: SupportGemini("gemini-3-pro"), in: effort("xhigh"), want: effort("high"),
			refused: "reasoning_effort", dropped: "reasoning_effort=high"},
		{name: "a level between", s: SupportAnthropic(mixed), in: effort("xhigh"), want: adaptive("max")},
		{name: "none to adaptive", s: SupportAnthropic(newest), in: effort("none"), want: effort("none")},
		{name: "budget to adaptive", s: SupportAnthropic(newest), in: budget(20000), want: adaptive("high")},
		{name: "adaptive stays", s: SupportAnthropic(newest), in: adaptive(""), want: adaptive("")},
		{name: "both known", s: SupportAnthropic(mixed), in: budget(2000), want: budget(2000)},
		{name: "budget to level", s: SupportOpenAI("gpt-5"), in: budget(2000), want: effort("low")},
		{name: "little budget to level", s: SupportOpenAI("gpt-5"), in: budget(100), want: effort("minimal")},
		{name: "some budget to level", s: SupportOpenAI("gpt-5"), in: budget(8000), want: effort("medium")},
		{name: "level and budget to a budget", s: SupportGemini("gemini-2.5-flash"), in: llm.ReasoningOptions{Effort: "max", Budget: ptr(int64(99))}, want: budget(99)},
		{name: "off at Gemini 2.5 lite", s: SupportGemini("gemini-2.5-flash-lite"), in: effort("none"), want: budget(0)},
		{name: "weak level at Gemini 2.5 lite", s: SupportGemini("gemini-2.5-flash-lite"), in: effort("minimal"), want: budget(512)},
		{name: "budget 0 to level", s: SupportOpenAI("gpt-5"), in: budget(0), want: effort("none")},
		{name: "adaptive to OpenAI", s: SupportOpenAI("gpt-5"), in: adaptive("")},
		{name: "adaptive with effort to OpenAI", s: SupportOpenAI("gpt-5"), in: adaptive("max"), want: effort("max")},
		{name: "level to Gemini 2.5", s: SupportGemini("gemini-2.5-flash"), in: effort("high"), want: budget(24576)},
		{name: "max to Gemini 2.5", s: SupportGemini("gemini-2.5-pro"), in: effort("max"), want: budget(32768)},
		{name: "off at Gemini 2.5 flash", s: SupportGemini("gemini-2.5-flash"), in: effort("none"), want: budget(0)},
		{name: "off at Gemini 2.5 pro", s: SupportGemini("gemini-2.5-pro"), in: effort("none"), want: budget(128),
			refused: "reasoning_effort", dropped: "reasoning_effort=128"},
		{name: "off at Gemini 3", s: SupportGemini("gemini-3-pro"), in: effort("none"), want: effort("minimal"),
			refused: "reasoning_effort", dropped: "reasoning_effort=minimal"},
		{name: "adaptive to Gemini 2.5", s: SupportGemini("gemini-2.5-pro"), in: adaptive(""), want: adaptive("")},
		{name: "to DashScope", s: SupportDashScope("qwen-plus"), in: effort("low"), want: budget(1024)},
		{name: "none where nothing reasons", s: SupportOpenAI("gpt-4o"), in: effort("none")},
		{name: "effort where nothing reasons", s: SupportOpenAI("gpt-4o"), in: effort("low"),
			refused: "reasoning_effort", dropped: "reasoning_effort"},
		{name: "budget where nothing reasons", s: SupportAnthropic("claude-3-haiku-20240307"), in: budget(2048),
			refused: "thinking", dropped: "thinking"},
		{name: "display elsewhere", s: SupportOpenAI("gpt-5"), in: llm.ReasoningOptions{Effort: "low", Summary: SummaryOmitted}, want: effort("low")},
		{name: "display at home", s: SupportAnthropic(newest), in: llm.ReasoningOptions{Adaptive: true, Summary: SummaryOmitted},
			want: llm.ReasoningOptions{Adaptive: true, Summary: SummaryOmitted}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := ask(func(r *llm.Request) { r.Reasoning = &c.in })
			if c.max > 0 {
				r.MaxTokens = &c.max
			}
			got, dropped, err := Fit(r, c.s, false)
			if c.refused != "" {
				wantRefusal(t, err, c.refused, false)
				got, dropped, err = Fit(r, c.s, true)
				if !slices.Equal(dropped, []string{c.dropped}) {
					t.Errorf("dropped %q, want %q", dropped, c.dropped)
				}
			} else if len(dropped) > 0 {
				t.Errorf("dropped %q", dropped)
			}
			if err != nil {
				t.Fatal(err)
			}
			var opts llm.ReasoningOptions
			if got.Reasoning != nil {
				opts = *got.Reasoning
			}
			if diff := cmp.Diff(c.want, opts); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFitUnknownEffort(t *testing.T) {
	r := ask(func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Effort: "a lot"} })
	for _, drop := range []bool{false, true} {
		_, _, err := Fit(r, SupportOpenAI("o3"), drop)
		wantRefusal(t, err, "reasoning_effort", true)
	}
}

func TestFitThinkingExcludes(t *testing.T) {
	think := func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Effort: "low"} }
	own := llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Signature: "s", Origin: llm.DialectAnthropic}}
	kept := calls("a")
	kept.Parts = append([]llm.Part{own}, kept.Parts...)
	loop := func(m llm.Message) func(*llm.Request) {
		return func(r *llm.Request) {
			r.Tools = []llm.Tool{function("f")}
			r.Messages = append(r.Messages, m, results("a"))
		}
	}
	cases := []struct {
		name, model, refused, dropped string
		mod                           func(*llm.Request)
		thinks                        bool // with drop
	}{
		{name: "temperature", refused: "temperature", dropped: "temperature", thinks: true,
			mod: func(r *llm.Request) { r.Temperature = ptr(0.3) }},
		{name: "temperature 1", thinks: true, mod: func(r *llm.Request) { r.Temperature = ptr(1.0) }},
		{name: "top_k", refused: "top_k", dropped: "top_k", thinks: true, mod: func(r *llm.Request) { r.TopK = ptr(int64(4)) }},
		{name: "low top_p", refused: "top_p", dropped: "top_p=0.95", thinks: true, mod: func(r *llm.Request) { r.TopP = ptr(0.5) }},
		{name: "high top_p", thinks: true, mod: func(r *llm.Request) { r.TopP = ptr(0.97) }},
		{name: "forced tool", refused: "tool_choice", dropped: "tool_choice=auto", thinks: true, mod: func(r *llm.Request) {
			r.Tools, r.ToolChoice = []llm.Tool{function("f")}, &llm.ToolChoice{Mode: llm.ToolRequired}
		}},
		{name: "prefill", refused: "reasoning_effort", dropped: "reasoning_effort", mod: func(r *llm.Request) {
			r.Messages = append(r.Messages, text(llm.RoleAssistant, "Well"))
		}},
		{name: "lost thinking", refused: "reasoning_effort", dropped: "reasoning_effort", mod: loop(calls("a"))},
		{name: "kept thinking", thinks: true, mod: loop(kept)},
		{name: "lost thinking on an adaptive model", model: "claude-opus-5", thinks: true, mod: loop(calls("a"))},
		{name: "lost thinking of a finished turn", thinks: true, mod: func(r *llm.Request) {
			loop(calls("a"))(r)
			r.Messages = append(r.Messages, text(llm.RoleAssistant, "done"), text(llm.RoleUser, "next"))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := SupportAnthropic("claude-sonnet-4-5")
			if c.model != "" {
				s = SupportAnthropic(c.model)
			}
			r := ask(think, c.mod)
			_, _, err := Fit(r, s, false)
			if c.refused != "" {
				wantRefusal(t, err, c.refused, false)
			} else if err != nil {
				t.Fatal(err)
			}
			got, dropped, err := Fit(r, s, true)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if c.dropped != "" {
				want = []string{c.dropped}
			}
			if !slices.Equal(dropped, want) || (got.Reasoning != nil) != c.thinks {
				t.Errorf("dropped %q, thinking %v; want %q, %v", dropped, got.Reasoning, want, c.thinks)
			}
		})
	}
}

func TestGeneration(t *testing.T) {
	cases := map[string][2]int{
		"claude-sonnet-4-5-20250929": {4, 5}, "claude-sonnet-4-20250514": {4, 0}, "claude-3-7-sonnet-20250219": {3, 7},
		"claude-opus-5": {5, 0}, "claude-fable-5-1": {5, 1}, "claude-haiku-4-5@20251001": {4, 5}, "claude-3-opus-latest": {3, 0},
		"gemini-2.5-pro": {2, 5}, "gemini-3-pro-preview": {3, 0}, "gemini-4-argon": {4, 0}, "gemini-2.0-flash-001": {2, 0},
		"qwen3-235b-a22b": {3, 0}, "qwen3.5-plus": {3, 5}, "qwen3-max": {3, 0}, "gpt-5.1": {5, 1}, "gpt-5": {5, 0},
		"us.anthropic.claude-opus-4-7": {4, 7}, "models/gemini-2.5-flash": {2, 5}, "anthropic/claude-sonnet-4-6": {4, 6},
	}
	for name, want := range cases {
		major, minor, ok := Generation(name)
		if !ok || major != want[0] || minor != want[1] {
			t.Errorf("%s: %d.%d %v, want %v", name, major, minor, ok, want)
		}
	}
	if _, _, ok := Generation("qwen-max"); ok {
		t.Error("qwen-max has a version")
	}
}

func TestSupportByModel(t *testing.T) {
	if s := SupportAnthropic("claude-next"); s.Temperature.Honoured() || s.MaxOutput != defaultMaxOutput || !s.Thinking.Adaptive {
		t.Errorf("an unknown Anthropic model does not count as the newest: %+v", s)
	}
	outputs := map[string]int64{
		"claude-3-haiku-20240307": 4096, "claude-3-5-sonnet-20241022": 8192, "claude-3-7-sonnet-20250219": 64000,
		"claude-opus-4-1": 32000, "claude-sonnet-4-20250514": 64000, "claude-haiku-4-5": 64000, "claude-sonnet-4-6": 128000,
	}
	for model, want := range outputs {
		if got := SupportAnthropic(model).MaxOutput; got != want {
			t.Errorf("%s: max output %d, want %d", model, got, want)
		}
	}
	for model, want := range map[string]bool{"o3-mini": true, "gpt-5": true, "gpt-6.1-sol": true, "gpt-4o": false, "gpt-5-chat-latest": false, "gpt-4.1": false, "omni": false} {
		if got := !SupportOpenAI(model).Temperature.Honoured(); got != want {
			t.Errorf("%s: reasons %v, want %v", model, got, want)
		}
	}
	if s := SupportVertex("gemini-embedding-001"); s.EmbedMax != 1 || !s.Images.URL || s.Target != "Vertex AI" {
		t.Errorf("%+v", s)
	}
	if s := SupportVertex("text-embedding-005"); s.EmbedMax != 250 {
		t.Errorf("%+v", s)
	}
	for model, want := range map[string]bool{"qwen-vl-max": true, "qwen3.5-plus": true, "qwen-max": false, "qwen3-coder-plus": false, "qwen3.7-max": false, "qwen2.5-omni-7b": true} {
		if got := MultimodalDashScope(model); got != want {
			t.Errorf("%s: multimodal %v, want %v", model, got, want)
		}
	}
}

func TestState(t *testing.T) {
	for d := llm.DialectNative; d <= llm.DialectDashScope; d++ {
		packed := PackState(d, "Ci:Q=")
		origin, s := UnpackState(packed)
		if origin != d || s != "Ci:Q=" {
			t.Errorf("%s: %q gives %v %q", d, packed, origin, s)
		}
	}
	for _, plain := range []string{"", "EqkE+/=", "gw1:", "gw1:gemini", "gw1:nobody:x"} {
		if origin, s := UnpackState(plain); origin != 0 || s != plain {
			t.Errorf("%q gives %v %q", plain, origin, s)
		}
	}
	if PackState(llm.DialectGemini, "") != "" || PackState(0, "x") != "x" {
		t.Error("nothing to mark, but marked")
	}
}
