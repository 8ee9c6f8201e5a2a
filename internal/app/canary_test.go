package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/llm-gateway/llm-gateway/internal/route/canary"
)

const canaryYAML = `
providers:
  m: {type: mock, retry: {max: 0}, breaker: {min_requests: 0}}
models:
  chat:
    targets: [{provider: m, model: mock/echo}]
    canary: {candidate: {provider: m, model: %s}, steps: [30, 60, 100], step_interval: %s, min_requests: 20}
limits: {rps: 0}
server: {admin: {token: ` + adminToken + `}}
`

// steer posts an action and returns the status and the canary's state.
func (r *running) steer(t *testing.T, action string) (int, canary.Status) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.base+"/admin/v1/canaries/chat", strings.NewReader(`{"action":"`+action+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var env struct{ Data canary.Status }
	if err := json.Unmarshal(b, &env); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return resp.StatusCode, env.Data
}

// callers asks on behalf of n users, one call each, and checks that no one
// notices a candidate that fails.
func (r *running) callers(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		body := fmt.Sprintf(`{"model":"chat","user":"u%d","messages":[{"role":"user","content":"hi"}]}`, i)
		if status, _, answer := r.do(t, "POST", "/v1/chat/completions", body); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
	}
}

func (r *running) canary(t *testing.T) canary.Status {
	t.Helper()
	all := r.app.Canaries()
	if len(all) != 1 {
		t.Fatalf("%d canaries", len(all))
	}
	return all[0]
}

// TestCanaryRollsBack: a candidate that fails, in either way, never hurts a
// client, is taken back with its reason in log, metric and API, stays away over
// a reload, and begins again when an operator says so.
func TestCanaryRollsBack(t *testing.T) {
	for model, reason := range map[string]string{
		"mock/echo+status-503": "errors: 100.00%", "mock/echo+status-404": "errors: 100.00%", "mock/empty": "empty or invalid answers: 100.00%",
	} {
		t.Run(model, func(t *testing.T) {
			cfg := load(t, fmt.Sprintf(canaryYAML, model, "1h"), nil)
			r := startWith(t, cfg)
			r.callers(t, 120)
			r.app.lookAtCanaries(t.Context(), time.Now())
			s := r.canary(t)
			if s.State != canary.RolledBack || s.Percent != 0 || !strings.HasPrefix(s.Reason, reason) || len(s.History) != 1 || s.History[0].By != "gateway" {
				t.Fatalf("%+v", s)
			}
			_, _, metrics := r.do(t, "GET", "/metrics", "")
			for _, want := range []string{`llm_canary_weight{route="chat"} 0`, `llm_canary_judgements_total{result="rolled_back",route="chat"} 1`, `gateway_alerts_total{kind="canary_rolled_back"} 1`} {
				if !strings.Contains(metrics, want+"\n") {
					t.Errorf("the metrics lack %s", want)
				}
			}
			if log := r.log.String(); !strings.Contains(log, `"canary rolled_back"`) || !strings.Contains(log, reason) {
				t.Error("the log does not say so")
			}
			if err := r.app.Reload(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			if s := r.canary(t); s.State != canary.RolledBack {
				t.Errorf("after a reload: %s", s.State)
			}
			if status, s := r.steer(t, "resume"); status != 200 || s.State != canary.Running || s.Percent != 30 || s.Window.Candidate.Requests != 0 {
				t.Errorf("resumed: %d %+v", status, s)
			}
			if status, _ := r.steer(t, "resume"); status != 400 {
				t.Errorf("resumed twice: %d", status)
			}
		})
	}
}

// TestCanaryAdvances moves an equal candidate to the end. Callers stay on their
// side while the share grows.
func TestCanaryAdvances(t *testing.T) {
	r := start(t, fmt.Sprintf(canaryYAML, "mock/chat", "1ms"), nil)
	side := func(user int) string {
		_, h, _ := r.do(t, "POST", "/v1/chat/completions", fmt.Sprintf(`{"model":"chat","user":"u%d","messages":[{"role":"user","content":"hi"}]}`, user))
		return h.Get("X-Gateway-Model")
	}
	first := map[int]bool{}
	for range 20 { // a doubtful window is followed by another
		percent := r.canary(t).Percent
		now, n := map[int]bool{}, 0
		for user := range 120 {
			if now[user] = side(user) == "mock/chat"; now[user] {
				n++
			}
		}
		if r.canary(t).Percent != percent {
			continue // the watcher was quicker
		}
		for user, candidate := range now {
			if first[user] && !candidate {
				t.Errorf("user %d went back to the baseline at %v %%", user, percent)
			}
		}
		first = now
		if share := float64(n) / 120 * 100; share < percent-15 || share > percent+15 {
			t.Errorf("%v %% of the callers at %v %%", share, percent)
		}
		if r.app.lookAtCanaries(t.Context(), time.Now()); r.canary(t).State == canary.Completed {
			break
		}
	}
	if s := r.canary(t); s.State != canary.Completed || s.Percent != 100 {
		t.Errorf("%+v", s)
	}
}

// TestCanarySharedByReplicas: what replicas count is judged together, a move of
// one is a move of all, and a new replica finds the position.
func TestCanarySharedByReplicas(t *testing.T) {
	mr := miniredis.RunT(t)
	env := map[string]string{"REDIS_URL": "redis://" + mr.Addr()}
	yaml := fmt.Sprintf(canaryYAML, "mock/echo+status-503", "1h") + "redis: {timeout: 5s}\n"
	a, b := start(t, yaml, env), start(t, yaml, env)
	look := func(r *running) { r.app.lookAtCanaries(t.Context(), time.Now()) }
	a.callers(t, 50) // some 15 of them the candidate's: too few for one alone
	look(a)
	if s := a.canary(t); s.State != canary.Running {
		t.Fatalf("judged on %d calls", s.Window.Candidate.Requests)
	}
	b.callers(t, 50)
	look(b)
	look(a)
	for _, r := range []*running{a, b, start(t, yaml, env)} {
		look(r)
		if s := r.canary(t); s.State != canary.RolledBack || !strings.Contains(s.Reason, "errors") {
			t.Errorf("%+v", s)
		}
	}
	if n := strings.Count(a.log.String(), `"canary rolled_back"`) + strings.Count(b.log.String(), `"canary rolled_back"`); n != 1 {
		t.Errorf("told %d times", n)
	}
	mr.Close() // now each judges alone, and an operator still steers
	if status, s := a.steer(t, "resume"); status != 200 || s.State != canary.Running {
		t.Errorf("without Redis: %d %+v", status, s)
	}
}

// TestCanaryLeaves: a route that lost its canary loses its series.
func TestCanaryLeaves(t *testing.T) {
	r := start(t, fmt.Sprintf(canaryYAML, "mock/echo", "1h"), nil)
	r.app.lookAtCanaries(t.Context(), time.Now())
	if _, _, m := r.do(t, "GET", "/metrics", ""); !strings.Contains(m, `llm_canary_weight{route="chat"} 30`) {
		t.Error("no weight is shown")
	}
	without := load(t, "providers: {m: {type: mock}}\nmodels: {chat: {targets: [{provider: m, model: mock/echo}]}}\n", nil)
	if err := r.app.Reload(t.Context(), without); err != nil {
		t.Fatal(err)
	}
	r.app.lookAtCanaries(t.Context(), time.Now())
	if _, _, m := r.do(t, "GET", "/metrics", ""); strings.Contains(m, `llm_canary_weight{`) {
		t.Error("a canary that has gone is shown")
	}
}
