package provider

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

const vertexPath = "/v1/projects/my-project/locations/europe-west4/publishers/"

// credentialsFile writes a service account's key to a file.
func credentialsFile(t testing.TB, tokenURI string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sa.json")
	if err := os.WriteFile(path, keyFile(t, tokenURI), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newTestVertex makes a provider whose tokens come from a server of their own,
// which hands out token.
func newTestVertex(t testing.TB, o VertexOptions, token string) *Vertex {
	t.Helper()
	s, _ := tokenServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"access_token":"` + token + `","expires_in":3600}`)) //nolint:errcheck // a test's answer
	})
	o.Name, o.Project, o.Location, o.CredentialsFile = "vertex", "my-project", "europe-west4", credentialsFile(t, s.URL)
	v, err := NewVertex(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// stubbornly makes the suite's provider: its token counts as just replaced, so
// that a 401 is final, as it is for a provider with one key.
func stubbornly(t testing.TB, o providertest.Target) *Vertex {
	v := newTestVertex(t, VertexOptions{Account: Account{BaseURL: o.BaseURL, Client: o.Client, MaxBody: o.MaxBody}}, o.Key)
	v.tokens.refused = true
	return v
}

func vertexSpec(t *testing.T) providertest.Spec {
	s := geminiSpec(t)
	s.New = func(t testing.TB, o providertest.Target) (llm.Provider, error) { return stubbornly(t, o), nil }
	s.Path = vertexPath + "google/models/gemini-2.5-flash:generateContent"
	s.StreamPath = vertexPath + "google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
	s.CheckRequest = func(t testing.TB, r *providertest.Request, _ bool) {
		wantHeaders(t, r, map[string]string{"Authorization": "Bearer " + providertest.Key, "X-Goog-Api-Key": ""})
		wantBody(t, r, `"contents":[{"role":"user","parts":[{"text":"hi"}]}]`)
	}
	s.Refusals = vertexRefusals
	return s
}

var vertexRefusals = []providertest.Refusal{
	{
		Name: "token expired", Status: 401, Body: googleFault("401", "UNAUTHENTICATED", "Request had invalid authentication credentials "+providertest.Key, `{`+errorInfo+`,"reason":"ACCESS_TOKEN_EXPIRED"}`),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "no right", Status: 403, Body: googleFault("403", "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/my-project'", `{`+errorInfo+`,"reason":"IAM_PERMISSION_DENIED"}`),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "no such model", Status: 404, Body: googleFault("404", "NOT_FOUND", "Publisher Model `projects/my-project/locations/europe-west4/publishers/google/models/x` was not found", ""),
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
	{
		Name: "shared capacity", Status: 429, Body: googleFault("429", "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later.", ""),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited},
	},
	{
		Name: "a place that is none", Status: 404, Header: []string{"Content-Type", "text/html"}, Body: "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>",
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
}

func TestVertex(t *testing.T) { providertest.Run(t, vertexSpec(t)) }

// claudeSpec is Anthropic's answers behind Google's door.
func claudeSpec(t *testing.T) providertest.Spec {
	s := anthropicSpec(t)
	s.New = func(t testing.TB, o providertest.Target) (llm.Provider, error) { return stubbornly(t, o), nil }
	s.Path = vertexPath + "anthropic/models/claude-sonnet-4-5@20250929:rawPredict"
	s.StreamPath = vertexPath + "anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict"
	s.Verdict = geminiVerdict
	s.Refusals = append(vertexRefusals, anthropicRefusals[2:]...)
	return s
}

func TestVertexClaudePassing(t *testing.T) {
	s := claudeSpec(t)
	body := func(stream bool) (sent, want string) {
		rest := `,"max_tokens":64,"stream":false,"messages":[{"role":"user","content":"hi"}],"future":1}`
		if stream {
			rest = strings.Replace(rest, "false", "true", 1)
		}
		return `{"model" : "claude-sonnet-4-5@20250929"` + rest, `{"anthropic_version":"vertex-2023-10-16"` + rest
	}
	s.Call = func(stream bool) *llm.Call {
		sent, _ := body(stream)
		return anthropicCall(t, sent)
	}
	s.CheckRequest = func(t testing.TB, r *providertest.Request, stream bool) {
		wantHeaders(t, r, map[string]string{"Authorization": "Bearer " + providertest.Key, "X-Api-Key": ""})
		if _, want := body(stream); string(r.Body) != want {
			t.Errorf("body %s", r.Body)
		}
	}
	providertest.Run(t, s)
}

func TestVertexClaudeTranslating(t *testing.T) {
	s := claudeSpec(t)
	s.Call = func(stream bool) *llm.Call { return canonical("claude-sonnet-4-5@20250929", stream) }
	s.CheckRequest = func(t testing.TB, r *providertest.Request, _ bool) {
		wantBody(t, r, `{"anthropic_version":"vertex-2023-10-16","max_tokens":64000`)
		if strings.Contains(string(r.Body), `"model"`) {
			t.Errorf("the body names the model: %s", r.Body)
		}
	}
	providertest.Run(t, s)
}

func TestVertexURLs(t *testing.T) {
	file := credentialsFile(t, "https://oauth2.googleapis.com/token")
	for _, tc := range []struct {
		location, base string
		call           llm.Call
		want           string
	}{
		{"europe-west4", "", llm.Call{Op: llm.OpChat, Model: "gemini-2.5-pro"}, "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-pro:generateContent"},
		{"global", "", llm.Call{Op: llm.OpChat, Stream: true, Model: "google/gemini-2.5-pro"}, "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse"},
		{"eu", "", llm.Call{Op: llm.OpCountTokens, Model: "publishers/google/models/g"}, "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/google/models/g:countTokens"},
		{"us", "https://proxy/vertex/v1beta1", llm.Call{Op: llm.OpChat, Model: "g"}, "https://proxy/vertex/v1beta1/projects/p/locations/us/publishers/google/models/g:generateContent"},
		{"us-central1", "https://proxy", llm.Call{Op: llm.OpEmbed, Model: "text-embedding-005"}, "https://proxy/v1/projects/p/locations/us-central1/publishers/google/models/text-embedding-005:predict"},
		{"us-central1", "https://proxy", llm.Call{Op: llm.OpEmbed, Model: "gemini-embedding-2"}, "https://proxy/v1/projects/p/locations/us-central1/publishers/google/models/gemini-embedding-2:embedContent"},
		{"us-central1", "https://proxy", llm.Call{Op: llm.OpChat, Model: "endpoints/123"}, "https://proxy/v1/projects/p/locations/us-central1/endpoints/123:generateContent"},
		{"us-east5", "", llm.Call{Op: llm.OpChat, Model: "claude-opus-4-5@20251101"}, "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-opus-4-5@20251101:rawPredict"},
		{"global", "", llm.Call{Op: llm.OpChat, Stream: true, Model: "publishers/anthropic/models/claude-x"}, "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic/models/claude-x:streamRawPredict"},
		{"global", "", llm.Call{Op: llm.OpCountTokens, Model: "anthropic/claude-x"}, "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/anthropic/models/count-tokens:rawPredict"},
	} {
		v, err := NewVertex(VertexOptions{Account: Account{Name: "v", BaseURL: tc.base, Client: NewClient(tripFunc(nil))}, Project: "p", Location: tc.location, CredentialsFile: file})
		if err != nil {
			t.Fatal(err)
		}
		p := v.google
		if isClaude(tc.call.Model) {
			p = v.claude
		}
		if u, err := p.wire.Endpoint(&tc.call); err != nil || u.String() != tc.want {
			t.Errorf("%v, %v, want %s", u, err, tc.want)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestVertexRefusesOptions(t *testing.T) {
	file := credentialsFile(t, "https://oauth2.googleapis.com/token")
	one := Account{Client: NewClient(tripFunc(nil))}
	bad, keyed := one, one
	bad.BaseURL, keyed.Keys = "hunter2", []string{"a\nhunter2"}
	for name, o := range map[string]VertexOptions{
		"no client":     {Project: "p", Location: "l", CredentialsFile: file},
		"no place":      {Account: one, Project: "p", CredentialsFile: file},
		"another place": {Account: one, Project: "p", Location: "../x", CredentialsFile: file},
		"a bad project": {Account: one, Project: "p/q", Location: "l", CredentialsFile: file},
		"a bad URL":     {Account: bad, Project: "p", Location: "l", CredentialsFile: file},
		"no file":       {Account: one, Project: "p", Location: "l", CredentialsFile: "/nowhere"},
		"no project":    {Account: one, Location: "l", Getenv: func(string) string { return "" }},
		"a bad key":     {Account: keyed},
	} {
		o.Name = "v"
		if _, err := NewVertex(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	v, err := NewVertex(VertexOptions{Account: Account{Name: "v", Client: NewClient(tripFunc(nil))}, Location: "l", CredentialsFile: file})
	if err != nil || !strings.Contains(v.google.wire.(*vertexWire).base.Path, "/projects/file-project/") {
		t.Errorf("the file names the project: %v", err)
	}
}

func TestVertexExpress(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, geminiGood))
	v, err := NewVertex(VertexOptions{Account: Account{Name: "v", BaseURL: up.URL(), Keys: []string{"AQ.test-key"}, Client: client}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Do(t.Context(), canonical("gemini-2.5-flash", false)); err != nil {
		t.Fatal(err)
	}
	last := up.Last()
	wantHeaders(t, last, map[string]string{"X-Goog-Api-Key": "AQ.test-key", "Authorization": ""})
	if last.Path != "/v1/publishers/google/models/gemini-2.5-flash:generateContent" {
		t.Errorf("asked %s", last.Path)
	}
	_, err = v.Do(t.Context(), canonical("claude-sonnet-4-5", false))
	if e := llm.AsError(err); e == nil || e.Kind != llm.KindUnsupported || e.Provider != "v" {
		t.Errorf("%v", err)
	}
	leaks(t, v, "AQ.test-key")
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// TestVertexTokenReplacedOnce: a refused token is replaced; when the new one is
// refused as well, that is final. A call that fails so costs no further
// exchange.
func TestVertexTokenReplacedOnce(t *testing.T) {
	var exchanges atomic.Int64
	s, client := tokenServer(t, func(w http.ResponseWriter, _ *http.Request) {
		token := "ya29.test-" + string('0'+byte(exchanges.Add(1)))
		w.Write([]byte(`{"access_token":"` + token + `","expires_in":3600}`)) //nolint:errcheck // a test's answer
	})
	up := providertest.NewUpstream(t, providertest.Say(providertest.Answer(401, vertexRefusals[0].Body)))
	clock := newTestClock()
	v, err := NewVertex(VertexOptions{Account: Account{Name: "v", BaseURL: up.URL(), Client: client}, Project: "p", Location: "l", CredentialsFile: credentialsFile(t, s.URL), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	for i, final := range []bool{false, true, true} {
		_, err := v.Do(t.Context(), canonical("gemini-2.5-flash", false))
		e := llm.AsError(err)
		if e == nil || e.Kind != llm.KindUpstreamAuth || e.Permanent != final {
			t.Errorf("call %d: %+v", i, e)
		}
		providertest.CheckSecret(t, err, "ya29.")
	}
	if n := exchanges.Load(); n != 2 {
		t.Errorf("%d exchanges", n)
	}
	up.Play(providertest.Say(providertest.Answer(200, geminiGood)))
	if _, err := v.Do(t.Context(), canonical("gemini-2.5-flash", false)); err != nil {
		t.Error(err)
	}
	wantHeaders(t, up.Last(), map[string]string{"Authorization": "Bearer ya29.test-2"})
	if uses := v.CredentialUses(); len(uses) != 1 || !uses[0].LastUsed.Equal(clock.Now()) {
		t.Errorf("%+v", uses)
	}
	leaks(t, v, "ya29.")
}

// TestVertexWithoutToken: when there is no token, nothing is sent upstream.
func TestVertexWithoutToken(t *testing.T) {
	s, client := tokenServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		w.Write([]byte(`{"error":"invalid_grant","error_description":"Invalid JWT Signature for robot@file-project.iam.gserviceaccount.com"}`)) //nolint:errcheck // a test's answer
	})
	up := providertest.NewUpstream(t, providertest.Say(providertest.Answer(200, geminiGood)))
	v, err := NewVertex(VertexOptions{Account: Account{Name: "v", BaseURL: up.URL(), Client: client}, Project: "p", Location: "l", CredentialsFile: credentialsFile(t, s.URL)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	_, err = v.Do(t.Context(), canonical("gemini-2.5-flash", false))
	e := llm.AsError(err)
	if e == nil || e.Kind != llm.KindUpstreamAuth || !e.Permanent || e.Attempts != 0 || e.Provider != "v" || !strings.Contains(e.Error(), "invalid_grant") {
		t.Errorf("%+v", e)
	}
	providertest.CheckSecret(t, err, "robot@")
	if up.Last() != nil {
		t.Error("a request without a token was sent")
	}
}

func TestVertexOtherOperations(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, `{"predictions":[{"embeddings":{"values":[1,2],"statistics":{"token_count":4}}},{"embeddings":{"values":[3,4],"statistics":{"token_count":3}}}]}`))
	v := newTestVertex(t, VertexOptions{Account: Account{BaseURL: up.URL(), Client: client}}, "ya29.test-token")
	r, err := v.Do(t.Context(), embedding("text-embedding-005", &llm.EmbedRequest{Input: []string{"a", "b"}}))
	if err != nil || len(r.Response.Embeddings) != 2 || r.Usage.Input != 7 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := v.Do(t.Context(), embedding("gemini-embedding-001", &llm.EmbedRequest{Input: []string{"a", "b"}})); kindOf(t, err) != llm.KindUnsupported {
		t.Errorf("two texts for a model that takes one: %v", err)
	}
	if _, err := v.Do(t.Context(), embedding("claude-sonnet-4-5", &llm.EmbedRequest{Input: []string{"a"}})); kindOf(t, err) != llm.KindUnsupported {
		t.Errorf("%v", err)
	}
	up.Play(providertest.Say(providertest.Answer(200, `{"totalTokens":31}`)))
	count := canonical("gemini-2.5-flash", false)
	count.Op = llm.OpCountTokens
	if r, err := v.Do(t.Context(), count); err != nil || r.Usage.Input != 31 {
		t.Errorf("%+v, %v", r, err)
	}
	up.Play(providertest.Say(providertest.Answer(200, `{"input_tokens":14}`)))
	count = canonical("claude-sonnet-4-5@20250929", false)
	count.Op = llm.OpCountTokens
	pass := anthropicCall(t, `{"model":"route","messages":[]}`)
	pass.Op, pass.Model = llm.OpCountTokens, "claude-x"
	for want, c := range map[string]*llm.Call{`"model":"claude-sonnet-4-5@20250929"`: count, `{"model":"claude-x","messages":[],"anthropic_version":"vertex-2023-10-16"}`: pass} {
		r, err := v.Do(t.Context(), c)
		if err != nil || r.Usage.Input != 14 {
			t.Errorf("%+v, %v", r, err)
		}
		wantBody(t, up.Last(), want, `"anthropic_version":"vertex-2023-10-16"`)
	}
}

func TestForVertex(t *testing.T) {
	const v = `"anthropic_version":"vertex-2023-10-16"`
	for _, tc := range []struct {
		in   string
		keep bool
		want string // "" = an error
	}{
		{`{"model":"m"}`, false, `{` + v + `}`},
		{`{"a":1,"model" : "m" ,"b":2}`, false, `{"a":1,` + v + ` ,"b":2}`},
		{`{"mod\u0065l":"m:\"model\":","b":2}`, false, `{` + v + `,"b":2}`},
		{`{"model":null}`, false, `{` + v + `}`},
		{`{}`, false, `{` + v + `}`},
		{`{"b":{"model":"inner"}}`, false, `{"b":{"model":"inner"},` + v + `}`},
		{`{"anthropic_version":"x","model":"m"}`, false, `{"anthropic_version":"x"}`},
		{`{"model":"m" , "anthropic_version":"x"}`, false, `{ "anthropic_version":"x"}`},
		{`{"anthropic_version":"x"}`, false, `{"anthropic_version":"x"}`},
		{`{"model":"m","a":1}`, true, `{"model":"m","a":1,` + v + `}`},
		{`{"model":"m","anthropic_version":"x"}`, true, `{"model":"m","anthropic_version":"x"}`},
		{`{"model":"m","model":"n"}`, false, ""},
		{`[]`, false, ""},
	} {
		got, err := forVertex([]byte(tc.in), tc.keep)
		if string(got) != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("%s: %s, %v", tc.in, got, err)
		}
	}
}

// FuzzForVertex: the body stays the object that it was, but for the two
// members.
func FuzzForVertex(f *testing.F) {
	f.Add(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`, false)
	f.Add(` {"a":"\"model\":","mod\u0065l" : {"x":[1]} , "anthropic_version":1}`, false)
	f.Add(`{"model":"m"}`, true)
	f.Fuzz(func(t *testing.T, in string, keep bool) {
		out, err := forVertex([]byte(in), keep)
		if err != nil {
			return
		}
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal([]byte(in), &before); err != nil {
			t.Skip(err)
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%q became %q: %v", in, out, err)
		}
		if _, ok := after["model"]; ok && !keep || len(after["anthropic_version"]) == 0 {
			t.Fatalf("%q became %q", in, out)
		}
		for _, m := range []map[string]json.RawMessage{before, after} {
			delete(m, "anthropic_version")
			if !keep {
				delete(m, "model")
			}
		}
		if len(before) != len(after) {
			t.Fatalf("%q became %q", in, out)
		}
		for k, v := range before {
			if string(after[k]) != string(v) {
				t.Fatalf("%q became %q", in, out)
			}
		}
	})
}

// TestVertexRecorded replays recorded errors of the platform.
func TestVertexRecorded(t *testing.T) {
	for _, meta := range recordings(t, "gemini/vertex-error-*.meta.json") {
		rec := load(t, meta)
		up, client := serving(t, rec.answer())
		v := newTestVertex(t, VertexOptions{Account: Account{BaseURL: up.URL(), Client: client}}, "ya29.test-token")
		_, err := v.Do(t.Context(), canonical("gemini-2.5-flash", false))
		e := llm.AsError(err)
		if e == nil || e.Kind != llm.KindInvalidRequest || e.Status != rec.Status {
			t.Errorf("%s: %+v", meta, e)
		}
		if strings.Contains(meta, "too-long") && e.Code != "context_length_exceeded" {
			t.Errorf("code %q", e.Code)
		}
	}
}

// TestVertexPassesClaudeBodies: a client's further members arrive.
func TestVertexPassesClaudeBodies(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, anthropicGood))
	v := newTestVertex(t, VertexOptions{Account: Account{BaseURL: up.URL(), Client: client}, Now: time.Now}, "ya29.test-token")
	c := anthropicCall(t, `{"model":"claude-x","max_tokens":1,"messages":[],"future":{"a":[1]}}`)
	c.Forward = []llm.Header{{Name: "anthropic-beta", Value: "context-1m-2025-08-07"}}
	c.Request = func() (*llm.Request, error) { return anthropic.Codec{}.DecodeRequest(llm.OpChat, c.Raw) }
	r, err := v.Do(t.Context(), c)
	if err != nil || string(r.Raw) != anthropicGood {
		t.Fatalf("%+v, %v", r, err)
	}
	wantHeaders(t, up.Last(), map[string]string{"Anthropic-Beta": "context-1m-2025-08-07"})
	wantBody(t, up.Last(), `"future":{"a":[1]}`)
}
