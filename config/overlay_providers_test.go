package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// what a provider turned out to be, in one line.
func summary(name string, p *Provider) string {
	keys := make([]string, len(p.Keys))
	for i, k := range p.Keys {
		keys[i] = k.Reveal()
	}
	return name + " " + string(p.Type) + " " + p.BaseURL + " [" + strings.Join(keys, " ") + "]"
}

func summaries(c *Config) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		all = append(all, summary(name, c.Providers[name]))
	}
	return all
}

func TestProvidersFromEnvironment(t *testing.T) {
	sa := folder(t, map[string]string{"sa.json": "{}"}) + "/sa.json"
	for _, tc := range []struct {
		name string
		vars env
		want []string
	}{
		{"nothing", nil, []string{"mock mock  []"}},
		{"OpenAI", env{"OPENAI_API_KEY": "k"}, []string{"openai openai https://api.openai.com/v1 [k]"}},
		{"BASE_URL as a base", env{"OPENAI_API_KEY": "k", "BASE_URL": "https://host.example/v1/"}, []string{"openai openai https://host.example/v1 [k]"}},
		{"BASE_URL in full", env{"OPENAI_API_KEY": "k", "BASE_URL": "https://host.example/v1/chat/completions"}, []string{"openai openai https://host.example/v1 [k]"}},
		{"BASE_URL in full with a slash", env{"OPENAI_API_KEY": "k", "BASE_URL": "https://host.example/chat/completions/"}, []string{"openai openai https://host.example [k]"}},
		{"OPENAI_BASE_URL", env{"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://host.example/v1"}, []string{"openai openai https://host.example/v1 [k]"}},
		{"both, in two forms of one", env{"OPENAI_API_KEY": "k", "BASE_URL": "https://h.example/v1", "OPENAI_BASE_URL": "https://h.example/v1/chat/completions"}, []string{"openai openai https://h.example/v1 [k]"}},
		{"a server of one's own", env{"BASE_URL": "http://127.0.0.1:11434/v1"}, []string{"openai openai http://127.0.0.1:11434/v1 []"}},
		{"OpenAI's address and no key", env{"BASE_URL": "https://api.openai.com/v1/"}, []string{"mock mock  []"}},
		{"Anthropic", env{"ANTHROPIC_API_KEY": "k"}, []string{"anthropic anthropic https://api.anthropic.com [k]"}},
		{"Anthropic elsewhere", env{"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "https://a.example/proxy/v1/messages"}, []string{"anthropic anthropic https://a.example/proxy [k]"}},
		{"an address alone is no credential", env{"ANTHROPIC_BASE_URL": "https://a.example", "DASHSCOPE_BASE_URL": "https://d.example", "GOOGLE_GEMINI_BASE_URL": "https://g.example"}, []string{"mock mock  []"}},
		{"Gemini", env{"GEMINI_API_KEY": "k"}, []string{"gemini gemini https://generativelanguage.googleapis.com [k]"}},
		{"Gemini elsewhere", env{"GEMINI_API_KEY": "k", "GOOGLE_GEMINI_BASE_URL": "https://g.example/v1beta/"}, []string{"gemini gemini https://g.example [k]"}},
		{"Azure", env{"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com/"}, []string{"azure-openai azure-openai https://r.openai.azure.com [k]"}},
		{"DashScope", env{"DASHSCOPE_API_KEY": "k"}, []string{"dashscope dashscope https://dashscope.aliyuncs.com/api/v1 [k]"}},
		{"DashScope elsewhere", env{"DASHSCOPE_API_KEY": "k", "DASHSCOPE_BASE_URL": "https://dashscope-intl.aliyuncs.com/api/v1"}, []string{"dashscope dashscope https://dashscope-intl.aliyuncs.com/api/v1 [k]"}},
		{"Vertex AI", env{"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l", "GOOGLE_APPLICATION_CREDENTIALS": sa}, []string{"vertex vertex  []"}},
		{"Vertex AI elsewhere", env{"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l", "GOOGLE_APPLICATION_CREDENTIALS": sa, "VERTEX_BASE_URL": "http://127.0.0.1:1"}, []string{"vertex vertex http://127.0.0.1:1 []"}},
		{"half of Vertex AI", env{"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_APPLICATION_CREDENTIALS": sa}, []string{"mock mock  []"}},
		{"presets", env{"GROQ_API_KEY": "g", "ARK_API_KEY": "a"}, []string{"ark ark https://ark.cn-beijing.volces.com/api/v3 [a]", "groq groq https://api.groq.com/openai/v1 [g]"}},
		{"keys of local servers alone", env{"OLLAMA_API_KEY": "k", "VLLM_API_KEY": "k"}, []string{"mock mock  []"}},
		{"several", env{"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a"}, []string{"anthropic anthropic https://api.anthropic.com [a]", "openai openai https://api.openai.com/v1 [o]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Load(Source{LookupEnv: lookup(tc.vars)})
			if err != nil {
				t.Fatal(err)
			}
			if got := summaries(c); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if c.MockFallback != (c.Providers["mock"] != nil) {
				t.Errorf("mock fallback %v", c.MockFallback)
			}
		})
	}
}

// Every preset of the table works with its type, and a key where it needs one,
// alone.
func TestEveryKind(t *testing.T) {
	extra := map[Kind]string{KindAzure: ", base_url: 'https://r.example'", KindVertex: ", project: p, location: l", "llamacpp": ", base_url: 'http://127.0.0.1:8081/v1'"}
	for _, info := range Kinds() {
		key := ""
		if !info.KeyOptional {
			key = ", keys: [k]"
		}
		c := good(t, nil, "providers: {p: {type: "+string(info.Kind)+extra[info.Kind]+key+"}}")
		p := c.Providers["p"]
		if p.StreamUsage == nil || *p.StreamUsage != info.StreamUsage || extra[info.Kind] == "" && p.BaseURL != info.BaseURL || c.MockFallback {
			t.Errorf("%s: %+v", info.Kind, p)
		}
		if p.Timeouts.Connect.Std() != 2*second || p.OnClientGone != GoneCancel {
			t.Errorf("%s: %+v", info.Kind, p)
		}
		if info.KeyOptional {
			continue
		}
		got := bad(t, source(t, nil, "providers: {p: {type: "+string(info.Kind)+extra[info.Kind]+"}}"))
		if want := "gw.yaml:1: providers.p.keys: there is no key; list one or set " + info.KeyEnv; !slices.Equal(got, []string{want}) {
			t.Errorf("%s without a key: %q", info.Kind, got)
		}
	}
	if _, ok := Kind("nope").Info(); ok {
		t.Error("an unknown kind is known")
	}
}

// How the environment and the providers of a file go together.
func TestProvidersOfBoth(t *testing.T) {
	for _, tc := range []struct {
		name, yaml string
		vars       env
		want       []string
	}{
		{"the environment wins", "providers: {openai: {type: openai, base_url: 'https://file.example', keys: [file]}}",
			env{"OPENAI_API_KEY": "env", "BASE_URL": "https://env.example"}, []string{"openai openai https://env.example [env]"}},
		{"a list that refers to the environment stays", "providers: {openai: {type: openai, keys: [other, '${OPENAI_API_KEY}']}}",
			env{"OPENAI_API_KEY": "env"}, []string{"openai openai https://api.openai.com/v1 [other env]"}},
		{"the file's kind under another name: no further account", "providers: {eu: {type: openai, base_url: 'https://eu.example', keys: ['${OPENAI_API_KEY}']}}",
			env{"OPENAI_API_KEY": "env", "BASE_URL": "https://env.example"}, []string{"eu openai https://eu.example [env]"}},
		{"the kind's name for another kind", "providers: {openai: {type: vllm}}",
			env{"OPENAI_API_KEY": "env"}, []string{"openai vllm http://127.0.0.1:8000/v1 []"}},
		{"other kinds are added", "providers: {openai: {type: openai, keys: [k]}}",
			env{"ANTHROPIC_API_KEY": "a"}, []string{"anthropic anthropic https://api.anthropic.com [a]", "openai openai https://api.openai.com/v1 [k]"}},
		{"the customary key", "providers: {a: {type: groq}, b: {type: ollama, base_url: 'http://gpu:11434/v1'}, c: {type: openai}}",
			env{"GROQ_API_KEY": "g", "OLLAMA_API_KEY": "o", "OPENAI_API_KEY": "k"},
			[]string{"a groq https://api.groq.com/openai/v1 [g]", "b ollama http://gpu:11434/v1 [o]", "c openai https://api.openai.com/v1 [k]"}},
		{"OpenAI's key is not for others", "providers: {own: {type: openai, base_url: 'http://gpu:8000/v1'}, o: {type: openai}}",
			env{"OPENAI_API_KEY": "k"}, []string{"o openai https://api.openai.com/v1 [k]", "own openai http://gpu:8000/v1 []"}},
		{"Azure in the file", "providers: {eu: {type: azure-openai, base_url: 'https://eu.example', keys: ['${AZURE_OPENAI_API_KEY}']}}",
			env{"AZURE_OPENAI_API_KEY": "k"}, []string{"eu azure-openai https://eu.example [k]"}},
		{"an absent second key", "providers: {o: {type: openai, keys: [a, '${SECOND:-}']}}", nil, []string{"o openai https://api.openai.com/v1 [a]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := summaries(good(t, tc.vars, tc.yaml)); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestProviderExtras(t *testing.T) {
	sa := folder(t, map[string]string{"sa.json": "{}"}) + "/sa.json"
	c := good(t, env{
		"OPENAI_API_KEY": "k", "OPENAI_ORG_ID": "org", "OPENAI_PROJECT_ID": "proj", "AZURE_OPENAI_API_VERSION": "2025-01-01",
		"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://r.example",
		"GOOGLE_CLOUD_PROJECT": "env-project", "GOOGLE_CLOUD_LOCATION": "env-location", "GOOGLE_APPLICATION_CREDENTIALS": sa,
	}, "providers: {vertex: {type: vertex, project: file, location: file}}")
	o, a, v := c.Providers["openai"], c.Providers["azure-openai"], c.Providers["vertex"]
	if o.Organization != "org" || o.Project != "proj" || a.APIVersion != "2025-01-01" || v.Project != "env-project" || v.Location != "env-location" || v.Credentials != sa {
		t.Errorf("%+v\n%+v\n%+v", o, a, v)
	}
	if !slices.Contains(c.Files, sa) {
		t.Errorf("files %q", c.Files)
	}
	if v := good(t, env{"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://r.example"}, "").Providers["azure-openai"].APIVersion; v != "2024-10-21" {
		t.Errorf("default api-version %q", v)
	}
}

func TestProviderVariableFaults(t *testing.T) {
	for _, tc := range []struct {
		vars env
		want string
	}{
		{env{"AZURE_OPENAI_API_KEY": leak}, "AZURE_OPENAI_API_KEY: is set without AZURE_OPENAI_ENDPOINT; set both or neither"},
		{env{"OPENAI_API_KEY": leak, "BASE_URL": "https://a.example", "OPENAI_BASE_URL": "https://b.example"}, "BASE_URL: differs from OPENAI_BASE_URL; they mean the same, so keep one"},
		{env{"OPENAI_API_KEY": leak, "BASE_URL": "host.example/v1"}, "providers.openai.base_url (from BASE_URL): must be an address that begins with http:// or https://"},
		{env{"OPENAI_API_KEY": leak, "OPENAI_BASE_URL": "https://u:" + leak + "@host"}, "providers.openai.base_url (from OPENAI_BASE_URL): must hold no user and password; use keys or headers"},
		{env{"ANTHROPIC_API_KEY": leak + "\nX: y"}, "providers.anthropic.keys[0] (from ANTHROPIC_API_KEY): holds a space, a line break or another sign that no key has"},
		{env{"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l", "GOOGLE_APPLICATION_CREDENTIALS": "/none/sa.json"}, "providers.vertex.credentials_file: the file /none/sa.json cannot be read: no such file or directory"},
		{env{"BASE_URL": "http://127.0.0.1:8080/v1"}, "providers.openai.base_url (from BASE_URL): is the gateway's own address 127.0.0.1:8080: it would call itself without end"},
	} {
		got := bad(t, Source{LookupEnv: lookup(tc.vars)})
		if !slices.Equal(got, []string{tc.want}) {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

// Half of what a provider needs is said, where it is no fault.
func TestProviderVariableRemarks(t *testing.T) {
	for _, tc := range []struct {
		vars env
		want []string
	}{
		{env{"AZURE_OPENAI_ENDPOINT": "https://r.example"}, []string{"AZURE_OPENAI_ENDPOINT is set without AZURE_OPENAI_API_KEY: Azure OpenAI is off"}},
		{env{"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l"}, []string{"Vertex AI is off: GOOGLE_APPLICATION_CREDENTIALS is not set"}},
		{env{"GOOGLE_CLOUD_PROJECT": "p"}, nil},
	} {
		c, err := Load(Source{LookupEnv: lookup(tc.vars)})
		if err != nil || !slices.Equal(c.Warnings, tc.want) {
			t.Errorf("%v: %q, %v; want %q", tc.vars, c.Warnings, err, tc.want)
		}
	}
}

func TestDefaultModelAndProvider(t *testing.T) {
	both := env{"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a"}
	with := func(vars env, name, value string) env {
		e := maps.Clone(vars)
		e[name] = value
		return e
	}
	for _, tc := range []struct {
		name            string
		vars            env
		yaml            string
		model, provider string
	}{
		{"nothing", nil, "", "mock", "mock"},
		{"nothing but a name", env{"MODEL_NAME": "gpt-4o"}, "", "gpt-4o", "mock"},
		{"one provider", env{"OPENAI_API_KEY": "o"}, "", "", "openai"},
		{"one provider and any model", env{"OPENAI_API_KEY": "o", "MODEL_NAME": "qwen-max"}, "", "qwen-max", "openai"},
		{"a slash within a model's name", env{"OPENAI_API_KEY": "o", "MODEL_NAME": "meta/llama"}, "", "meta/llama", "openai"},
		{"provider/model", with(both, "MODEL_NAME", "anthropic/claude"), "", "anthropic/claude", "anthropic"},
		{"the catalogue decides", with(both, "MODEL_NAME", "claude"), "", "claude", ""},
		{"a slash that is no provider's", with(both, "MODEL_NAME", "meta/llama"), "", "meta/llama", ""},
		{"no model after the slash", with(both, "MODEL_NAME", "anthropic/"), "", "anthropic/", ""},
		{"the file says", both, "default_provider: openai\ndefault_model: x", "x", "openai"},
		{"the file's provider, the environment's model", with(both, "MODEL_NAME", "anthropic/claude"), "default_provider: openai\ndefault_model: x", "anthropic/claude", "openai"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := good(t, tc.vars, tc.yaml)
			if c.DefaultModel != tc.model || c.DefaultProvider != tc.provider {
				t.Errorf("model %q of %q, want %q of %q", c.DefaultModel, c.DefaultProvider, tc.model, tc.provider)
			}
		})
	}
}
