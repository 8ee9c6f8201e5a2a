package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestNoSecretLeaks drives failures of every kind against upstreams that repeat
// our credential in whatever they say, and looks for the keys and the prompt
// in everything that the gateway says to anyone.
func TestNoSecretLeaks(t *testing.T) {
	const prompt = "the-secret-prompt-4711"
	hostile := httptest.NewServer(http.HandlerFunc(echoCredential))
	defer hostile.Close()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	r := start(t, fmt.Sprintf(`
providers:
  hostile: {type: openai, base_url: "%s/v1", keys: ["%s"], headers: {X-Team-Token: "team-token-0000000"}, retry: {max: 0}, timeouts: {first_byte: 200ms, idle: 200ms}, breaker: {min_requests: 0}}
  dead: {type: openai, base_url: "%s/v1", keys: ["%s"], retry: {max: 0}, breaker: {min_requests: 0}}
auth:
  keys: [{name: app, key: "%s"}]
limits: {rps: 0}
`, hostile.URL, provKey, dead.URL, provKey, clientKey), nil)

	kinds := map[string]bool{}
	var said strings.Builder
	for _, model := range hostileModels() {
		for _, stream := range []string{"false", "true"} {
			for _, path := range []string{"/v1/generate", "/v1/chat/completions"} {
				body := fmt.Sprintf(`{"model":%q,"stream":%s,"messages":[{"role":"user","content":%q}]}`, model, stream, prompt)
				status, head, answer := r.do(t, "POST", path, body)
				fmt.Fprintln(&said, status, head, answer)
				if k := kindOf(answer); k != "" {
					kinds[k] = true
				}
			}
		}
	}
	for _, bad := range []string{`{"model":"hostile/x","prompt":"` + prompt + `","oops":1}`, `{"prompt":"` + prompt, "{}"} {
		_, head, answer := r.do(t, "POST", "/v1/generate", bad)
		fmt.Fprintln(&said, head, answer)
	}
	_, _, metrics := r.do(t, "GET", "/metrics", "")
	_, _, ready := r.do(t, "GET", "/readyz", "")
	everything := map[string]string{"an answer": said.String(), "the log": r.log.String(), "the metrics": metrics, "readiness": ready}
	for where, text := range everything {
		for _, secret := range []string{provKey, provKey[:20], clientKey, "team-token-0000000", prompt} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows %q: …%s…", where, secret, text[max(0, i-150):min(len(text), i+60)])
			}
		}
	}
	for _, k := range []llm.Kind{
		llm.KindInvalidRequest, llm.KindContentFiltered, llm.KindNotFound, llm.KindRequestTooLarge, llm.KindUpstreamRateLimited,
		llm.KindUpstreamAuth, llm.KindUpstreamError, llm.KindTimeout,
	} {
		if !kinds[k.String()] {
			t.Errorf("no failure of kind %s was driven: %v", k, kinds)
		}
	}
}

func hostileModels() []string {
	var models []string
	for _, status := range []int{301, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529} {
		models = append(models, fmt.Sprintf("hostile/status-%d", status), fmt.Sprintf("hostile/html-%d", status))
	}
	return append(models, "hostile/filter", "hostile/disguised", "hostile/midstream", "hostile/cut", "hostile/stall", "hostile/garbage", "dead/x", "unknown-model")
}

// kindOf finds the error kind in an envelope, unary or as a stream's last event.
func kindOf(answer string) string {
	if i := strings.LastIndex(answer, "data: "); i >= 0 {
		answer = answer[i+len("data: "):]
	}
	var e struct{ Error struct{ Kind string } }
	_ = json.Unmarshal([]byte(answer), &e)
	return e.Error.Kind
}

// echoCredential fails as the model name says, repeating the credential in head
// and body.
func echoCredential(w http.ResponseWriter, r *http.Request) {
	var body struct{ Model string }
	_ = json.NewDecoder(r.Body).Decode(&body)
	auth := r.Header.Get("Authorization") + " " + r.Header.Get("X-Team-Token")
	w.Header().Set("X-Request-Id", "req-1")
	w.Header().Set("X-Echo", auth)
	msg := fmt.Sprintf(`{"error":{"message":"Incorrect API key provided: %s at http://10.1.2.3:99/x","type":"invalid_request_error","param":null,"code":%%q}}`, auth)
	var status int
	switch {
	case scan(body.Model, "status-%d", &status):
		w.Header().Set("Location", "http://"+r.Host+"/?key="+auth)
		w.WriteHeader(status)
		fmt.Fprintf(w, msg, "some_code")
	case scan(body.Model, "html-%d", &status):
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html>%s</html>", auth)
	case body.Model == "filter":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, msg, "content_filter")
	case body.Model == "disguised":
		fmt.Fprintf(w, msg, "server_error")
	case body.Model == "midstream":
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\ndata: "+msg+"\n\n", "server_error")
	case body.Model == "cut":
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "data: {")
	case body.Model == "stall":
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
	default:
		fmt.Fprintf(w, "%s is no JSON", auth)
	}
}

func scan(s, format string, v *int) bool {
	n, err := fmt.Sscanf(s, format, v)
	return err == nil && n == 1
}
