package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

// TestShedsLoad fills the only slot and looks at what the next caller gets.
func TestShedsLoad(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-release
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answerBody)
	}))
	defer up.Close()
	text := `
providers: {up: {type: openai, base_url: "` + up.URL + `/v1", keys: [sk-test-0000]}}
overload: {min_concurrency: 1, max_concurrency: 1, max_wait: 10ms}
`
	r := start(t, text, nil)
	ask := func() (int, http.Header, string) {
		return r.do(t, "POST", "/v1/chat/completions", `{"model":"up/m","messages":[]}`)
	}
	first := make(chan int, 1)
	go func() {
		status, _, _ := ask()
		first <- status
	}()
	<-arrived
	// The same settings again: what is in flight is still known.
	if err := r.app.Reload(t.Context(), load(t, text, nil)); err != nil {
		t.Fatal(err)
	}
	status, head, body := ask()
	if status != 503 || head.Get("Retry-After") == "" || !strings.Contains(body, "overloaded") {
		t.Errorf("%d %v %s", status, head, body)
	}
	if _, _, m := r.do(t, "GET", "/metrics", ""); !strings.Contains(m, `gateway_rejected_total{reason="overloaded"} 1`) {
		t.Error("the refusal is not counted")
	}
	close(release)
	if status := <-first; status != 200 {
		t.Errorf("the call in flight got %d", status)
	}
}

func TestMemoryInUse(t *testing.T) {
	old := debug.SetMemoryLimit(1 << 30)
	defer debug.SetMemoryLimit(old)
	kept := make([]byte, 256<<20)
	runtime.GC()
	if got := memoryInUse(); got < 0.25 || got > 0.5 {
		t.Errorf("a quarter of the limit is %.3f", got)
	}
	runtime.KeepAlive(kept)
	runtime.GC()
	if got := memoryInUse(); got > 0.25 {
		t.Errorf("nothing is %.3f", got)
	}
}

// TestClassesOfCallers: a key's own class goes before its tenant's.
func TestClassesOfCallers(t *testing.T) {
	of := classes(config.Auth{
		Keys: []config.AuthKey{
			{Name: "vip", Tenant: "bulk", Priority: config.PriorityHigh}, {Name: "plain", Tenant: "bulk"},
			{Name: "equal", Tenant: "bulk", Priority: config.PriorityNormal}, {Name: "alone"},
		},
		Tenants: map[string]config.Tenant{"bulk": {Priority: config.PriorityLow}, "other": {}},
	})
	for _, tc := range []struct {
		caller llm.Caller
		want   service.Class
	}{
		{llm.Caller{Name: "vip", Tenant: "bulk"}, 1}, {llm.Caller{Name: "plain", Tenant: "bulk"}, -1}, {llm.Caller{Name: "equal", Tenant: "bulk"}, 0},
		{llm.Caller{Name: "jwt:someone", Tenant: "bulk"}, -1}, {llm.Caller{Name: "alone"}, 0}, {llm.Caller{}, 0}, {llm.Caller{Name: "x", Tenant: "other"}, 0},
	} {
		if got := of(&tc.caller); got != tc.want {
			t.Errorf("%+v: %d, want %d", tc.caller, got, tc.want)
		}
	}
	if classes(config.Auth{Keys: []config.AuthKey{{Name: "a"}}}) != nil {
		t.Error("classes where nobody set any")
	}
}
