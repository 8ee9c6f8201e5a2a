package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joho/godotenv"
)

// The table of variables and .env.example say the same.
func TestEnvExample(t *testing.T) {
	b, err := os.ReadFile("../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	if vars, err := godotenv.Unmarshal(string(b)); err != nil || len(vars) > 0 {
		t.Errorf("a plain copy sets %v, %v; it must set nothing", vars, err)
	}
	shown, err := godotenv.Unmarshal(regexp.MustCompile(`(?m)^#(\w+=)`).ReplaceAllString(string(b), "$1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range EnvVars() {
		value, ok := shown[v.Name]
		if !ok || value != v.Default {
			t.Errorf("%s=%q in .env.example (there: %v), the table says %q", v.Name, value, ok, v.Default)
		}
		delete(shown, v.Name)
	}
	if len(shown) > 0 {
		t.Errorf("not in the table: %v", shown)
	}
}

// The defaults in the table of variables are those of the keys they set.
func TestEnvVarDefaults(t *testing.T) {
	c, err := Load(Source{})
	if err != nil {
		t.Fatal(err)
	}
	flat := c.flat()
	seen := map[string]bool{}
	for _, v := range EnvVars() {
		if v.Help == "" || !strings.HasSuffix(v.Help, ".") {
			t.Errorf("%s: help %q is no sentence", v.Name, v.Help)
		}
		if seen[v.Name] || strings.HasSuffix(v.Name, "_FILE") {
			t.Errorf("%s is listed twice or is not a name of its own", v.Name)
		}
		seen[v.Name] = true
		if v.Key != "" && v.Key != "default_model" && flat[v.Key] != v.Default {
			t.Errorf("%s: the table's default is %q, that of %s is %q", v.Name, v.Default, v.Key, flat[v.Key])
		}
	}
}

// The variables that the contract with operators names are all there, with
// their kind.
func TestEnvVarsOfTheContract(t *testing.T) {
	all := map[string]bool{}
	for _, v := range EnvVars() {
		all[v.Name] = v.Secret
	}
	secret := strings.Fields(`OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY AZURE_OPENAI_API_KEY DASHSCOPE_API_KEY
		GATEWAY_API_KEYS GATEWAY_ADMIN_TOKEN GATEWAY_JWT_SECRET REDIS_URL DATABASE_URL OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_TRACES_HEADERS`)
	plain := strings.Fields(`MODEL_NAME BASE_URL OPENAI_BASE_URL AZURE_OPENAI_ENDPOINT AZURE_OPENAI_API_VERSION
		GOOGLE_CLOUD_PROJECT GOOGLE_CLOUD_LOCATION GOOGLE_APPLICATION_CREDENTIALS ANTHROPIC_BASE_URL GOOGLE_GEMINI_BASE_URL
		VERTEX_BASE_URL DASHSCOPE_BASE_URL GATEWAY_ADDR GATEWAY_CONFIG GATEWAY_ADMIN_ADDR GATEWAY_ALLOW_ANONYMOUS GATEWAY_RPS
		GATEWAY_BURST GATEWAY_MAX_BODY GATEWAY_DRAIN_TIMEOUT GATEWAY_LOG_LEVEL GATEWAY_LOG_FORMAT APP_ENV
		GATEWAY_JWT_JWKS_URL GATEWAY_JWT_ISSUER GATEWAY_JWT_AUDIENCE`)
	for _, name := range slices.Concat(secret, plain) {
		isSecret, ok := all[name]
		if !ok || isSecret != slices.Contains(secret, name) {
			t.Errorf("%s: listed %v, secret %v", name, ok, isSecret)
		}
	}
}

// Every variable has an effect, and only those of the table are read at all.
func TestOnlyListedVariablesAreRead(t *testing.T) {
	asked := map[string]bool{}
	_, err := Load(Source{Getenv: func(name string) string { asked[name] = true; return "" }})
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, v := range EnvVars() {
		listed[v.Name] = true
		if v.Secret {
			listed[v.Name+"_FILE"] = true
		}
	}
	for name := range asked {
		if !listed[name] {
			t.Errorf("%s is read and not listed", name)
		}
	}
	// Keys of local servers are read only for a provider that the file declares.
	local := []string{"OLLAMA_API_KEY", "VLLM_API_KEY", "LLAMA_API_KEY", "LMSTUDIO_API_KEY"}
	for name := range listed {
		base, _ := strings.CutSuffix(name, "_FILE")
		if !asked[name] && !slices.Contains(local, base) {
			t.Errorf("%s is listed and never read", name)
		}
	}
}

// A path in the table that leads nowhere would panic at start.
func TestEnvVarKeysExist(t *testing.T) {
	for _, v := range EnvVars() {
		if v.Key == "" {
			continue
		}
		text := v.Default
		if text == "" {
			text = "x"
		}
		if err := setPath(reflect.ValueOf(&Config{}).Elem(), v.Key, text); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
