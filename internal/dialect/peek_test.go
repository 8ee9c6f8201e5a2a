package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestPeek(t *testing.T) {
	for _, c := range []struct {
		in   string
		want llm.Peek
	}{
		{`{}`, llm.Peek{End: 1, Empty: true}},
		{" { }\n", llm.Peek{End: 3, Empty: true}},
		{`{"x":1}`, llm.Peek{End: 6}},
		{`{"model":"gpt-4o"}`, llm.Peek{Model: "gpt-4o", ModelSpan: llm.Span{Start: 9, End: 17}, End: 17}},
		{`{"model":"a\/b\u00e9"}`, llm.Peek{Model: "a/bé", ModelSpan: llm.Span{Start: 9, End: 21}, End: 21}},
		{`{"mod\u0065l":"m"}`, llm.Peek{Model: "m", ModelSpan: llm.Span{Start: 14, End: 17}, End: 17}},
		{`{"model":null}`, llm.Peek{ModelSpan: llm.Span{Start: 9, End: 13}, End: 13}},
		{`{"model":""}`, llm.Peek{ModelSpan: llm.Span{Start: 9, End: 11}, End: 11}},
		{`{"stream":true}`, llm.Peek{Stream: true, End: 14}},
		{`{"stream":false}`, llm.Peek{End: 15}},
		{`{"stream":null}`, llm.Peek{End: 14}},
		{`{"stream_options":{"include_usage":true}}`, llm.Peek{StreamOptions: llm.Span{Start: 18, End: 40}, IncludeUsage: true, End: 40}},
		{`{"stream_options":{"include_usage":false}}`, llm.Peek{StreamOptions: llm.Span{Start: 18, End: 41}, End: 41}},
		{`{"stream_options":{"include_usage":null}}`, llm.Peek{StreamOptions: llm.Span{Start: 18, End: 40}, End: 40}},
		{`{"stream_options":{"x":[{"include_usage":true}]}}`, llm.Peek{StreamOptions: llm.Span{Start: 18, End: 48}, End: 48}},
		{`{"stream_options":null}`, llm.Peek{StreamOptions: llm.Span{Start: 18, End: 22}, End: 22}},
		{`{"max_tokens":7}`, llm.Peek{MaxTokens: 7, End: 15}},
		{`{"max_completion_tokens":8.0}`, llm.Peek{MaxTokens: 8, End: 28}},
		{`{"max_output_tokens":9}`, llm.Peek{MaxTokens: 9, End: 22}},
		{`{"max_tokens":5,"max_completion_tokens":9,"max_output_tokens":7}`, llm.Peek{MaxTokens: 9, End: 63}},
		{`{"max_tokens":null,"max_completion_tokens":3}`, llm.Peek{MaxTokens: 3, End: 44}},
		{`{"max_tokens":-1}`, llm.Peek{End: 16}},
		{`{"messages":[{"model":1,"stream":"x","max_tokens":{}}]}`, llm.Peek{End: 54}},
		{`{"Model":1,"other":1,"other":2}`, llm.Peek{End: 30}},
	} {
		got, err := Peek([]byte(c.in))
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", c.in, err, d)
		}
	}
}

func TestPeekErrors(t *testing.T) {
	for _, c := range []struct{ in, param, message string }{
		{``, "", "malformed JSON: unexpected end of JSON at byte 0"},
		{`[]`, "", "malformed JSON: expected a JSON object at byte 0"},
		{`null`, "", "malformed JSON: expected a JSON object at byte 0"},
		{`{"model":"m",}`, "", "malformed JSON: expected a member name in quotes at byte 13"},
		{`{"model":"m"`, "", "malformed JSON: unexpected end of JSON at byte 12"},
		{`{"model":"m"} {}`, "", "malformed JSON: unexpected text behind the JSON object at byte 14"},
		{`{"a":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`, "", "malformed JSON: JSON is nested too deep at byte 516"},
		{`{"model":1}`, "model", "model must be a string"},
		{`{"model":["m"]}`, "model", "model must be a string"},
		{`{"stream":"true"}`, "stream", "stream must be true or false"},
		{`{"stream":1}`, "stream", "stream must be true or false"},
		{`{"stream_options":true}`, "stream_options", "stream_options must be an object"},
		{`{"stream_options":[]}`, "stream_options", "stream_options must be an object"},
		{`{"stream_options":{"include_usage":1}}`, "stream_options.include_usage", "stream_options.include_usage must be true or false"},
		{`{"max_tokens":"5"}`, "max_tokens", "max_tokens must be an integer"},
		{`{"max_tokens":1.5}`, "max_tokens", "max_tokens must be an integer"},
		{`{"max_completion_tokens":1e40}`, "max_completion_tokens", "max_completion_tokens must be an integer"},
		{`{"max_output_tokens":{}}`, "max_output_tokens", "max_output_tokens must be an integer"},
		{`{"model":"a","model":"b"}`, "model", "model appears twice, the second time at byte 13"},
		{`{"model":"a","\u006dodel":"b"}`, "model", "model appears twice, the second time at byte 13"},
		{`{"model":null,"model":"b"}`, "model", "model appears twice, the second time at byte 14"},
		{`{"stream":true,"stream":true}`, "stream", "stream appears twice, the second time at byte 15"},
		{`{"stream_options":{"include_usage":true,"include_usage":true}}`, "stream_options.include_usage",
			"stream_options.include_usage appears twice, the second time at byte 40"},
	} {
		got, err := Peek([]byte(c.in))
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != llm.KindInvalidRequest || e.Param != c.param || e.Message != c.message {
			t.Errorf("%s: %v (param %q), want %q (param %q)", c.in, err, e.Param, c.message, c.param)
		}
		if got != (llm.Peek{}) {
			t.Errorf("%s: a result beside the error: %+v", c.in, got)
		}
	}
}

func TestPeekAllocs(t *testing.T) {
	for in, want := range map[string]float64{
		`{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"max_tokens":5}`: 1,
		`{"stream":true,"max_tokens":12345678}`:                                                   0,
	} {
		raw := []byte(in)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := Peek(raw); err != nil {
				t.Fatal(err)
			}
		}); n > want {
			t.Errorf("%s: %v allocations, want at most %v", in, n, want)
		}
	}
}

// peeked is the same look through encoding/json.
type peeked struct {
	Model         *string
	Stream        *bool
	StreamOptions *struct {
		IncludeUsage *bool `json:"include_usage"`
	} `json:"stream_options"`
}

func FuzzPeek(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":1}`,
		`{"mod\u0065l":null,"stream_options":null}`, `{"model":"\ud83d"}`, `{"max_tokens":1e3,"max_output_tokens":-7}`,
		`{"model":1}`, `{"stream":"x"}`, `{"model":"a","model":"b"}`, `{`, ` {} `,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Peek(raw)
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) || e.Kind != llm.KindInvalidRequest || e.Message == "" {
				t.Fatalf("error %v", err)
			}
			return
		}
		if !json.Valid(raw) || raw[p.End] != '}' || len(bytes.TrimSpace(raw[p.End+1:])) != 0 {
			t.Fatalf("accepted %q, end %d", raw, p.End)
		}
		checkSpans(t, raw, p)
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatal(err)
		}
		if p.Empty != (len(members) == 0) {
			t.Fatalf("empty %v, %d members", p.Empty, len(members))
		}
		// encoding/json matches keys in any case: compare only where there is one.
		if text := string(raw); text != strings.ToLower(text) || strings.ContainsAny(text, "ſ\\") {
			return
		}
		var want peeked
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("accepted %q: %v", raw, err)
		}
		if want.Model != nil && *want.Model != p.Model || want.Stream != nil && *want.Stream != p.Stream {
			t.Fatalf("%q: %+v", raw, p)
		}
		if o := want.StreamOptions; o != nil && o.IncludeUsage != nil && *o.IncludeUsage && !p.IncludeUsage {
			t.Fatalf("%q: %+v", raw, p)
		}
	})
}

func checkSpans(t *testing.T, raw []byte, p llm.Peek) {
	if p.ModelSpan.Present() {
		var s *string
		if err := json.Unmarshal(raw[p.ModelSpan.Start:p.ModelSpan.End], &s); err != nil || s != nil && *s != p.Model {
			t.Fatalf("model span %q, model %q, %v", raw[p.ModelSpan.Start:p.ModelSpan.End], p.Model, err)
		}
	} else if p.Model != "" {
		t.Fatalf("a model without a span: %q", p.Model)
	}
	if p.StreamOptions.Present() && !json.Valid(raw[p.StreamOptions.Start:p.StreamOptions.End]) {
		t.Fatalf("stream options %q", raw[p.StreamOptions.Start:p.StreamOptions.End])
	}
}

func BenchmarkPeek(b *testing.B) {
	raw := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"` + strings.Repeat("word ", 20) +
		`"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":256}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Peek(raw); err != nil {
			b.Fatal(err)
		}
	}
}
