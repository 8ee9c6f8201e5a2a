package config

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// What check prints shows no secret, and with the secrets filled in again it
// is a configuration that means the same.
func TestWriteRoundTrip(t *testing.T) {
	full := loadFullExample(t)
	text := full.Masked()
	for _, secret := range secretsOf(t, full) {
		if strings.Contains(text, secret) {
			t.Errorf("%q is printed:\n%s", secret, text)
		}
	}
	n := strings.Count(text, "'"+masked+"'")
	if n < 12 {
		t.Fatalf("only %d secrets in the full example", n)
	}
	if err := errOf(Load(source(t, nil, text))); err == nil || strings.Count(err.Error(), "fill the secret in") != n {
		t.Errorf("the printed text loads with masks for secrets: %v", err)
	}
	i := 0
	filled := text
	for strings.Contains(filled, "'"+masked+"'") {
		i++
		filled = strings.Replace(filled, "'"+masked+"'", fmt.Sprintf("redis://filled-in-secret-number-%d", i), 1)
	}
	filled = strings.ReplaceAll(filled, "url: redis://filled", "url: https://filled")
	filled = strings.Replace(filled, "redis:\n  url: https://", "redis:\n  url: redis://", 1)
	again := good(t, nil, filled)
	for _, c := range Diff(full, again) {
		if !strings.HasPrefix(c.Old, "secret ") || !strings.HasPrefix(c.New, "secret ") {
			t.Error(c)
		}
	}
	if second := again.Masked(); second != text {
		t.Error(cmp.Diff(text, second))
	}
}

// secretsOf returns every secret of a configuration.
func secretsOf(t *testing.T, c *Config) []string {
	t.Helper()
	var all []string
	c.node(func(s Secret) string {
		if !s.IsZero() {
			all = append(all, s.Reveal())
		}
		return ""
	})
	if len(all) < 12 {
		t.Fatalf("only %d secrets found", len(all))
	}
	return all
}

// No other way of printing the whole shows a secret either.
func TestConfigNeverShowsSecrets(t *testing.T) {
	full := loadFullExample(t)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "config", full)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "config", full, "provider", full.Providers["openai"], "key", full.Auth.Keys)
	asYAML, err := yaml.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	text := log.String() + string(asYAML)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text += fmt.Sprintf(verb, full) + fmt.Sprintf(verb, *full) + fmt.Sprintf(verb, full.Providers["openai"]) + fmt.Sprintf(verb, *full.Providers["openai"]) + fmt.Sprintf(verb, full.Auth)
	}
	for _, d := range Diff(nil, full) {
		text += d.String()
	}
	for _, secret := range secretsOf(t, full) {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}

func TestWriteIsStable(t *testing.T) {
	want := loadFullExample(t)
	text := normal(want)
	for range 5 {
		if got := normal(loadFullExample(t)); got != text {
			t.Fatal(cmp.Diff(text, got))
		}
	}
}

// normal returns the printed form without the folder of the test.
func normal(c *Config) string {
	return strings.ReplaceAll(c.Masked(), filepath.Dir(filepath.Dir(c.HTTP.CAFile)), "DIR")
}

// A text that looks like a reference, a number or nothing survives.
func TestWriteQuotes(t *testing.T) {
	c := good(t, nil, `
providers: {p: {type: azure-openai, base_url: "https://x", keys: [k], deployments: {"a: b": "$${X}", null: "null", "1": "true", "x\ny": " z "}}}
telemetry: {traces: {resource: {a: "$$${b}", "": "", "#": "- x"}}}
`)
	want := map[string]string{"a: b": "${X}", "null": "null", "1": "true", "x\ny": " z "}
	if diff := cmp.Diff(want, c.Providers["p"].Deployments); diff != "" {
		t.Error(diff)
	}
	again := good(t, nil, strings.ReplaceAll(c.Masked(), "'"+masked+"'", "k"))
	if changes := Diff(c, again); len(changes) > 0 {
		t.Errorf("%v\n%s", changes, c.Masked())
	}
}

// An explicit nothing where the default is something is printed.
func TestWriteEmptyOverDefault(t *testing.T) {
	c := good(t, nil, "redis: {prefix: ''}\ntelemetry: {traces: {service_name: ''}}\nlimits: {rps: 0}\nhttp: {use_proxy: false}")
	again := good(t, nil, c.Masked())
	if changes := Diff(c, again); len(changes) > 0 || again.Redis.Prefix != "" || again.Limits.RPS != 0 || again.HTTP.UseProxy {
		t.Errorf("%v\n%s", changes, c.Masked())
	}
}

type brokenWriter struct{}

var errBroken = errors.New("disk full")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteFails(t *testing.T) {
	if err := Default().Write(brokenWriter{}); err == nil {
		t.Error("a failed write is not reported")
	}
}

func TestDiff(t *testing.T) {
	from := good(t, env{"OPENAI_API_KEY": "old-" + leak}, "limits: {rps: 100}\nserver: {trusted_proxies: [10.0.0.1, 10.0.0.2]}\nmodels: {gpt-4.1: {targets: [{provider: openai, model: x}]}}")
	to := good(t, env{"OPENAI_API_KEY": "new-" + leak}, "limits: {rps: 50}\nserver: {trusted_proxies: [10.0.0.1]}\nmodels: {gpt-4.1: {targets: [{provider: openai, model: y}], cache: {}}}")
	var got []string
	for _, c := range Diff(from, to) {
		got = append(got, c.String())
	}
	want := []string{
		"limits.burst: 200 -> 100",
		"limits.rps: 100 -> 50",
		`models["gpt-4.1"].cache.share: (none) -> true`,
		`models["gpt-4.1"].cache.ttl: (none) -> 10m`,
		`models["gpt-4.1"].targets[0].model: x -> y`,
		"providers.openai.keys[0]: secret " + NewSecret("old-"+leak).Fingerprint() + " -> secret " + NewSecret("new-"+leak).Fingerprint(),
		"server.trusted_proxies[1]: 10.0.0.2 -> (none)",
	}
	if !slices.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if same := Diff(from, from); len(same) > 0 {
		t.Errorf("%v", same)
	}
	if all := Diff(nil, from); len(all) != len(Diff(from, nil)) || len(all) < 50 {
		t.Errorf("%d settings against nothing", len(all))
	}
}
