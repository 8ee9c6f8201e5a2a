package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/config"
)

type composeFile struct {
	Services map[string]struct {
		Image, User string
		Build       struct{ Context string }
		Environment map[string]string
		Ports       []string
		Volumes     []string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		MemLimit    string   `yaml:"mem_limit"`
		DependsOn   any      `yaml:"depends_on"`
	}
	Volumes map[string]any
}

// TestCompose reads the compose file and checks what it refers to.
func TestCompose(t *testing.T) {
	var c composeFile
	decode(t, "compose/compose.yaml", &c)
	for _, name := range []string{"gateway", "redis", "postgres", "prometheus", "grafana", "otel-collector"} {
		if _, ok := c.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	pinned := regexp.MustCompile(`:(v?\d+\.\d+|\$\{\w+:-dev\}|\d+-)`)
	for name, s := range c.Services {
		if !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %s has no version", name, s.Image)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network", name, p)
			}
		}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(from, ".") {
				if _, ok := c.Volumes[from]; !ok {
					t.Errorf("%s: the volume %s is not declared", name, from)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join("compose", from)); err != nil {
				t.Errorf("%s mounts what does not exist: %v", name, err)
			}
			if !strings.HasSuffix(to, ":ro") {
				t.Errorf("%s may write to %s", name, from)
			}
		}
	}
	gw := c.Services["gateway"]
	if !gw.ReadOnly || gw.User != "65532:65532" || !slices.Equal(gw.CapDrop, []string{"ALL"}) || gw.MemLimit != "256m" {
		t.Errorf("the gateway is not confined: %+v", gw)
	}
	if _, err := os.Stat(filepath.Join("compose", gw.Build.Context, "Dockerfile")); err != nil {
		t.Error(err)
	}
	// Of what is mounted, prometheus.yml names the rules, and Grafana's
	// provider the dashboards.
	if !strings.Contains(read(t, "prometheus/prometheus.yml"), "- rules/*.yml") ||
		!slices.Contains(c.Services["prometheus"].Volumes, "../prometheus/rules:/etc/prometheus/rules:ro") {
		t.Error("Prometheus does not find its rules")
	}
	if !strings.Contains(read(t, "grafana/provisioning/dashboards/llm-gateway.yml"), "path: /var/lib/grafana/dashboards\n") {
		t.Error("Grafana does not find its dashboards")
	}
}

// TestComposeStartsTheGateway resolves the configuration as the program would
// inside the container.
func TestComposeStartsTheGateway(t *testing.T) {
	var c composeFile
	decode(t, "compose/compose.yaml", &c)
	env := c.Services["gateway"].Environment
	known := knownVars()
	def := regexp.MustCompile(`\$\{\w+:-([^}]*)\}`)
	for name, v := range env {
		if !known[name] {
			t.Errorf("the gateway reads no variable %s", name)
		}
		env[name] = def.ReplaceAllString(v, "$1")
	}
	env["GATEWAY_CONFIG"] = "compose/gateway.yaml"
	cfg := load(t, env)
	if cfg.Server.Addr != ":8080" || len(cfg.Auth.Keys) != 1 || cfg.Redis.URL.IsZero() {
		t.Errorf("resolved: %+v", cfg.Server)
	}
}

// knownVars are the variables that the program reads, with their _FILE forms.
func knownVars() map[string]bool {
	known := map[string]bool{}
	for _, v := range config.EnvVars() {
		known[v.Name] = true
		if v.Secret {
			known[v.Name+"_FILE"] = true
		}
	}
	return known
}

func load(t *testing.T, env map[string]string) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Source{Dir: t.TempDir(), LookupEnv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
