package responses

import (
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// object is a response object. The members that repeat the request are those
// of a request that asked for nothing: the codec does not see the request.
type object struct {
	id      string
	model   string
	created int64
	tier    string
	status  string // in_progress, completed, incomplete
	finish  llm.FinishReason
	usage   *llm.Usage // nil while it is not known
}

// The texts of the members of a response object that do not depend on it.
const (
	fixedHead = `"background":false,"error":null,`
	fixedTail = `,"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},` +
		`"store":false,"temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,` +
		`"truncation":"disabled","user":null,"metadata":{},"instructions":null,"max_output_tokens":null`
)

// begin appends the object up to its output, which is left open.
func (o *object) begin(b []byte) []byte {
	b = wire.Str(append(b, '{'), "id", o.id)
	b = wire.Str(b, "object", "response")
	b = wire.Num(b, "created_at", o.created)
	b = wire.Str(b, "status", o.status)
	b = append(append(b, ','), fixedHead...)
	b = append(b, `"incomplete_details":`...)
	if o.status == statusIncomplete {
		b = append(wire.Str(append(b, '{'), "reason", incompleteReason(o.finish)), '}')
	} else {
		b = append(b, "null"...)
	}
	b = wire.Str(b, "model", o.model)
	return append(wire.Key(b, "output"), '[')
}

// end appends the object from behind its output on.
func (o *object) end(b []byte) []byte {
	b = append(append(b, ']'), fixedTail...)
	b = wire.StrIf(b, "service_tier", o.tier)
	b = wire.Key(b, "usage")
	if o.usage == nil || o.usage.Source == llm.UsageUnknown {
		b = append(b, "null"...)
	} else {
		b = appendUsage(b, o.usage)
	}
	return append(b, '}')
}

const (
	statusRunning    = "in_progress"
	statusCompleted  = "completed"
	statusIncomplete = "incomplete"
)

// statusOf returns the status of an answer that ended so.
func statusOf(f llm.FinishReason) string {
	if f == llm.FinishLength || f == llm.FinishContentFilter {
		return statusIncomplete
	}
	return statusCompleted
}

func incompleteReason(f llm.FinishReason) string {
	if f == llm.FinishContentFilter {
		return "content_filter"
	}
	return "max_output_tokens"
}

func appendUsage(b []byte, u *llm.Usage) []byte {
	b = wire.Num(append(b, '{'), "input_tokens", u.Input)
	b = wire.Num(append(wire.Key(b, "input_tokens_details"), '{'), "cached_tokens", u.CachedInput)
	if u.CacheWrite > 0 {
		b = wire.Num(b, "cache_write_tokens", u.CacheWrite)
	}
	b = wire.Num(append(b, '}'), "output_tokens", u.Output)
	b = wire.Num(append(wire.Key(b, "output_tokens_details"), '{'), "reasoning_tokens", u.Reasoning)
	return append(wire.Num(append(b, '}'), "total_tokens", u.Total()), '}')
}

// AppendResponse appends a response object. Its id is made of the request's,
// as no id of another API means anything here.
func (Codec) AppendResponse(dst []byte, _ llm.Op, r *llm.Response, f *dialect.Facts) ([]byte, error) {
	if f == nil {
		f = &dialect.Facts{}
	}
	o := object{id: "resp_" + f.RequestID, model: r.Model, created: createdAt(r.Created), tier: r.ServiceTier,
		status: statusOf(r.Finish), finish: r.Finish, usage: usageOf(&r.Usage, f)}
	dst = o.begin(dst)
	w := itemWriter{suffix: f.RequestID, status: o.status}
	for i := 0; i < len(r.Parts); {
		dst, i = w.append(dst, r.Parts, i)
	}
	return o.end(dst), nil
}

// usageOf prefers what the provider reported to what the gateway reckons.
func usageOf(u *llm.Usage, f *dialect.Facts) *llm.Usage {
	if u.Source == llm.UsageUnknown && f != nil {
		return &f.Usage
	}
	return u
}

func createdAt(unix int64) int64 {
	if unix > 0 {
		return unix
	}
	return time.Now().Unix()
}

// itemWriter writes output items and numbers them.
type itemWriter struct {
	suffix string // the request's id
	status string
	n      int
}

// newID makes the id of the next item.
func (w *itemWriter) newID(prefix string) string {
	w.n++
	return prefix + w.suffix + "_" + strconv.Itoa(w.n-1)
}

// append appends what the parts from i on become, and returns the index behind
// those that it took: words that follow each other are one message.
func (w *itemWriter) append(b []byte, parts []llm.Part, i int) ([]byte, int) {
	p := &parts[i]
	switch p.Type {
	case llm.PartReasoning:
		id := p.Reasoning.ID
		if id == "" {
			id = w.newID("rs_")
		}
		return appendReasoning(wire.Sep(b), id, p.Reasoning), i + 1
	case llm.PartToolCall:
		c := p.ToolCall
		if c.Signature != "" {
			b = appendReasoning(wire.Sep(b), w.newID("rs_"), carrier(c))
		}
		return appendCall(wire.Sep(b), w.newID("fc_"), c, statusCompleted), i + 1
	case llm.PartText, llm.PartRefusal:
		b = appendMessageHead(wire.Sep(b), w.newID("msg_"), w.status)
		for ; i < len(parts) && (parts[i].Type == llm.PartText || parts[i].Type == llm.PartRefusal); i++ {
			b = appendPart(wire.Sep(b), parts[i].Type, parts[i].Text)
		}
		return append(b, `]}`...), i
	}
	return b, i + 1
}

// carrier is the reasoning block that holds the state of a function call.
func carrier(c *llm.ToolCall) *llm.Reasoning {
	return &llm.Reasoning{Origin: llm.DialectResponses, Signature: packToolState(c.Signature, c.ID)}
}

func appendReasoning(b []byte, id string, r *llm.Reasoning) []byte {
	b = wire.Str(append(b, '{'), "id", id)
	b = append(wire.Str(b, "type", "reasoning"), `,"summary":[`...)
	if r.Text != "" {
		b = appendSummary(b, r.Text)
	}
	b = append(b, ']')
	return append(wire.StrIf(b, "encrypted_content", packState(r)), '}')
}

func appendSummary(b []byte, text string) []byte {
	b = wire.Str(append(b, '{'), "type", "summary_text")
	return append(wire.Str(b, "text", text), '}')
}

func appendCall(b []byte, id string, c *llm.ToolCall, status string) []byte {
	arguments := c.Arguments
	if arguments == "" && status == statusCompleted {
		arguments = "{}"
	}
	b = wire.Str(append(b, '{'), "id", id)
	b = wire.Str(b, "type", "function_call")
	b = wire.Str(b, "status", status)
	b = wire.Str(b, "arguments", arguments)
	b = wire.Str(b, "call_id", c.ID)
	return append(wire.Str(b, "name", c.Name), '}')
}

// appendMessageHead appends a message item up to its content, left open.
func appendMessageHead(b []byte, id, status string) []byte {
	b = wire.Str(append(b, '{'), "id", id)
	b = wire.Str(b, "type", "message")
	b = wire.Str(b, "status", status)
	return append(wire.Str(b, "role", "assistant"), `,"content":[`...)
}

func appendPart(b []byte, t llm.PartType, text string) []byte {
	if t == llm.PartRefusal {
		b = wire.Str(append(b, '{'), "type", "refusal")
		return append(wire.Str(b, "refusal", text), '}')
	}
	b = wire.Str(append(b, '{'), "type", "output_text")
	return append(wire.Str(append(b, `,"annotations":[],"logprobs":[]`...), "text", text), '}')
}
