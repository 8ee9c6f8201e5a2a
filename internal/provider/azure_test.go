package provider

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/responses"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// Azure's answers are OpenAI's with the verdicts of its content filter: beside
// each choice, and in a first chunk that has neither choice nor id.
const (
	azureVerdict = `"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}`
	azureFirst   = `data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,` + azureVerdict + `}]}` + "\n\n"
)

var (
	azureGood   = strings.Replace(openAIGood, `"choices":[{`, `"prompt_filter_results":[{"prompt_index":0,`+azureVerdict+`}],"choices":[{`+azureVerdict+`,`, 1)
	azureAnswer = azureFirst + strings.ReplaceAll(openAIAnswer, `"choices":[{`, `"choices":[{`+azureVerdict+`,`)
)

func azureSpec(t *testing.T, o AzureOptions, path string) providertest.Spec {
	s := openAISpec(t)
	s.New = func(_ testing.TB, at providertest.Target) (llm.Provider, error) {
		o := o
		o.Name, o.BaseURL, o.Keys, o.Client, o.MaxBody = "azure", at.BaseURL+o.BaseURL, []string{at.Key}, at.Client, at.MaxBody
		return NewAzure(o)
	}
	s.Path = path
	s.Good, s.Stream, s.Complete = azureGood, azureAnswer+openAIUsage+"data: [DONE]\n\n", len(azureAnswer)
	s.CheckRequest = func(t testing.TB, r *providertest.Request, stream bool) {
		wantHeaders(t, r, map[string]string{"Api-Key": providertest.Key, "Authorization": ""})
		if want := string(openAICall(t, stream).Raw); string(r.Body) != want {
			t.Errorf("body %s", r.Body)
		}
	}
	s.Refusals = append(azureRefusals, s.Refusals...)
	return s
}

var azureRefusals = []providertest.Refusal{
	{
		Name: "prompt filtered", Status: 400,
		Body: `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,` +
			`"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"},"jailbreak":{"filtered":false,"detected":false}}}}}`,
		Verdict: providertest.Verdict{Kind: llm.KindContentFiltered},
	},
	{
		Name: "prompt filtered, as the specification spells it", Status: 400,
		Body:    `{"error":{"message":"Filtered.","code":null,"inner_error":{"code":"ResponsibleAIPolicyViolation","content_filter_results":{}}}}`,
		Verdict: providertest.Verdict{Kind: llm.KindContentFiltered},
	},
	{
		Name: "bad key", Status: 401,
		Body:    `{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. Key ` + providertest.Key + `"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "no role", Status: 401, Body: `{"error":{"code":"PermissionDenied","message":"The principal lacks the required data action."}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "network rules", Status: 403, Body: `{"error":{"code":"403","message":"Access denied due to Virtual Network/Firewall rules."}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "no deployment", Status: 404, Body: `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`,
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
	{
		Name: "wrong version", Status: 404, Body: `{"error":{"code":"404","message":"Resource not found"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
	{
		Name: "tokens per minute", Status: 429, Header: []string{"Retry-After", "7", "Retry-After-Ms", "0"},
		Body:    `{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded token rate limit. Please retry after 7 seconds."}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited},
	},
	{
		Name: "capacity", Status: 429, Body: `{"error":{"code":"NoCapacity","message":"The system is experiencing high demand."}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited},
	},
}

func TestAzurePassing(t *testing.T) {
	providertest.Run(t, azureSpec(t, AzureOptions{}, "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"))
}

func TestAzureTranslatingToV1(t *testing.T) {
	s := azureSpec(t, AzureOptions{Account: Account{BaseURL: "/openai/v1"}, Deployments: map[string]string{"gpt-4o": "prod-4o"}}, "/openai/v1/chat/completions")
	s.Call = func(stream bool) *llm.Call { return canonical("gpt-4o", stream) }
	s.CheckRequest = func(t testing.TB, r *providertest.Request, stream bool) {
		wantHeaders(t, r, map[string]string{"Api-Key": providertest.Key})
		wantBody(t, r, `"model":"prod-4o"`)
	}
	providertest.Run(t, s)
}

func TestAzureURLs(t *testing.T) {
	const host = "https://res.openai.azure.com"
	for _, tc := range []struct {
		base, version         string
		model                 string
		chat, embed, response string // "" = none
	}{
		{host, "2024-10-21", "gpt-4o", "/openai/deployments/prod-4o/chat/completions?api-version=2024-10-21", "/openai/deployments/prod-4o/embeddings?api-version=2024-10-21", ""},
		{host + "/openai/", "2025-04-01-preview", "o3", "/openai/deployments/o3/chat/completions?api-version=2025-04-01-preview",
			"/openai/deployments/o3/embeddings?api-version=2025-04-01-preview", "/openai/responses?api-version=2025-04-01-preview"},
		{host, "2025-03-01-preview", "my.dep", "/openai/deployments/my.dep/chat/completions?api-version=2025-03-01-preview",
			"/openai/deployments/my.dep/embeddings?api-version=2025-03-01-preview", "/openai/responses?api-version=2025-03-01-preview"},
		{host, "2024-10-21", "a b/c?d#e", "/openai/deployments/a%20b%2Fc%3Fd%23e/chat/completions?api-version=2024-10-21", "/openai/deployments/a%20b%2Fc%3Fd%23e/embeddings?api-version=2024-10-21", ""},
		{host + "/openai/v1", "2024-10-21", "gpt-4o", "/openai/v1/chat/completions", "/openai/v1/embeddings", "/openai/v1/responses"},
		{host + "/openai/v1/chat/completions", "preview", "x", "/openai/v1/chat/completions?api-version=preview", "/openai/v1/embeddings?api-version=preview", "/openai/v1/responses?api-version=preview"},
		{host, "v1", "x", "/openai/v1/chat/completions", "/openai/v1/embeddings", "/openai/v1/responses"},
		{host + "/openai", "preview", "x", "/openai/v1/chat/completions?api-version=preview", "/openai/v1/embeddings?api-version=preview", "/openai/v1/responses?api-version=preview"},
		{host + "/openai/deployments/fixed/chat/completions", "2024-10-21", "gpt-4o", "/openai/deployments/fixed/chat/completions?api-version=2024-10-21", "/openai/deployments/fixed/embeddings?api-version=2024-10-21", ""},
		{host + "/openai/deployments/fixed", "2025-04-01-preview", "x", "/openai/deployments/fixed/chat/completions?api-version=2025-04-01-preview",
			"/openai/deployments/fixed/embeddings?api-version=2025-04-01-preview", "/openai/responses?api-version=2025-04-01-preview"},
		{host + "/models", "2024-05-01-preview", "x", "/models/chat/completions?api-version=2024-05-01-preview", "/models/embeddings?api-version=2024-05-01-preview", ""},
		{host + "/front/door", "2024-10-21", "x", "/front/door/openai/deployments/x/chat/completions?api-version=2024-10-21", "/front/door/openai/deployments/x/embeddings?api-version=2024-10-21", ""},
		{host + "/a%2Fb?team=1", "2024-10-21", "x", "/a%2Fb/openai/deployments/x/chat/completions?team=1&api-version=2024-10-21", "/a%2Fb/openai/deployments/x/embeddings?team=1&api-version=2024-10-21", ""},
	} {
		t.Run(tc.base+" "+tc.version, func(t *testing.T) {
			w, err := newAzureWire(tc.base, tc.version, map[string]string{"gpt-4o": "prod-4o"})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				call llm.Call
				want string
			}{
				{llm.Call{Op: llm.OpChat, Dialect: llm.DialectOpenAI, Model: tc.model}, tc.chat},
				{llm.Call{Op: llm.OpEmbed, Dialect: llm.DialectOpenAI, Model: tc.model}, tc.embed},
				{llm.Call{Op: llm.OpChat, Dialect: llm.DialectResponses, Model: tc.model}, tc.response},
			} {
				u, err := w.Endpoint(&c.call)
				got := ""
				if u != nil {
					got = strings.TrimPrefix(u.String(), host)
				}
				if err != nil || got != c.want {
					t.Errorf("%q, %v, want %q", got, err, c.want)
				}
			}
		})
	}
}

func TestAzureRefusesNames(t *testing.T) {
	w, err := newAzureWire("https://res.openai.azure.com", azureVersion, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{"", ".", "..", "a\nb", "\x00", strings.Repeat("x", 300)} {
		_, err := w.Endpoint(&llm.Call{Op: llm.OpChat, Dialect: llm.DialectOpenAI, Model: model})
		if e := llm.AsError(err); e == nil || e.Kind != llm.KindInvalidRequest || e.Param != "model" {
			t.Errorf("%q: %v", model, err)
		}
	}
	if _, err := w.Endpoint(&llm.Call{Op: llm.OpCountTokens}); kindOf(t, err) != llm.KindUnsupported {
		t.Errorf("%v", err)
	}
	for _, base := range []string{"", "res.openai.azure.com", "https://user:hunter2@host"} {
		if _, err := NewAzure(AzureOptions{Account: Account{Name: "a", BaseURL: base, Client: http.DefaultClient}}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", base, err)
		}
	}
}

// TestAzureNames: the body names the deployment where Azure reads it there,
// and the model decides which member limits the answer.
func TestAzureNames(t *testing.T) {
	n := int64(9)
	for _, tc := range []struct {
		name, base, version string
		model               string
		pass                bool
		want                string
	}{
		{"in the path, passing", "", "", "gpt-4o", true, `{"model":"gpt-4o","messages":[]}`},
		{"in the body, passing", "/openai/v1", "", "gpt-4o", true, `{"model":"prod-4o","messages":[]}`},
		{"in the body, translated", "/openai/v1", "", "gpt-4o", false, `{"model":"prod-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":9}`},
		{"a reasoning model", "/openai/v1", "", "o3", false, `{"model":"thinker","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":9}`},
		{"no mapping", "", "v1", "other", true, `{"model":"other","messages":[]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up, client := serving(t, providertest.Answer(200, azureGood))
			p, err := NewAzure(AzureOptions{Account: Account{Name: "azure", BaseURL: up.URL() + tc.base, Client: client}, APIVersion: tc.version, Deployments: map[string]string{"gpt-4o": "prod-4o", "o3": "thinker"}})
			if err != nil {
				t.Fatal(err)
			}
			c := canonical(tc.model, false)
			c.Request = func() (*llm.Request, error) {
				return &llm.Request{Messages: fakeRequest.Messages, MaxTokens: &n}, nil
			}
			if tc.pass {
				c = passing(t, `{"model":"`+tc.model+`","messages":[]}`)
			}
			r, err := p.Do(t.Context(), c)
			if err != nil || r.Model != tc.model {
				t.Fatalf("%+v, %v", r, err)
			}
			if got := string(up.Last().Body); got != tc.want {
				t.Errorf("asked %s", got)
			}
		})
	}
}

func TestAzureToken(t *testing.T) {
	const token = "eyJ0eXAiOiJKV1QifQ.eyJhdWQiOiJ0ZXN0In0.c2lnbmF0dXJl"
	up, client := serving(t, providertest.Answer(200, azureGood))
	p, err := NewAzure(AzureOptions{Account: Account{Name: "azure", BaseURL: up.URL(), Keys: []string{token}, Client: client}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Do(t.Context(), openAICall(t, false)); err != nil {
		t.Fatal(err)
	}
	wantHeaders(t, up.Last(), map[string]string{"Authorization": "Bearer " + token, "Api-Key": ""})
	up.Play(providertest.Say(providertest.Answer(401, `{"error":{"code":"401","message":"`+token+` is not valid"}}`)))
	_, err = p.Do(t.Context(), openAICall(t, false))
	providertest.CheckSecret(t, err, token)
	leaks(t, p, token)
}

// TestAzureOldVersions: versions before include_usage are not asked for it.
func TestAzureOldVersions(t *testing.T) {
	for version, asks := range map[string]bool{"2024-06-01": false, "2024-02-15-preview": false, "2024-09-01-preview": true, "2024-10-21": true, "v1": true, "preview": true} {
		up, client := serving(t, providertest.Stream(azureAnswer+openAIUsage+"data: [DONE]\n\n"))
		p, err := NewAzure(AzureOptions{Account: Account{Name: "azure", BaseURL: up.URL(), Client: client}, APIVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Do(t.Context(), passing(t, `{"model":"gpt-4o","stream":true,"messages":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if got := strings.Contains(string(up.Last().Body), "include_usage"); got != asks {
			t.Errorf("%s: asked %v", version, got)
		}
	}
}

func TestAzureResponses(t *testing.T) {
	const body = `{"id":"resp_1","object":"response","status":"completed","model":"gpt-4o","output":[],"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}`
	for version, path := range map[string]string{"v1": "/openai/v1/responses", "2025-04-01-preview": "/openai/responses?api-version=2025-04-01-preview", "2024-10-21": ""} {
		up, client := serving(t, providertest.Answer(200, body))
		if path == "" {
			up.Play(providertest.Say(providertest.Answer(200, azureGood)))
		}
		p, err := NewAzure(AzureOptions{Account: Account{Name: "azure", BaseURL: up.URL(), Client: client}, APIVersion: version, Responses: responses.Codec{}, Codec: openai.Codec{}, Deployments: map[string]string{"gpt-4o": "prod-4o"}})
		if err != nil {
			t.Fatal(err)
		}
		raw := `{"model":"gpt-4o","input":"hi"}`
		c := passing(t, raw)
		c.Dialect = llm.DialectResponses
		c.Request = func() (*llm.Request, error) { return responses.Codec{}.DecodeRequest(llm.OpChat, []byte(raw)) }
		r, err := p.Do(t.Context(), c)
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		last := up.Last()
		if path == "" {
			if r.Response == nil || last.Path != "/openai/deployments/prod-4o/chat/completions?api-version=2024-10-21" {
				t.Errorf("%s: not translated: %s %+v", version, last.Path, r)
			}
			continue
		}
		if string(r.Raw) != body || last.Path != path || string(last.Body) != `{"model":"prod-4o","input":"hi"}` || r.Usage.Input != 3 {
			t.Errorf("%s: %s %s, %+v", version, last.Path, last.Body, r)
		}
	}
}

// TestAzureFilteredAnswer: an answer that the filter cut is a whole answer, and
// the filter's late verdicts belong to it.
func TestAzureFilteredAnswer(t *testing.T) {
	late := `data: {"id":"","object":"","created":0,"model":"","choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{"check_offset":44,"start_offset":44,"end_offset":198},` + azureVerdict + `}]}` + "\n\n"
	stream := azureFirst + openAIChunk(`{"role":"assistant","content":"Half"}`, "null") + late + openAIChunk(`{}`, `"content_filter"`) + "data: [DONE]\n\n"
	for _, pass := range []bool{true, false} {
		up, client := serving(t, providertest.Stream(stream))
		p, err := NewAzure(AzureOptions{Account: Account{Name: "azure", BaseURL: up.URL(), Client: client}})
		if err != nil {
			t.Fatal(err)
		}
		c := canonical("gpt-4o", true)
		if pass {
			c = openAICall(t, true)
		}
		r, err := p.Do(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		raw, text, finish := "", "", llm.FinishReason("")
		for {
			ev, err := r.Stream.Recv()
			if err != nil {
				break
			}
			raw += string(ev.Raw)
			text += ev.Text
			if ev.Finish != "" {
				finish = ev.Finish
			}
		}
		r.Close()
		if finish != llm.FinishContentFilter || pass && raw != stream || !pass && text != "Half" {
			t.Errorf("passing %v: %q, %q, %q", pass, finish, text, raw)
		}
	}
}

// TestAzureRecorded replays what was recorded.
func TestAzureRecorded(t *testing.T) {
	for _, meta := range recordings(t, "azure/error-*.meta.json", "azure/models-chat-stream.meta.json") {
		rec := load(t, meta)
		path := rec.URL[strings.Index(rec.URL, ".com")+len(".com"):]
		for _, c := range rec.calls(t) {
			up, client := serving(t, rec.answer())
			base, version, _ := strings.Cut(path, "?api-version=")
			p, err := NewAzure(AzureOptions{Account: Account{Name: "azure", BaseURL: up.URL() + base, Client: client}, APIVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Do(t.Context(), c)
			if got := up.Last().Path; got != path {
				t.Errorf("%s: asked %s", meta, got)
			}
			switch rec.Status {
			case 401:
				if kindOf(t, err) != llm.KindUpstreamAuth {
					t.Errorf("%v", err)
				}
			case 429:
				if e := llm.AsError(err); e == nil || e.Kind != llm.KindUpstreamRateLimited || e.RetryAfter != time.Second || e.Permanent {
					t.Errorf("%+v", e)
				}
			default:
				if err != nil {
					t.Fatal(err)
				}
				if r.ID != rec.Headers["apim-request-id"] {
					t.Errorf("id %q", r.ID)
				}
				r.Close()
			}
		}
	}
}
