package migrate

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/config"
)

var update = flag.Bool("update", false, "write the expected files anew")

var samples = []struct {
	from Format
	file string
}{
	{LiteLLM, "litellm.yaml"}, {NewAPI, "channels.json"}, {OneAPI, "channels.json"}, {GoModel, "gomodel.yaml"}, {GoModel, "gomodel.env"},
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// load is what "llm-gateway check" does with a file.
func load(t testing.TB, r *Result) (*config.Config, error) {
	t.Helper()
	env := map[string]string{}
	for i, n := range r.Need {
		env[n.Name] = fmt.Sprintf("value-%d-0000000000000000000000000000000000", i)
		if strings.HasSuffix(n.Name, "_HOST") {
			env[n.Name] = "redis.example"
		}
		if strings.HasSuffix(n.Name, "DATABASE_URL") {
			env[n.Name] = "postgres://db.example/x"
		}
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, r.YAML, 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(config.Source{File: file, Dir: t.TempDir(), LookupEnv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }})
}

// TestSamples: what is written for each sample is what was read through by a
// person, and the gateway takes it.
func TestSamples(t *testing.T) {
	for _, s := range samples {
		t.Run(string(s.from)+" "+s.file, func(t *testing.T) {
			r, err := Convert(s.from, sample(t, s.file), Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", string(s.from)+"-"+s.file+".golden")
			if *update {
				if err := os.WriteFile(golden, r.YAML, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden) //nolint:gosec // testdata
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(r.YAML)); d != "" {
				t.Error(d)
			}
			if _, err := load(t, r); err != nil {
				t.Errorf("the gateway does not take it: %v\n%s", err, r.YAML)
			}
			for _, secret := range []string{"sk-test", "secret-0", "az-test", "gm-test", "gsk-test", "ds-test", "sk-ant-test"} {
				if bytes.Contains(r.YAML, []byte(secret)) {
					t.Errorf("a secret was copied: %s", secret)
				}
			}
		})
	}
}

// TestSecretsAreCopiedOnlyWhenAsked, and then exactly.
func TestSecretsAreCopiedOnlyWhenAsked(t *testing.T) {
	in := []byte(`model_list: [{model_name: m, litellm_params: {model: openai/x, api_key: "sk-${test"}}]`)
	r, err := Convert(LiteLLM, in, Options{CopySecrets: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, r)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Providers["openai"].Keys[0].Reveal(); got != "sk-${test" || len(r.Need) != 0 {
		t.Errorf("%q, %v", got, r.Need)
	}
}

// TestEveryPartIsNamed: what each sample loses is listed, nothing more.
func TestEveryPartIsNamed(t *testing.T) {
	for _, s := range samples {
		r, err := Convert(s.from, sample(t, s.file), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Left) == 0 {
			t.Errorf("%s: nothing is named", s.file)
		}
		for _, l := range r.Left {
			if !bytes.Contains(r.YAML, []byte("#   "+l.String()+"\n")) {
				t.Errorf("%s is not said in the file", l)
			}
		}
	}
}

// TestLiteLLMRoutes checks what a sample means, whatever it looks like.
func TestLiteLLMRoutes(t *testing.T) {
	r, err := Convert(LiteLLM, sample(t, "litellm.yaml"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := load(t, r)
	if err != nil {
		t.Fatal(err)
	}
	chat := c.Models["chat"]
	if chat == nil || chat.Strategy != "weighted" || len(chat.Targets) != 3 || chat.Targets[1].Weight != 3 || chat.Targets[2].Weight != 0 {
		t.Fatalf("chat: %+v", chat)
	}
	if fast := c.Models["fast"]; fast.Strategy != "ordered" || len(fast.Targets) != 2 || fast.Targets[1].Model != "claude-haiku-4-5" {
		t.Errorf("fast: %+v", fast)
	}
	azure := c.Providers["azure-openai"]
	if azure.Limits.RPS != 10 || azure.Limits.TPM != 100_000 || azure.APIVersion != "2024-10-21" {
		t.Errorf("azure: %+v", azure)
	}
	if c.Models["fast"].Targets[0].Provider != chat.Targets[1].Provider {
		t.Error("the same account became two")
	}
	if c.Providers["ollama"].BaseURL != "http://ollama.example:11434/v1" {
		t.Errorf("ollama: %s", c.Providers["ollama"].BaseURL)
	}
}

// TestChannelPriorities: the highest priority shares by weight, the rest comes
// after it; the same number means another type to the other program.
func TestChannelPriorities(t *testing.T) {
	convert := func(from Format) *config.Config {
		r, err := Convert(from, sample(t, "channels.json"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := load(t, r)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := convert(NewAPI)
	got := c.Models["gpt-4o"]
	if got.Strategy != "weighted" || len(got.Targets) != 3 || got.Targets[0].Weight != 3 || got.Targets[1].Weight != 1 || got.Targets[2].Weight != 0 ||
		got.Targets[0].Model != "gpt-4o-2024-08-06" || got.Targets[2].Model != "claude-haiku-4-5" {
		t.Errorf("%+v", got)
	}
	if len(c.Providers["openai-main"].Keys) != 2 || len(c.Auth.Tenants["vip"].Models) != 2 {
		t.Errorf("%d keys, tenants %+v", len(c.Providers["openai-main"].Keys), c.Auth.Tenants)
	}
	if c.Providers["deepseek"] == nil || convert(OneAPI).Providers["deepseek"] != nil {
		t.Error("type 43 is DeepSeek for new-api alone")
	}
}

func TestErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		from Format
		in   string
		says string
	}{
		"unknown format": {"kong", "a: 1", `"kong" is no format`},
		"empty":          {LiteLLM, "", "empty"},
		"no YAML":        {LiteLLM, "a: [sk-test-0000", "no valid YAML"},
		"no list":        {OneAPI, `{"data": {}}`, "no list of channels"},
		"nothing left":   {OneAPI, `[{"type": 18, "name": "x"}]`, "nothing here can be converted"},
		"too large":      {GoModel, strings.Repeat("#", MaxInput+1), "larger than"},
		"no .env":        {GoModel, "A=1\nsk-test-0000 {", "no valid .env"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Convert(tc.from, []byte(tc.in), Options{})
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "sk-test") {
				t.Errorf("%v", err)
			}
		})
	}
}

// FuzzConvert: no input makes it panic, hang, or write a file of which the
// gateway says that it is no YAML of its kind.
func FuzzConvert(f *testing.F) {
	for _, s := range samples {
		for i, known := range Formats() {
			if known == s.from {
				f.Add(uint8(i), sample(f, s.file))
			}
		}
	}
	f.Add(uint8(0), []byte("a: &a {<<: [*a, *a, *a]}\nmodel_list: [{<<: *a}]"))
	f.Fuzz(func(t *testing.T, format uint8, in []byte) {
		from := Formats()[int(format)%len(Formats())]
		r, err := Convert(from, in, Options{})
		if err != nil {
			return
		}
		if n, err := document(r.YAML); err != nil || len(newObject(n, "").object("providers").order) == 0 {
			t.Fatalf("%v\n%s", err, r.YAML)
		}
		again, err := Convert(from, in, Options{})
		if err != nil || !bytes.Equal(again.YAML, r.YAML) {
			t.Fatalf("another run gives another file: %v\n%s\n%s", err, r.YAML, again.YAML)
		}
	})
}
