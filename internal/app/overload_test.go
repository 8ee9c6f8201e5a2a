package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
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
