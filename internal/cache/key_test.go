package cache

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func key(t *testing.T, c *llm.Call) keys {
	t.Helper()
	k, ok := keysOf(c, "salt")
	if !ok {
		t.Fatalf("no key for %s", c.Raw)
	}
	return k
}

// TestWhatIsTheSameRequest: each is compared with the first of its list.
func TestWhatIsTheSameRequest(t *testing.T) {
	const body = `{"model":"m","messages":[{"role":"user","content":"a \"b\" \\"}],"x":{"b":1,"a":[1, 2]}}`
	base := func(change ...func(*llm.Call)) *llm.Call { return callOf(body, change...) }
	in := func(d llm.Dialect, body string) *llm.Call {
		return callOf(body, func(c *llm.Call) { c.Dialect = d })
	}
	tenant := func(name, tenant string) func(*llm.Call) {
		return func(c *llm.Call) { c.Meta.Caller = &llm.Caller{Name: name, Tenant: tenant} }
	}
	header := func(name, value string) func(*llm.Call) {
		return func(c *llm.Call) { c.Forward = []llm.Header{{Name: name, Value: value}} }
	}
	for _, tc := range []struct {
		name string
		a, b *llm.Call
		same bool
	}{
		{"itself", base(), base(), true},
		{"order and white space", base(), callOf("{\"x\" : {\"b\":1,\t\"a\":[1,2]},\n \"messages\":[ {\"role\":\"user\",\"content\":\"a \\\"b\\\" \\\\\"}], \"model\":\"m\"}"), true},
		{"white space within a string", base(), callOf(`{"model":"m","messages":[{"role":"user","content":"a  \"b\" \\"}],"x":{"b":1,"a":[1, 2]}}`), false},
		{"order within a value", base(), callOf(`{"model":"m","messages":[{"role":"user","content":"a \"b\" \\"}],"x":{"a":[1, 2],"b":1}}`), false},
		{"order of a list", base(), callOf(`{"model":"m","messages":[{"role":"user","content":"a \"b\" \\"}],"x":{"b":1,"a":[2, 1]}}`), false},
		{"an unknown member", callOf(`{"a":1}`), callOf(`{"a":1,"unheard":null}`), false},
		{"a repeated member", callOf(`{"a":1,"a":2}`), callOf(`{"a":2,"a":1}`), false},
		{"an escaped name", callOf(`{"a":1}`), callOf(`{"\u0061":1}`), true},
		{"user and metadata", callOf(`{"a":1,"user":"u","metadata":{}}`), callOf(`{"a":1,"user":"v"}`), true},
		{"user within a value", callOf(`{"a":{"user":"u"}}`), callOf(`{"a":{"user":"v"}}`), false},
		{"metadata of Responses", in(llm.DialectResponses, `{"a":1,"metadata":{"x":"y"}}`), in(llm.DialectResponses, `{"a":1}`), false},
		{"stream_options of Messages", in(llm.DialectAnthropic, `{"a":1,"stream_options":1}`), in(llm.DialectAnthropic, `{"a":1}`), false},
		{"metadata of Messages", in(llm.DialectAnthropic, `{"a":1,"metadata":{"user_id":"x"}}`), in(llm.DialectAnthropic, `{"a":1}`), true},
		{"time-out", in(llm.DialectNative, `{"a":1,"timeout_ms":5}`), in(llm.DialectNative, `{"a":1}`), true},
		{"the dialect", base(), in(llm.DialectAnthropic, body), false},
		{"the operation", base(), base(func(c *llm.Call) { c.Op = llm.OpEmbed }), false},
		{"the route", base(), base(func(c *llm.Call) { c.Meta.Route = "other" }), false},
		{"a key without tenant", base(), base(tenant("b", "")), false},
		{"keys of a tenant", base(tenant("a", "t")), base(tenant("b", "t")), true},
		{"two tenants", base(tenant("a", "t")), base(tenant("a", "u")), false},
		{"a tenant named like a key", base(tenant("a", "")), base(tenant("x", "a")), false},
		{"anonymous", base(func(c *llm.Call) { c.Meta.Caller = nil }), base(tenant("", "")), false},
		{"a header that is passed on", base(header("Anthropic-Beta", "x")), base(), false},
		{"the idempotency key", base(header("Idempotency-Key", "x")), base(), true},
		{"a trace that is passed on", base(header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")), base(header("Tracestate", "a=b")), true},
		{"to drop or to refuse", base(func(c *llm.Call) { c.Drop = true }), base(), false},
	} {
		a, b := key(t, tc.a), key(t, tc.b)
		if (a == b) != tc.same || (a.any == b.any) != tc.same {
			t.Errorf("%s: same %v", tc.name, a == b)
		}
	}
	a, _ := keysOf(base(), "one")
	b, _ := keysOf(base(), "two")
	if a.any == b.any {
		t.Error("other targets, the same key")
	}
}

// TestFormsOfAnAnswer: a stream's bytes depend on its options, the canonical
// form on neither.
func TestFormsOfAnAnswer(t *testing.T) {
	whole := key(t, callOf(`{"a":1}`))
	plain := key(t, callOf(`{"a":1,"stream":true}`, streaming))
	usage := key(t, callOf(`{"a":1,"stream":true,"stream_options":{"include_usage": true}}`, streaming))
	again := key(t, callOf(`{"stream_options":{"include_usage":true},"a":1,"stream":true}`, streaming))
	if whole.any != plain.any || plain.any != usage.any {
		t.Error("the canonical form depends on the stream")
	}
	if whole.exact == plain.exact || plain.exact == usage.exact || usage.exact != again.exact || whole.exact == whole.any {
		t.Error("the exact forms are mixed up")
	}
}

func TestCallsMadeInTheProgram(t *testing.T) {
	made := func(req llm.Request) *llm.Call {
		return callOf("", func(c *llm.Call) {
			c.Raw, c.Model = nil, "m"
			c.Request = func() (*llm.Request, error) { return &req, nil }
		})
	}
	one := 1.0
	a, b := key(t, made(llm.Request{User: "x"})), key(t, made(llm.Request{Tags: map[string]string{"a": "b"}, Stream: true}))
	if a.any != b.any {
		t.Error("what does not decide the answer is in the key")
	}
	if c := key(t, made(llm.Request{Temperature: &one})); c.any == a.any {
		t.Error("the temperature is not in the key")
	}
	if _, ok := keysOf(callOf("", func(c *llm.Call) { c.Raw = nil }), ""); ok {
		t.Error("a call without a request has a key")
	}
	if _, ok := keysOf(callOf("[1]"), ""); ok {
		t.Error("what is no object has a key")
	}
}

// FuzzKey: a body has the key of its compact form, and another one as soon as a
// member is added.
func FuzzKey(f *testing.F) {
	f.Add([]byte(`{"a" : "x\"y" , "b":[1, {"c":null}]}`))
	f.Add([]byte("{\"\\\\\":\"\\\\\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var compacted bytes.Buffer
		if json.Compact(&compacted, body) != nil || compacted.Len() < 2 || compacted.Bytes()[0] != '{' {
			return
		}
		a, ok := keysOf(callOf(string(body)), "")
		b, okToo := keysOf(callOf(compacted.String()), "")
		if ok != okToo || a != b {
			t.Fatalf("%q and %q differ", body, compacted.String())
		}
		if !ok {
			return
		}
		more := append(compacted.Bytes()[:compacted.Len()-1:compacted.Len()-1], `,"zz":1}`...)
		if compacted.Len() == 2 {
			more = []byte(`{"zz":1}`)
		}
		if c, ok := keysOf(callOf(string(more)), ""); ok && c.any == a.any {
			t.Fatalf("%q and %q are the same", body, more)
		}
	})
}
