package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

func TestModels(t *testing.T) {
	all := []service.Model{
		{ID: "chat", OwnedBy: "llm-gateway"},
		{ID: "openai/gpt-x", OwnedBy: "openai", Created: 1700000000, ContextWindow: 128000, MaxOutput: 16000, Capabilities: []string{"chat", "tools"}},
	}
	h := serve(t, nil, func(o *Options) {
		o.Snapshot.Auth = keys(map[string]string{"sk-test-0000": "all", "sk-test-0001": "some"})
		o.Snapshot.Service = fakeService{models: func(c *llm.Caller) []service.Model {
			if c.Name == "some" {
				return all[:1]
			}
			return all
		}}
	})
	for _, tc := range []struct {
		key, path string
		status    int
		body      string
	}{
		{"sk-test-0000", "/v1/models", 200, `{"object":"list","data":[{"id":"chat","object":"model","created":0,"owned_by":"llm-gateway"},` +
			`{"id":"openai/gpt-x","object":"model","created":1700000000,"owned_by":"openai","context_window":128000,"max_output_tokens":16000,"capabilities":["chat","tools"]}]}`},
		{"sk-test-0001", "/v1/models", 200, `{"object":"list","data":[{"id":"chat","object":"model","created":0,"owned_by":"llm-gateway"}]}`},
		{"sk-test-0001", "/v1/models/chat", 200, `{"id":"chat","object":"model","created":0,"owned_by":"llm-gateway"}`},
		{"sk-test-0000", "/v1/models/openai/gpt-x", 200, `"id":"openai/gpt-x"`},
		{"sk-test-0000", "/v1/models/openai%2Fgpt-x", 200, `"id":"openai/gpt-x"`},
		{"sk-test-0001", "/v1/models/openai%2Fgpt-x", 404, `model_not_found`},
		{"sk-test-0000", "/v1/models/nothing", 404, `model_not_found`},
		{"sk-test-0000", "/v1/models/", 404, `model_not_found`},
	} {
		r := h.do("GET", tc.path, "", "X-Api-Key: "+tc.key)
		if r.status != tc.status || !strings.Contains(r.body, tc.body) {
			t.Errorf("%s: %d %s", tc.path, r.status, r.body)
		}
		if tc.status != 200 {
			shape(t, tc.path, r)
		}
	}
}

func TestNoModelsIsAnEmptyList(t *testing.T) {
	h := serve(t, nil)
	if r := h.do("GET", "/v1/models", ""); strings.TrimSpace(r.body) != `{"object":"list","data":[]}` {
		t.Errorf("got %s", r.body)
	}
}

func TestMetricsHandler(t *testing.T) {
	h := serve(t, nil, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, "up 1\n")
		})
	})
	if r := h.do("GET", "/metrics", ""); r.status != 200 || r.body != "up 1\n" {
		t.Errorf("got %+v", r)
	}
	if s := h.wait(); s.Status != 200 || s.Size != 5 {
		t.Errorf("stats %+v", s)
	}
}

// document is as much of OpenAPI as the test looks at.
type document struct {
	OpenAPI    string `yaml:"openapi"`
	Paths      map[string]map[string]yaml.Node
	Components map[string]map[string]yaml.Node
}

func openDocument(t *testing.T) (document, string) {
	t.Helper()
	h := serve(t, nil)
	r := h.do("GET", "/openapi.yaml", "")
	if r.status != 200 || r.header.Get("Content-Type") != "application/yaml" {
		t.Fatalf("got %d %v", r.status, r.header)
	}
	var doc document
	if err := yaml.Unmarshal([]byte(r.body), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("version %q", doc.OpenAPI)
	}
	return doc, r.body
}

// Every route is described, and nothing else is. What operators have is held to
// the document in package admin, which knows those paths.
func TestOpenAPIMatchesTheRoutes(t *testing.T) {
	doc, _ := openDocument(t)
	var described, routed []string
	for path, methods := range doc.Paths {
		if strings.HasPrefix(path, "/admin/") || strings.HasPrefix(path, "/dashboard") {
			continue
		}
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	s := New(Options{Snapshot: &Snapshot{Service: fakeService{}}})
	for _, ep := range s.routes() {
		if ep.operator {
			continue
		}
		routed = append(routed, ep.method+" "+strings.ReplaceAll(ep.path, "...}", "}"))
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described:\n%s\nrouted:\n%s", strings.Join(described, "\n"), strings.Join(routed, "\n"))
	}
}

func TestOpenAPIReferences(t *testing.T) {
	doc, text := openDocument(t)
	used := map[string]bool{}
	for _, part := range strings.Split(text, `$ref: "#/components/`)[1:] {
		ref, _, _ := strings.Cut(part, `"`)
		kind, name, _ := strings.Cut(ref, "/")
		if _, ok := doc.Components[kind][name]; !ok {
			t.Errorf("%s does not exist", ref)
		}
		used[ref] = true
	}
	for kind, members := range doc.Components {
		for name := range members {
			if kind != "securitySchemes" && !used[kind+"/"+name] {
				t.Errorf("%s/%s is not used", kind, name)
			}
		}
	}
	for k := range llm.KindCount {
		if !strings.Contains(text, "- "+k.String()+"\n") {
			t.Errorf("the kind %v is not described", k)
		}
	}
}

// Every guarded route says 401 and 429, every route that reads a body 413 and
// 415, every call the upstream's failures.
func TestOpenAPIStatuses(t *testing.T) {
	doc, _ := openDocument(t)
	s := New(Options{Snapshot: &Snapshot{Service: fakeService{}}})
	for _, ep := range s.routes() {
		if ep.operator {
			continue
		}
		var op struct {
			Responses map[string]yaml.Node
			Security  *[]map[string][]string
		}
		node := doc.Paths[strings.ReplaceAll(ep.path, "...}", "}")][strings.ToLower(ep.method)]
		if err := node.Decode(&op); err != nil {
			t.Fatal(err)
		}
		want := []string{"200"}
		if ep.guard {
			want = append(want, "401", "429", "405")
		} else if op.Security == nil || len(*op.Security) != 0 {
			t.Errorf("%s needs no key, the document says otherwise", ep.path)
		}
		if ep.method == "POST" {
			want = append(want, "400", "413", "415", "500", "503")
		}
		if ep.idStart != "" || ep.op == llm.OpEmbed {
			want = append(want, "402", "403", "404", "502", "504")
		}
		for _, status := range want {
			if _, ok := op.Responses[status]; !ok {
				t.Errorf("%s %s: %s is not described", ep.method, ep.path, status)
			}
		}
	}
}

// What the document says of the batch's answer is what comes.
func TestBatchAnswerMembers(t *testing.T) {
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return answer("x"), nil })
	var m struct {
		Data struct {
			Results []map[string]json.RawMessage
			Summary map[string]json.RawMessage
		}
	}
	r := h.post(batchPath, items("a"))
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index", "code", "message", "data"} {
		if _, ok := m.Data.Results[0][name]; !ok {
			t.Errorf("a result has no %s: %s", name, r.body)
		}
	}
	for _, name := range []string{"succeeded", "failed", "usage", "cost"} {
		if _, ok := m.Data.Summary[name]; !ok {
			t.Errorf("the summary has no %s: %s", name, r.body)
		}
	}
}

// The members of a native request that the document lists are those that the
// gateway takes, no more and no less.
func TestOpenAPIGenerateMembers(t *testing.T) {
	doc, _ := openDocument(t)
	var schema struct {
		Properties map[string]yaml.Node
	}
	node := doc.Components["schemas"]["GenerateRequest"]
	if err := node.Decode(&schema); err != nil {
		t.Fatal(err)
	}
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return answer("x"), nil })
	for name := range schema.Properties {
		if r := h.post(genPath, `{"prompt":"x","`+name+`":{"a":1}}`); strings.Contains(r.body, "unknown field") {
			t.Errorf("%s is described, and not known: %s", name, r.body)
		}
	}
	for _, name := range strings.Fields("prompt messages system model max_tokens temperature top_p stop seed presence_penalty frequency_penalty " +
		"tools tool_choice parallel_tool_calls response_format reasoning_effort stream metadata timeout_ms") { // contract §3
		if _, ok := schema.Properties[name]; !ok {
			t.Errorf("%s is not described", name)
		}
	}
	if n := len(schema.Properties); n != 19 {
		t.Errorf("%d members", n)
	}
}
