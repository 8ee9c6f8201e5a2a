package admin

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// operation is as much of OpenAPI's as the test looks at.
type operation struct {
	Responses  map[string]yaml.Node
	Parameters []struct {
		Ref  string `yaml:"$ref"`
		Name string
	}
	Security *[]map[string][]string
}

func document(t *testing.T) map[string]map[string]operation {
	t.Helper()
	text, err := os.ReadFile("../server/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]operation
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Paths
}

// TestDocument: every endpoint is described, nothing else is, and each says
// that it needs the token and how it fails.
func TestDocument(t *testing.T) {
	doc := document(t)
	var described, routed []string
	for path, methods := range doc {
		for method := range methods {
			if strings.HasPrefix(path, "/admin/") {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	for _, r := range (&API{}).routes() {
		routed = append(routed, r.pattern)
		method, path, _ := strings.Cut(r.pattern, " ")
		op, ok := doc[path][strings.ToLower(method)]
		if !ok {
			continue // told below
		}
		if op.Security == nil || len(*op.Security) == 0 || (*op.Security)[0]["operator"] == nil {
			t.Errorf("%s needs the admin token, the document does not say so", r.pattern)
		}
		want := []string{"200", "401", "404", "405"}
		if method == http.MethodPost {
			want = append(want, "400", "413")
		}
		for _, status := range want {
			if _, ok := op.Responses[status]; !ok {
				t.Errorf("%s: %s is not described", r.pattern, status)
			}
		}
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described:\n%s\nrouted:\n%s", strings.Join(described, "\n"), strings.Join(routed, "\n"))
	}
}

// TestMethods: the path is known, the method is not, and the answer is in the
// envelope.
func TestMethods(t *testing.T) {
	o := Options{Token: token, Usage: &reader{}}
	for _, method := range []string{"POST", "DELETE", "BREW"} {
		w := ask(o, method, "/admin/v1/usage", "Authorization", "Bearer "+token)
		if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" || !strings.Contains(w.Body.String(), `"request_id":"req_1"`) {
			t.Errorf("%s: %d %v %s", method, w.Code, w.Header(), w.Body)
		}
		if w := ask(o, method, "/admin/v1/usage"); w.Code != 401 {
			t.Errorf("%s without a token: %d", method, w.Code)
		}
	}
}
