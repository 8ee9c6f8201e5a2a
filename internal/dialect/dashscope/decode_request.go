package dashscope

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Limits of DashScope's requests.
const (
	maxInputs  = 25 // texts of an embedding request; 10 for models since v3
	maxTopLog  = 5
	maxAnswers = 4
)

// DecodeRequest reads the body of a generation, embedding or tokenizer request
// as exactly as DashScope does. null counts as absent. The result keeps slices
// of raw; whether it asks for a stream is what incremental_output says.
func (Codec) DecodeRequest(op llm.Op, raw []byte) (*llm.Request, error) {
	if err := wire.Body(raw); err != nil {
		return nil, err
	}
	d := &decoder{op: op, req: &llm.Request{}}
	if op == llm.OpEmbed {
		d.req.Embed = &llm.EmbedRequest{}
	}
	if err := d.body(wire.Trim(raw)); err != nil {
		return nil, wire.Explain(err)
	}
	return d.req, nil
}

// decoder holds what is read of one request.
type decoder struct {
	op    llm.Op
	req   *llm.Request
	parts bool // the model takes every content as an array of parts

	partial            bool // the last message is to be continued
	maxTokens          *int64
	hasTools           bool
	thinking           *bool
	budget             *int64
	effort             string
	logprobs, topProbs bool
}

func (d *decoder) body(raw []byte) error {
	var input, parameters []byte
	err := wire.Object(raw, func(name string, v []byte) (err error) {
		switch name {
		case "model":
			d.req.Model, err = wire.Filled(v)
		case "input":
			input = v
		case "parameters":
			parameters = v
		default:
			err = d.keep("", name, v)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case d.req.Model == "":
		return wire.At(wire.Wrong("is required"), "model")
	case input == nil:
		return wire.At(wire.Wrong("is required"), "input")
	}
	d.parts = dialect.MultimodalDashScope(d.req.Model) && d.op == llm.OpChat
	if err := d.input(input); err != nil {
		return wire.At(err, "input")
	}
	if parameters != nil {
		if err := wire.Object(parameters, d.parameter); err != nil {
			return wire.At(err, "parameters")
		}
	}
	return wire.At(d.finish(), "parameters")
}

// extra keeps a member that has no canonical place.
func (d *decoder) extra(path string, v []byte) {
	d.req.Extra = append(d.req.Extra, llm.Member{Name: path, Value: json.RawMessage(v)})
}

// keep is extra for a member that nobody knows. Its name must not look like a
// path.
func (d *decoder) keep(prefix, name string, v []byte) error {
	if strings.ContainsAny(name, ".[") {
		return wire.Refuse("unknown member")
	}
	d.extra(prefix+name, v)
	return nil
}

func (d *decoder) parameter(name string, v []byte) error {
	read, ok := chatParameters[name]
	if d.op == llm.OpEmbed {
		read, ok = embedParameters[name]
	}
	if ok {
		return read(d, v)
	}
	return d.keep("parameters.", name, v)
}

type parameter func(d *decoder, v []byte) error

var embedParameters = map[string]parameter{
	"dimension": func(d *decoder, v []byte) error { return integer(&d.req.Embed.Dimensions, v, 1, math.MaxInt32) },
	"output_type": func(d *decoder, v []byte) error {
		_, err := wire.OneOf(v, "dense")
		return err
	},
}

var chatParameters = map[string]parameter{
	"result_format":      (*decoder).resultFormat,
	"incremental_output": func(d *decoder, v []byte) (err error) { d.req.Stream, err = wire.Bool(v); return err },

	"max_tokens":            func(d *decoder, v []byte) error { return integer(&d.maxTokens, v, 1, math.MaxInt64) },
	"max_completion_tokens": func(d *decoder, v []byte) error { return integer(&d.req.MaxTokens, v, 1, math.MaxInt64) },
	"temperature":           (*decoder).temperature,
	"top_p":                 (*decoder).topP,
	"top_k":                 func(d *decoder, v []byte) error { return integer(&d.req.TopK, v, 0, math.MaxInt64) },
	"seed":                  func(d *decoder, v []byte) error { return integer(&d.req.Seed, v, 0, math.MaxInt32) },
	"presence_penalty":      func(d *decoder, v []byte) error { return float(&d.req.PresencePenalty, v, -2, 2) },
	"repetition_penalty":    (*decoder).repetition,
	"stop":                  (*decoder).stop,
	"n":                     func(d *decoder, v []byte) error { return integer(&d.req.N, v, 1, maxAnswers) },
	"logprobs":              (*decoder).logProbs,
	"top_logprobs":          (*decoder).topLogProbs,

	"tools":               (*decoder).tools,
	"tool_choice":         (*decoder).toolChoice,
	"parallel_tool_calls": func(d *decoder, v []byte) error { return boolean(&d.req.ParallelToolCalls, v) },
	"response_format":     (*decoder).responseFormat,

	"enable_thinking":  func(d *decoder, v []byte) error { return boolean(&d.thinking, v) },
	"thinking_budget":  func(d *decoder, v []byte) error { return integer(&d.budget, v, 0, math.MaxInt64) },
	"reasoning_effort": func(d *decoder, v []byte) (err error) { d.effort, err = wire.Filled(v); return err },
}

func integer(dst **int64, v []byte, lo, hi int64) error {
	n, err := wire.Int(v, lo, hi)
	*dst = &n
	return err
}

func float(dst **float64, v []byte, lo, hi float64) error {
	f, err := wire.Float(v, lo, hi)
	*dst = &f
	return err
}

func boolean(dst **bool, v []byte) error {
	b, err := wire.Bool(v)
	*dst = &b
	return err
}

// resultFormat refuses the old form, which this codec does not write.
func (d *decoder) resultFormat(v []byte) error {
	s, err := wire.OneOf(v, "message", "text")
	if s == "text" {
		return wire.Refuse("only message is spoken here")
	}
	return err
}

func (d *decoder) temperature(v []byte) error {
	err := float(&d.req.Temperature, v, 0, 2)
	if err == nil && *d.req.Temperature == 2 {
		err = wire.Wrong("must be less than 2")
	}
	return err
}

func (d *decoder) topP(v []byte) error {
	err := float(&d.req.TopP, v, 0, 1)
	if err == nil && *d.req.TopP == 0 {
		err = wire.Wrong("must be more than 0")
	}
	return err
}

func (d *decoder) repetition(v []byte) error {
	f, err := wire.Float(v, 0, math.MaxInt32)
	if err == nil && f == 0 {
		err = wire.Wrong("must be more than 0")
	}
	d.extra("parameters.repetition_penalty", v)
	return err
}

// stop reads a string or a list of strings. Token ids are kept as they are; a
// mixture is refused.
func (d *decoder) stop(v []byte) error {
	if v[0] == '"' {
		s, err := wire.String(v)
		d.req.Stop = []string{s}
		return err
	}
	ids := 0
	err := wire.Array(v, func(i int, v []byte) error {
		if len(v) > 0 && v[0] == '"' {
			s, err := wire.String(v)
			d.req.Stop = append(d.req.Stop, s)
			return err
		}
		ids++
		if len(v) > 0 && v[0] == '[' {
			return wire.Array(v, func(_ int, v []byte) error { return tokenID(v) })
		}
		return tokenID(v)
	})
	switch {
	case err == nil && ids > 0 && len(d.req.Stop) > 0:
		return wire.Wrong("must not mix strings and token ids")
	case err == nil && ids > 0:
		d.extra("parameters.stop", v)
	}
	return err
}

func tokenID(v []byte) error {
	_, err := wire.Int(v, 0, math.MaxInt64)
	return err
}

func (d *decoder) logProbs(v []byte) error {
	err := boolean(&d.req.Logprobs, v)
	d.logprobs = err == nil && *d.req.Logprobs
	return err
}

func (d *decoder) topLogProbs(v []byte) error {
	d.topProbs = true
	return integer(&d.req.TopLogprobs, v, 0, maxTopLog)
}

// finish puts together what several members say.
func (d *decoder) finish() error {
	r := d.req
	if r.MaxTokens == nil {
		r.MaxTokens = d.maxTokens
	}
	switch {
	case r.N != nil && *r.N > 1 && d.hasTools:
		return wire.At(wire.Wrong("must be 1 with tools"), "n")
	case d.topProbs && !d.logprobs:
		return wire.At(wire.Wrong("needs logprobs to be true"), "top_logprobs")
	}
	if err := d.choice(); err != nil {
		return wire.At(err, "tool_choice")
	}
	if f := r.ResponseFormat; f != nil && f.Type == llm.FormatJSONObject && !mentionsJSON(r.Messages) {
		return wire.At(wire.Wrong("the messages must contain the word json"), "response_format")
	}
	d.reasoning()
	return nil
}

func mentionsJSON(messages []llm.Message) bool {
	for i := range messages {
		for _, p := range messages[i].Parts {
			if p.Type == llm.PartText && strings.Contains(strings.ToLower(p.Text), "json") {
				return true
			}
		}
	}
	return false
}

// reasoning brings the three members about thinking into one. A budget has no
// effect without the switch, and is then kept as it is.
func (d *decoder) reasoning() {
	switch {
	case d.thinking != nil && !*d.thinking:
		d.req.Reasoning = &llm.ReasoningOptions{Effort: dialect.EffortNone}
	case d.thinking != nil || d.effort != "":
		d.req.Reasoning = &llm.ReasoningOptions{Effort: d.effort, Budget: d.budget, Adaptive: d.budget == nil && d.effort == ""}
		return
	}
	if d.budget != nil {
		d.extra("parameters.thinking_budget", strconv.AppendInt(nil, *d.budget, 10))
	}
}
