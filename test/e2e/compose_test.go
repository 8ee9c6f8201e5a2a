package e2e

import (
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// composed is what this test reads of the compose file.
type composed struct {
	Services map[string]struct {
		Command     []string
		Environment map[string]string
		Volumes     []string
		Healthcheck struct{ Test []string }
	}
}

// TestCompose starts what deploy/compose starts, without a container engine: the
// programs of this machine with the commands, the environment and the mounted
// files of the compose file, in which addresses alone are others. Grafana and the
// collector are not among Debian's programs: the dashboards' queries have a test
// of their own, and the traces go to a receiver of ours.
func TestCompose(t *testing.T) {
	var c composed
	text := read(t, "compose/compose.yaml")
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for name := range c.Services {
		names = append(names, name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"gateway", "grafana", "otel-collector", "postgres", "prometheus", "redis"}) {
		t.Fatalf("the services are %v", names)
	}
	redis := composeRedis(t, &c)
	pg := composePostgres(t, &c)
	rec := &receiver{any: true}
	collector := httptest.NewServer(rec)
	defer collector.Close()
	if !strings.Contains(read(t, "compose/otel-collector.yaml"), "endpoint: 0.0.0.0:4318") {
		t.Error("the collector does not listen where the gateway sends to")
	}

	addr, dir := freeAddr(t), t.TempDir()
	env := []string{"OTEL_BSP_SCHEDULE_DELAY=50"}
	def := regexp.MustCompile(`\$\{\w+:-([^}]*)\}`)
	for name, v := range c.Services["gateway"].Environment {
		v = def.ReplaceAllString(v, "$1")
		switch name {
		case "REDIS_URL":
			v = replaceOnce(t, v, "redis:6379", "127.0.0.1:"+redis.port)
		case "DATABASE_URL":
			v = replaceOnce(t, v, "postgres:5432", "127.0.0.1:"+pg.port)
		case "OTEL_EXPORTER_OTLP_ENDPOINT":
			v = replaceOnce(t, v, "http://otel-collector:4318", collector.URL)
		case "GATEWAY_CONFIG":
			v = filepath.Join(dir, "gateway.yaml")
			write(t, v, replaceOnce(t, read(t, "compose/"+mounted(t, c.Services["gateway"].Volumes, "/etc/llm-gateway/gateway.yaml")), `":8080"`, `"`+addr+`"`))
		}
		env = append(env, name+"="+v)
	}
	gw := start(t, env, c.Services["gateway"].Command...)
	pg.db = c.Services["postgres"].Environment["POSTGRES_DB"]
	awaitGet(t, gw, "/readyz", `{"name":"redis","state":"ok"}`)
	prom := startDeployed(t, addr)

	const trace = "0af7651916cd43dd8448eb211c8000aa"
	tracedAs(t, "gw_development_0000000000000000000000", gw.base+"/v1/chat/completions", trace, `{"model":"mock/echo","messages":[{"role":"user","content":"hi"}]}`)
	rec.await(t, trace, 2)
	awaitOne(t, pg, "SELECT (to_regclass('ledger_records') IS NOT NULL)::int") // made in the background
	awaitOne(t, pg, "SELECT COUNT(*) FROM ledger_records WHERE outcome = 'complete'")
	for query, want := range map[string]string{`up{job="llm-gateway"}`: "1", `sum(llm_requests_total{outcome="complete"})`: "1", `gateway_redis_up`: "1"} {
		if got := prom.await(t, query, want); got != want {
			t.Errorf("%s = %q, want %s", query, got, want)
		}
	}
	var groups []struct{ Rules []json.RawMessage }
	if err := prom.api("rules", "groups", &groups); err != nil || len(groups) == 0 || len(groups[0].Rules) == 0 {
		t.Errorf("the mounted rules are not loaded: %v, %v", groups, err)
	}
}

// mounted returns the file of deploy/compose that stands at a path of a container.
func mounted(t *testing.T, volumes []string, at string) string {
	t.Helper()
	for _, v := range volumes {
		if from, to, _ := strings.Cut(v, ":"); strings.TrimSuffix(to, ":ro") == at {
			return from
		}
	}
	t.Fatalf("nothing is mounted at %s: %v", at, volumes)
	return ""
}

// composeRedis runs the service's own command.
func composeRedis(t *testing.T, c *composed) *redisServer {
	t.Helper()
	s := c.Services["redis"]
	if s.Command[0] != "redis-server" || !slices.Equal(s.Healthcheck.Test, []string{"CMD", "redis-cli", "ping"}) {
		t.Fatalf("redis: %v, %v", s.Command, s.Healthcheck.Test)
	}
	r := startRedis(t, s.Command[1:]...)
	if out, err := r.cli("ping"); err != nil || strings.TrimSpace(out) != "PONG" {
		t.Errorf("the health check: %v %s", err, out)
	}
	return r
}

// composePostgres makes the database that the image would make.
func composePostgres(t *testing.T, c *composed) *postgres {
	t.Helper()
	s, pg := c.Services["postgres"], startPostgres(t)
	if s.Environment["POSTGRES_USER"] != "gateway" {
		t.Fatalf("postgres: %v", s.Environment)
	}
	at := []string{"-h", "127.0.0.1", "-p", pg.port, "-U", "gateway"}
	if out, err := pg.command("createdb", append(at, s.Environment["POSTGRES_DB"])...).CombinedOutput(); err != nil {
		t.Fatalf("createdb: %v %s", err, out)
	}
	check := slices.Concat(s.Healthcheck.Test[1:], at[:4])
	if out, err := pg.command(check[0], check[1:]...).CombinedOutput(); err != nil {
		t.Errorf("the health check %v: %v %s", check, err, out)
	}
	return pg
}

// awaitOne waits until a statement's answer is 1.
func awaitOne(t *testing.T, pg *postgres, sql string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); pg.ask(t, sql) != 1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is never 1", sql)
		}
	}
}
