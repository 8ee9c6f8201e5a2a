package responses

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// Rewrite returns c.Raw with the model replaced. Usage comes without being
// asked for.
func (Codec) Rewrite(c *llm.Call) ([]byte, error) {
	return openai.Codec{NoStreamUsage: true}.Rewrite(c)
}

// objectNames are the members of a response object that are acted on.
var objectNames = jsonedit.NewNames("status", "usage", "error", "incomplete_details", "output", "service_tier")

const (
	objStatus = iota
	objUsage
	objError
	objDetails
	objOutput
	objTier
	objCount
)

var (
	usageNames   = jsonedit.NewNames("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details")
	inputNames   = jsonedit.NewNames("cached_tokens", "cache_write_tokens")
	outputNames  = jsonedit.NewNames("reasoning_tokens")
	detailsNames = jsonedit.NewNames("reason")
	itemNames    = jsonedit.NewNames("type")
	eventNames   = jsonedit.NewNames("type", "response", "error")
)

// statuses are the words for how a response is.
var statuses = []string{statusCompleted, statusIncomplete, statusRunning, "failed", "cancelled", "queued"}

// Inspect finds usage and finish reason in a response object that passes
// through. One that failed is returned as *llm.Error.
func (Codec) Inspect(_ llm.Op, body []byte) (llm.Usage, llm.FinishReason, error) {
	var u llm.Usage
	fin, err := inspectObject(body, &u)
	return u, fin, err
}

// inspectObject reads the end of an answer out of a response object. finish is
// "" while the answer is not complete.
func inspectObject(v []byte, u *llm.Usage) (finish llm.FinishReason, err error) {
	var at [objCount]jsonedit.Span
	if err := lenient.Find(v, objectNames, at[:]); err != nil {
		return "", lenient.Malformed("answer", err)
	}
	decodeUsage(lenient.Present(v, at[objUsage]), u)
	if u.Source == llm.UsageReported {
		u.Tier = lenient.Tier(v, at[objTier])
	}
	status := lenient.Word(v, at[objStatus], statuses)
	if fault := lenient.Present(v, at[objError]); fault != nil && status != statusCompleted && status != statusIncomplete {
		return "", openai.Codec{}.DecodeError(0, v)
	}
	switch status {
	case "failed":
		return "", llm.Errorf(llm.KindUpstreamError, "the provider failed to answer")
	case statusIncomplete:
		var in [1]jsonedit.Span
		details := lenient.Present(v, at[objDetails])
		lenient.Members(details, detailsNames, in[:])
		if lenient.Text(details, in[0]) == "content_filter" {
			return llm.FinishContentFilter, nil
		}
		return llm.FinishLength, nil
	case statusCompleted:
		return finishOf(lenient.Present(v, at[objOutput])), nil
	}
	return "", nil
}

// finishOf tells an answer that wants functions called from one that is over.
func finishOf(output []byte) llm.FinishReason {
	finish := llm.FinishStop
	lenient.Elems(output, func(v []byte) {
		var at [1]jsonedit.Span
		lenient.Members(v, itemNames, at[:])
		if t := lenient.Text(v, at[0]); t == "function_call" || t == "custom_tool_call" {
			finish = llm.FinishToolCalls
		}
	})
	return finish
}

func decodeUsage(v []byte, u *llm.Usage) {
	var at [4]jsonedit.Span
	lenient.Members(v, usageNames, at[:])
	if !at[0].Present() {
		return
	}
	var in [2]jsonedit.Span
	var out [1]jsonedit.Span
	inner, outer := lenient.Present(v, at[2]), lenient.Present(v, at[3])
	lenient.Members(inner, inputNames, in[:])
	lenient.Members(outer, outputNames, out[:])
	*u = llm.Usage{Input: lenient.Count(v, at[0]), Output: lenient.Count(v, at[1]), Source: llm.UsageReported}
	u.CachedInput = min(lenient.Count(inner, in[0]), u.Input)
	u.CacheWrite = min(lenient.Count(inner, in[1]), u.Input-u.CachedInput)
	u.Reasoning = min(lenient.Count(outer, out[0]), u.Output)
}

// NewInspector starts watching a stream of events that passes through. There
// is no usage event of its own to hide.
func (Codec) NewInspector(bool) dialect.Inspector { return &inspector{} }

type inspector struct {
	begun bool // the answer has begun
	done  bool // a terminal event has been seen
}

// Inspect looks at one event. Most are told by their name alone.
func (i *inspector) Inspect(ev sse.Event) (dialect.Verdict, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 {
		return dialect.Verdict{Preamble: true}, nil
	}
	if bytes.HasPrefix(data, []byte("[DONE]")) {
		i.done = true
		return dialect.Verdict{Last: true}, nil
	}
	var name []byte
	if name = ev.Name; name == nil {
		var at [3]jsonedit.Span
		if err := lenient.Find(data, eventNames, at[:]); err != nil {
			return dialect.Verdict{}, lenient.Malformed("stream event", err)
		}
		if name = []byte(lenient.Text(data, at[0])); len(name) == 0 && lenient.Present(data, at[2]) != nil {
			name = []byte("error")
		}
	}
	return i.event(name, data)
}

func (i *inspector) event(name, data []byte) (dialect.Verdict, error) {
	switch {
	case bytes.HasSuffix(name, []byte(".delta")):
		i.begun = true
		return dialect.Verdict{TextBytes: deltaBytes(data)}, nil
	case string(name) == "response.completed", string(name) == "response.incomplete",
		string(name) == "response.failed", string(name) == "response.cancelled":
		return i.terminal(data)
	case string(name) == "error":
		return dialect.Verdict{}, openai.Codec{}.DecodeError(0, data)
	case i.begun:
		return dialect.Verdict{}, nil
	case string(name) == "response.created", string(name) == "response.queued", bytes.HasSuffix(name, []byte(".added")),
		bytes.HasSuffix(name, []byte(".in_progress")):
		return dialect.Verdict{Preamble: true}, nil
	}
	i.begun = true
	return dialect.Verdict{}, nil
}

// terminal reads the response object of the last event.
func (i *inspector) terminal(data []byte) (dialect.Verdict, error) {
	var at [3]jsonedit.Span
	if err := lenient.Find(data, eventNames, at[:]); err != nil {
		return dialect.Verdict{}, lenient.Malformed("stream event", err)
	}
	var u llm.Usage
	finish, err := inspectObject(at[1].Of(data), &u)
	if err != nil {
		return dialect.Verdict{}, err
	}
	i.done = true
	v := dialect.Verdict{Last: true, Finish: finish}
	if u.Source == llm.UsageReported {
		v.Usage = &u
	}
	return v, nil
}

// deltaBytes is the length of the delta member in its JSON form.
func deltaBytes(data []byte) int {
	_, rest, ok := bytes.Cut(data, []byte(`"delta":`))
	if rest = bytes.TrimLeft(rest, " "); !ok || len(rest) == 0 || rest[0] != '"' {
		return 0
	}
	for n := 1; n < len(rest); n++ {
		switch rest[n] {
		case '\\':
			n++
		case '"':
			return n - 1
		}
	}
	return 0
}

// End says whether the stream came to a terminal event.
func (i *inspector) End() ([]byte, error) {
	if i.done {
		return nil, nil
	}
	return nil, llm.Errorf(llm.KindUpstreamError, "the provider's stream ended before the answer was complete")
}
