package mockserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

const (
	antPath  = "/v1/messages"
	gemPath  = "/v1beta/models/mock%2Fecho:generateContent"
	gemCount = "/v1beta/models/mock%2Fecho:countTokens"
	dashPath = "/api/v1/services/aigc/text-generation/generation"
	dashMM   = "/api/v1/services/aigc/multimodal-generation/generation"
	respPath = "/v1/responses"
)

// ask posts a body with the version that Anthropic wants, and further headers.
func (r *rig) ask(t *testing.T, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Anthropic-Version", "2023-06-01")
	req.Header.Set("Authorization", "Bearer "+testKey)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
		if value == "" {
			req.Header.Del(name)
		}
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, resp)
}

func ant(rest string) string {
	return `{"model":"mock/echo","max_tokens":2000,"messages":[{"role":"user","content":"hi"}]` + rest + `}`
}

func antMsgs(messages string) string {
	return `{"model":"mock/echo","max_tokens":2000,"tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[` + messages + `]}`
}

const (
	antUse  = `{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{}}]}`
	antDone = `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"ok"}]}`
)

func gem(rest string) string {
	return `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]` + rest + `}`
}

func gemTurns(turns string) string {
	return `{"tools":[{"functionDeclarations":[{"name":"f"}]}],"contents":[{"role":"user","parts":[{"text":"hi"}]},` + turns + `]}`
}

func dash(input, parameters string) string {
	return `{"model":"mock/echo","input":{"messages":[` + input + `]},"parameters":{"result_format":"message"` + parameters + `}}`
}

const dashHi = `{"role":"user","content":"hi"}`

// TestDialectsRefuse: what the real API refuses is refused, in its own form,
// and with words that say why.
func TestDialectsRefuse(t *testing.T) {
	r := upstream(t, mockserver.Options{Key: testKey})
	for _, tc := range []struct {
		name, path, body string
		headers          []string
		status           int // 0 = 400; 200 = taken
		say              string
	}{
		{"anthropic", antPath, ant(""), nil, 200, `"text":"hi"`},
		{"x-api-key", antPath, ant(""), []string{"Authorization: ", "X-Api-Key: " + testKey}, 200, `"end_turn"`},
		{"the newer version", antPath, ant(""), []string{"Anthropic-Version: 2026-10-21"}, 200, `"msg_`},
		{"no key", antPath, ant(""), []string{"Authorization: "}, 401, `"authentication_error"`},
		{"wrong key", antPath, ant(""), []string{"X-Api-Key: wrong"}, 401, `invalid x-api-key`},
		{"no version", antPath, ant(""), []string{"Anthropic-Version: "}, 0, "anthropic-version: header is required"},
		{"odd version", antPath, ant(""), []string{"Anthropic-Version: 1"}, 0, "not a valid version"},
		{"no max_tokens", antPath, `{"model":"mock/echo","messages":[{"role":"user","content":"hi"}]}`, nil, 0, "max_tokens: Field required"},
		{"no model", antPath, `{"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`, nil, 0, "model: Field required"},
		{"no messages", antPath, `{"model":"mock/echo","max_tokens":5,"messages":[]}`, nil, 0, "at least one message"},
		{"unknown member", antPath, ant(`,"n":1`), nil, 0, "n: Extra inputs are not permitted"},
		{"unknown in a block", antPath, antMsgs(`{"role":"user","content":[{"type":"text","text":"x","odd":1}]}`), nil, 0, "Extra inputs"},
		{"system role", antPath, antMsgs(`{"role":"tool","content":"x"}`), nil, 0, "'user' or 'assistant'"},
		{"assistant first", antPath, antMsgs(`{"role":"assistant","content":"x"},{"role":"user","content":"x"}`), nil, 0, "first message must use"},
		{"empty text", antPath, antMsgs(`{"role":"user","content":""}`), nil, 0, "must be non-empty"},
		{"trailing blank", antPath, antMsgs(`{"role":"user","content":"x"},{"role":"assistant","content":"x "}`), nil, 0, "trailing whitespace"},
		{"temperature", antPath, ant(`,"temperature":1.5`), nil, 0, "temperature: range"},
		{"blank stop", antPath, ant(`,"stop_sequences":[" "]`), nil, 0, "non-whitespace"},
		{"tool_choice alone", antPath, ant(`,"tool_choice":{"type":"auto"}`), nil, 0, "while providing tools"},
		{"unknown tool", antPath, ant(`,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"tool","name":"g"}`), nil, 0, "not found in provided tools"},
		{"tool without schema", antPath, ant(`,"tools":[{"name":"f"}]`), nil, 0, "input_schema: Field required"},
		{"schema without type", antPath, ant(`,"tools":[{"name":"f","input_schema":{}}]`), nil, 0, "should be 'object'"},
		{"tool name", antPath, ant(`,"tools":[{"name":"f.g","input_schema":{"type":"object"}}]`), nil, 0, "match pattern"},
		{"budget too small", antPath, ant(`,"thinking":{"type":"enabled","budget_tokens":10}`), nil, 0, "1024"},
		{"budget too large", antPath, ant(`,"thinking":{"type":"enabled","budget_tokens":2000}`), nil, 0, "must be greater than"},
		{"thinking and temperature", antPath, ant(`,"temperature":0.5,"thinking":{"type":"adaptive"}`), nil, 0, "may only be set to 1"},
		{"thinking and force", antPath, ant(`,"thinking":{"type":"adaptive"},"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`), nil, 0, "forces tool use"},
		{"open schema", antPath, ant(`,"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{}}}}`), nil, 0, "additionalProperties"},
		{"bmp", antPath, antMsgs(`{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/bmp","data":"QQ=="}}]}`), nil, 0, "not supported"},
		{"tool_use without result", antPath, antMsgs(antUse), nil, 0, "without `tool_result`"},
		{"text before the result", antPath, antMsgs(antUse + `,{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","tool_use_id":"toolu_1"}]}`), nil, 0, "must come first"},
		{"unknown result", antPath, antMsgs(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_9"}]}`), nil, 0, "unexpected `tool_use_id`"},
		{"result", antPath, antMsgs(antUse + antDone), nil, 200, `ok`},
		{"result in two messages", antPath, antMsgs(antUse + antDone + `,{"role":"user","content":"and?"}`), nil, 200, `and?`},
		{"history without tools", antPath, strings.Replace(antMsgs(antUse+antDone), `"tools":[{"name":"f","input_schema":{"type":"object"}}],`, "", 1), nil, 0, "must define tools"},
		{"forged thinking", antPath, antMsgs(`{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"y"},{"type":"text","text":"z"}]},{"role":"user","content":"x"}`), nil, 0, "Invalid `signature`"},
		{"thinking is missing", antPath, strings.Replace(antMsgs(antUse+antDone), `{`, `{"thinking":{"type":"enabled","budget_tokens":1024},`, 1), nil, 0, "Expected `thinking`"},
		{"count", antPath + "/count_tokens", `{"model":"mock/echo","messages":[{"role":"user","content":"hi"}]}`, nil, 200, `{"input_tokens":`},
		{"count with max_tokens", antPath + "/count_tokens", ant(""), nil, 0, "max_tokens: Extra inputs"},
		{"no model of this name", antPath, strings.Replace(ant(""), "mock/echo", "mock/nonsense", 1), nil, 404, `"not_found_error"`},
		{"overloaded", antPath, strings.Replace(ant(""), "mock/echo", "mock/status-529", 1), nil, 529, `"overloaded_error"`},

		{"gemini", gemPath, gem(""), nil, 200, `"text":"hi"`},
		{"vertex path", "/v1/projects/p/locations/l/publishers/google/models/mock%2Fecho:generateContent", gem(""), nil, 200, `"modelVersion":"mock/echo"`},
		{"goog key", gemPath, gem(""), []string{"Authorization: ", "X-Goog-Api-Key: " + testKey}, 200, `"STOP"`},
		{"gemini, wrong key", gemPath, gem(""), []string{"X-Goog-Api-Key: no"}, 0, "API key not valid"},
		{"gemini, no key", gemPath, gem(""), []string{"Authorization: "}, 403, "PERMISSION_DENIED"},
		{"stream without alt", strings.Replace(gemPath, "generate", "streamGenerate", 1), gem(""), nil, 0, "alt=sse"},
		{"another verb", strings.Replace(gemPath, "generateContent", "guess", 1), gem(""), nil, 404, "Invalid URL"},
		{"gemini, no contents", gemPath, `{}`, nil, 0, "contents is not specified"},
		{"gemini, unknown member", gemPath, gem(`,"model":"x"`), nil, 0, `Unknown name \"model\"`},
		{"gemini, system role", gemPath, `{"contents":[{"role":"system","parts":[{"text":"x"}]}]}`, nil, 0, "valid role"},
		{"gemini, empty text", gemPath, `{"contents":[{"role":"user","parts":[{"text":""}]}]}`, nil, 0, "text parameter"},
		{"gemini, no parts", gemPath, `{"contents":[{"role":"user","parts":[]}]}`, nil, 0, "must not be empty"},
		{"gemini, two data", gemPath, `{"contents":[{"role":"user","parts":[{"text":"x","fileData":{"fileUri":"x"}}]}]}`, nil, 0, "oneof"},
		{"gemini, model last", gemPath, gemTurns(`{"role":"model","parts":[{"text":"x"}]}`), nil, 0, "last turn"},
		{"gemini, six stops", gemPath, gem(`,"generationConfig":{"stopSequences":["1","2","3","4","5","6"]}`), nil, 0, "at most 5"},
		{"gemini, schema without type", gemPath, gem(`,"generationConfig":{"responseJsonSchema":{}}`), nil, 0, "application/json"},
		{"gemini, level and budget", gemPath, gem(`,"generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW","thinkingBudget":5}}`), nil, 0, "only one"},
		{"gemini, function name", gemPath, gem(`,"tools":[{"functionDeclarations":[{"name":"9f"}]}]`), nil, 0, "Invalid function name"},
		{"gemini, allowed with auto", gemPath, gem(`,"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}}`), nil, 0, "ANY or VALIDATED"},
		{"gemini, response too many", gemPath, gemTurns(`{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}`), nil, 0, "number of function response"},
		{"gemini, response is text", gemPath, gemTurns(`{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"` + "skip_thought_signature_validator" + `"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":"x"}}]}`), nil, 0, "Invalid JSON payload"},
		{"gemini, no signature", gemPath, gemTurns(`{"role":"model","parts":[{"functionCall":{"name":"f"}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}`), nil, 0, "missing a thought_signature"},
		{"gemini, forged signature", gemPath, gemTurns(`{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"eA=="}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}`), nil, 0, "Corrupted"},
		{"gemini, placeholder for its own", gemPath, gemTurns(`{"role":"model","parts":[{"functionCall":{"id":"call_1","name":"f"},"thoughtSignature":"skip_thought_signature_validator"}]},{"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"f","response":{}}}]}`), nil, 0, "lost on the way"},
		{"gemini, placeholder", gemPath, gemTurns(`{"role":"model","parts":[{"functionCall":{"name":"f"},"thoughtSignature":"skip_thought_signature_validator"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"21"}}}]}`), nil, 200, "21"},
		{"gemini, count", gemCount, gem(""), nil, 200, `"totalTokens":`},
		{"gemini, count in full", gemCount, `{"generateContentRequest":{"model":"models/x","contents":[{"role":"user","parts":[{"text":"hi"}]}]}}`, nil, 200, `"totalTokens":`},
		{"gemini, embed", strings.Replace(gemPath, "generateContent", "batchEmbedContents", 1), `{"requests":[{"model":"models/mock/echo","content":{"parts":[{"text":"hi"}]},"outputDimensionality":4}]}`, nil, 200, `"embeddings":[{"values":[`},
		{"gemini, embed another", strings.Replace(gemPath, "generateContent", "batchEmbedContents", 1), `{"requests":[{"model":"models/other","content":{"parts":[{"text":"hi"}]}}]}`, nil, 0, "expected to match"},
		{"gemini, unavailable", strings.Replace(gemPath, "echo", "status-503", 1), gem(""), nil, 503, `"UNAVAILABLE"`},

		{"dashscope", dashPath, dash(dashHi, ""), nil, 200, `"content":"hi"`},
		{"dashscope, stream", dashPath, dash(dashHi, `,"incremental_output":true`), []string{"X-DashScope-SSE: enable"}, 200, ":HTTP_STATUS/200"},
		{"dashscope, no key", dashPath, dash(dashHi, ""), []string{"Authorization: "}, 401, `"InvalidApiKey"`},
		{"dashscope, whole texts", dashPath, dash(dashHi, ""), []string{"X-DashScope-SSE: enable"}, 0, "incremental_output"},
		{"dashscope, text form", dashPath, strings.Replace(dash(dashHi, ""), `"result_format":"message"`, `"seed":1`, 1), nil, 0, "result_format"},
		{"dashscope, temperature", dashPath, dash(dashHi, `,"temperature":2`), nil, 0, "Temperature"},
		{"dashscope, top_p", dashPath, dash(dashHi, `,"top_p":0`), nil, 0, "top_p"},
		{"dashscope, required", dashPath, dash(dashHi, `,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"`), nil, 0, "tool_choice"},
		{"dashscope, wrong endpoint", dashMM, dash(dashHi, ""), nil, 0, "url error"},
		{"dashscope, content parts", dashPath, dash(`{"role":"user","content":[{"text":"hi"}]}`, ""), nil, 0, "Input should be"},
		{"dashscope, orphan result", dashPath, dash(dashHi+`,{"role":"tool","tool_call_id":"x","content":"y"}`, ""), nil, 0, "must be a response"},
		{"dashscope, no json", dashPath, dash(dashHi, `,"response_format":{"type":"json_object"}`), nil, 0, "the word 'json'"},
		{"dashscope, embed", "/api/v1/services/embeddings/text-embedding/text-embedding", `{"model":"embed","input":{"texts":["a","b"]},"parameters":{"dimension":4}}`, nil, 200, `"text_index":1`},
		{"dashscope, eleven", "/api/v1/services/embeddings/text-embedding/text-embedding", `{"model":"embed","input":{"texts":["a","a","a","a","a","a","a","a","a","a","a"]}}`, nil, 0, "batch size"},
		{"dashscope, tokens", "/api/v1/tokenizer", `{"model":"echo","input":{"messages":[` + dashHi + `]}}`, nil, 200, `"input_tokens":`},
		{"dashscope, throttled", dashPath, strings.Replace(dash(dashHi, ""), "mock/echo", "status-429", 1), nil, 429, `"Throttling.RateQuota"`},

		{"responses", respPath, `{"model":"echo","input":"hi"}`, nil, 200, `"text":"hi"`},
		{"responses, unknown", respPath, `{"model":"echo","input":"hi","messages":[]}`, nil, 0, `"unknown_parameter"`},
		{"responses, no input", respPath, `{"model":"echo"}`, nil, 0, `"input"`},
		{"responses, store", respPath, `{"model":"echo","input":"hi","previous_response_id":"resp_1"}`, nil, 0, "previous_response_not_found"},
		{"responses, orphan", respPath, `{"model":"echo","input":[{"type":"function_call_output","call_id":"c","output":"x"}]}`, nil, 0, "No tool call found"},
		{"responses, open", respPath, `{"model":"echo","input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}`, nil, 0, "No tool output found"},
		{"responses, forged", respPath, `{"model":"echo","input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"},{"role":"user","content":"hi"}]}`, nil, 0, "invalid_encrypted_content"},
		{"responses, nameless", respPath, `{"model":"echo","input":"hi","tools":[{"type":"function"}]}`, nil, 0, "tools[0].name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.status
			if want == 0 {
				want = http.StatusBadRequest
			}
			got := r.ask(t, tc.path, tc.body, tc.headers...)
			if got.status != want || !strings.Contains(string(got.body), tc.say) {
				t.Errorf("%d, want %d with %s: %s", got.status, want, tc.say, got.body)
			}
			if want >= 400 && strings.HasPrefix(tc.path, antPath) && (got.header.Get("Request-Id") == "" || !strings.HasPrefix(string(got.body), `{"type":"error"`)) {
				t.Errorf("not Anthropic's form: %v %s", got.header, got.body)
			}
		})
	}
	if st := r.Stats(); st.Models["mock/echo"].OK == 0 || st.Refused["400"] == 0 || st.Total.Open != 0 {
		t.Errorf("stats: %+v", st)
	}
}

// TestLenientDialects: without the strict checks, odd members pass.
func TestLenientDialects(t *testing.T) {
	r := upstream(t, mockserver.Options{Lenient: true})
	for path, body := range map[string]string{antPath: ant(`,"odd":1`), gemPath: gem(`,"odd":1`)} {
		if got := r.ask(t, path, body, "Anthropic-Version: "); got.status != 200 {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
