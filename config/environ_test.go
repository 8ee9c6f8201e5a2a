package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each layer is beaten by the one before it.
func TestPrecedence(t *testing.T) {
	dir := folder(t, map[string]string{
		".env":            "GATEWAY_RPS=1\nGATEWAY_MAX_BODY=1MiB\nGATEWAY_LOG_LEVEL=debug\nREAL=dotenv\n",
		".env.production": "GATEWAY_RPS=2\nGATEWAY_MAX_BODY=2MiB\n",
		"gw.yaml":         "limits: {rps: 4}\nserver: {max_body: 4MiB, drain_timeout: 4s}\ntelemetry: {log_level: warn}\n",
	})
	c, err := Load(Source{
		LookupEnv: lookup(env{"APP_ENV": "production", "GATEWAY_RPS": "3"}), Dir: dir, File: filepath.Join(dir, "gw.yaml"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, got, want string }{
		{"environment", Money(c.Limits.RPS * 1e12).String(), "3"},
		{".env.production", c.Server.MaxBody.String(), "2MiB"},
		{".env", string(c.Telemetry.LogLevel), "debug"},
		{"file", c.Server.DrainTimeout.String(), "4s"},
		{"default", c.Server.ReadTimeout.String(), "1m"},
		{"APP_ENV", c.AppEnv, "production"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, tc.got, tc.want)
		}
	}
	want := []string{filepath.Join(dir, ".env"), filepath.Join(dir, ".env.production"), filepath.Join(dir, "gw.yaml")}
	if !slices.Equal(c.Files, want) {
		t.Errorf("files %q, want %q", c.Files, want)
	}
}

// An empty variable of the real environment is not set, and still hides what
// .env says: it was not overwritten.
func TestEmptyVariables(t *testing.T) {
	dir := folder(t, map[string]string{".env": "GATEWAY_RPS=1\nOPENAI_API_KEY=sk-test-dotenv\nGATEWAY_ADDR=\n"})
	c, err := Load(Source{LookupEnv: lookup(env{"OPENAI_API_KEY": "", "MODEL_NAME": ""}), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if !c.MockFallback || c.Limits.RPS != 1 || c.Server.Addr != DefaultAddr || c.DefaultModel != "mock" {
		t.Errorf("mock %v, rps %v, addr %q, model %q", c.MockFallback, c.Limits.RPS, c.Server.Addr, c.DefaultModel)
	}
}

func TestLoadChangesNoEnvironment(t *testing.T) {
	dir := folder(t, map[string]string{".env": "CONFIG_TEST_VARIABLE=x\nGATEWAY_RPS=7\n"})
	before := os.Environ()
	if _, err := Load(Source{LookupEnv: os.LookupEnv, Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if after := os.Environ(); !slices.Equal(before, after) {
		t.Error("Load changed the process environment")
	}
}

func TestAppEnvFromDotenv(t *testing.T) {
	dir := folder(t, map[string]string{".env": "APP_ENV=staging\nGATEWAY_RPS=1", ".env.staging": "GATEWAY_RPS=2"})
	c, err := Load(Source{Dir: dir})
	if err != nil || c.Limits.RPS != 2 || c.AppEnv != "staging" {
		t.Errorf("%v, %v", c, err)
	}
	for _, name := range []string{"../x", "a/b", ".", "-x", "a b"} {
		got := bad(t, Source{LookupEnv: lookup(env{"APP_ENV": name}), Dir: dir})
		if len(got) != 1 || !strings.HasPrefix(got[0], "APP_ENV: ") {
			t.Errorf("APP_ENV=%q: %q", name, got)
		}
	}
}

// Without LookupEnv a plain getenv does.
func TestGetenv(t *testing.T) {
	c, err := Load(Source{Getenv: func(name string) string { return env{"GATEWAY_RPS": "9"}[name] }})
	if err != nil || c.Limits.RPS != 9 {
		t.Errorf("%v, %v", c, err)
	}
}

// A broken .env is refused by name and line. The parser's own message would
// quote the secrets that follow.
func TestBrokenDotenv(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"A=1\nthis is - no variable\nKEY=" + leak + "\n", ".env:2: is not in the form NAME=value"},
		{"A=1\n\nKEY=\"" + leak + "\nB=2\n", ".env:3: is not in the form NAME=value"},
		{leak + "\n", ".env:1: is not in the form NAME=value"},
		{"A=\"two\nlines\"\n!" + leak + "=x\n", ".env:3: is not in the form NAME=value"},
	} {
		got := bad(t, Source{Dir: folder(t, map[string]string{".env": tc.text})})
		if !slices.Equal(got, []string{tc.want}) {
			t.Errorf("%q: %q, want %q", tc.text, got, tc.want)
		}
	}
	dir := folder(t, map[string]string{".env/file": ""})
	if got := bad(t, Source{Dir: dir}); !slices.Equal(got, []string{".env: cannot be read: is a directory"}) {
		t.Errorf("%q", got)
	}
	if n := badLine(filepath.Join(dir, "none")); n != 0 {
		t.Errorf("line %d of no file", n)
	}
}

// Each secret variable may be a file instead.
func TestSecretFiles(t *testing.T) {
	for _, v := range EnvVars() {
		if !v.Secret {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			value := leak + "-with-thirty-two-letters-or-more"
			switch v.Name {
			case "GATEWAY_API_KEYS", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS":
				value = "name=" + value
			case "REDIS_URL":
				value = "redis://:" + value + "@redis.example"
			}
			dir := folder(t, map[string]string{"secret": value + "\r\n", "gw.yaml": declareAll()})
			file := filepath.Join(dir, "secret")
			vars := env{"AZURE_OPENAI_ENDPOINT": "https://res.example"}
			load := func(name, value string) (*Config, error) {
				e := env{name: value}
				for k, v := range vars {
					e[k] = v
				}
				return Load(Source{LookupEnv: lookup(e), File: filepath.Join(dir, "gw.yaml")})
			}
			plain, err := load(v.Name, value)
			if err != nil {
				t.Fatal(err)
			}
			viaFile, err := load(v.Name+"_FILE", file)
			if err != nil {
				t.Fatal(err)
			}
			none, err := load("NOTHING", "x")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plain.flat(), viaFile.flat()); diff != "" {
				t.Error(diff)
			}
			if len(Diff(none, viaFile)) == 0 {
				t.Error("the secret has no effect")
			}
			if !slices.Contains(viaFile.Files, file) || slices.Contains(plain.Files, file) {
				t.Errorf("files %q", viaFile.Files)
			}
		})
	}
}

// declareAll is a file with the providers that only a file switches on.
func declareAll() string {
	return "providers:\n  ollama: {type: ollama}\n  vllm: {type: vllm}\n  llamacpp: {type: llamacpp, base_url: 'http://127.0.0.1:8081'}\n  lmstudio: {type: lmstudio}\n"
}

func TestSecretFileFaults(t *testing.T) {
	dir := folder(t, map[string]string{"empty": "\n", "ok": leak, ".env": "GEMINI_API_KEY=" + leak + "\n"})
	for _, tc := range []struct {
		vars env
		want string
	}{
		{env{"OPENAI_API_KEY": leak, "OPENAI_API_KEY_FILE": dir + "/ok"}, "OPENAI_API_KEY: both OPENAI_API_KEY and OPENAI_API_KEY_FILE are set; keep one"},
		{env{"GEMINI_API_KEY_FILE": dir + "/ok"}, ".env: GEMINI_API_KEY: both GEMINI_API_KEY and GEMINI_API_KEY_FILE are set; keep one"},
		{env{"OPENAI_API_KEY_FILE": dir + "/none"}, "OPENAI_API_KEY_FILE: the file none cannot be read: no such file or directory"},
		{env{"OPENAI_API_KEY_FILE": dir + "/empty"}, "OPENAI_API_KEY_FILE: the file empty is empty"},
		{env{"OPENAI_API_KEY_FILE": dir + "/."}, "OPENAI_API_KEY_FILE: . is no file of at most 1MiB"},
	} {
		got := bad(t, Source{LookupEnv: lookup(tc.vars), Dir: dir})
		if !slices.Equal(got, []string{tc.want}) {
			t.Errorf("%v: %q, want %q", tc.vars, got, tc.want)
		}
	}
	// An empty partner is not set.
	c, err := Load(Source{LookupEnv: lookup(env{"OPENAI_API_KEY": "", "OPENAI_API_KEY_FILE": dir + "/ok"})})
	if err != nil || c.Providers["openai"].Keys[0].Reveal() != leak {
		t.Errorf("%v, %v", c, err)
	}
}

func TestConfigFileIsFound(t *testing.T) {
	dir := folder(t, map[string]string{"a.yaml": "limits: {rps: 1}", "b.yaml": "limits: {rps: 2}", "sub/.env": "GATEWAY_CONFIG=" + "nowhere.yaml"})
	vars := env{"GATEWAY_CONFIG": filepath.Join(dir, "a.yaml")}
	if c, err := Load(Source{LookupEnv: lookup(vars)}); err != nil || c.Limits.RPS != 1 {
		t.Errorf("GATEWAY_CONFIG: %v, %v", c, err)
	}
	if c, err := Load(Source{LookupEnv: lookup(vars), File: filepath.Join(dir, "b.yaml")}); err != nil || c.Limits.RPS != 2 {
		t.Errorf("File must win: %v, %v", c, err)
	}
	got := bad(t, Source{Dir: filepath.Join(dir, "sub")})
	if want := "configuration file: the file nowhere.yaml cannot be read: no such file or directory"; !slices.Equal(got, []string{want}) {
		t.Errorf("%q, want %q", got, want)
	}
}
