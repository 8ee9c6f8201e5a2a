package admin

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route/canary"
)

// steered remembers what it was asked for.
type steered struct {
	got []string
	err error
}

func (s *steered) Canaries() []canary.Status {
	return []canary.Status{{
		Route: "chat", Candidate: "a/new", Baseline: []string{"a/old"}, State: canary.Running, Step: 1, Steps: []float64{5, 100}, Percent: 5,
		Since: clock(), Window: canary.WindowStatus{Candidate: canary.SideStatus{Requests: 4, Errors: 1, ErrorRate: 0.25, FirstP50: 1.5}},
		History: []canary.Change{{Time: clock(), From: 0, To: 5, Reason: "resumed", By: canary.ByOperator}},
	}}
}

func (s *steered) SteerCanary(_ context.Context, route, action string) (canary.Status, error) {
	s.got = append(s.got, route+" "+action)
	return s.Canaries()[0], s.err
}

func TestCanaries(t *testing.T) {
	w := ask(Options{Token: token, Canaries: &steered{}}, "GET", "/admin/v1/canaries", "Authorization", "Bearer "+token)
	const want = `"data":{"canaries":[{"route":"chat","candidate":"a/new","baseline":["a/old"],"state":"running","step":1,"steps":[5,100],"percent":5,` +
		`"since":"2026-03-14T15:09:26Z","reason":"","window":{"candidate":{"requests":4,"errors":1,"error_rate":0.25,"invalid":0,"ttft_p50_ms":1.5,` +
		`"ttft_p95_ms":0,"latency_p50_ms":0,"latency_p95_ms":0},"baseline":{`
	if w.Code != 200 || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"history":[{"time":"2026-03-14T15:09:26Z","from":0,"to":5,"reason":"resumed","by":"operator"}]`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestSteerCanary(t *testing.T) {
	for name, tc := range map[string]struct {
		path, body string
		err        error
		status     int
		asked      string
		audited    bool
	}{
		"pause":        {"chat", `{"action":"pause"}`, nil, 200, "chat pause", true},
		"slash":        {"meta%2Fllama", `{"action":"rollback"}`, nil, 200, "meta/llama rollback", true},
		"unfit":        {"chat", `{"action":"resume"}`, llm.Invalid("action", "no"), 400, "chat resume", false},
		"no canary":    {"x", `{"action":"resume"}`, llm.Errorf(llm.KindNotFound, "no"), 404, "x resume", false},
		"no JSON":      {"chat", `pause`, nil, 400, "", false},
		"unknown":      {"chat", `{"acton":"pause"}`, nil, 400, "", false},
		"a long story": {"chat", `{"action":"` + strings.Repeat("x", 8<<10) + `"}`, nil, 413, "", false},
	} {
		var log bytes.Buffer
		s := &steered{err: tc.err}
		req := httptest.NewRequest("POST", "/admin/v1/canaries/"+tc.path, strings.NewReader(tc.body))
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		w.Header().Set("X-Request-Id", "req_9")
		New(Options{Token: token, Canaries: s, Logger: slog.New(slog.NewJSONHandler(&log, nil)), Now: time.Now}).ServeHTTP(w, req)
		if w.Code != tc.status || strings.Join(s.got, ",") != tc.asked {
			t.Errorf("%s: %d %s, asked for %v", name, w.Code, w.Body, s.got)
		}
		if audited := strings.Contains(log.String(), `"operator changed something","action":"canary.`) && strings.Contains(log.String(), `"request_id":"req_9"`); audited != tc.audited {
			t.Errorf("%s: log %s", name, log.String())
		}
	}
}
