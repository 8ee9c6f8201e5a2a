package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func (f *fitter) maxTokens() error {
	r := f.in
	if r.MaxTokens == nil {
		if f.s.MaxTokensRequired {
			f.edit().MaxTokens = new(f.s.MaxOutput)
		}
		return nil
	}
	n := *r.MaxTokens
	if n < 0 || n == 0 && !f.s.Same {
		return llm.Invalid("max_tokens", "max_tokens: must be at least 1, got %d", n)
	}
	if limit := f.s.MaxOutput; limit > 0 && n > limit && f.drop {
		f.dropped = append(f.dropped, fmt.Sprintf("max_tokens=%d", limit))
		f.edit().MaxTokens = new(limit)
	}
	return nil
}

// sampling checks temperature, top_p and top_k against the model and against
// the thinking that thinking has settled.
func (f *fitter) sampling() error {
	temp, topP, topK := f.s.Temperature, f.s.TopP, f.s.TopK
	why := ""
	if f.s.Thinking.Exclusive && f.thinks() {
		why = f.target() + " does not take it together with thinking"
		temp, topK = Range{}, false
		if topP.Honoured() {
			topP = Range{0.95, 1}
		}
	}
	err := f.ranged(&number{"temperature", f.in.Temperature, temp, 1, why}, func(r *llm.Request, v *float64) { r.Temperature = v })
	if err != nil {
		return err
	}
	if f.s.OneSampler && f.out.Temperature != nil && f.in.TopP != nil {
		topP, why = Range{}, f.target()+" does not take it together with temperature"
	}
	err = f.ranged(&number{"top_p", f.in.TopP, topP, 1, why}, func(r *llm.Request, v *float64) { r.TopP = v })
	if err != nil || f.in.TopK == nil || topK {
		return err
	}
	f.edit().TopK = nil
	return f.refuse("top_k", f.reason(why))
}

func (f *fitter) penalties() error {
	err := f.ranged(&number{"presence_penalty", f.in.PresencePenalty, f.s.PresencePenalty, 0, ""},
		func(r *llm.Request, v *float64) { r.PresencePenalty = v })
	if err != nil {
		return err
	}
	return f.ranged(&number{"frequency_penalty", f.in.FrequencyPenalty, f.s.FrequencyPenalty, 0, ""},
		func(r *llm.Request, v *float64) { r.FrequencyPenalty = v })
}

// number is an optional member with a range and a default.
type number struct {
	param string
	value *float64
	in    Range
	def   float64
	why   string // why it is not honoured, where that is not the usual reason
}

// ranged leaves out a number that is not honoured, silently when it is the
// default, and clamps one that is out of range.
func (f *fitter) ranged(n *number, set func(*llm.Request, *float64)) error {
	if n.value == nil {
		return nil
	}
	v := *n.value
	switch {
	case n.in.Honoured() && v >= n.in.Min && v <= n.in.Max:
		return nil
	case !n.in.Honoured() && v == n.def:
		set(f.edit(), nil)
		return nil
	case !n.in.Honoured():
		set(f.edit(), nil)
		return f.refuse(n.param, f.reason(n.why))
	}
	clamped := min(max(v, n.in.Min), n.in.Max)
	set(f.edit(), &clamped)
	return f.refuseValue(n.param, format(clamped),
		fmt.Sprintf("%s takes %s to %s, got %s", f.target(), format(n.in.Min), format(n.in.Max), format(v)))
}

func format(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func (f *fitter) reason(why string) string {
	if why == "" {
		return f.lacks()
	}
	return why
}

func (f *fitter) seed() error {
	if f.in.Seed == nil {
		return nil
	}
	v, in := *f.in.Seed, f.s.Seed
	if in.Honoured() && float64(v) >= in.Min && float64(v) <= in.Max { // as float64: int64 cannot hold every Max
		return nil
	}
	f.edit().Seed = nil
	if in.Honoured() {
		return f.refuse("seed", fmt.Sprintf("%s takes %d to %d", f.target(), int64(in.Min), int64(in.Max)))
	}
	return f.refuse("seed", f.lacks())
}

func (f *fitter) stop() error {
	keep := f.in.Stop
	for i, s := range f.in.Stop {
		if f.s.BlankStop && s != "" || strings.TrimSpace(s) != "" {
			continue
		}
		param := fmt.Sprintf("stop[%d]", i)
		if err := f.refuse(param, f.target()+" takes no empty or blank stop sequence"); err != nil {
			return err
		}
		keep = slices.DeleteFunc(slices.Clone(keep), func(t string) bool { return t == s })
	}
	if limit := f.s.MaxStop; limit > 0 && len(keep) > limit {
		if err := f.refuse(fmt.Sprintf("stop[%d]", limit), fmt.Sprintf("%s takes at most %d stop sequences", f.target(), limit)); err != nil {
			return err
		}
		keep = keep[:limit]
	}
	if len(keep) != len(f.in.Stop) {
		f.edit().Stop = keep
	}
	return nil
}

// candidates refuses several answers: a translated answer is one.
func (f *fitter) candidates() error {
	if f.in.N == nil {
		return nil
	}
	n := *f.in.N
	f.edit().N = nil
	switch {
	case n == 1:
		return nil
	case n < 1:
		return llm.Invalid("n", "n: must be at least 1, got %d", n)
	}
	return f.refuse("n", "only one answer can be asked of "+f.target())
}

func (f *fitter) logprobs() error {
	r := f.in
	if r.Logprobs != nil || r.TopLogprobs != nil {
		out := f.edit()
		out.Logprobs, out.TopLogprobs = nil, nil
	}
	if r.Logprobs != nil && *r.Logprobs {
		if err := f.refuse("logprobs", "a translated answer carries no log probabilities"); err != nil {
			return err
		}
	}
	if r.LogitBias == nil || f.s.LogitBias {
		return nil
	}
	f.edit().LogitBias = nil
	if emptyObject(r.LogitBias) {
		return nil
	}
	return f.refuse("logit_bias", f.lacks())
}

// null reports whether a raw value is absent or null.
func null(raw json.RawMessage) bool {
	b := bytes.TrimSpace(raw)
	return len(b) == 0 || string(b) == "null"
}

// emptyObject reports whether a raw value is null or an object of no members.
func emptyObject(raw json.RawMessage) bool {
	b := bytes.TrimSpace(raw)
	return null(b) || b[0] == '{' && b[len(b)-1] == '}' && len(bytes.TrimSpace(b[1:len(b)-1])) == 0
}

func (f *fitter) format() error {
	rf := f.in.ResponseFormat
	if rf == nil {
		return nil
	}
	why := ""
	switch {
	case rf.Type == llm.FormatText:
		if f.s.JSONObject {
			return nil
		}
	case rf.Type == llm.FormatJSONObject && !f.s.JSONObject:
		why = f.target() + " has no JSON mode; a json_schema may work"
	case rf.Type == llm.FormatJSONSchema && !f.s.JSONSchema:
		why = f.target() + " takes no schema for the answer with this model"
	case len(f.out.Tools) > 0 && !f.s.SchemaWithTools:
		why = f.target() + " takes no structured output beside tools with this model"
	default:
		return nil
	}
	f.edit().ResponseFormat = nil
	if why == "" {
		return nil
	}
	return f.refuse("response_format", why)
}

// account checks the members that are for the provider's books.
func (f *fitter) account() error {
	r, s := f.in, f.s
	if r.User != "" && !s.User {
		f.edit().User = ""
	}
	if r.Metadata != nil && !s.Metadata {
		f.edit().Metadata = nil
	}
	if r.Store != nil && !s.Store {
		f.edit().Store = nil
		if *r.Store {
			if err := f.refuse("store", f.target()+" stores nothing"); err != nil {
				return err
			}
		}
	}
	if r.Verbosity != "" && !s.Verbosity {
		f.edit().Verbosity = ""
		if r.Verbosity != "medium" {
			if err := f.refuse("verbosity", f.lacks()); err != nil {
				return err
			}
		}
	}
	return f.tier()
}

func (f *fitter) tier() error {
	t := f.in.ServiceTier
	if t == "" || slices.Contains(f.s.ServiceTiers, t) {
		return nil
	}
	f.edit().ServiceTier = ""
	if t == "auto" || t == "default" {
		return nil
	}
	return f.refuse("service_tier", fmt.Sprintf("%s has no service tier %q", f.target(), t))
}

// hints are the extra members, of any client dialect and wherever they stand,
// that cannot change an answer.
var hints = map[string]bool{
	"prompt_cache_key": true, "prompt_cache_retention": true, "prompt_cache_options": true,
	"prediction": true, "safety_identifier": true, "cache_control": true, "labels": true,
	"eager_input_streaming": true,
}

func (f *fitter) extra() error {
	if len(f.in.Extra) == 0 || f.s.Same {
		return nil
	}
	f.edit().Extra = nil
	for _, m := range f.in.Extra {
		last := m.Name[strings.LastIndexByte(m.Name, '.')+1:]
		if hints[last] || null(m.Value) || m.Name == "modalities" && textOnly(m.Value) {
			continue
		}
		if err := f.refuse(m.Name, f.lacks()); err != nil {
			return err
		}
	}
	return nil
}

func textOnly(raw json.RawMessage) bool {
	var list []string
	return json.Unmarshal(raw, &list) == nil && len(list) == 1 && strings.EqualFold(list[0], "text")
}

func (f *fitter) embed() error {
	e := f.in.Embed
	switch {
	case !f.s.Embeddings:
		return llm.Unsupported("model", "%s makes no embeddings", f.target())
	case len(e.Input) == 0 && len(e.Tokens) == 0:
		return llm.Invalid("input", "input: must not be empty")
	case len(e.Tokens) > 0 && !f.s.EmbedTokens:
		return llm.Unsupported("input", "input: %s takes text, not token ids", f.target())
	case f.s.EmbedMax > 0 && len(e.Input)+len(e.Tokens) > f.s.EmbedMax:
		return llm.Unsupported("input", "input: %s takes at most %d inputs at once, got %d",
			f.target(), f.s.EmbedMax, len(e.Input)+len(e.Tokens))
	}
	if e.Dimensions == nil || f.s.EmbedDimensions {
		return nil
	}
	c := *e
	c.Dimensions = nil
	f.edit().Embed = &c
	return f.refuse("dimensions", f.lacks())
}
