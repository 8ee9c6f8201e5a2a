package mockserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

// msgs is the body of a chat request with these messages.
func msgs(list string) string { return `{"model":"echo","messages":[` + list + `]}` }

const (
	hello    = `{"role":"user","content":"x"}`
	called   = `{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	answered = `{"role":"tool","tool_call_id":"c1","content":"r"},{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"r"}]}`
	fn       = `{"type":"function","function":{"name":"f"}}`
)

func with(extra string) string { return chat("echo", "json", ","+extra) }

// TestRefused: what the real API refuses, with the member and the code that it
// names. The codes of the first group were recorded of the real API, the rest
// are its documented ones.
func TestRefused(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	for _, tc := range []struct{ body, code, param string }{
		{with(`"temperature":-1`), "decimal_below_min_value", "temperature"},
		{chat("reasoner", "x", `,"max_tokens":5`), "unsupported_parameter", "max_tokens"},
		{chat("reasoner", "x", `,"temperature":0.5`), "", "temperature"},
		{chat("mock/lorem-5+reasoner", "x", `,"presence_penalty":0.5`), "unsupported_parameter", "presence_penalty"},
		{with(`"web_search_options":{}`), "", "web_search_options"},

		{with(`"weird":1`), "unknown_parameter", "weird"},
		{with(`"weird":null`), "unknown_parameter", "weird"},
		{with(`"top_k":1`), "unknown_parameter", "top_k"},
		{with(`"functions":[]`), "unknown_parameter", "functions"},
		{with(`"stream_options":{"x":1},"stream":true`), "unknown_parameter", "stream_options.x"},
		{with(`"tools":[{"type":"function","function":{"name":"f","x":1}}]`), "unknown_parameter", "tools[0].function.x"},
		{with(`"response_format":{"type":"text","x":1}`), "unknown_parameter", "response_format.x"},
		{msgs(`{"role":"user","content":"x","reasoning_content":"y"}`), "unknown_parameter", "messages[0].reasoning_content"},
		{msgs(hello + `,{"role":"user","content":[{"type":"text","text":"x","y":1}]}`), "unknown_parameter", "messages[1].content[0].y"},
		{msgs(`{"role":"user","content":"x","tool_calls":[]}`), "unknown_parameter", "messages[0].tool_calls"},

		{`{"messages":[` + hello + `]}`, "", ""},
		{`{"model":null,"messages":[` + hello + `]}`, "invalid_type", "model"},
		{`{"model":"echo"}`, "missing_required_parameter", "messages"},
		{`{"model":"echo","messages":[]}`, "empty_array", "messages"},
		{msgs(`{"content":"x"}`), "missing_required_parameter", "messages[0].role"},
		{msgs(`{"role":"user"}`), "missing_required_parameter", "messages[0].content"},
		{msgs(`{"role":"user","content":null}`), "invalid_type", "messages[0].content"},
		{msgs(`{"role":"user","content":[]}`), "empty_array", "messages[0].content"},
		{msgs(`{"role":"robot","content":"x"}`), "invalid_value", "messages[0].role"},
		{msgs(`{"role":"user","content":[{"text":"x"}]}`), "missing_required_parameter", "messages[0].content[0].type"},
		{msgs(`{"role":"user","content":[{"type":"video","text":"x"}]}`), "invalid_value", "messages[0].content[0].type"},
		{msgs(`{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://x/y"}}]}`), "invalid_value", "messages[0].content[0].type"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://x/y"}}]}`), "invalid_value", "messages[0].content[0].image_url.url"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y","detail":"best"}}]}`), "invalid_value", "messages[0].content[0].image_url.detail"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":"https://x/y"}]}`), "invalid_type", "messages[0].content[0].image_url"},

		{with(`"temperature":"1"`), "invalid_type", "temperature"},
		{with(`"temperature":2.1`), "decimal_above_max_value", "temperature"},
		{with(`"top_p":1.5`), "decimal_above_max_value", "top_p"},
		{with(`"presence_penalty":-2.5`), "decimal_below_min_value", "presence_penalty"},
		{with(`"frequency_penalty":2.5`), "decimal_above_max_value", "frequency_penalty"},
		{with(`"max_tokens":0`), "integer_below_min_value", "max_tokens"},
		{with(`"max_tokens":1.5`), "invalid_type", "max_tokens"},
		{with(`"max_completion_tokens":-1`), "integer_below_min_value", "max_completion_tokens"},
		{with(`"max_tokens":5,"max_completion_tokens":5`), "invalid_parameter_combination", "max_tokens"},
		{with(`"n":0`), "integer_below_min_value", "n"},
		{with(`"n":129`), "integer_above_max_value", "n"},
		{with(`"n":2`), "unsupported_parameter", "n"},
		{with(`"logprobs":true`), "unsupported_parameter", "logprobs"},
		{with(`"top_logprobs":2`), "", "top_logprobs"},
		{with(`"logprobs":true,"top_logprobs":21`), "integer_above_max_value", "top_logprobs"},
		{with(`"stop":["a","b","c","d","e"]`), "array_above_max_length", "stop"},
		{with(`"stop":5`), "invalid_type", "stop"},
		{with(`"logit_bias":{"1":101}`), "integer_above_max_value", "logit_bias.1"},
		{with(`"reasoning_effort":"huge"`), "invalid_value", "reasoning_effort"},
		{with(`"verbosity":"huge"`), "invalid_value", "verbosity"},
		{with(`"service_tier":"gold"`), "invalid_value", "service_tier"},
		{with(`"user":5`), "invalid_type", "user"},
		{with(`"metadata":{"a":1}`), "invalid_type", "metadata.a"},
		{with(`"metadata":{"a":"` + strings.Repeat("x", 513) + `"}`), "string_above_max_length", "metadata.a"},
		{with(`"metadata":{` + pairs(17) + `}`), "object_above_max_properties", "metadata"},
		{with(`"stream":"yes"`), "invalid_type", "stream"},
		{with(`"stream_options":{"include_usage":true}`), "", "stream_options"},
		{with(`"stream":false,"stream_options":{"include_usage":true}`), "", "stream_options"},
		{with(`"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}`), "unsupported_value", "modalities"},
		{with(`"modalities":[]`), "empty_array", "modalities"},

		{with(`"tools":[{"type":"function","function":{"name":"a b"}}]`), "invalid_value", "tools[0].function.name"},
		{with(`"tools":[{"type":"function","function":{"name":""}}]`), "empty_string", "tools[0].function.name"},
		{with(`"tools":[{"type":"function","function":{"name":"` + strings.Repeat("a", 65) + `"}}]`), "string_above_max_length", "tools[0].function.name"},
		{with(`"tools":[{"type":"function"}]`), "missing_required_parameter", "tools[0].function"},
		{with(`"tools":[{"function":{"name":"f"}}]`), "missing_required_parameter", "tools[0].type"},
		{with(`"tools":[{"type":"web_search"}]`), "invalid_value", "tools[0].type"},
		{with(`"tools":[` + strings.TrimSuffix(strings.Repeat(fn+",", 129), ",") + `]`), "array_above_max_length", "tools"},
		{with(`"tool_choice":"auto"`), "", "tool_choice"},
		{with(`"parallel_tool_calls":true`), "", "parallel_tool_calls"},
		{with(`"tools":[` + fn + `],"tool_choice":"any"`), "invalid_value", "tool_choice"},
		{with(`"tools":[` + fn + `],"tool_choice":5`), "invalid_type", "tool_choice"},
		{with(`"tools":[` + fn + `],"tool_choice":{"type":"function","function":{"name":"g"}}`), "", "tool_choice"},
		{with(`"tools":[` + fn + `],"tool_choice":{"type":"function"}`), "missing_required_parameter", "tool_choice.function"},
		{with(`"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}}}]`), "invalid_function_parameters", "tools[0].function.parameters"},
		{with(`"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}}}]`), "invalid_function_parameters", "tools[0].function.parameters"},

		{with(`"response_format":{"type":"xml"}`), "invalid_value", "response_format.type"},
		{with(`"response_format":{"type":"json_schema"}`), "missing_required_parameter", "response_format.json_schema"},
		{with(`"response_format":{"type":"json_schema","json_schema":{"schema":{}}}`), "missing_required_parameter", "response_format.json_schema.name"},
		{with(`"response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{}}}`), "invalid_value", "response_format.json_schema.name"},
		{with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"object"}},"required":["a"],"additionalProperties":false}}}`), "", "response_format"},
		{with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"array"}}}`), "", "response_format"},
		{with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"],"additionalProperties":false}}}`), "", "response_format"},
		{with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","properties":{"a":{"anyOf":[{"type":"object","properties":{}}]}},"required":["a"],"additionalProperties":false}}}`), "", "response_format"},
		{with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"integer","minimum":2,"maximum":1}}}`), "", "response_format"},
		{chat("echo", "no such word", `,"response_format":{"type":"json_object"}`), "", "messages"},

		{msgs(hello + `,{"role":"tool","tool_call_id":"c1","content":"r"}`), "", "messages[1].role"},
		{msgs(hello + `,{"role":"tool","content":"r"}`), "missing_required_parameter", "messages[1].tool_call_id"},
		{msgs(hello + `,` + called), "", "messages"},
		{msgs(hello + `,` + called + `,` + hello), "", "messages"},
		{msgs(hello + `,` + called + `,{"role":"tool","tool_call_id":"c1","content":"r"},` + hello), "", "messages"},
		{msgs(hello + `,` + called + `,` + answered + `,{"role":"tool","tool_call_id":"c1","content":"r"}`), "", "messages[4].role"},
		{msgs(hello + `,{"role":"assistant","content":null}`), "invalid_type", "messages[1].content"},
		{msgs(hello + `,{"role":"assistant"}`), "invalid_type", "messages[1].content"},
		{msgs(hello + `,{"role":"assistant","tool_calls":[]}`), "empty_array", "messages[1].tool_calls"},
		{msgs(hello + `,{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":{}}}]}`), "invalid_type", "messages[1].tool_calls[0].function.arguments"},
		{msgs(hello + `,{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]}`), "missing_required_parameter", "messages[1].tool_calls[0].id"},

		{chat("window-5", "x", ""), "context_length_exceeded", "messages"},
		{chat("blocked", "x", ""), "content_filter", "messages"},
	} {
		a := r.post(t, tc.body)
		c := parse(t, a.body)
		if a.status != http.StatusBadRequest || c.Error == nil {
			t.Errorf("%.200s\n: %d %s", tc.body, a.status, a.body)
			continue
		}
		e := c.Error
		if e.Type != "invalid_request_error" || e.Message == "" || e.Code != nil && *e.Code != tc.code || e.Code == nil && tc.code != "" ||
			e.Param != nil && *e.Param != tc.param || e.Param == nil && tc.param != "" {
			t.Errorf("%.200s\n: code %s, param %s, want %s, %s: %s", tc.body, str(e.Code), str(e.Param), tc.code, tc.param, e.Message)
		}
		for _, key := range []string{"message", "type", "param", "code"} {
			var raw struct{ Error map[string]json.RawMessage }
			_ = json.Unmarshal(a.body, &raw)
			if raw.Error[key] == nil {
				t.Errorf("%s has no %s", a.body, key)
			}
		}
	}
}

func pairs(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"k%d":"v"`, i))
	}
	return strings.Join(list, ",")
}

// TestRecordedMessages are messages of the real API, to the letter.
func TestRecordedMessages(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	for body, want := range map[string]string{
		with(`"temperature":-1`):                    "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead.",
		chat("reasoner", "x", `,"max_tokens":5`):    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
		chat("reasoner", "x", `,"temperature":0.5`): "Unsupported parameter: 'temperature' is not supported with this model.",
		with(`"web_search_options":{}`):             "Web search options not supported with this model.",
	} {
		if got := parse(t, r.post(t, body).body).Error.Message; got != want {
			t.Errorf("message = %q, want %q", got, want)
		}
	}
}

// TestAccepted: every member of the API, and what its SDKs send back.
func TestAccepted(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	for _, body := range []string{
		with(`"temperature":0,"top_p":1,"n":1,"presence_penalty":2,"frequency_penalty":-2,"seed":-7,"max_tokens":9,"stop":"zz","user":"u"`),
		with(`"temperature":null,"top_p":null,"n":null,"presence_penalty":null,"frequency_penalty":null,"seed":null,"max_tokens":null,"stop":null,"logit_bias":null,"logprobs":null,"top_logprobs":null,"metadata":null,"stream":null,"stream_options":null,"service_tier":null,"store":null,"reasoning_effort":null,"verbosity":null,"prediction":null,"audio":null,"modalities":null,"safety_identifier":null,"prompt_cache_key":null,"moderation":null`),
		with(`"logit_bias":{"50256":-100},"logprobs":false,"metadata":{"a":"b"},"store":true,"service_tier":"flex","verbosity":"low","safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h","prompt_cache_options":{"mode":"explicit","ttl":"30m"},"prediction":{"type":"content","content":"x"},"modalities":["text"]`),
		with(`"stop":["a","b","c","d"],"max_completion_tokens":5,"reasoning_effort":"minimal","stream":false`),
		with(`"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}`),
		with(`"response_format":{"type":"text"}`),
		with(`"response_format":{"type":"json_object"}`),
		with(`"tools":[` + fn + `,{"type":"custom","custom":{"name":"g","format":{"type":"text"}}}],"tool_choice":"none","parallel_tool_calls":false`),
		with(`"tools":[` + fn + `],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[` + fn + `]}}`),
		with(`"tools":[{"type":"function","function":{"name":"f","strict":null,"description":"d","parameters":{}}}]`),
		with(`"tools":[{"type":"function","function":{"name":"f","strict":true}}]`),
		msgs(`{"role":"system","content":"s","name":"n"},{"role":"developer","content":[{"type":"text","text":"d"}]},` + hello),
		msgs(`{"role":"user","content":[{"type":"text","text":"a","prompt_cache_breakpoint":{"mode":"explicit"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"high"}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}}]}`),
		msgs(hello + `,` + called + `,` + answered),
		msgs(hello + `,` + called + `,` + answered + `,{"role":"assistant","content":"done","refusal":null,"annotations":[]},` + hello),
		msgs(hello + `,` + strings.Replace(called, `"content":null`, `"content":"","refusal":null`, 1) + `,` + strings.ReplaceAll(answered, `"role":"tool"`, `"role":"tool","name":"f"`)),
		msgs(hello + `,{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"refusal","refusal":"no"}]},` + hello),
		msgs(hello + `,{"role":"assistant","refusal":"no"},` + hello),
	} {
		if a := r.post(t, body); a.status != 200 {
			t.Errorf("%.300s\n: %d %s", body, a.status, a.body)
		}
	}
}

func TestEmbeddingsRefused(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	many := strings.TrimSuffix(strings.Repeat(`"x",`, 2049), ",")
	for _, tc := range []struct{ body, code, param string }{
		{`{"input":"x"}`, "", ""},
		{`{"model":"embed"}`, "missing_required_parameter", "input"},
		{`{"model":"embed","input":""}`, "empty_string", "input"},
		{`{"model":"embed","input":[]}`, "empty_array", "input"},
		{`{"model":"embed","input":[""]}`, "empty_string", "input[0]"},
		{`{"model":"embed","input":[[]]}`, "empty_array", "input[0]"},
		{`{"model":"embed","input":[-1]}`, "integer_below_min_value", "input[0]"},
		{`{"model":"embed","input":[` + many + `]}`, "array_above_max_length", "input"},
		{`{"model":"embed","input":"x","dimensions":0}`, "integer_below_min_value", "dimensions"},
		{`{"model":"embed","input":"x","encoding_format":"hex"}`, "invalid_value", "encoding_format"},
		{`{"model":"embed","input":"x","stream":true}`, "unknown_parameter", "stream"},
	} {
		a := r.do(t, http.MethodPost, "/v1/embeddings", tc.body)
		c := parse(t, a.body)
		if a.status != 400 || c.Error == nil || c.Error.Code != nil && *c.Error.Code != tc.code || c.Error.Code == nil && tc.code != "" || c.Error.Param != nil && *c.Error.Param != tc.param {
			t.Errorf("%.100s: %d %s", tc.body, a.status, a.body)
		}
	}
}

// FuzzRequest: no body makes the server panic or answer with 5xx, and what it
// answers is JSON or a stream that ends.
func FuzzRequest(f *testing.F) {
	f.Add(with(`"tools":[` + fn + `]`))
	f.Add(msgs(hello + `,` + called + `,` + answered))
	f.Add(with(`"stream":true,"stream_options":{"include_usage":true}`))
	f.Add(`{"model":"bench-stream-3","stream":true}`)
	f.Add(`{"model":"embed","input":[1]}`)
	s := mockserver.New(mockserver.Options{})
	f.Fuzz(func(t *testing.T, body string) {
		if strings.Contains(body, "status-") || strings.Contains(body, "html-") || strings.ContainsAny(body, "+") || len(body) > 2000 {
			t.Skip("asks for a failure")
		}
		for _, word := range []string{"slow", "pace", "delay", "hang", "stall", "reset", "cut", "flaky", "fail-first", "error", "bytes", "lorem", "\\u"} {
			if strings.Contains(body, word) {
				t.Skip("asks for a failure, or for much")
			}
		}
		for _, path := range []string{chatPath, "/v1/embeddings"} {
			a := local(s, path, body)
			switch ct := a.header.Get("Content-Type"); {
			case a.status >= 500:
				t.Errorf("%s: %d %s", body, a.status, a.body)
			case strings.HasPrefix(ct, "text/event-stream"):
				if !strings.HasSuffix(string(a.body), "data: [DONE]\n\n") {
					t.Errorf("%s: %s", body, a.body)
				}
			case !json.Valid(a.body):
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
	})
}
