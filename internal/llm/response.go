package llm

// FinishReason says why a model stopped.
type FinishReason string

// The finish reasons of contract §3. An unknown native value becomes
// FinishStop, with the native value kept in Response.NativeFinish.
const (
	FinishStop          FinishReason = "stop"
	FinishLength        FinishReason = "length"
	FinishToolCalls     FinishReason = "tool_calls"
	FinishContentFilter FinishReason = "content_filter"
)

// Response is a whole answer in canonical form.
type Response struct {
	ID           string
	Model        string
	Created      int64 // Unix seconds
	Parts        []Part
	Finish       FinishReason
	NativeFinish string // the provider's own word, when it says more
	StopSequence string // the stop string that matched, where the provider names it
	Usage        Usage
	ServiceTier  string

	Embeddings []Embedding // for OpEmbed
}

// Text returns the answer's text parts, joined.
func (r *Response) Text() string { return r.join(PartText) }

// RefusalText returns the refusal that came in the answer's place, joined.
func (r *Response) RefusalText() string { return r.join(PartRefusal) }

// ReasoningText returns the answer's readable reasoning, joined.
func (r *Response) ReasoningText() string { return r.join(PartReasoning) }

// ToolCalls returns the tool calls of the answer in order.
func (r *Response) ToolCalls() []*ToolCall {
	var calls []*ToolCall
	for _, p := range r.Parts {
		if p.Type == PartToolCall {
			calls = append(calls, p.ToolCall)
		}
	}
	return calls
}

// join returns the texts of the parts of a type. One part's text is not copied,
// and many are copied once.
func (r *Response) join(t PartType) string {
	var one string
	var all []byte
	for i := range r.Parts {
		p := &r.Parts[i]
		if p.Type != t {
			continue
		}
		s := p.Text
		if t == PartReasoning {
			s = p.Reasoning.Text
		}
		switch {
		case s == "":
		case one == "" && all == nil:
			one = s
		default:
			if all == nil {
				all = append(all, one...)
			}
			all = append(all, s...)
		}
	}
	if all != nil {
		return string(all)
	}
	return one
}

// Embedding is one vector, as numbers or (when the provider sent it so) as
// base64 of little-endian float32.
type Embedding struct {
	Index  int
	Vector []float32
	Base64 string
}

// UsageSource says how far a Usage can be trusted.
type UsageSource uint8

// The sources. The zero value is UsageUnknown.
const (
	UsageUnknown UsageSource = iota
	UsageEstimated
	UsageReported
)

// String returns unknown, estimated or reported.
func (s UsageSource) String() string {
	switch s {
	case UsageEstimated:
		return "estimated"
	case UsageReported:
		return "reported"
	}
	return "unknown"
}

// Usage counts tokens. Input includes CachedInput and CacheWrite; Output
// includes Reasoning. A codec normalises to this, so that nothing is counted
// twice.
type Usage struct {
	Input        int64
	CachedInput  int64 // read from the provider's prompt cache
	CacheWrite   int64 // written to it, all lifetimes together
	CacheWrite1h int64 // the part of CacheWrite that lives an hour (Anthropic)
	Output       int64
	Reasoning    int64
	Source       UsageSource
	Tier         ServiceTier // at which the provider says it served the call
}

// Total returns input plus output tokens.
func (u Usage) Total() int64 { return u.Input + u.Output }
