package openai

import (
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func newDecoder() dialect.StreamDecoder { return Codec{}.NewStreamDecoder() }

// chunksOf puts words into a form of chunk.
func chunksOf(form string, words ...string) (events [][]byte) {
	for _, w := range words {
		events = append(events, []byte(strings.ReplaceAll(form, "%s", w)))
	}
	return events
}

// decodeForms are forms in which providers send text, and some that say more
// than text, which must not be taken for it.
var decodeForms = []string{
	`{"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}],"usage":null}`,
	`{"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}],"usage":null,"obfuscation":"%s"}`,
	`{ "id" : "c", "choices" : [ { "delta" : { "content" : "%s", "role" : "assistant" }, "finish_reason" : null } ] }`,
	`{"choices":[{"delta":{"content":"a","reasoning_content":"%s"},"finish_reason":null}]}`,
	`{"choices":[{"delta":{"content":"%s","reasoning_content":"r"},"finish_reason":null}]}`,
	`{"choices":[{"delta":{"content":null,"reasoning_content":"%s"},"finish_reason":null}]}`,
	`{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"%s"}}]},"finish_reason":null}]}`,
	`{"choices":[{"delta":{"content":"%s"},"finish_reason":"stop"}]}`,
	`{"choices":[{"delta":{"content":"a"},"finish_reason":"%s"}]}`,
	`{"choices":[{"delta":{"content":"%s"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}`,
	`{"choices":[{"delta":{"content":[{"type":"text","text":"%s"}]}}]}`,
	`{"choices":[{"index":1,"delta":{"content":"%s"}},{"index":0,"delta":{"content":"a"}}]}`,
	`{"choices":[{"delta":{"content":"x","content":"%s"}}],"error":null}`,
	`{"choices":[{"delta":{"content":"%s"}}],"error":{"message":"m"}}`,
	`{"choices":[{"delta":{"content":"%s","refusal":"no"}}]}`,
}

// TestAlikeDecoding: remembering the form of chunks changes nothing of what
// they say, also where forms take turns.
func TestAlikeDecoding(t *testing.T) {
	words := []string{"a", " token", `\n\n`, `say \"hi\"`, `\\`, "", "日本", `","finish_reason":"stop`, "\xff", `\ud800`, "x", "x"}
	for i, form := range decodeForms {
		dialecttest.Alike(t, newDecoder, append(chunksOf(form, words...), []byte("[DONE]"), []byte(form)))
		events := chunksOf(form, "a", "b", "c")
		for _, other := range decodeForms[i+1:] {
			dialecttest.Alike(t, newDecoder, append(append(events, chunksOf(other, "a", "b")...), events...))
		}
	}
}

// TestChunksAreRemembered: those of nothing but text, and no others; an error
// event is none, whatever its data.
func TestChunksAreRemembered(t *testing.T) {
	for i, form := range decodeForms {
		d := &streamDecoder{}
		for _, c := range chunksOf(form, "a", "b", "c") {
			if _, err := d.Decode(nil, sse.Event{Data: c}); err != nil {
				break
			}
		}
		known := i < 3 || strings.Contains(form, `"x","content"`)
		if _, ok := d.form.Text([]byte(strings.ReplaceAll(form, "%s", "more"))); ok != known {
			t.Errorf("%s: remembered %v", form, ok)
		}
		if len(d.said) > 0 {
			t.Errorf("%s: a part of the event is kept", form)
		}
		if _, err := d.Decode(nil, sse.Event{Name: []byte("error"), Data: []byte(strings.ReplaceAll(form, "%s", "more"))}); llm.AsError(err) == nil {
			t.Errorf("%s: an error event passed", form)
		}
	}
}

// FuzzAlikeDecoding: whatever the chunks.
func FuzzAlikeDecoding(f *testing.F) {
	for _, form := range decodeForms {
		f.Add(form, "a", `b\n`, `c"}}],"usage":{"prompt_tokens":1},"x":"`)
	}
	f.Fuzz(func(t *testing.T, form, a, b, c string) {
		if strings.Contains(form, "tool_calls") {
			return // ids that a provider leaves out are made up, and differ
		}
		dialecttest.Alike(t, newDecoder, chunksOf(form, a, b, a, c, b, a))
	})
}
