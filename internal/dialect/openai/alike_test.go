package openai

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// forgetful returns an inspector that looks closely at every chunk.
func forgetful() *inspector {
	return &inspector{plain: pattern{vain: maxVain}}
}

// sameVerdicts puts chunks before both kinds of inspectors.
func sameVerdicts(t *testing.T, chunks [][]byte) (i *inspector) {
	t.Helper()
	quick, slow := &inspector{}, forgetful()
	for n, c := range chunks {
		a, aerr := quick.Inspect(sse.Event{Data: c})
		b, berr := slow.Inspect(sse.Event{Data: c})
		if diff := cmp.Diff(b, a); diff != "" || (aerr == nil) != (berr == nil) {
			t.Fatalf("chunk %d %s: %v, %v\n%s", n, c, aerr, berr, diff)
		}
		if aerr != nil {
			break
		}
	}
	if quick.begun != slow.begun || quick.calls != slow.calls || quick.finished != slow.finished || quick.done != slow.done {
		t.Errorf("the states differ: %+v, %+v", quick, slow)
	}
	return quick
}

// TestAlike: streams of the forms that providers send are recognized from the
// second plain chunk on, and told alike.
func TestAlike(t *testing.T) {
	words := []string{"a", " token", `\n\n`, `say \"hi\"`, `\\`, `\\\"`, "", `"finish_reason\":\"stop`, "日本", `{\"usage\":{\"prompt_tokens\":3}}`}
	for name, form := range map[string]string{
		"openai":    `{"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}],"usage":null}`,
		"padded":    `{"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}],"usage":null,"obfuscation":"%s"}`,
		"spaced":    `{ "id" : "c", "choices" : [ { "delta" : { "content" : "%s" }, "finish_reason" : null } ] }`,
		"deepseek":  `{"choices":[{"delta":{"content":null,"reasoning_content":"%s"},"finish_reason":null}]}`,
		"arguments": `{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"%s"}}]},"finish_reason":null}]}`,
	} {
		var chunks [][]byte
		for _, w := range words {
			w = strings.Replace(w, `"finish`, `\"finish`, 1)
			chunks = append(chunks, []byte(strings.ReplaceAll(form, "%s", w)))
		}
		i := sameVerdicts(t, chunks)
		if _, ok := i.plain.match([]byte(strings.ReplaceAll(form, "%s", "more"))); !ok {
			t.Errorf("%s: an ordinary chunk is not recognized", name)
		}
		for _, c := range []string{
			strings.ReplaceAll(form, "null", `"stop"`), strings.ReplaceAll(form, "%s", ``), strings.ReplaceAll(form, "%s", `a","x":"b`),
			strings.ReplaceAll(form, "%s", `a\`), strings.ReplaceAll(form, "%s", "a") + "}", strings.ReplaceAll(form, "%s", "a")[:20], "{}", "[DONE]",
		} {
			if _, ok := i.plain.match([]byte(c)); ok {
				t.Errorf("%s: %s is taken for plain text", name, c)
			}
		}
	}
}

// TestAlikeGivesUp: chunks that never repeat are not remembered for ever, and
// long ones not at all.
func TestAlikeGivesUp(t *testing.T) {
	var chunks [][]byte
	for n := range 10 {
		chunks = append(chunks, fmt.Appendf(nil, `{"id":"%d","choices":[{"delta":{"content":"a"}}]}`, n))
	}
	if i := sameVerdicts(t, chunks); i.plain.vain < maxVain || i.plain.holes != 0 {
		t.Errorf("%+v", i.plain)
	}
	long := fmt.Appendf(nil, `{"id":"%s","choices":[{"delta":{"content":"a"}}]}`, strings.Repeat("x", maxPattern))
	if i := sameVerdicts(t, [][]byte{long, long}); i.plain.holes != 0 || cap(i.plain.chunk) > 0 {
		t.Errorf("%+v", i.plain)
	}
}

// FuzzAlike: whatever the chunks, remembering changes no verdict.
func FuzzAlike(f *testing.F) {
	f.Add(`{"choices":[{"delta":{"content":"`, `"},"finish_reason":null}]}`, "a", `b","finish_reason":"stop`, `c\"`)
	f.Add(`{"choices":[{"delta":{"content":"x","reasoning":"`, `"}}],"obfuscation":"z"}`, "a", "", `\`)
	f.Add(`{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"`, `"}}]}}]}`, "a", "b", `"}}]}}],"usage":{"prompt_tokens":1},"x":"`)
	f.Fuzz(func(t *testing.T, head, tail, a, b, c string) {
		var chunks [][]byte
		for _, w := range []string{a, b, a, c, b, c, a} {
			chunks = append(chunks, []byte(head+w+tail))
		}
		chunks = append(chunks, bytes.Clone(chunks[0]))
		sameVerdicts(t, chunks)
	})
}

func BenchmarkInspectorFirst(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		i := forgetful()
		if _, err := i.Inspect(benchChunk); err != nil {
			b.Fatal(err)
		}
	}
}
