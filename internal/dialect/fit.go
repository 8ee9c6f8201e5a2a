package dialect

import (
	"slices"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Support says, as data, what a target honours: its dialect, narrowed by what
// is known of its model. SupportOpenAI, SupportAnthropic, SupportGemini and
// SupportDashScope give the values; a provider overwrites fields with facts of
// its catalogue or configuration. The zero value honours plain text and
// nothing else.
type Support struct {
	Dialect llm.Dialect // whose thinking state may be sent
	Target  string      // how messages call the target: "the Anthropic API"

	// Same says that the client speaks the target's own dialect: Extra
	// members, hosted tools and file ids are its own and are kept.
	Same bool

	// Sampling and length. A zero Range is a member that is not honoured.
	MaxOutput         int64 // the model's largest answer in tokens; 0 = unknown
	MaxTokensRequired bool  // max_tokens must be there: MaxOutput is supplied
	Temperature       Range
	TopP              Range
	OneSampler        bool // temperature and top_p exclude each other
	TopK              bool
	Seed              Range
	PresencePenalty   Range
	FrequencyPenalty  Range
	MaxStop           int  // stop sequences at most; 0 = any number
	BlankStop         bool // a stop sequence may be white space alone
	LogitBias         bool

	User         bool // an end user's id has a place
	Metadata     bool
	Store        bool
	Verbosity    bool
	ServiceTiers []string // in OpenAI's words

	Thinking Thinking

	JSONObject      bool // response_format json_object
	JSONSchema      bool // response_format json_schema
	SchemaWithTools bool // structured output and tools at once

	Tools           bool
	StrictTools     bool // tools[].strict
	ToolNames       NameRule
	ToolRequired    bool // tool_choice required
	ToolNamed       bool // tool_choice of one function
	AllowedTools    bool // tool_choice allowed_tools; otherwise the list is filtered
	ParallelSwitch  bool // parallel_tool_calls false
	ObjectArguments bool // tool-call arguments must be a JSON object
	ToolError       bool // tool results have an error flag
	ToolImages      bool // tool results may hold images and files
	ToolHistory     bool // tools must be declared when the history has calls

	Turns     bool // user and assistant alternate, the user first; system stands apart; calls and results pair up
	Prefill   bool // the last message may be the assistant's
	EmptyText bool // empty user text is accepted

	Images      Media
	ImageDetail bool
	Audio       Media
	Files       Media

	Embeddings      bool
	EmbedTokens     bool // token ids as input
	EmbedDimensions bool
	EmbedMax        int // inputs at most; 0 = any number
}

// Range is the closed range of values that a target takes.
type Range struct{ Min, Max float64 }

// Honoured reports whether the target takes the member at all.
func (r Range) Honoured() bool { return r != Range{} }

// Thinking is what a target lets one say about reasoning. The zero value is a
// model that does not reason.
type Thinking struct {
	Efforts   []string // levels, weakest first, without none; nil = levels are not taken
	Off       bool     // reasoning can be switched off
	Budget    bool     // a number of thinking tokens is taken
	BudgetMin int64    // smallest budget but 0
	BudgetMax int64    // largest; 0 = unknown
	Adaptive  bool     // "the model decides" can be said
	Exclusive bool     // with reasoning on: no sampling, no forced tool, no prefill, budget < max_tokens (Anthropic)
}

// Media says how a target takes one kind of media.
type Media struct {
	Inline bool     // by value
	URL    bool     // by http(s) URL that the provider fetches
	MIME   []string // types of inline data; nil = any
}

// NameRule is the form of function names: letters, digits, "_" and "-", and
// what More adds.
type NameRule struct {
	Max         int // in bytes; 0 = any length
	More        string
	LetterFirst bool // the first is a letter or "_"
}

// Fit returns what of r the target honours: r itself when that is all of it,
// otherwise a changed copy; r is never written to. A member that the target
// cannot honour is mapped where it has an equivalent, otherwise refused with an
// *llm.Error of KindUnsupported that names it. With drop, the client's
// X-Gateway-Unsupported: drop, it is left out or clamped instead, and listed in
// dropped ("seed", or "temperature=1" when it was clamped).
//
// What a conversation says is never dropped: messages, parts of them and tool
// results are mapped or refused. So images in tool results go into a user
// message behind the results where they cannot stay, a failed result says
// "Error:" where there is no flag for it, and a plain-text file becomes text
// where files are not taken. What is wrong for every target (a tool result that
// answers no call) is KindInvalidRequest.
//
// Left out without a word, with or without drop, is only what cannot change
// the answer:
//
//	member                                        why
//	n 1, logprobs false, logit_bias {},           the default
//	  penalties 0, temperature 1, top_p 1,
//	  verbosity medium, store false,
//	  service_tier auto and default,
//	  response_format text, image detail auto,
//	  modalities ["text"], tools[].strict false,
//	  parallel_tool_calls true (or no tools),
//	  tool_choice auto and none without tools,
//	  reasoning_effort none where nothing reasons
//	any extra member that is null
//	user, safety_identifier, metadata, labels,    for the provider's books
//	  messages[].name
//	prompt_cache_key, prompt_cache_retention,     about cost and speed alone
//	  prompt_cache_options, prediction,
//	  cache_control, eager_input_streaming
//	reasoning.summary, thinking.display           which view of the thinking is shown
//	thinking blocks of another provider           their state means nothing elsewhere
//
// Where the sheet of translations would drop with a warning (seed, penalties,
// verbosity, service_tier, image detail, top_p beside temperature,
// parallel_tool_calls false) or clamp with one (temperature, effort), the
// contract is stricter and decides: refused unless the client asked for
// dropping. A max_tokens above MaxOutput is clamped with drop, else left to the
// provider, whose own limit is the authority.
func Fit(r *llm.Request, s Support, drop bool) (fitted *llm.Request, dropped []string, err error) {
	f := &fitter{in: r, out: r, s: &s, drop: drop}
	rules := chatRules[:]
	if r.Embed != nil {
		rules = embedRules[:]
	}
	for _, rule := range rules {
		if err := rule(f); err != nil {
			return nil, nil, err
		}
	}
	return f.out, f.dropped, nil
}

// chatRules run in this order: tools before what refers to them, thinking
// before what it excludes, max_tokens before the budget that must fit in it.
var chatRules = [...]func(*fitter) error{
	(*fitter).messages,
	(*fitter).tools,
	(*fitter).toolChoice,
	(*fitter).parallel,
	(*fitter).maxTokens,
	(*fitter).thinking,
	(*fitter).sampling,
	(*fitter).penalties,
	(*fitter).seed,
	(*fitter).stop,
	(*fitter).candidates,
	(*fitter).logprobs,
	(*fitter).format,
	(*fitter).account,
	(*fitter).extra,
}

var embedRules = [...]func(*fitter) error{
	(*fitter).embed,
	(*fitter).account,
	(*fitter).extra,
}

// fitter holds one run of Fit.
type fitter struct {
	in      *llm.Request
	out     *llm.Request // in until the first change, then a copy
	s       *Support
	drop    bool
	dropped []string
	ownMsgs bool // out.Messages is a copy
}

// edit returns the copy to write to.
func (f *fitter) edit() *llm.Request {
	if f.out == f.in {
		r := *f.in
		f.out = &r
	}
	return f.out
}

// message returns message i of the copy to write to. Its parts are a copy too.
func (f *fitter) message(i int) *llm.Message {
	r := f.edit()
	if !f.ownMsgs {
		r.Messages, f.ownMsgs = slices.Clone(r.Messages), true
	}
	m := &r.Messages[i]
	if len(m.Parts) > 0 && len(f.in.Messages[i].Parts) > 0 && &m.Parts[0] == &f.in.Messages[i].Parts[0] {
		m.Parts = slices.Clone(m.Parts)
	}
	return m
}

// refuse refuses a member, or notes that it is dropped. The caller leaves the
// member out when it returns nil.
func (f *fitter) refuse(param, why string) error {
	if f.drop {
		f.dropped = append(f.dropped, param)
		return nil
	}
	return llm.Unsupported(param, "%s: %s", param, why)
}

// refuseValue is refuse for a member that is known but whose value is not;
// instead is what drop mode puts in its place.
func (f *fitter) refuseValue(param, instead, why string) error {
	if f.drop {
		f.dropped = append(f.dropped, param+"="+instead)
		return nil
	}
	e := llm.Unsupported(param, "%s: %s", param, why)
	e.Code = "unsupported_value"
	return e
}

// lacks is the usual reason of a refusal.
func (f *fitter) lacks() string { return f.target() + " has no such parameter" }

func (f *fitter) target() string {
	if f.s.Target == "" {
		return "the target"
	}
	return f.s.Target
}
