package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parameter is what is described of a part of a request beside its body.
type parameter struct {
	Ref      string `json:"$ref"`
	Name     string `json:"name"`
	In       string `json:"in"`
	Required bool   `json:"required"`
	Schema   struct {
		Type any `json:"type"`
	} `json:"schema"`

	at string // where the schema stands in the document
}

// resolve follows the references of an operation's parameters.
func (o *operation) resolve(at string, shared map[string]parameter) error {
	for i, p := range o.Parameters {
		p.at = fmt.Sprintf("%s/parameters/%d/schema", at, i)
		if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
			if p, ok = shared[name]; !ok {
				return fmt.Errorf("no parameter %s", name)
			}
			p.at = "/components/parameters/" + name + "/schema"
		}
		o.Parameters[i] = p
	}
	return nil
}

// replayable lets a request's body be read again once it has been sent.
func replayable(req *http.Request, body []byte) {
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
}

// permits holds a request against its description. What is not described may be
// sent on purpose, but the gateway must refuse it as the client's fault.
func (c *conformance) permits(req *http.Request, status int) error {
	err := c.requestFault(req)
	if err == nil || (status >= 400 && status < 500) {
		return nil
	}
	return fmt.Errorf("the request is not as described, and was not refused: %w", err)
}

func (c *conformance) requestFault(req *http.Request) error {
	path, op, err := c.find(req)
	if path == "" {
		if strings.HasPrefix(req.URL.Path, "/dashboard/") {
			return nil // the page's scripts and styles
		}
		return err
	}
	if err := c.parameterFault(req, path, op); err != nil {
		return err
	}
	body, err := sentBody(req)
	if err != nil {
		return err
	}
	if op.RequestBody == nil {
		if len(body) > 0 {
			return fmt.Errorf("no body is described: %.100s", body)
		}
		return nil
	}
	if len(body) == 0 {
		if op.RequestBody.Required {
			return fmt.Errorf("a body is required")
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if _, ok := op.RequestBody.Content[kind]; !ok {
		return fmt.Errorf("the request's type %s is not described", kind)
	}
	return c.validate("openapi.json#"+op.at+"/requestBody/content/"+escape(kind)+"/schema", body)
}

func sentBody(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	if req.GetBody == nil {
		return nil, fmt.Errorf("this body cannot be read again: the test must set GetBody")
	}
	r, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// parameterFault checks path, query, and the headers that are described.
func (c *conformance) parameterFault(req *http.Request, path string, op operation) error {
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return err
	}
	for name := range query {
		if !slices.ContainsFunc(op.Parameters, func(p parameter) bool { return p.In == "query" && p.Name == name }) {
			return fmt.Errorf("no parameter %s is described in the query", name)
		}
	}
	for _, p := range op.Parameters {
		var values []string
		switch p.In {
		case "query":
			values = query[p.Name]
		case "header":
			values = req.Header.Values(p.Name)
		case "path":
			before, after, _ := strings.Cut(path, "{"+p.Name+"}")
			values = []string{strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, before), after)}
		default:
			return fmt.Errorf("parameters in %s are not checked here", p.In)
		}
		if p.Required && len(values) == 0 {
			return fmt.Errorf("%s is required in the %s", p.Name, p.In)
		}
		for _, v := range values {
			if err := c.validate("openapi.json#"+p.at, p.asJSON(v)); err != nil {
				return fmt.Errorf("%s in the %s: %w", p.Name, p.In, err)
			}
		}
	}
	return nil
}

// asJSON writes a parameter's text as the JSON value that its schema means.
func (p parameter) asJSON(v string) []byte {
	switch p.Schema.Type {
	case "integer", "number":
		if _, err := strconv.ParseFloat(v, 64); err == nil {
			return []byte(v)
		}
	case "boolean":
		if v == "true" || v == "false" {
			return []byte(v)
		}
	}
	b, _ := json.Marshal(v)
	return b
}

// TestRequestConformanceFinds: the check of requests can fail, and lets pass
// what was refused.
func TestRequestConformanceFinds(t *testing.T) {
	c, err := newConformance(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, method, target, body string
		header                     string
		good                       bool
	}{
		{"right", "POST", "/v1/generate", `{"prompt":"x"}`, "", true},
		{"without a body", "POST", "/v1/generate", "", "", false},
		{"an unknown member", "POST", "/v1/generate", `{"prompt":"x","bogus":1}`, "", false},
		{"both forms", "POST", "/v1/generate", `{"prompt":"x","messages":[{"role":"user","content":"x"}]}`, "", false},
		{"another role", "POST", "/v1/chat/completions", `{"messages":[{"role":"robot","content":"x"}]}`, "", false},
		{"another type", "POST", "/v1/generate", `{"prompt":"x"}`, "Content-Type: text/plain", false},
		{"a declared header", "POST", "/v1/generate", `{"prompt":"x"}`, "X-Gateway-Unsupported: drop", true},
		{"a declared header with another value", "POST", "/v1/generate", `{"prompt":"x"}`, "X-Gateway-Unsupported: ignore", false},
		{"a body where none is", "GET", "/v1/models", `{}`, "", false},
		{"an undescribed path", "GET", "/v1/nowhere", "", "", false},
		{"an undescribed method", "PUT", "/v1/generate", `{"prompt":"x"}`, "", false},
		{"a number", "GET", "/admin/v1/requests?limit=5", "", "", true},
		{"a number too large", "GET", "/admin/v1/requests?limit=5000", "", "", false},
		{"no number", "GET", "/admin/v1/requests?limit=many", "", "", false},
		{"an unknown parameter", "GET", "/admin/v1/requests?most=5", "", "", false},
		{"a value of the path", "GET", "/admin/v1/debug/pprof/heap", "", "", true},
		{"another value of the path", "GET", "/admin/v1/debug/pprof/stack", "", "", false},
		{"a path of several parts", "GET", "/v1/models/a/b", "", "", true},
	} {
		req, err := http.NewRequest(tc.method, tc.target, strings.NewReader(tc.body)) //nolint:noctx // it is never sent
		if err != nil {
			t.Fatal(err)
		}
		if tc.body == "" {
			req.Body = nil
		}
		req.Header.Set("Content-Type", "application/json")
		if name, value, ok := strings.Cut(tc.header, ": "); ok {
			req.Header.Set(name, value)
		}
		if err := c.permits(req, http.StatusOK); (err == nil) != tc.good {
			t.Errorf("%s, accepted: %v", tc.name, err)
		}
		if err := c.permits(req, http.StatusBadRequest); err != nil {
			t.Errorf("%s, refused: %v", tc.name, err)
		}
		if err := c.permits(req, http.StatusBadGateway); (err == nil) != tc.good {
			t.Errorf("%s, sent on: %v", tc.name, err)
		}
	}
	if err := c.permits(httptest.NewRequest("POST", "/v1/generate", strings.NewReader(`{}`)), http.StatusOK); err == nil {
		t.Error("a body that cannot be seen is taken for a good one")
	}
}
