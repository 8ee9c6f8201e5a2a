package config

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Every variable that stands for one key overrules the file's.
func TestEnvironmentOverrulesFile(t *testing.T) {
	file := `
server: {addr: "127.0.0.1:1", max_body: 1MiB, drain_timeout: 1s, admin: {addr: "127.0.0.1:2", token: file-token-file-token}}
default_model: of-file
auth: {allow_anonymous: true, jwt: {secret: file-file-file-file-file-file-file-file, issuer: file, audience: file}}
limits: {rps: 1, burst: 1}
redis: {url: "redis://file"}
usage: {database: file}
telemetry: {log_level: debug, log_format: text, traces: {endpoint: "https://file.example", service_name: file, sampler: always_off}}
`
	values := env{
		"MODEL_NAME": "m", "GATEWAY_ADDR": "127.0.0.1:9", "GATEWAY_ALLOW_ANONYMOUS": "0", "GATEWAY_ADMIN_TOKEN": "env-token-env-token",
		"GATEWAY_ADMIN_ADDR": "127.0.0.1:8", "GATEWAY_RPS": "2.5", "GATEWAY_BURST": "7", "GATEWAY_MAX_BODY": "2MiB", "GATEWAY_DRAIN_TIMEOUT": "9s",
		"GATEWAY_LOG_LEVEL": "ERROR", "GATEWAY_LOG_FORMAT": "json", "GATEWAY_JWT_SECRET": strings.Repeat("env-", 8), "GATEWAY_JWT_JWKS_URL": "https://env.example/jwks",
		"GATEWAY_JWT_ISSUER": "env", "GATEWAY_JWT_AUDIENCE": "env", "REDIS_URL": "redis://env", "DATABASE_URL": "env",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://env.example/t", "OTEL_SERVICE_NAME": "env", "OTEL_TRACES_SAMPLER": "always_on",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/env.pem", "OTEL_BSP_MAX_QUEUE_SIZE": "4096", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64",
	}
	before := good(t, nil, file)
	for _, v := range EnvVars() {
		if v.Key == "" {
			continue
		}
		value, ok := values[v.Name]
		if !ok {
			t.Errorf("no case for %s", v.Name)
			continue
		}
		changes := Diff(before, good(t, env{v.Name: value}, file))
		if !slices.ContainsFunc(changes, func(c Change) bool { return c.Path == v.Key }) {
			t.Errorf("%s=%s changes %v, not %s", v.Name, value, changes, v.Key)
		}
		if len(changes) > 1 {
			t.Errorf("%s changes more than its key: %v", v.Name, changes)
		}
	}
}

func TestBadVariables(t *testing.T) {
	for name, value := range (env{
		"GATEWAY_RPS": "many", "GATEWAY_BURST": "1.5", "GATEWAY_MAX_BODY": "big", "GATEWAY_DRAIN_TIMEOUT": "30", "GATEWAY_LOG_LEVEL": "loud",
		"GATEWAY_LOG_FORMAT": "xml", "GATEWAY_ALLOW_ANONYMOUS": "maybe",
	}) {
		got := bad(t, source(t, env{name: value}, ""))
		if len(got) != 1 || !strings.HasPrefix(got[0], name+": ") || !strings.Contains(got[0], `"`+value+`"`) {
			t.Errorf("%s=%s: %q", name, value, got)
		}
	}
	// A value that is fine by itself and not in its place is traced to the variable.
	got := bad(t, source(t, env{"GATEWAY_ADDR": "8080"}, "server: {addr: ':1'}"))
	if want := `server.addr (from GATEWAY_ADDR): "8080" is no address; write host:port or :port, as 127.0.0.1:8080`; !slices.Equal(got, []string{want}) {
		t.Errorf("%q, want %q", got, want)
	}
	dir := folder(t, map[string]string{".env": "GATEWAY_RPS=many\n"})
	if got := bad(t, Source{Dir: dir}); !slices.Equal(got, []string{`.env: GATEWAY_RPS: "many" is not a number`}) {
		t.Errorf("%q", got)
	}
}

func TestAPIKeysVariable(t *testing.T) {
	sum := sha256.Sum256([]byte("hashed-key-hashed-key"))
	text := " billing = plain-key=with=equals , ops=sha256:" + strings.ToUpper(hex.EncodeToString(sum[:])) + ",\n"
	c := good(t, env{"GATEWAY_API_KEYS": text}, `
auth:
  keys:
    - {name: billing, key: file-key-file-key, tenant: finance, models: [a]}
    - {name: file, key: other-file-key-000}
`)
	type key struct {
		name, tenant string
		sum          [32]byte
	}
	var got []key
	for i := range c.Auth.Keys {
		k := &c.Auth.Keys[i]
		got = append(got, key{k.Name, k.Tenant, k.Sum()})
	}
	want := []key{
		{"billing", "finance", sha256.Sum256([]byte("plain-key=with=equals"))}, // the environment's key, with the rest of the file's entry
		{"file", "", sha256.Sum256([]byte("other-file-key-000"))},
		{"ops", "", sum},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if c.Server.Addr != DefaultAddrAuth || !c.AuthConfigured() {
		t.Errorf("addr %q", c.Server.Addr)
	}
	for value, want := range map[string]string{
		leak:                           "GATEWAY_API_KEYS: entry 1 is not in the form name=key or name=sha256:hex",
		"a=x,=" + leak:                 "GATEWAY_API_KEYS: entry 2 is not in the form name=key or name=sha256:hex",
		leak + "=":                     "GATEWAY_API_KEYS: entry 1 is not in the form name=key or name=sha256:hex",
		"a=x,b=y,a=" + leak:            "GATEWAY_API_KEYS: entries 1 and 3 have the same name",
		"a=sha256:" + leak:             `GATEWAY_API_KEYS: entry 1 is not a key's hash; write "sha256:" and 64 hexadecimal digits, as "llm-gateway keygen" prints`,
		"a=" + leak + ",b=" + leak:     "auth.keys[1] (from GATEWAY_API_KEYS): is the same key as auth.keys[0]",
		"a=two words " + leak:          "auth.keys[0].key (from GATEWAY_API_KEYS): holds a space, a line break or another sign that no key has",
		"a b=" + leak + "-long-enough": `auth.keys[0].name (from GATEWAY_API_KEYS): "a b" is no name; it must not be empty and have no spaces, commas or =`,
	} {
		if got := bad(t, source(t, env{"GATEWAY_API_KEYS": value}, "")); !slices.Equal(got, []string{want}) {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func FuzzAPIKeys(f *testing.F) {
	f.Add("a=b,c=sha256:" + strings.Repeat("0", 64))
	f.Add("=,=")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseAPIKeys(text)
		seen := map[string]bool{}
		for i := range keys {
			k := &keys[i]
			if err != nil || k.Name == "" || seen[k.Name] || k.Key.IsZero() == (k.Hash == "") {
				t.Fatalf("%q: %+v, %v", text, k, err)
			}
			seen[k.Name] = true
		}
	})
}

func TestOpenTelemetryVariables(t *testing.T) {
	c := good(t, env{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318/", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20" + leak + ", x-tenant = a,",
		"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=prod,team=a%2Cb", "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
		"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25",
	}, "telemetry: {traces: {resource: {team: file, zone: z}}}")
	tr := c.Telemetry.Traces
	if tr.Endpoint != "http://otel:4318/v1/traces" || tr.Timeout.Std() != 2500*time.Millisecond || tr.Sampler != SampleParentRatio || tr.Ratio.Ratio() != 0.25 {
		t.Errorf("%+v", tr)
	}
	if tr.Headers["authorization"].Reveal() != "Bearer "+leak || tr.Headers["x-tenant"].Reveal() != "a" || len(tr.Headers) != 2 {
		t.Errorf("headers %v", tr.Headers)
	}
	if diff := cmp.Diff(map[string]string{"deployment.environment": "prod", "team": "a,b", "zone": "z"}, tr.Resource); diff != "" {
		t.Error(diff)
	}
	for _, vars := range []env{
		{"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318"},
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://otel:4318/v1/traces"},
	} {
		if c := good(t, vars, ""); c.Telemetry.Traces.Endpoint != "" {
			t.Errorf("%v leaves traces on", vars)
		}
	}
	both := good(t, env{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://base", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://full/x"}, "")
	if got := both.Telemetry.Traces.Endpoint; got != "http://full/x" {
		t.Errorf("endpoint %q", got)
	}
}

// Platforms set OTEL_* for all programs: a value that we cannot use is no
// reason not to start.
func TestBadOpenTelemetryVariables(t *testing.T) {
	want := good(t, nil, "")
	for name, value := range (env{
		"OTEL_TRACES_SAMPLER": "xray", "OTEL_TRACES_SAMPLER_ARG": "2", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
		"OTEL_EXPORTER_OTLP_HEADERS": leak, "OTEL_RESOURCE_ATTRIBUTES": "a=%zz", "OTEL_BSP_SCHEDULE_DELAY": "0",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd", "OTEL_BSP_MAX_QUEUE_SIZE": "many",
	}) {
		c := good(t, env{name: value}, "")
		if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], name+": ") || strings.Contains(c.Warnings[0], leak) {
			t.Errorf("%s: warnings %q", name, c.Warnings)
		}
		if changes := Diff(want, c); len(changes) > 0 {
			t.Errorf("%s: %v", name, changes)
		}
	}
}

// A variable of the traces alone wins over that of all signals; a protocol that
// the gateway does not speak is warned of, with the remedy.
func TestOpenTelemetryVariablesOfTraces(t *testing.T) {
	vars := env{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4317",
		"OTEL_EXPORTER_OTLP_HEADERS":  "a=common", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "b=own",
		"OTEL_EXPORTER_OTLP_TIMEOUT": "1000", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "2000",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
		"OTEL_BSP_SCHEDULE_DELAY": "250", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
	}
	c := good(t, vars, "")
	tr := c.Telemetry.Traces
	if len(tr.Headers) != 1 || tr.Headers["b"].Reveal() != "own" || tr.Timeout.Std() != 2*time.Second || tr.Compression != CompressGzip || tr.Interval.Std() != 250*time.Millisecond {
		t.Errorf("%+v", tr)
	}
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "OTEL_EXPORTER_OTLP_PROTOCOL") || !strings.Contains(c.Warnings[0], "4318") {
		t.Errorf("warnings %q", c.Warnings)
	}
	vars["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "http/protobuf"
	if c := good(t, vars, ""); len(c.Warnings) != 0 {
		t.Errorf("warnings %q", c.Warnings)
	}
}
