package deploy_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Record, Alert, Expr string
			Labels, Annotations map[string]string
		}
	}
}

var ruleFiles = []string{"prometheus/rules/recording.yml", "prometheus/rules/alerts.yml"}

// TestPromtool checks configuration and rules, and runs the tests of the rules,
// with the real promtool.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool", "apt-get install prometheus")
	run(t, promtool, append([]string{"check", "rules"}, ruleFiles...)...)
	run(t, promtool, "check", "config", "prometheus/prometheus.yml")
	for _, f := range ruleTests {
		run(t, promtool, "test", "rules", f)
	}
}

// ruleTest is as much of promtool's unit tests as is looked at.
type ruleTest struct {
	Tests []struct {
		Name  string
		Cases []struct {
			Alert string `yaml:"alertname"`
			Exp   []struct {
				Annotations map[string]string `yaml:"exp_annotations"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

var ruleTests = []string{"prometheus/tests/alerts_test.yml", "prometheus/tests/slow_test.yml"}

// TestAlerts wants of each alert: a severity, annotations, a unit test that sees
// it fire and one that sees it silent, and an entry of its name in the runbook;
// and of each test and each entry that there is such an alert.
func TestAlerts(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, name := range ruleTests {
		var f ruleTest
		decode(t, name, &f)
		for _, test := range f.Tests {
			for _, c := range test.Cases {
				fires[c.Alert] = fires[c.Alert] || len(c.Exp) > 0
				silent[c.Alert] = silent[c.Alert] || len(c.Exp) == 0
			}
		}
	}
	runbook := map[string]string{} // entry → text
	_, text, found := strings.Cut(read(t, "../docs/operations.md"), "\n# Runbook\n")
	if !found {
		t.Fatal("docs/operations.md has no runbook")
	}
	for _, section := range strings.Split(text, "\n### ")[1:] {
		name, rest, _ := strings.Cut(section, "\n")
		rest, _, _ = strings.Cut(rest, "\n## ")
		runbook[name] = strings.TrimSpace(rest)
	}
	var f ruleFile
	decode(t, ruleFiles[1], &f)
	alerts := map[string]bool{}
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = true
			if s := r.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s lacks a summary or a description", r.Alert)
			}
			_, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "docs/operations.md#")
			if anchor != strings.ToLower(r.Alert) || runbook[r.Alert] == "" {
				t.Errorf("%s has no entry in docs/operations.md, or the link does not lead there", r.Alert)
			}
			if !fires[r.Alert] || !silent[r.Alert] {
				t.Errorf("%s: a test sees it fire %v, a test sees it silent %v", r.Alert, fires[r.Alert], silent[r.Alert])
			}
		}
	}
	for name := range runbook {
		if !alerts[name] {
			t.Errorf("the runbook has an entry for %s, which is no alert", name)
		}
	}
	for name := range silent {
		if !alerts[name] {
			t.Errorf("there is a test of %s, which is no alert", name)
		}
	}
	if len(alerts) < 20 {
		t.Errorf("only %d alerts found", len(alerts))
	}
}

// TestQueriesNameRealMetrics looks every metric that a rule or a panel names up
// in docs/metrics.md, which is made from the declarations.
func TestQueriesNameRealMetrics(t *testing.T) {
	known := map[string]bool{"up": true}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+)").FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		known[m[1]] = true
		if m[2] == "histogram" || m[2] == "summary" {
			known[m[1]+"_sum"], known[m[1]+"_count"], known[m[1]+"_bucket"] = true, true, m[2] == "histogram"
		}
	}
	exprs := map[string]string{}
	for _, name := range ruleFiles {
		var f ruleFile
		decode(t, name, &f)
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				exprs[r.Record+r.Alert] = r.Expr
				if r.Record != "" {
					known[r.Record] = true
				}
			}
		}
	}
	for title, expr := range panels(t) {
		exprs[title] = expr
	}
	checked := 0
	for where, expr := range exprs {
		for _, name := range metricNames(expr) {
			checked++
			if !known[name] {
				t.Errorf("%s asks for %s, which nothing exposes", where, name)
			}
		}
	}
	if checked < 80 {
		t.Errorf("only %d names found", checked)
	}
}

// metricNames finds the metrics of a PromQL expression: names that are no
// function, no keyword, no label.
func metricNames(expr string) []string {
	for _, cut := range []string{`"(\\.|[^"])*"`, `\{[^}]*\}`, `\[[^\]]*\]`, `\b(by|without|on|ignoring)\s*\([^)]*\)`} {
		expr = regexp.MustCompile(cut).ReplaceAllString(expr, " ")
	}
	var out []string
	for _, m := range regexp.MustCompile(`([a-zA-Z_:][\w:]*)(\s*\()?`).FindAllStringSubmatch(expr, -1) {
		if m[2] == "" && strings.ContainsAny(m[1], "_:") || m[1] == "up" {
			out = append(out, m[1])
		}
	}
	return out
}

func panels(t *testing.T) map[string]string {
	t.Helper()
	var d struct {
		UID    string
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/dashboards/llm-gateway.json")), &d); err != nil {
		t.Fatal(err)
	}
	out, ids := map[string]string{}, map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("panel %q has the id of another", p.Title)
		}
		ids[p.ID] = true
		for i, q := range p.Targets {
			out[p.Title+string(rune('A'+i))] = q.Expr
		}
	}
	return out
}

func TestMetricNames(t *testing.T) {
	got := metricNames(`histogram_quantile(0.9, sum by (le, route_x) (rate(a_bucket{b_c="d_e"}[5m]))) > on (job, x_y) f:g_h:i or vector(0)`)
	if strings.Join(got, " ") != "a_bucket f:g_h:i" {
		t.Errorf("found %v", got)
	}
}

// TestPrometheusRule keeps the rules for the Prometheus operator the same as
// those for Prometheus.
func TestPrometheusRule(t *testing.T) {
	const path = "kubernetes/overlays/production/prometheusrule.yaml"
	want := `# Made from deploy/prometheus/rules by "go test ./deploy -run TestPrometheusRule
# -update"; change the rules there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: llm-gateway
spec:
  groups:
`
	for _, f := range ruleFiles {
		_, groups, _ := strings.Cut(read(t, f), "groups:\n")
		for line := range strings.Lines(groups) {
			if strings.TrimSpace(line) != "" {
				line = "  " + line
			}
			want += line
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, path) != want {
		t.Error(path, "is not what the rules say; run `go test ./deploy -run TestPrometheusRule -update`")
	}
}
