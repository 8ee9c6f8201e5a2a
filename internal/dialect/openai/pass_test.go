package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// pass makes the call that the server makes of a body.
func pass(t testing.TB, body, model string) *llm.Call {
	t.Helper()
	p, err := dialect.Peek([]byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return &llm.Call{Op: llm.OpChat, Dialect: llm.DialectOpenAI, Raw: []byte(body), Peek: p, Model: model, Stream: p.Stream}
}

func TestRewrite(t *testing.T) {
	const usage = `"stream_options":{"include_usage":true}`
	cases := []struct{ name, in, want string }{
		{"nothing to do", `{"model":"up","messages":[]}`, `{"model":"up","messages":[]}`},
		{"another model", `{"messages":[], "model" : "a", "x":1.10}`, `{"messages":[], "model" : "up", "x":1.10}`},
		{"an escaped model", `{"m\u006fdel":"a"}`, `{"m\u006fdel":"up"}`},
		{"the same model in another spelling stays", `{"model":"u\u0070"}`, `{"model":"u\u0070"}`},
		{"no model", `{"messages":[]}`, `{"messages":[],"model":"up"}`},
		{"no members", ` { } `, ` { "model":"up"} `},
		{"null model", `{"model":null}`, `{"model":"up"}`},
		{"a stream", `{"model":"up","stream":true}`, `{"model":"up","stream":true,` + usage + `}`},
		{"a stream of another model", "{\n \"model\": \"a\",\n \"stream\": true\n}\n", "{\n \"model\": \"up\",\n \"stream\": true\n," + usage + "}\n"},
		{"a stream without a model", `{"stream":true}`, `{"stream":true,"model":"up",` + usage + `}`},
		{"usage is asked", `{"model":"up","stream":true,"stream_options":{"include_usage":true}}`, `{"model":"up","stream":true,"stream_options":{"include_usage":true}}`},
		{"usage is refused", `{"stream_options":{"a":1, "include_usage" : false },"stream":true,"model":"up"}`, `{"stream_options":{"a":1, "include_usage" : true },"stream":true,"model":"up"}`},
		{"usage is null", `{"model":"up","stream":true,"stream_options":{"include_usage":null}}`, `{"model":"up","stream":true,"stream_options":{"include_usage":true}}`},
		{"other options", `{"model":"up","stream":true,"stream_options":{"include_obfuscation":false}}`, `{"model":"up","stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}`},
		{"empty options", `{"model":"up","stream":true,"stream_options":{ }}`, `{"model":"up","stream":true,"stream_options":{ "include_usage":true}}`},
		{"null options", `{"stream_options":null,"model":"a","stream":true}`, `{"stream_options":{"include_usage":true},"model":"up","stream":true}`},
		{"no stream", `{"model":"up","stream":false,"stream_options":{"include_usage":false}}`, `{"model":"up","stream":false,"stream_options":{"include_usage":false}}`},
		{"options before the model", `{"stream_options":{},"stream":true,"model":"a"}`, `{"stream_options":{"include_usage":true},"stream":true,"model":"up"}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := pass(t, tc.in, "up")
			got, err := Codec{}.Rewrite(c)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if string(c.Raw) != tc.in {
				t.Errorf("the client's body was written to: %s", c.Raw)
			}
			if tc.in == tc.want && &got[0] != &c.Raw[0] {
				t.Error("copied though nothing changes")
			}
		})
	}
}

func TestRewriteWithoutStreamUsage(t *testing.T) {
	const body = `{"model":"up","stream":true}`
	got, err := Codec{NoStreamUsage: true}.Rewrite(pass(t, body, "up"))
	if err != nil || string(got) != body {
		t.Errorf("got %s, %v", got, err)
	}
	c := pass(t, body, "up")
	c.Op = llm.OpEmbed
	if got, err = (Codec{}).Rewrite(c); err != nil || string(got) != body {
		t.Errorf("embeddings: %s, %v", got, err)
	}
}

// FuzzRewrite compares with what decoding, changing and encoding gives.
func FuzzRewrite(f *testing.F) {
	f.Add([]byte(`{"model":"a","stream":true,"stream_options":{"include_usage":false,"x":[1]},"é":1e400}`), "up")
	f.Add([]byte(` {"stream":true , "stream_options" : null} `), "x\"y")
	f.Add([]byte(`{"stream":true,"stream_options":{}}`), "")
	f.Add([]byte(`{}`), "up")
	f.Fuzz(func(t *testing.T, body []byte, model string) {
		p, err := dialect.Peek(body)
		if err != nil || strings.ToValidUTF8(model, "") != model {
			return
		}
		was := bytes.Clone(body)
		c := &llm.Call{Op: llm.OpChat, Raw: body, Peek: p, Model: model, Stream: p.Stream}
		got, err := Codec{}.Rewrite(c)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(was, body) {
			t.Fatal("the client's body was written to")
		}
		want := map[string]json.RawMessage{}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		if model != "" || p.ModelSpan.Present() && p.Model != model {
			want["model"], _ = json.Marshal(model)
		}
		if p.Stream {
			options := map[string]json.RawMessage{}
			if err := json.Unmarshal(want["stream_options"], &options); want["stream_options"] != nil && err != nil {
				return // duplicate members inside, which only some parsers take
			}
			if options == nil {
				options = map[string]json.RawMessage{}
			}
			options["include_usage"] = json.RawMessage("true")
			want["stream_options"], _ = json.Marshal(options)
		}
		have := map[string]json.RawMessage{}
		if err := json.Unmarshal(got, &have); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if diff := cmp.Diff(canon(t, want), canon(t, have)); diff != "" {
			t.Fatalf("%q for %q became %q\n%s", body, model, got, diff)
		}
		q, err := dialect.Peek(got)
		if err != nil || q.Model != model && (model != "" || p.ModelSpan.Present()) || p.Stream && !q.IncludeUsage {
			t.Fatalf("%v, %+v in %s", err, q, got)
		}
	})
}

// canon lays members out alike; numbers stay as they are written.
func canon(t *testing.T, members map[string]json.RawMessage) map[string]any {
	out := map[string]any{}
	for k, v := range members {
		d := json.NewDecoder(bytes.NewReader(v))
		d.UseNumber()
		var x any
		if err := d.Decode(&x); err != nil {
			t.Fatal(err)
		}
		out[k] = x
	}
	return out
}

func TestInspect(t *testing.T) {
	cases := []struct {
		body   string
		usage  llm.Usage
		finish llm.FinishReason
		fails  llm.Kind
	}{
		{`{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`, use(3, 4, 0, 0), llm.FinishStop, 0},
		{"\n\n\n {\"choices\":[{\"message\":{\"tool_calls\":[{}]},\"finish_reason\":\"stop\"}]}", llm.Usage{}, llm.FinishToolCalls, 0},
		{`{"choices":[{"message":{"tool_calls":[]},"finish_reason":"stop"}]}`, llm.Usage{}, llm.FinishStop, 0},
		{`{"choices":[{"finish_reason":null}],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}}`, use(1, 2, 0, 0), "", 0},
		{`{"choices":[{"finish_reason":"length","usage":{"prompt_tokens":1,"completion_tokens":2}}]}`, use(1, 2, 0, 0), llm.FinishLength, 0},
		{`{"error":{"message":"gone","code":502},"choices":[]}`, llm.Usage{}, "", llm.KindUpstreamError},
		{`{"error":{"message":"slow","code":429}}`, llm.Usage{}, "", llm.KindUpstreamRateLimited},
		{`{"error":null,"choices":[{"finish_reason":"stop"}]}`, llm.Usage{}, llm.FinishStop, 0},
		{`{"object":"list","data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}`, use(8, 0, 0, 0), "", 0},
		{`<html>`, llm.Usage{}, "", llm.KindUpstreamError},
		{`{"choices":`, llm.Usage{}, "", llm.KindUpstreamError},
		{``, llm.Usage{}, "", llm.KindUpstreamError},
	}
	for _, tc := range cases {
		u, fin, err := Codec{}.Inspect(llm.OpChat, []byte(tc.body))
		checkEnd(t, err, tc.fails)
		if u != tc.usage || fin != tc.finish {
			t.Errorf("%s: %+v %q", tc.body, u, fin)
		}
	}
}

// watched is what watching a stream shows.
type watched struct {
	shown  string
	usage  llm.Usage
	finish llm.FinishReason
	text   int
	err    error
}

// watch passes a stream through an inspector, as a provider does.
func watch(k Codec, hide bool, raw []byte) watched {
	rd := sse.NewReader(bytes.NewReader(raw), sse.Options{})
	defer rd.Release()
	i := k.NewInspector(hide)
	var w watched
	for {
		ev, err := rd.Next()
		if err != nil && len(ev.Raw) == 0 {
			break
		}
		if ev.Data == nil && ev.Name == nil {
			continue
		}
		v, ierr := i.Inspect(ev)
		if ierr != nil {
			w.err = ierr
			return w
		}
		if v.Usage != nil {
			w.usage = *v.Usage
		}
		if v.Finish != "" {
			w.finish = v.Finish
		}
		w.text += v.TextBytes
		if !v.Hide {
			w.shown += string(ev.Raw)
		}
		if v.Last || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
	}
	tail, err := i.End()
	w.shown, w.err = w.shown+string(tail), err
	return w
}

// The inspector must see in the bytes what the decoder reads out of them.
func TestInspectorAgreesWithDecoder(t *testing.T) {
	for _, tc := range recorded {
		t.Run(tc.file, func(t *testing.T) {
			raw := stream(t, tc.file)
			events, err := decodeStream(Codec{}, bytes.NewReader(raw))
			r := collect(events)
			w := watch(Codec{}, true, raw)
			if (err == nil) != (w.err == nil) {
				t.Fatalf("decoder %v, inspector %v", err, w.err)
			}
			if err != nil && llm.AsError(err).Kind != llm.AsError(w.err).Kind {
				t.Errorf("decoder %v, inspector %v", err, w.err)
			}
			if err == nil && (w.usage != r.Usage || w.finish != r.Finish) {
				t.Errorf("decoder %+v %q, inspector %+v %q", r.Usage, r.Finish, w.usage, w.finish)
			}
			// Escapes count as they stand, hence at least.
			var said int
			for _, ev := range events {
				said += len(ev.Text)
			}
			if w.text < said {
				t.Errorf("%d bytes of text, counted %d", said, w.text)
			}
			if strings.Contains(w.shown, `"choices":[],"usage":{`) || strings.Contains(w.shown, `"choices": [], "usage": {`) {
				t.Error("the usage chunk is shown")
			}
			if all := watch(Codec{}, false, raw); err == nil && !strings.HasPrefix(all.shown, withoutComments(raw)) {
				t.Error("shown when asked for: not every byte")
			}
		})
	}
}

// withoutComments returns a stream up to [DONE] without its comment blocks.
func withoutComments(raw []byte) string {
	var out []byte
	rd := sse.NewReader(bytes.NewReader(raw), sse.Options{})
	defer rd.Release()
	for {
		ev, err := rd.Next()
		if ev.Data != nil {
			out = append(out, ev.Raw...)
		}
		if err != nil {
			return string(out)
		}
	}
}

func data(s string) sse.Event { return sse.Event{Data: []byte(s), Raw: []byte("data: " + s + "\n\n")} }

func TestInspectorVerdicts(t *testing.T) {
	const (
		role   = `{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}`
		word   = `{"choices":[{"index":0,"delta":{"content":"a \"usage\": {} \"finish_reason\":\"x\""},"finish_reason":null}],"usage":null}`
		finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
		usage  = `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`
		azure  = `{"choices":[],"created":0,"id":"","prompt_filter_results":[{"content_filter_results":{"error":{"code":"content_filter_error"}}}]}`
		audio  = `{"choices":[{"index":0,"delta":{"role":"assistant","audio":{"data":"AAAA"}},"finish_reason":null}]}`
		call   = `{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]}`
		args   = `{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}}]}`
		late   = `{"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}`
	)
	u := use(1, 2, 0, 0)
	step := func(s string, v dialect.Verdict) verdict { return verdict{s, v} }
	cases := []struct {
		name  string
		steps []verdict
	}{
		{"a plain answer", []verdict{
			step(role, dialect.Verdict{Preamble: true}), step(word, dialect.Verdict{TextBytes: 39}),
			step(finish, dialect.Verdict{Finish: llm.FinishStop}), step(usage, dialect.Verdict{Usage: &u, Hide: true}), step("[DONE]", dialect.Verdict{Last: true})}},
		{"azure", []verdict{step(azure, dialect.Verdict{Preamble: true}), step(role, dialect.Verdict{Preamble: true}), step(word, dialect.Verdict{TextBytes: 39}), step(azure, dialect.Verdict{})}},
		{"what is not known is content", []verdict{step(audio, dialect.Verdict{}), step(role, dialect.Verdict{})}},
		{"a call", []verdict{step(role, dialect.Verdict{Preamble: true}), step(call, dialect.Verdict{}), step(args, dialect.Verdict{TextBytes: 9}), step(finish, dialect.Verdict{Finish: llm.FinishToolCalls})}},
		{"another choice ends", []verdict{step(word, dialect.Verdict{TextBytes: 39}), step(late, dialect.Verdict{Finish: llm.FinishLength})}},
		{"an early usage", []verdict{step(`{"choices":[{"delta":{"role":"assistant"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`, dialect.Verdict{Usage: &u, Preamble: true})}},
		{"spaces", []verdict{step(`{ "choices" : [ { "delta" : { "content" : "abc" } , "finish_reason" : null } ] , "usage" : null }`, dialect.Verdict{TextBytes: 3})}},
		{"parts", []verdict{step(`{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"abcd"}]}]}}]}`, dialect.Verdict{TextBytes: 4})}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			i := Codec{}.NewInspector(true)
			for n, s := range tc.steps {
				v, err := i.Inspect(data(s.data))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(s.Verdict, v); diff != "" {
					t.Errorf("step %d, %s:\n%s", n, s.data, diff)
				}
			}
		})
	}
}

type verdict struct {
	data string
	dialect.Verdict
}

func TestInspectorEnds(t *testing.T) {
	const (
		word   = `{"choices":[{"delta":{"content":"a"}}]}`
		finish = `{"choices":[{"delta":{},"finish_reason":"stop"}]}`
	)
	for name, tc := range map[string]struct {
		events []string
		tail   string
		fails  llm.Kind
	}{
		"done":        {[]string{word, finish, "[DONE]"}, "", 0},
		"no done":     {[]string{word, finish}, "data: [DONE]\n\n", 0},
		"cut":         {[]string{word}, "", llm.KindUpstreamError},
		"nothing":     {nil, "", llm.KindUpstreamError},
		"only done":   {[]string{word, " [DONE] "}, "", 0},
		"event error": {[]string{word, `{"error":{"message":"x","type":"server_error"}}`}, "", llm.KindUpstreamError},
		"with choice": {[]string{word, `{"choices":[{"delta":{"content":""},"finish_reason":null}],"error":{"code":429,"message":"m"},"usage":{"prompt_tokens":1}}`}, "", llm.KindUpstreamRateLimited},
		"no json":     {[]string{`{"choices":[`}, "", llm.KindUpstreamError},
		"text":        {[]string{"upstream failed"}, "", llm.KindUpstreamError},
	} {
		t.Run(name, func(t *testing.T) {
			var raw []byte
			for _, s := range tc.events {
				raw = sse.AppendData(raw, []byte(s))
			}
			w := watch(Codec{}, true, raw)
			checkEnd(t, w.err, tc.fails)
			if w.err == nil && !strings.HasSuffix(w.shown, "[DONE] \n\n") && !strings.HasSuffix(w.shown, "data: [DONE]\n\n") {
				t.Errorf("shown %q", w.shown)
			}
			if tc.tail != "" && !strings.HasSuffix(w.shown, tc.tail) {
				t.Errorf("shown %q", w.shown)
			}
		})
	}
	i := Codec{}.NewInspector(false)
	if _, err := i.Inspect(sse.Event{Name: []byte("error"), Data: []byte(`{"message":"m"}`)}); err == nil {
		t.Error("an event named error passed")
	}
}

// FuzzInspector compares with the decoder on anything that may be a stream.
func FuzzInspector(f *testing.F) {
	for _, s := range []string{"data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1}}\n\ndata: [DONE]\n\n",
		"event: error\ndata: {\"error\":\"x\"}\n\n", "data: {\"x_groq\":{\"usage\":{\"total_tokens\":3}},\"choices\":[]}\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		events, err := decodeStream(Codec{}, bytes.NewReader(raw))
		w := watch(Codec{}, false, raw)
		if err != nil {
			return
		}
		// A chunk that is no JSON passes when nothing in it is of interest.
		r := collect(events)
		if w.err != nil || r.Usage != w.usage && !bytes.Contains(raw, []byte(`\u`)) {
			t.Fatalf("%q: decoder %+v, inspector %+v", raw, r, w)
		}
	})
}

var benchChunk = data(`{"id":"chatcmpl-D0q8CZXN1uEzngZGkU7FuV92lnXWq","object":"chat.completion.chunk","created":1769092764,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_29330a9688","choices":[{"index":0,"delta":{"content":" World"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"kJ3d0a"}`)

var benchUsage = data(`{"id":"chatcmpl-D0q8CZXN1uEzngZGkU7FuV92lnXWq","object":"chat.completion.chunk","created":1769092764,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_29330a9688","choices":[],"usage":{"prompt_tokens":17,"completion_tokens":4,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"obfuscation":"kJ3d0a"}`)

func TestInspectorAllocations(t *testing.T) {
	i := Codec{}.NewInspector(true)
	for _, tc := range []struct {
		name string
		ev   sse.Event
		max  float64
	}{{"an ordinary chunk", benchChunk, 0}, {"the usage chunk", benchUsage, 1}} {
		n := testing.AllocsPerRun(100, func() {
			if _, err := i.Inspect(tc.ev); err != nil {
				t.Fatal(err)
			}
		})
		if n > tc.max {
			t.Errorf("%s costs %v allocations, at most %v", tc.name, n, tc.max)
		}
	}
	c := pass(t, `{"model":"a","messages":[{"role":"user","content":"x"}],"stream":true}`, "b")
	if n := testing.AllocsPerRun(100, func() { Codec{}.Rewrite(c) }); n > 4 {
		t.Errorf("a rewrite costs %v allocations", n)
	}
}

func BenchmarkInspectorChunk(b *testing.B) { benchInspect(b, benchChunk) }
func BenchmarkInspectorUsage(b *testing.B) { benchInspect(b, benchUsage) }

func benchInspect(b *testing.B, ev sse.Event) {
	i := Codec{}.NewInspector(true)
	b.SetBytes(int64(len(ev.Data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Inspect(ev); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	body := []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		strings.Repeat("word ", 200) + `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":17,"completion_tokens":4,"total_tokens":21}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := (Codec{}).Inspect(llm.OpChat, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	c := pass(b, `{"model":"a","messages":[{"role":"user","content":"`+strings.Repeat("word ", 2000)+`"}],"stream":true}`, "b")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Codec{}).Rewrite(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeChunk(b *testing.B) {
	d := Codec{}.NewStreamDecoder()
	var events []llm.Event
	b.SetBytes(int64(len(benchChunk.Data)))
	b.ReportAllocs()
	for b.Loop() {
		events, _ = d.Decode(events[:0], benchChunk)
	}
}
