package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const description = "../../internal/server/openapi.yaml"

// TestMain lets every exchange of these tests with a gateway be held against
// openapi.yaml: a status, a type or a body that it does not describe fails them.
func TestMain(m *testing.M) {
	c, err := newConformance(http.DefaultTransport)
	if err != nil {
		fmt.Fprintln(os.Stderr, description+":", err)
		os.Exit(1)
	}
	http.DefaultClient.Transport = c
	code := m.Run()
	if checked, faults := c.result(); len(faults) > 0 {
		fmt.Printf("--- FAIL: %d of %d exchanges are not what openapi.yaml says:\n    %s\n", len(faults), checked, strings.Join(faults, "\n    "))
		code = 1
	} else {
		fmt.Printf("%d exchanges are what openapi.yaml says\n", checked)
	}
	os.Exit(code)
}

// conformed returns the address of a proxy in front of a gateway, so that what
// other programs exchange with it is checked too.
func conformed(t *testing.T, base string) string {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Transport: http.DefaultClient.Transport, FlushInterval: -1,
		ErrorLog: log.New(io.Discard, "", 0), // clients that abort, as the scripts do
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			// The body is read before it is sent: an answer that comes at once
			// would otherwise close it under the transport's hands.
			if body, err := io.ReadAll(r.In.Body); err == nil && len(body) > 0 {
				replayable(r.Out, body)
			}
			r.Out.Host = r.In.Host // pages compare it with their origin
		},
	})
	t.Cleanup(s.Close)
	return s.URL
}

// conformance is a transport that checks answers of gateways.
type conformance struct {
	next     http.RoundTripper
	paths    []describedPath
	compiler *jsonschema.Compiler

	mu      sync.Mutex // guards what follows, and the compiler
	faults  []string
	checked int
}

// operation is what is described of a method.
type operation struct {
	at          string      // its place in the document
	Parameters  []parameter `json:"parameters"`
	RequestBody *struct {
		Required bool           `json:"required"`
		Content  map[string]any `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Ref     string         `json:"$ref"`
		Content map[string]any `json:"content"`
	} `json:"responses"`
}

type describedPath struct {
	name    string
	form    *regexp.Regexp
	methods map[string]operation
}

func newConformance(next http.RoundTripper) (*conformance, error) {
	text, err := os.ReadFile(description)
	if err != nil {
		return nil, err
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	asJSON, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, err
	}
	c := &conformance{next: next, compiler: jsonschema.NewCompiler()}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := c.compiler.AddResource("openapi.json", whole); err != nil {
		return nil, err
	}
	var api struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Parameters map[string]parameter `json:"parameters"`
		} `json:"components"`
	}
	if err := json.Unmarshal(asJSON, &api); err != nil {
		return nil, err
	}
	for name, members := range api.Paths {
		p := describedPath{name: name, methods: map[string]operation{}}
		form := regexp.MustCompile(`\\\{[a-z_]+\\\}`).ReplaceAllString(regexp.QuoteMeta(name), "[^?]+")
		p.form = regexp.MustCompile("^" + form + "$")
		for method, raw := range members {
			var op operation
			if method != "parameters" {
				if err := json.Unmarshal(raw, &op); err != nil {
					return nil, fmt.Errorf("%s %s: %w", method, name, err)
				}
				op.at = "/paths/" + escape(name) + "/" + method
				if err := op.resolve(op.at, api.Components.Parameters); err != nil {
					return nil, fmt.Errorf("%s %s: %w", method, name, err)
				}
				p.methods[strings.ToUpper(method)] = op
			}
		}
		c.paths = append(c.paths, p)
	}
	// A path without a variable comes before one that matches too.
	slices.SortFunc(c.paths, func(a, b describedPath) int { return strings.Count(a.name, "{") - strings.Count(b.name, "{") })
	return c, nil
}

// RoundTrip performs the exchange. The check comes when the body has been read.
func (c *conformance) RoundTrip(req *http.Request) (*http.Response, error) {
	return c.over(c.next)(req)
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// over checks what goes through another transport.
func (c *conformance) over(next http.RoundTripper) roundTrip {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil || resp.Header.Get("X-Request-Id") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			return resp, err // no gateway answered
		}
		resp.Body = &watchedBody{ReadCloser: resp.Body, end: func(b []byte, whole bool) { c.check(req, resp, b, whole) }}
		return resp, nil
	}
}

// watchedBody keeps what is read, up to a bound.
type watchedBody struct {
	io.ReadCloser
	read bytes.Buffer
	once sync.Once
	end  func(b []byte, whole bool)
}

const mostWatched = 8 << 20

func (w *watchedBody) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if w.read.Len() <= mostWatched {
		w.read.Write(p[:n])
	}
	if err != nil {
		w.once.Do(func() { w.end(w.read.Bytes(), err == io.EOF && w.read.Len() <= mostWatched) })
	}
	return n, err
}

func (w *watchedBody) Close() error {
	w.once.Do(func() { w.end(nil, false) })
	return w.ReadCloser.Close()
}

func (c *conformance) result() (checked int, faults []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.faults)
	return c.checked, slices.Compact(c.faults)
}

func (c *conformance) check(req *http.Request, resp *http.Response, body []byte, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked++
	for _, err := range []error{c.permits(req, resp.StatusCode), c.conforms(req, resp, body, whole)} {
		if err != nil {
			c.faults = append(c.faults, fmt.Sprintf("%s %s: %d: %v", req.Method, req.URL.Path, resp.StatusCode, err))
		}
	}
}

// conforms says what of an answer is not as described.
func (c *conformance) conforms(req *http.Request, resp *http.Response, body []byte, whole bool) error {
	path, op, err := c.find(req)
	if path == "" {
		if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed || !strings.HasPrefix(req.URL.Path, "/v1/") {
			return nil
		}
		return err
	}
	status := fmt.Sprint(resp.StatusCode)
	described, ok := op.Responses[status]
	if !ok {
		return fmt.Errorf("this status is not described: %.200s", body)
	}
	at := op.at + "/responses/" + status
	content := described.Content
	if described.Ref != "" {
		at = strings.TrimPrefix(described.Ref, "#")
		content = map[string]any{"application/json": nil} // as all shared responses are
	}
	if len(content) == 0 && len(body) == 0 { // as of 304
		return nil
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if _, ok := content[kind]; !ok {
		return fmt.Errorf("the type %s is not described", kind)
	}
	switch {
	case !whole || req.Method == http.MethodHead:
		return nil
	case kind == "text/event-stream":
		return events(body)
	case kind != "application/json":
		return nil
	}
	return c.validate("openapi.json#"+at+"/content/"+escape(kind)+"/schema", body)
}

func method(req *http.Request) string {
	if req.Method == http.MethodHead {
		return http.MethodGet
	}
	return req.Method
}

func (c *conformance) find(req *http.Request) (string, operation, error) {
	for _, p := range c.paths {
		if op, ok := p.methods[method(req)]; ok && p.form.MatchString(req.URL.Path) {
			return p.name, op, nil
		}
	}
	return "", operation{}, fmt.Errorf("the path or method is not described")
}

func escape(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(s)
}

// validate holds a body against the schema at a place of the document.
func (c *conformance) validate(at string, body []byte) error {
	schema, err := c.compiler.Compile(at)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%w in %.300s", err, body)
	}
	return nil
}

// events checks the form of a stream: every event's data is JSON, or OpenAI's
// end mark.
func events(body []byte) error {
	for line := range bytes.Lines(body) {
		data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data:"))
		if data = bytes.TrimSpace(data); ok && string(data) != "[DONE]" && !json.Valid(data) {
			return fmt.Errorf("an event's data is no JSON: %.100s", data)
		}
	}
	return nil
}

// TestConformanceFinds: the check itself can fail.
func TestConformanceFinds(t *testing.T) {
	c, err := newConformance(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, method, path string
		status             int
		kind, body         string
		good               bool
	}{
		{"right", "GET", "/healthz", 200, "application/json", `{"status":"ok"}`, true},
		{"a head", "HEAD", "/healthz", 200, "application/json", ``, true},
		{"a path of several parts", "GET", "/v1/models/a/b", 404, "application/json", `{"error":{"message":"m","type":"t","param":null,"code":null}}`, true},
		{"another status", "GET", "/healthz", 418, "application/json", `{"status":"ok"}`, false},
		{"another type", "GET", "/healthz", 200, "text/html", `{"status":"ok"}`, false},
		{"another body", "GET", "/healthz", 200, "application/json", `{"status":7}`, false},
		{"no JSON", "GET", "/healthz", 200, "application/json", `ok`, false},
		{"an error in another dialect", "POST", "/v1/chat/completions", 400, "application/json", `{"code":400}`, false},
		{"an undescribed path", "POST", "/v1/nowhere", 200, "application/json", `{}`, false},
		{"a broken event", "POST", "/v1/chat/completions", 200, "text/event-stream", "data: {\n\n", false},
		{"a stream", "POST", "/v1/chat/completions", 200, "text/event-stream", "data: {}\n\ndata: [DONE]\n\n", true},
	} {
		req := httptest.NewRequest(tc.method, tc.path, nil)
		resp := &http.Response{StatusCode: tc.status, Header: http.Header{"Content-Type": {tc.kind}}}
		if err := c.conforms(req, resp, []byte(tc.body), true); (err == nil) != tc.good {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
