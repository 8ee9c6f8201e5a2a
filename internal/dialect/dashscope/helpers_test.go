package dashscope

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

var codec Codec

func ptr[T any](v T) *T { return &v }

func text(role llm.Role, s string) llm.Message {
	return llm.Message{Role: role, Parts: []llm.Part{{Type: llm.PartText, Text: s}}}
}

func chat(model string, stream bool) *llm.Call {
	return &llm.Call{Op: llm.OpChat, Model: model, Stream: stream}
}

func encode(t testing.TB, c *llm.Call, r *llm.Request) []byte {
	t.Helper()
	b, err := codec.AppendRequest(nil, c, r)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b) {
		t.Fatalf("not JSON: %s", b)
	}
	return b
}

func decode(t testing.TB, body string) *llm.Request {
	t.Helper()
	r, err := codec.DecodeRequest(llm.OpChat, []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

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
