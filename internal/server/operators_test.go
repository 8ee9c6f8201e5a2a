package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

// echo answers operators with the path they asked for; some paths misbehave.
func echo(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/admin/v1/panic":
		panic("a fault")
	case "/admin/v1/body":
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}
	_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
}

func TestOperatorsPrefix(t *testing.T) {
	h := serve(t, nil, func(o *Options) { o.Snapshot.Admin = http.HandlerFunc(echo) })
	for _, path := range []string{"/admin/v1", "/admin/v1/", "/admin/v1/keys", "/admin/v1/keys/a", "/dashboard", "/dashboard/", "/dashboard/app.js"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			r := h.do(method, path, "")
			if r.status != 200 || r.body != method+" "+path || r.header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s: %d %q", method, path, r.status, r.body)
			}
			if s := h.wait(); s.Endpoint != "/admin/v1" && s.Endpoint != "/dashboard" {
				t.Errorf("%s counts as %q", path, s.Endpoint)
			}
		}
	}
	for _, path := range []string{"/admin", "/admin/v2/x", "/dashboards"} {
		if r := h.do("GET", path, ""); r.status >= 300 && r.status < 400 || r.status == 200 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := h.do("GET", "/admin/v1/panic", ""); r.status != 500 || !strings.Contains(r.body, `"kind":"internal"`) {
		t.Errorf("panic: %d %s", r.status, r.body)
	}
	if r := h.do("POST", "/admin/v1/body", strings.Repeat("x", maxOperatorBody+1)); r.status != 413 {
		t.Errorf("large body: %d", r.status)
	}
}

func TestNoOperators(t *testing.T) {
	h := serve(t, nil)
	for _, path := range []string{"/admin/v1/usage", "/dashboard", "/dashboard/app.js"} {
		if r := h.do("GET", path, ""); r.status != 404 || !strings.Contains(r.body, `"kind":"not_found"`) {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}

// TestOperatorsApart: what is the operators' answers on their listener alone,
// what is the clients' on theirs, probes and scrapes on both; a shutdown ends
// both.
func TestOperatorsApart(t *testing.T) {
	svc := fakeService{
		do:     func(context.Context, *llm.Call) (*llm.Reply, error) { return answer("hi"), nil },
		models: func(*llm.Caller) []service.Model { return nil },
	}
	s := New(Options{
		Snapshot: &Snapshot{Service: svc, Admin: http.HandlerFunc(echo)}, OperatorsApart: true,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
	})
	front, back := listen(t), listen(t)
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(front) }()
	go func() { ended <- s.ServeOperators(back) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string][2]int{
		"/admin/v1/usage": {404, 200}, "/dashboard": {404, 200}, "/dashboard/x": {404, 200},
		"/metrics": {200, 200}, "/healthz": {200, 200}, "/readyz": {200, 200}, "/openapi.yaml": {200, 200}, "/v1/models": {200, 200},
		"/v1/chat/completions": {405, 404}, "/v1/generate": {405, 405}, "/v1/usage": {404, 404}, "/none": {404, 404},
	} {
		for i, ln := range []net.Listener{front, back} {
			resp, err := client.Get("http://" + ln.Addr().String() + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want[i] {
				t.Errorf("%s on listener %d: %d, want %d", path, i, resp.StatusCode, want[i])
			}
		}
	}
	if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for _, ln := range []net.Listener{front, back} {
		if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
			c.Close()
			t.Errorf("%v still lets clients in", ln.Addr())
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
