package app

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestOperatorsListener: an address of their own takes the operators' API off
// the clients' listener.
func TestOperatorsListener(t *testing.T) {
	r := start(t, "", map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken, "GATEWAY_ADMIN_ADDR": "127.0.0.1:0"})
	if status, _ := r.operator(t, "/admin/v1/usage", adminToken); status != 404 {
		t.Errorf("on the clients' listener: %d", status)
	}
	if r.app.OperatorsURL() == r.app.URL() {
		t.Fatal("there is one listener only")
	}
	back := &running{base: r.app.OperatorsURL()}
	for path, want := range map[string]int{"/admin/v1/usage": 200, "/readyz": 200, "/metrics": 200, "/v1/chat/completions": 404} {
		if status, body := back.operator(t, path, adminToken); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(back.base, "http://")); err == nil {
		c.Close()
		t.Error("the operators' listener is open after the end")
	}
}

// TestOperatorsAddressTaken: a start fails rather than run without the
// operators' API, and gives the clients' address back.
func TestOperatorsAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := load(t, "", map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken, "GATEWAY_ADMIN_ADDR": taken.Addr().String()})
	a, err := New(Options{Config: cfg, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if err := a.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "server.admin.addr") {
		t.Errorf("got %v", err)
	}
	if a.URL() != "" || a.OperatorsURL() != "" {
		t.Errorf("listens on %q and %q", a.URL(), a.OperatorsURL())
	}
}

func TestOperatorsURL(t *testing.T) {
	if u := start(t, "", nil).app.OperatorsURL(); u != "" {
		t.Errorf("without a token: %q", u)
	}
	r := start(t, "", map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken})
	if u := r.app.OperatorsURL(); u != r.base {
		t.Errorf("shared: %q, not %q", u, r.base)
	}
}
