package mock

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/schema"
)

// created is the time of every answer (2025-01-01 UTC): the same request has
// the same answer, to the byte.
const created = 1_735_689_600

// Plan is an answer that has been worked out and not yet been given. The
// caller may change Response.ID before it makes a stream of it.
type Plan struct {
	Response *llm.Response // nil when Fault comes before any answer
	Fault    *Fault        // nil when all goes well
	First    time.Duration // time until the answer's head
	Pace     time.Duration // time before each token
	Chunk    int           // tokens per event of a stream
}

// Whole is how long the whole answer takes.
func (p *Plan) Whole() time.Duration {
	if p.Response == nil {
		return p.First
	}
	tokens := (partTokens(p.Response.Parts) + int64(p.Chunk) - 1) / int64(p.Chunk)
	return p.First + time.Duration(tokens)*p.Pace
}

// draft is an answer in the making.
type draft struct {
	b   *behaviour
	r   *llm.Request
	rng *rand.Rand
	out *llm.Response
}

// answer works out the answer to a chat request.
func (d *draft) answer() error {
	d.reason()
	names, err := d.callNames()
	if err == nil && len(names) > 0 {
		err = d.calls(names)
	} else if err == nil {
		err = d.say()
	}
	if err != nil {
		return err
	}
	d.truncate()
	d.usage()
	return nil
}

func (d *draft) calls(names []string) error {
	d.out.Finish = llm.FinishToolCalls
	for _, n := range names {
		p, err := d.call(n)
		if err != nil {
			return err
		}
		if d.b.broken {
			p.ToolCall.Arguments = breakOff(p.ToolCall.Arguments)
		}
		d.out.Parts = append(d.out.Parts, p)
	}
	return nil
}

func (d *draft) say() error {
	d.out.Finish = llm.FinishStop
	if d.b.style == styleRefuse {
		d.out.Parts = append(d.out.Parts, llm.Part{Type: llm.PartRefusal, Text: "I am sorry, but the mock was told to refuse."})
		return nil
	}
	s, structured, err := d.structured()
	if err != nil {
		return err
	}
	if !structured {
		s = d.text()
	} else if d.b.broken {
		s = breakOff(s)
	}
	s = d.stop(s)
	if d.b.style == styleFilter {
		d.out.Finish, d.out.StopSequence = llm.FinishContentFilter, ""
	}
	if s != "" {
		d.out.Parts = append(d.out.Parts, llm.Part{Type: llm.PartText, Text: s})
	}
	return nil
}

// structured answers in JSON, when that is what was asked for. A prompt that
// is itself a fitting answer is echoed by the echo model.
func (d *draft) structured() (string, bool, error) {
	f := d.r.ResponseFormat
	switch d.b.style {
	case styleBytes, styleBench, styleEmpty, styleFilter:
		return "", false, nil
	}
	if f != nil && f.Type == llm.FormatJSONSchema && len(f.Schema) > 0 {
		s, err := d.satisfy(f.Schema)
		return s, true, err
	}
	if f != nil && f.Type != llm.FormatText && f.Type != "" || d.b.style == styleJSON {
		if said := lastText(d.r); d.b.style == styleEcho && isObject(said) {
			return said, true, nil
		}
		return d.object(), true, nil
	}
	return "", false, nil
}

func (d *draft) satisfy(sch json.RawMessage) (string, error) {
	if d.b.style == styleEcho {
		said := lastText(d.r)
		if ok, err := schema.Valid(sch, []byte(said)); err == nil && ok {
			return said, nil
		}
	}
	v, err := schema.Generate(sch, schema.Options{Seed: d.rng.Uint64()})
	if err != nil {
		e := llm.Invalid("response_format", "the mock cannot satisfy the schema: %v", err)
		e.Err = err
		return "", e
	}
	return string(v), nil
}

// effort is how many tokens the mock reasons for.
func effort(o *llm.ReasoningOptions) int {
	n := 0
	switch o.Effort {
	case "none":
		return 0
	case "minimal":
		n = 8
	case "low":
		n = 16
	case "medium":
		n = 32
	case "high":
		n = 64
	case "xhigh":
		n = 128
	case "max":
		n = 256
	default:
		if o.Adaptive || o.Budget != nil {
			n = 32
		}
	}
	if o.Budget != nil && int64(n) > *o.Budget {
		n = int(max(0, *o.Budget))
	}
	return n
}

func (d *draft) reason() {
	n := d.b.think
	if n < 0 {
		n = 0
		switch {
		case d.r.Reasoning != nil:
			n = effort(d.r.Reasoning)
		case d.b.strict:
			n = effort(&llm.ReasoningOptions{Effort: "medium"})
		}
	}
	if n > 0 {
		s, _ := firstTokens(prose(d.rng, n), int64(n))
		d.out.Parts = append(d.out.Parts, llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: s}})
	}
}

// stop cuts s before the first stop sequence in it.
func (d *draft) stop(s string) string {
	first, which := -1, ""
	for _, q := range d.r.Stop {
		if i := strings.Index(s, q); q != "" && i >= 0 && (first < 0 || i < first) {
			first, which = i, q
		}
	}
	if first < 0 {
		return s
	}
	d.out.StopSequence = which
	return s[:first]
}

// truncate cuts the answer after max_tokens tokens, reasoning included.
func (d *draft) truncate() {
	if d.r.MaxTokens == nil || *d.r.MaxTokens >= partTokens(d.out.Parts) {
		return
	}
	left := max(0, *d.r.MaxTokens)
	cut := func(s *string) {
		var n int64
		*s, n = firstTokens(*s, left)
		left -= n
	}
	var kept []llm.Part
	for _, p := range d.out.Parts {
		if left == 0 {
			break
		}
		switch {
		case p.ToolCall != nil && left < CountTokens(p.ToolCall.Name):
			left = 0
			continue
		case p.ToolCall != nil:
			left -= CountTokens(p.ToolCall.Name)
			cut(&p.ToolCall.Arguments)
		case p.Reasoning != nil:
			cut(&p.Reasoning.Text)
		default:
			cut(&p.Text)
		}
		kept = append(kept, p)
	}
	d.out.Parts, d.out.Finish, d.out.StopSequence = kept, llm.FinishLength, ""
}

// usage counts what stands in the answer, so that it adds up.
func (d *draft) usage() {
	if d.b.noUsage {
		return
	}
	u := &d.out.Usage
	u.Source = llm.UsageReported
	u.Input = inputTokens(d.r)
	u.CachedInput = min(d.b.cached, u.Input)
	u.CacheWrite = min(d.b.cacheWrite, u.Input-u.CachedInput)
	u.Output = partTokens(d.out.Parts)
	u.Reasoning = CountTokens(d.out.ReasoningText())
}

// breakOff takes the end off a JSON text, so that it is none any more.
func breakOff(s string) string {
	i := len(s) * 2 / 3
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	if json.Valid([]byte(s[:i])) {
		return s[:i] + "["
	}
	return s[:i]
}

func isObject(s string) bool {
	return json.Valid([]byte(s)) && strings.HasPrefix(strings.TrimSpace(s), "{")
}

// appendJSON appends s as a JSON string, without HTML escapes.
func appendJSON(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
