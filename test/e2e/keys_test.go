package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// admin asks the operators' API.
func (p *process) admin(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	return request(t, http.DefaultClient, method, p.base+path, adminToken, body)
}

func request(t *testing.T, c *http.Client, method, url, cred, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+cred)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// makeKey makes an API key at run time.
func (p *process) makeKey(t *testing.T, body string) string {
	t.Helper()
	status, answer := p.admin(t, "POST", "/admin/v1/keys", body)
	var got struct{ Data struct{ Key string } }
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 || got.Data.Key == "" {
		t.Fatal(status, answer, err)
	}
	return got.Data.Key
}

func (p *process) revoke(t *testing.T, name string) {
	t.Helper()
	if status, body := p.admin(t, "DELETE", "/admin/v1/keys/"+name, ""); status != 200 {
		t.Fatal(status, body)
	}
}

// line is one keep-alive connection to a gateway: a second one is an error.
type line struct {
	client *http.Client
	base   string
}

func (p *process) line(t *testing.T) *line {
	t.Helper()
	dialed := false
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dialed {
			t.Error("the connection was not kept open")
		}
		dialed = true
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &line{&http.Client{Transport: http.DefaultClient.Transport.(*conformance).over(tr)}, p.base}
}

func (l *line) call(t *testing.T, key string) int {
	t.Helper()
	status, _ := request(t, l.client, "POST", l.base+"/v1/generate", key, `{"prompt":"hi"}`)
	return status
}

// await repeats a call until it gets a status, and returns how long that took.
func (l *line) await(t *testing.T, key string, want int, within time.Duration) time.Duration {
	t.Helper()
	for start := time.Now(); ; {
		got := l.call(t, key)
		if took := time.Since(start); got == want || took > within {
			if got != want {
				t.Fatalf("after %v still %d, want %d", took, got, want)
			}
			return took
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// TestKeysOnReplicas: what one replica makes and revokes holds on the other
// within a second, on open connections too, before and after the database was
// killed; keys survive the restart of both.
func TestKeysOnReplicas(t *testing.T) {
	pg := startPostgres(t)
	env := []string{
		"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_API_KEYS=fixed=" + clientKey, "GATEWAY_ADMIN_TOKEN=" + adminToken,
		"GATEWAY_RPS=0", "DATABASE_URL=" + pg.url(),
	}
	a, b := start(t, env, "serve"), start(t, env, "serve")
	onB := b.line(t)
	if got := onB.call(t, "gw_unknown"); got != 401 {
		t.Fatal(got)
	}
	round := func(name string) {
		t.Helper()
		key := a.makeKey(t, `{"name":"`+name+`"}`)
		known := onB.await(t, key, 200, time.Second)
		a.revoke(t, name)
		refused := onB.await(t, key, 401, time.Second)
		t.Logf("%s: known elsewhere after %v, refused after %v", name, known, refused)
	}
	for _, name := range []string{"one", "two", "three"} {
		round(name)
	}
	kept := b.makeKey(t, `{"name":"kept","limits":{"rps":0.001,"burst":1000}}`)
	onA := a.line(t)
	onA.await(t, kept, 200, time.Second)

	pg.kill()
	onA.await(t, kept, 200, time.Second)
	onB.await(t, kept, 200, time.Second)
	if status, body := a.admin(t, "POST", "/admin/v1/keys", `{"name":"lost"}`); status != 503 {
		t.Error("a key is made without a database:", status, body)
	}
	for _, p := range []*process{a, b} { // both: who has not noticed will not say that it is over
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if _, ready := get(t, p.base+"/readyz"); strings.Contains(ready, "the keys last known are in force") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("/readyz does not say that the store is away")
			}
		}
	}
	pg.start(t)
	for _, p := range []*process{a, b} {
		p.awaitLogFor(t, "the store of run-time keys answers again", 15*time.Second)
	}
	onB.await(t, kept, 200, time.Second)
	for deadline := time.Now().Add(20 * time.Second); pg.ask(t, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = '-- ping'") < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the replicas do not listen again")
		}
		time.Sleep(50 * time.Millisecond)
	}
	round("afterwards")

	for _, p := range []*process{a, b} {
		if err := p.terminate(t, 30*time.Second); err != nil {
			t.Error(err)
		}
	}
	a, b = start(t, env, "serve"), start(t, env, "serve")
	for _, p := range []*process{a, b} {
		if got := p.line(t).call(t, kept); got != 200 {
			t.Errorf("after the restart of both: %d", got)
		}
	}
	if n := pg.ask(t, "SELECT count(*) FROM gateway_keys WHERE body LIKE '%"+kept+"%' OR hash LIKE '%"+kept+"%'"); n != 0 {
		t.Error("the key itself stands in the database")
	}
	a.revoke(t, "kept")
	b.line(t).await(t, kept, 401, time.Second)
}

// TestKeysSurviveAKill: a key that was made is there after kill -9, in a file.
func TestKeysSurviveAKill(t *testing.T) {
	dir := t.TempDir()
	env := []string{"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_API_KEYS=fixed=" + clientKey, "GATEWAY_ADMIN_TOKEN=" + adminToken, "GATEWAY_RPS=0"}
	gw := startIn(t, dir, env, "serve")
	key := gw.makeKey(t, `{"name":"app","limits":{"rps":0.001,"burst":2}}`)
	gone := gw.makeKey(t, `{"name":"gone"}`)
	gw.revoke(t, "gone")
	gw.kill(t)
	gw = startIn(t, dir, env, "serve")
	l := gw.line(t)
	for i, want := range []int{200, 200, 429} { // with its limits
		if got := l.call(t, key); got != want {
			t.Errorf("call %d: %d, want %d", i, got, want)
		}
	}
	if got := l.call(t, gone); got != 401 {
		t.Errorf("a revoked key is back: %d", got)
	}
}
