package gemini_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/dialect/gemini"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// The tests of this file take a whole turn across both dialects: an Anthropic
// client in front of Gemini, and the reverse. What the provider signed must be
// in the next request, where it was.

const model = "gemini-3-pro-preview"

const geminiAnswer = `{"candidates":[{"content":{"role":"model","parts":[{"text":"plan","thought":true},{"text":"Looking.","thoughtSignature":"VEVYVA=="},` +
	`{"functionCall":{"name":"weather","args":{"city":"Bonn"}},"thoughtSignature":"Q0FMTA=="},{"functionCall":{"name":"weather","args":{"city":"Köln"}}}]},"finishReason":"STOP","index":0}],` +
	`"usageMetadata":{"promptTokenCount":50,"cachedContentTokenCount":20,"candidatesTokenCount":9,"thoughtsTokenCount":30,"totalTokenCount":89},"modelVersion":"gemini-3-pro","responseId":"resp-1"}`

// wantTurn is the model's turn as Gemini must get it back: without the plan,
// which carries nothing.
const wantTurn = `{"role":"model","parts":[{"text":"Looking.","thoughtSignature":"VEVYVA=="},{"functionCall":{"name":"weather","args":{"city":"Bonn"}},"thoughtSignature":"Q0FMTA=="},{"functionCall":{"name":"weather","args":{"city":"Köln"}}}]}`

type block struct {
	Type      string          `json:"type"`
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Text      *string         `json:"text,omitempty"`
	Thinking  *string         `json:"thinking,omitempty"`
	Signature *string         `json:"signature,omitempty"`
	Data      string          `json:"data,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
}

func TestAnthropicClientOfGemini(t *testing.T) {
	client, provider := anthropic.Codec{}, gemini.Codec{}
	r, err := provider.DecodeResponse(llm.OpChat, []byte(geminiAnswer))
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.AppendResponse(nil, llm.OpChat, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	var msg struct {
		Content    []block `json:"content"`
		StopReason string  `json:"stop_reason"`
		Usage      struct {
			Input  int `json:"input_tokens"`
			Cached int `json:"cache_read_input_tokens"`
			Output int `json:"output_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(out, &msg); err != nil {
		t.Fatal(err)
	}
	if msg.StopReason != "tool_use" || msg.Usage.Input != 30 || msg.Usage.Cached != 20 || msg.Usage.Output != 39 {
		t.Errorf("%s %+v", msg.StopReason, msg.Usage)
	}
	checkNextTurn(t, msg.Content)
}

func TestAnthropicStreamOfGemini(t *testing.T) {
	// The same answer in pieces; the text's signature comes in a part of its own.
	chunks := []string{
		`{"text":"pl","thought":true}`, `{"text":"an","thought":true}`, `{"text":"Look"}`, `{"text":"ing."}`, `{"text":"","thoughtSignature":"VEVYVA=="}`,
		`{"functionCall":{"name":"weather","args":{"city":"Bonn"}},"thoughtSignature":"Q0FMTA=="},{"functionCall":{"name":"weather","args":{"city":"Köln"}}}`,
	}
	var in []byte
	for i, c := range chunks {
		more := ""
		if i == len(chunks)-1 {
			more = `,"finishReason":"STOP"`
		}
		in = fmt.Appendf(in, "data: {\"candidates\":[{\"content\":{\"parts\":[%s]}%s}],\"responseId\":\"resp-1\"}\r\n\r\n", c, more)
	}
	out := translate(t, gemini.Codec{}.NewStreamDecoder(), anthropic.Codec{}.NewStreamEncoder(dialect.StreamOptions{ID: "msg_1", Model: "m"}), in)
	checkNextTurn(t, accumulate(t, out))
}

// checkNextTurn sends the content back as an Anthropic client does, with the
// results, and looks at what Gemini gets.
func checkNextTurn(t *testing.T, content []block) {
	t.Helper()
	var results []string
	for _, b := range content {
		if b.Type == "tool_use" {
			results = append(results, fmt.Sprintf(`{"type":"tool_result","tool_use_id":%q,"content":%q}`, b.ID, "rain in "+string(b.Input)))
		}
	}
	back, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"model":"x","max_tokens":100,"tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}}}],` +
		`"messages":[{"role":"user","content":"Weather?"},{"role":"assistant","content":` + string(back) + `},{"role":"user","content":[` + strings.Join(results, ",") + `]}]}`
	req, err := anthropic.Codec{}.DecodeRequest(llm.OpChat, []byte(body))
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	fitted, dropped, err := dialect.Fit(req, dialect.SupportGemini(model), false)
	if err != nil || len(dropped) > 0 {
		t.Fatal(err, dropped)
	}
	out, err := gemini.Codec{}.AppendRequest(nil, &llm.Call{Op: llm.OpChat, Model: model}, fitted)
	if err != nil {
		t.Fatal(err)
	}
	var sent struct {
		Contents []json.RawMessage `json:"contents"`
	}
	if err := json.Unmarshal(out, &sent); err != nil {
		t.Fatal(err)
	}
	if len(sent.Contents) != 3 || string(sent.Contents[1]) != wantTurn {
		t.Errorf("Gemini gets back\n%s\nwant\n%s", sent.Contents[1], wantTurn)
	}
	if n := strings.Count(string(sent.Contents[2]), `"functionResponse":{"name":"weather"`); n != 2 {
		t.Errorf("%d results in %s", n, sent.Contents[2])
	}
}

func TestGeminiClientOfAnthropic(t *testing.T) {
	in := []byte(`event: message_start
data: {"type":"message_start","message":{"id":"msg_1","model":"claude-x","usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}

data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}

data: {"type":"content_block_stop","index":0}

data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}

data: {"type":"content_block_stop","index":1}

data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}

data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}

data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}

data: {"type":"content_block_stop","index":2}

data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}

data: {"type":"message_stop"}

`)
	out := translate(t, anthropic.Codec{}.NewStreamDecoder(), gemini.Codec{}.NewStreamEncoder(dialect.StreamOptions{}), in)
	d := gemini.Codec{}.NewStreamDecoder()
	events := decodeAll(t, d, out)
	var text, thought, args string
	var usage llm.Usage
	for _, ev := range events {
		switch ev.Kind {
		case llm.EventText:
			text += ev.Text
		case llm.EventReasoning:
			thought += ev.Text
			if ev.Signature != "" {
				t.Error("Anthropic's signature is passed off as Gemini's")
			}
		case llm.EventToolCall:
			args += ev.ID + ev.Name + ev.Text
		case llm.EventUsage:
			usage = *ev.Usage
		}
	}
	if text != "Hi" || thought != "hm" || args != `toolu_1f{"a":1}` || usage.Input != 15 || usage.CachedInput != 5 || usage.Output != 7 {
		t.Errorf("%q %q %q %+v\n%s", text, thought, args, usage, out)
	}
}

// translate reads a stream with one codec and writes it with another.
func translate(t *testing.T, d dialect.StreamDecoder, e dialect.StreamEncoder, in []byte) []byte {
	t.Helper()
	var out []byte
	for _, ev := range decodeAll(t, d, in) {
		out = e.Append(out, &ev)
	}
	return e.AppendEnd(out, nil)
}

func decodeAll(t *testing.T, d dialect.StreamDecoder, in []byte) []llm.Event {
	t.Helper()
	r := sse.NewReader(bytes.NewReader(in), sse.Options{})
	defer r.Release()
	var events []llm.Event
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			events, err = d.Decode(events, ev)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	events, err := d.End(events)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// accumulate puts the content of a message together, as the SDKs do.
func accumulate(t *testing.T, stream []byte) []block {
	t.Helper()
	var content []block
	var inputs []string
	for line := range strings.Lines(string(stream)) {
		payload, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var ev struct {
			Type  string `json:"type"`
			Index int    `json:"index"`
			Block block  `json:"content_block"`
			Delta struct {
				Text, Thinking, Signature string
				JSON                      string `json:"partial_json"`
			} `json:"delta"`
		}
		if err := json.Unmarshal([]byte(payload), &ev); err != nil {
			t.Fatalf("%v: %s", err, payload)
		}
		switch ev.Type {
		case "content_block_start":
			if ev.Index != len(content) {
				t.Errorf("block %d begins as %d", ev.Index, len(content))
			}
			content, inputs = append(content, ev.Block), append(inputs, "")
		case "content_block_delta":
			b := &content[ev.Index]
			inputs[ev.Index] += ev.Delta.JSON
			for _, x := range []struct {
				to   *string
				more string
			}{{b.Text, ev.Delta.Text}, {b.Thinking, ev.Delta.Thinking}, {b.Signature, ev.Delta.Signature}} {
				if x.to != nil {
					*x.to += x.more
				}
			}
		case "content_block_stop":
			if inputs[ev.Index] != "" {
				content[ev.Index].Input = json.RawMessage(inputs[ev.Index])
			}
		}
	}
	return content
}
