package mockserver

import (
	"math"
	"regexp"
)

// The shapes of OpenAI's requests, after its OpenAPI document 2.3.0. Members
// that SDKs are known to send back (annotations, name on tool messages) are
// among them, as the real API takes them.

func text() *shape      { return &shape{kind: "string"} }
func maybeText() *shape { return &shape{kind: "string", nullable: true} }
func flag() *shape      { return &shape{kind: "boolean"} }
func maybe(s *shape) *shape {
	s.nullable = true
	return s
}

func oneOf(words ...string) *shape { return &shape{kind: "string", enum: words} }

func upTo(n float64) *shape { return &shape{kind: "string", length: within(0, n)} }

func decimal(low, high float64) *shape {
	return &shape{kind: "number", nullable: true, size: within(low, high)}
}

func integer(low, high float64) *shape {
	return &shape{kind: "integer", nullable: true, size: within(low, high)}
}

func list(elem *shape, low, high float64) *shape {
	return &shape{kind: "array", elem: elem, length: within(low, high)}
}

func object(need []string, members map[string]*shape) *shape {
	return &shape{kind: "object", need: need, members: members}
}

func anyObject() *shape { return &shape{kind: "object", free: true} }

func either(s ...*shape) *shape { return &shape{variants: s} }

const (
	maxNameLength = 64
	maxPairs      = 16
	maxPairValue  = 512
	maxFunctions  = 128
	maxMessages   = 2048
	maxChoices    = 128
	maxStops      = 4
	maxTop        = 20
	maxInputs     = 2048
)

func identifier() *shape {
	return &shape{kind: "string", length: within(1, maxNameLength), pattern: regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)}
}

func pairs() *shape {
	return &shape{kind: "object", nullable: true, elem: upTo(maxPairValue), length: within(0, maxPairs)}
}

// chatShape is the body of POST /v1/chat/completions.
func chatShape() *shape {
	m := map[string]*shape{
		"model":    {kind: "string", length: within(1, math.Inf(1))},
		"messages": list(messageShape(), 1, maxMessages),
	}
	for _, group := range []map[string]*shape{samplingShapes(), toolShapes(), formatShapes(), accountShapes()} {
		for name, s := range group {
			m[name] = s
		}
	}
	return object([]string{"model", "messages"}, m)
}

func samplingShapes() map[string]*shape {
	stop := either(text(), list(text(), 1, maxStops))
	stop.nullable = true
	return map[string]*shape{
		"max_completion_tokens": integer(1, math.MaxInt32),
		"max_tokens":            integer(1, math.MaxInt32),
		"temperature":           decimal(0, 2),
		"top_p":                 decimal(0, 1),
		"n":                     integer(1, maxChoices),
		"stop":                  stop,
		"presence_penalty":      decimal(-2, 2),
		"frequency_penalty":     decimal(-2, 2),
		"logit_bias":            {kind: "object", nullable: true, elem: &shape{kind: "integer", size: within(-100, 100)}},
		"logprobs":              maybe(flag()),
		"top_logprobs":          integer(0, maxTop),
		"seed":                  integer(-(1 << 63), 1<<63),
		"reasoning_effort":      maybe(oneOf("none", "minimal", "low", "medium", "high", "xhigh", "max")),
		"verbosity":             maybe(oneOf("low", "medium", "high")),
	}
}

func formatShapes() map[string]*shape {
	schema := object([]string{"name"}, map[string]*shape{
		"name": identifier(), "description": text(), "schema": anyObject(), "strict": maybe(flag()),
	})
	return map[string]*shape{
		"stream": maybe(flag()),
		"stream_options": maybe(object(nil, map[string]*shape{
			"include_usage": flag(), "include_obfuscation": flag(),
		})),
		"response_format": {kind: "object", pick: "type", by: map[string]*shape{
			"text":        object(nil, map[string]*shape{"type": text()}),
			"json_object": object(nil, map[string]*shape{"type": text()}),
			"json_schema": object([]string{"json_schema"}, map[string]*shape{"type": text(), "json_schema": schema}),
		}},
		"modalities": maybe(list(oneOf("text", "audio"), 1, 2)),
		"audio": maybe(object([]string{"voice", "format"}, map[string]*shape{
			"voice": either(text(), anyObject()), "format": oneOf("wav", "aac", "mp3", "flac", "opus", "pcm16"),
		})),
		"prediction":         maybe(anyObject()),
		"web_search_options": anyObject(),
	}
}

func accountShapes() map[string]*shape {
	return map[string]*shape{
		"service_tier":           maybe(oneOf("auto", "default", "flex", "scale", "priority", "fast")),
		"store":                  maybe(flag()),
		"metadata":               pairs(),
		"user":                   text(),
		"safety_identifier":      maybe(upTo(maxNameLength)),
		"prompt_cache_key":       maybeText(),
		"prompt_cache_retention": maybe(oneOf("in_memory", "24h")),
		"prompt_cache_options": maybe(object(nil, map[string]*shape{
			"mode": oneOf("implicit", "explicit"), "ttl": oneOf("30m"),
		})),
		"moderation": maybe(anyObject()),
	}
}

func toolShapes() map[string]*shape {
	function := object([]string{"name"}, map[string]*shape{
		"name": identifier(), "description": text(), "parameters": anyObject(), "strict": maybe(flag()),
	})
	custom := object([]string{"name"}, map[string]*shape{
		"name": identifier(), "description": text(), "format": anyObject(),
	})
	tool := &shape{kind: "object", pick: "type", by: map[string]*shape{
		"function": object([]string{"function"}, map[string]*shape{"type": text(), "function": function}),
		"custom":   object([]string{"custom"}, map[string]*shape{"type": text(), "custom": custom}),
	}}
	return map[string]*shape{
		"tools":               list(tool, 0, maxFunctions),
		"tool_choice":         either(oneOf("none", "auto", "required"), toolChoiceShape()),
		"parallel_tool_calls": flag(),
	}
}

func toolChoiceShape() *shape {
	named := func(kind string) *shape {
		return object([]string{kind}, map[string]*shape{
			"type": text(), kind: object([]string{"name"}, map[string]*shape{"name": text()}),
		})
	}
	allowed := object([]string{"mode", "tools"}, map[string]*shape{
		"mode": oneOf("auto", "required"), "tools": list(anyObject(), 1, maxFunctions),
	})
	return &shape{kind: "object", pick: "type", by: map[string]*shape{
		"function": named("function"), "custom": named("custom"),
		"allowed_tools": object([]string{"allowed_tools"}, map[string]*shape{"type": text(), "allowed_tools": allowed}),
	}}
}

// messageShape is one element of messages.
func messageShape() *shape {
	plain := func() *shape {
		return object([]string{"content"}, map[string]*shape{
			"role": text(), "name": text(), "content": either(text(), list(partShape("text"), 1, maxMessages)),
		})
	}
	user := object([]string{"content"}, map[string]*shape{
		"role": text(), "name": text(),
		"content": either(text(), list(partShape("text", "image_url", "input_audio", "file"), 1, maxMessages)),
	})
	tool := object([]string{"content", "tool_call_id"}, map[string]*shape{
		"role": text(), "name": text(), "tool_call_id": text(),
		"content": either(text(), list(partShape("text"), 1, maxMessages)),
	})
	return &shape{kind: "object", pick: "role", by: map[string]*shape{
		"system": plain(), "developer": plain(), "user": user, "assistant": assistantShape(), "tool": tool,
	}}
}

func assistantShape() *shape {
	function := object([]string{"name", "arguments"}, map[string]*shape{"name": text(), "arguments": text()})
	custom := object([]string{"name", "input"}, map[string]*shape{"name": text(), "input": text()})
	call := &shape{kind: "object", pick: "type", by: map[string]*shape{
		"function": object([]string{"id", "function"}, map[string]*shape{"id": text(), "type": text(), "function": function}),
		"custom":   object([]string{"id", "custom"}, map[string]*shape{"id": text(), "type": text(), "custom": custom}),
	}}
	content := either(text(), list(partShape("text", "refusal"), 1, maxMessages))
	content.nullable = true
	return object(nil, map[string]*shape{
		"role": text(), "name": text(), "content": content, "refusal": maybeText(),
		"tool_calls":  list(call, 1, maxFunctions),
		"audio":       maybe(object([]string{"id"}, map[string]*shape{"id": text()})),
		"annotations": list(anyObject(), 0, maxMessages),
	})
}

// partShape is one element of a message's content.
func partShape(types ...string) *shape {
	mark := object([]string{"mode"}, map[string]*shape{"mode": oneOf("explicit")})
	part := func(name string, body *shape) *shape {
		return object([]string{name}, map[string]*shape{"type": text(), name: body, "prompt_cache_breakpoint": mark})
	}
	all := map[string]*shape{
		"text":    part("text", text()),
		"refusal": part("refusal", text()),
		"image_url": part("image_url", object([]string{"url"}, map[string]*shape{
			"url":    {kind: "string", pattern: regexp.MustCompile(`^(https?://|data:image/[a-z+.-]+;base64,)`)},
			"detail": oneOf("auto", "low", "high"),
		})),
		"input_audio": part("input_audio", object([]string{"data", "format"}, map[string]*shape{
			"data": text(), "format": oneOf("wav", "mp3"),
		})),
		"file": part("file", object(nil, map[string]*shape{"file_id": text(), "file_data": text(), "filename": text()})),
	}
	s := &shape{kind: "object", pick: "type", by: map[string]*shape{}}
	for _, t := range types {
		s.by[t] = all[t]
	}
	return s
}

// embedShape is the body of POST /v1/embeddings.
func embedShape() *shape {
	token := &shape{kind: "integer", size: within(0, math.MaxInt32)}
	filled := &shape{kind: "string", length: within(1, math.Inf(1))}
	return object([]string{"model", "input"}, map[string]*shape{
		"model":           {kind: "string", length: within(1, math.Inf(1))},
		"input":           either(filled, list(either(filled, token, list(token, 1, maxInputs)), 1, maxInputs)),
		"encoding_format": oneOf("float", "base64"),
		"dimensions":      integer(1, math.MaxInt32),
		"user":            text(),
	})
}
