package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

var codec Codec

func ptr[T any](v T) *T { return &v }

func chat(model string) *llm.Call { return &llm.Call{Op: llm.OpChat, Model: model} }

func decode(t testing.TB, op llm.Op, body string) *llm.Request {
	t.Helper()
	r, err := codec.DecodeRequest(op, []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

func encode(t testing.TB, k Codec, c *llm.Call, r *llm.Request) []byte {
	t.Helper()
	b, err := k.AppendRequest(nil, c, r)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b) {
		t.Fatalf("not JSON: %s", b)
	}
	return b
}

// indent makes JSON comparable by eye.
func indent(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func llmError(t testing.TB, err error) *llm.Error {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want an *llm.Error", err)
	}
	return e
}

func text(role llm.Role, s string) llm.Message {
	return llm.Message{Role: role, Parts: []llm.Part{{Type: llm.PartText, Text: s}}}
}

func message(role llm.Role, parts ...llm.Part) llm.Message {
	return llm.Message{Role: role, Parts: parts}
}

func call(id, name, args, signature string) llm.Part {
	return llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: id, Name: name, Arguments: args, Signature: signature}}
}

func result(id, s string) llm.Part {
	return llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: id, Parts: []llm.Part{{Type: llm.PartText, Text: s}}}}
}

func thinking(text, signature string) llm.Part {
	return llm.Part{Type: llm.PartReasoning, Reasoning: signed(text, signature)}
}
