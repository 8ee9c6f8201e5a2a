package dialect

import (
	"fmt"
	"slices"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// EffortNone switches reasoning off; SummaryOmitted (Anthropic thinking.display
// omitted) asks that thinking not be shown. Both are values of
// llm.ReasoningOptions.
const (
	EffortNone     = "none"
	SummaryOmitted = "omitted"
)

// efforts are all levels, weakest first, with the thinking tokens that stand
// for each where a target counts tokens.
var efforts = []struct {
	name   string
	budget int64
}{
	{"minimal", 512}, {"low", 1024}, {"medium", 8192}, {"high", 24576}, {"xhigh", 32768}, {"max", 65536},
}

func effortRank(name string) int {
	for i := range efforts {
		if efforts[i].name == name {
			return i
		}
	}
	return -1
}

// thinking brings the reasoning options into the form that the target takes:
// after it, Effort is one of Thinking.Efforts (or none), Budget is set only for
// a target that takes budgets (0 = off), and Adaptive only for one that knows it.
func (f *fitter) thinking() error {
	o := f.in.Reasoning
	if o == nil {
		return nil
	}
	if o.Effort != "" && o.Effort != EffortNone && effortRank(o.Effort) < 0 && !slices.Contains(f.s.Thinking.Efforts, o.Effort) {
		return llm.Invalid("reasoning_effort", "reasoning_effort: unknown level %q", o.Effort)
	}
	out, err := f.mapThinking(*o)
	if err != nil {
		return err
	}
	if out != *o {
		f.edit().Reasoning = &out
	}
	if out == (llm.ReasoningOptions{}) {
		f.edit().Reasoning = nil
	}
	if f.s.Thinking.Exclusive && f.thinks() {
		return f.exclusive()
	}
	return nil
}

func (f *fitter) mapThinking(o llm.ReasoningOptions) (llm.ReasoningOptions, error) {
	t := &f.s.Thinking
	if f.s.Dialect != llm.DialectAnthropic && o.Summary == SummaryOmitted {
		o.Summary = ""
	}
	switch {
	case off(&o):
		return f.thinkingOff(o)
	case !t.Budget && len(t.Efforts) == 0:
		return llm.ReasoningOptions{}, f.refuse(thinkingParam(&o), f.target()+" does not reason with this model")
	case o.Budget != nil && t.Budget:
		return f.clampBudget(o)
	case o.Budget != nil:
		o.Effort, o.Budget = f.nearestEffort(budgetEffort(*o.Budget)), nil
		o.Adaptive = t.Adaptive
		return o, nil
	case o.Effort != "" && len(t.Efforts) > 0:
		return f.clampEffort(o)
	case o.Effort != "":
		return f.effortBudget(o)
	case o.Adaptive && !t.Adaptive && t.Budget:
		o.Effort = "medium" // such a model does not reason unless told how much
		return f.effortBudget(o)
	}
	o.Adaptive = o.Adaptive && t.Adaptive // elsewhere the model decides anyway
	return o, nil
}

// off reports whether the client wants no reasoning.
func off(o *llm.ReasoningOptions) bool {
	return o.Effort == EffortNone || o.Budget != nil && *o.Budget == 0
}

func thinkingParam(o *llm.ReasoningOptions) string {
	if o.Effort != "" {
		return "reasoning_effort"
	}
	return "thinking"
}

// thinkingOff says "no reasoning" in the target's way.
func (f *fitter) thinkingOff(o llm.ReasoningOptions) (llm.ReasoningOptions, error) {
	t := &f.s.Thinking
	switch {
	case t.Off && f.s.Same:
		return o, nil
	case t.Off && t.Budget && len(t.Efforts) == 0:
		zero := int64(0)
		return llm.ReasoningOptions{Budget: &zero}, nil
	case t.Off:
		return llm.ReasoningOptions{Effort: EffortNone}, nil
	case !t.Budget && len(t.Efforts) == 0:
		return llm.ReasoningOptions{}, nil
	case len(t.Efforts) > 0:
		return llm.ReasoningOptions{Effort: t.Efforts[0]},
			f.refuseValue(thinkingParam(&o), t.Efforts[0], f.target()+" cannot switch reasoning off with this model")
	}
	least := t.BudgetMin
	return llm.ReasoningOptions{Budget: &least},
		f.refuseValue(thinkingParam(&o), fmt.Sprint(least), f.target()+" cannot switch reasoning off with this model")
}

// clampEffort keeps a level that the target takes. One weaker than all of
// them is mapped to the weakest; one stronger is refused, or clamped with drop.
func (f *fitter) clampEffort(o llm.ReasoningOptions) (llm.ReasoningOptions, error) {
	levels := f.s.Thinking.Efforts
	if !f.s.Same {
		o.Adaptive = f.s.Thinking.Adaptive
	}
	if slices.Contains(levels, o.Effort) {
		return o, nil
	}
	asked := o.Effort
	o.Effort = f.nearestEffort(asked)
	if effortRank(asked) < effortRank(o.Effort) {
		return o, nil
	}
	return o, f.refuseValue("reasoning_effort", o.Effort,
		fmt.Sprintf("%s takes %v with this model, got %s", f.target(), levels, asked))
}

// nearestEffort returns the weakest level of the target that is at least as
// strong as name, otherwise its strongest.
func (f *fitter) nearestEffort(name string) string {
	levels := f.s.Thinking.Efforts
	for _, l := range levels {
		if effortRank(l) >= effortRank(name) {
			return l
		}
	}
	return levels[len(levels)-1]
}

func budgetEffort(n int64) string {
	switch {
	case n < 0:
		return "medium"
	case n <= 512:
		return "minimal"
	case n <= 2048:
		return "low"
	case n <= 12288:
		return "medium"
	}
	return "high"
}

// effortBudget turns a level into thinking tokens that leave room for an
// answer within max_tokens.
func (f *fitter) effortBudget(o llm.ReasoningOptions) (llm.ReasoningOptions, error) {
	t := &f.s.Thinking
	n := max(efforts[max(effortRank(o.Effort), 0)].budget, t.BudgetMin)
	if t.BudgetMax > 0 {
		n = min(n, t.BudgetMax)
	}
	if limit := f.out.MaxTokens; t.Exclusive && limit != nil {
		n = min(n, *limit*3/4)
		if n < t.BudgetMin {
			return llm.ReasoningOptions{}, f.refuse("reasoning_effort",
				fmt.Sprintf("%s reasons in at least %d tokens, which max_tokens %d has no room for", f.target(), t.BudgetMin, *limit))
		}
	}
	return llm.ReasoningOptions{Budget: &n, Summary: o.Summary}, nil
}

// clampBudget checks a budget that the client itself gave.
func (f *fitter) clampBudget(o llm.ReasoningOptions) (llm.ReasoningOptions, error) {
	t := &f.s.Thinking
	if len(t.Efforts) == 0 && !f.s.Same {
		o.Effort = "" // the budget says more
	}
	top := t.BudgetMax
	if limit := f.out.MaxTokens; t.Exclusive && limit != nil && (top == 0 || *limit <= top) {
		top = *limit - 1
	}
	n := max(*o.Budget, t.BudgetMin)
	if top > 0 {
		n = min(n, top)
	}
	if n == *o.Budget {
		return o, nil
	}
	was := *o.Budget
	o.Budget = &n
	return o, f.refuseValue("thinking", fmt.Sprint(n),
		fmt.Sprintf("%s takes a budget of %d to %d thinking tokens here, got %d", f.target(), t.BudgetMin, top, was))
}

// thinks reports whether the fitted request switches on thinking in
// Anthropic's sense; an effort alone does not.
func (f *fitter) thinks() bool {
	o := f.out.Reasoning
	return o != nil && !off(o) && (o.Budget != nil || o.Adaptive)
}

// exclusive checks what Anthropic's thinking does not go with, apart from
// sampling: a forced tool, an assistant message to continue, and an unfinished
// tool turn whose thinking blocks the client has lost.
func (f *fitter) exclusive() error {
	if tc := f.out.ToolChoice; tc != nil && (tc.Mode == llm.ToolRequired || tc.Mode == llm.ToolNamed) {
		err := f.refuseValue("tool_choice", "auto", f.target()+" cannot be made to call a tool while it thinks")
		if err != nil {
			return err
		}
		f.edit().ToolChoice = nil
	}
	param := thinkingParam(f.in.Reasoning)
	if last := len(f.in.Messages) - 1; f.in.Messages[last].Role == llm.RoleAssistant {
		f.edit().Reasoning = nil
		return f.refuse(param, f.target()+" does not continue an assistant message while it thinks")
	}
	i := f.lostThinking()
	if i < 0 || f.out.Reasoning.Budget == nil {
		return nil // adaptive models bear a missing block
	}
	f.edit().Reasoning = nil
	return f.refuse(param, fmt.Sprintf(
		"messages[%d] calls tools but has lost its thinking, which %s wants back with the results", i, f.target()))
}

// lostThinking returns the index of an assistant message of the unfinished
// turn that calls tools without the target's own thinking before it, or -1.
func (f *fitter) lostThinking() int {
	for i := len(f.in.Messages) - 1; i >= 0; i-- {
		m := &f.in.Messages[i]
		if m.Role == llm.RoleUser {
			break
		}
		calls := slices.ContainsFunc(m.Parts, func(p llm.Part) bool { return p.Type == llm.PartToolCall })
		own := slices.ContainsFunc(m.Parts, func(p llm.Part) bool {
			return p.Type == llm.PartReasoning && p.Reasoning.Origin == f.s.Dialect
		})
		if calls && !own {
			return i
		}
	}
	return -1
}
