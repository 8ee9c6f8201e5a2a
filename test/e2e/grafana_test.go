package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const deployDir = "../../deploy"

// TestDashboard runs the shipped Prometheus configuration, rules and dashboard
// against a gateway under load: every query must return a number, every rule
// must evaluate, and what went wrong must be alerted.
func TestDashboard(t *testing.T) {
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer hook.Close()
	write(t, file, fmt.Sprintf(observedConfig, mock.base, clientKey, hook.URL))
	gw := startIn(t, dir, []string{"GATEWAY_CONFIG=" + file}, "serve")
	prom := startDeployed(t, strings.TrimPrefix(gw.base, "http://"))
	stop := load(t, gw.base)
	defer stop()

	reload(t, gw, "configuration reloaded")
	write(t, file, "providers: {m: {type: nonsense}}\n")
	reload(t, gw, "reload failed")

	t.Run("queries", func(t *testing.T) {
		queries := dashboardQueries(t)
		if len(queries) < 60 {
			t.Fatalf("only %d queries found", len(queries))
		}
		for _, q := range queries {
			if err := prom.awaitNumber(t, q.expr); err != nil {
				t.Errorf("panel %q: %s: %v", q.panel, q.expr, err)
			}
		}
		t.Logf("%d queries of the dashboard returned data", len(queries))
	})
	t.Run("rules", func(t *testing.T) { prom.checkRules(t) })
	t.Run("alerts", func(t *testing.T) {
		for _, name := range []string{"LLMGatewayConfigReloadFailed", "LLMGatewayCredentialRefused"} {
			if got := prom.await(t, `count(ALERTS{alertname="`+name+`", alertstate="firing"})`, "1"); got != "1" {
				t.Errorf("%s does not fire: %s", name, got)
			}
		}
		if got := prom.await(t, `count(ALERTS{alertname="LLMGatewayCircuitOpen"})`, "1"); got != "1" {
			t.Errorf("an open circuit is not even pending: %s", got)
		}
		if got, err := prom.query(`ALERTS{alertname="LLMGatewayLedgerLoss"}`); err != nil || got != "no data" {
			t.Errorf("an alert without a cause: %s, %v", got, err)
		}
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func reload(t *testing.T, p *process, says string) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.awaitLog(t, says)
}

func send(ctx context.Context, url, body, key string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

type panelQuery struct{ panel, expr string }

// dashboardQueries returns every query of the dashboard: panels, variables,
// annotations; Grafana's variables replaced as Grafana would.
func dashboardQueries(t *testing.T) []panelQuery {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deployDir, "grafana/dashboards/llm-gateway.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Annotations struct {
			List []struct{ Name, Expr string }
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "15s", "$job", "llm-gateway", "$instance", ".+").Replace
	var out []panelQuery
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			out = append(out, panelQuery{p.Title, fill(q.Expr)})
		}
	}
	labels := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	for _, v := range d.Templating.List {
		if m := labels.FindStringSubmatch(v.Definition); m != nil {
			out = append(out, panelQuery{"variable " + v.Name, "count by (" + m[2] + ") (" + fill(m[1]) + ")"})
		}
	}
	for _, a := range d.Annotations.List {
		expr, _, _ := strings.Cut(fill(a.Expr), " > ") // no replica restarts here
		out = append(out, panelQuery{"annotation " + a.Name, expr})
	}
	for _, q := range out {
		if strings.Contains(q.expr, "$") {
			t.Errorf("panel %q: a variable that this test does not know: %s", q.panel, q.expr)
		}
	}
	return out
}

// startDeployed runs Prometheus with the shipped configuration and rules, only
// faster, and pointed at this gateway.
func startDeployed(t *testing.T, scrape string) prometheus {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("skipped: prometheus is not installed; test/e2e/setup.sh installs it")
	}
	dir := t.TempDir()
	shipped := read(t, "prometheus/prometheus.yml")
	config := regexp.MustCompile(`(?s)dns_sd_configs:.*?\n\n`).ReplaceAllString(shipped, fmt.Sprintf("static_configs: [{targets: [%q]}]\n\n", scrape))
	config = regexp.MustCompile(`(scrape_interval|scrape_timeout|evaluation_interval): \S+`).ReplaceAllString(config, "$1: 500ms")
	if config == shipped || !strings.Contains(config, scrape) {
		t.Fatal("the scrape configuration has another form than this test expects")
	}
	write(t, filepath.Join(dir, "prometheus.yml"), config)
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"alerts.yml", "recording.yml"} {
		write(t, filepath.Join(dir, "rules", f), strings.ReplaceAll(read(t, "prometheus/rules/"+f), "interval: 30s", "interval: 1s"))
	}
	addr := freeAddr(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
	out := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(tail(out.String(), 2000))
		}
	})
	return prometheus{base: "http://" + addr}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deployDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// awaitNumber asks until one of the series is a number, for at most 30 s.
func (p prometheus) awaitNumber(t *testing.T, expr string) error {
	t.Helper()
	last := fmt.Errorf("not asked")
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		var series []struct{ Value [2]any }
		if last = p.api("query?query="+url.QueryEscape(expr), "result", &series); last != nil {
			continue
		}
		last = fmt.Errorf("%d series, none with a number", len(series))
		for _, s := range series {
			if v, err := strconv.ParseFloat(fmt.Sprint(s.Value[1]), 64); err == nil && !math.IsNaN(v) {
				return nil
			}
		}
	}
	return last
}

// checkRules wants every rule evaluated without an error, and every recorded
// series that needs no long past to hold a number.
func (p prometheus) checkRules(t *testing.T) {
	type rule struct{ Name, Type, Health, LastError string }
	var groups []struct{ Rules []rule }
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(250 * time.Millisecond) {
		if err := p.api("rules", "groups", &groups); err != nil {
			t.Fatal(err)
		}
		bad, alerts := []rule{}, 0
		for _, g := range groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					bad = append(bad, r)
				}
				if r.Type == "alerting" {
					alerts++
				}
			}
		}
		if len(bad) == 0 && alerts > 20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d alerts; not healthy: %v", alerts, bad)
		}
	}
	for _, g := range groups {
		for _, r := range g.Rules {
			if r.Type != "recording" {
				continue
			}
			if err := p.awaitNumber(t, r.Name); err != nil {
				t.Errorf("recorded %s: %v", r.Name, err)
			}
		}
	}
}

// api asks Prometheus and decodes one member of the answer's data.
func (p prometheus) api(path, member string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", p.base+"/api/v1/"+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          map[string]json.RawMessage
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	return json.Unmarshal(answer.Data[member], into)
}
