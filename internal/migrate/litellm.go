package migrate

import "strings"

// liteKind is what a provider prefix of LiteLLM is here. Prefixes are those of
// its documentation of providers.
type liteKind struct {
	kind string
	env  string // for a key that is written out
	base string // where ours would go elsewhere
}

func liteKinds() map[string]liteKind {
	return map[string]liteKind{
		"openai": {kind: "openai", env: "OPENAI_API_KEY"}, "text-completion-openai": {kind: "openai", env: "OPENAI_API_KEY"},
		"custom_openai": {kind: "openai", env: "OPENAI_API_KEY"}, "openai_like": {kind: "openai", env: "OPENAI_API_KEY"},
		"azure": {kind: "azure-openai", env: "AZURE_OPENAI_API_KEY"}, "anthropic": {kind: "anthropic", env: "ANTHROPIC_API_KEY"},
		"gemini": {kind: "gemini", env: "GEMINI_API_KEY"}, "vertex_ai": {kind: "vertex"}, "vertex_ai_beta": {kind: "vertex"},
		"dashscope": {kind: "dashscope", env: "DASHSCOPE_API_KEY"}, "groq": {kind: "groq", env: "GROQ_API_KEY"},
		"deepseek": {kind: "deepseek", env: "DEEPSEEK_API_KEY"}, "mistral": {kind: "mistral", env: "MISTRAL_API_KEY"},
		"xai": {kind: "xai", env: "XAI_API_KEY"}, "together_ai": {kind: "together", env: "TOGETHER_API_KEY"},
		"openrouter": {kind: "openrouter", env: "OPENROUTER_API_KEY"}, "moonshot": {kind: "moonshot", env: "MOONSHOT_API_KEY"},
		"zai": {kind: "zhipu", env: "ZHIPUAI_API_KEY", base: "https://api.z.ai/api/paas/v4"}, "volcengine": {kind: "ark", env: "ARK_API_KEY"},
		"ollama": {kind: "ollama", env: "OLLAMA_API_KEY"}, "ollama_chat": {kind: "ollama", env: "OLLAMA_API_KEY"},
		"hosted_vllm": {kind: "vllm", env: "VLLM_API_KEY"}, "vllm": {kind: "vllm", env: "VLLM_API_KEY"},
		"lm_studio": {kind: "lmstudio", env: "LMSTUDIO_API_KEY"}, "llamafile": {kind: "llamacpp", env: "LLAMA_API_KEY"},
	}
}

// litellm converts config.yaml of LiteLLM's proxy. Its keys are those of the
// proxy's documentation of config.yaml.
func (c *converter) litellm(b []byte) error {
	n, err := document(b)
	if err != nil {
		return err
	}
	root := newObject(n, "")
	for _, m := range root.objects("model_list") {
		c.liteModel(m)
	}
	router, lib, general := root.object("router_settings"), root.object("litellm_settings"), root.object("general_settings")
	c.liteStrategy(router)
	c.liteFallbacks(router, lib)
	c.liteAliases(router)
	c.liteRetries(router, lib)
	c.liteTimes(router, lib, general)
	c.liteRedis(router, lib)
	c.liteCache(lib)
	c.liteMaster(general)
	for _, name := range root.object("environment_variables").order {
		c.leave("environment_variables."+name, "set it in the environment")
	}
	for _, o := range []*object{root, router, lib, general} {
		c.rest(o)
	}
	return nil
}

// liteModel converts one deployment: an account, and a target of a route.
func (c *converter) liteModel(m *object) {
	name, params := m.text("model_name"), m.object("litellm_params")
	prefix, model := litePrefix(params)
	kind, ok := liteKinds()[prefix]
	if !ok {
		c.leave(params.path, "provider %q is not one that the gateway has", prefix)
		return
	}
	p := c.liteProvider(params, kind)
	apart := ""
	if p.Limits = liteLimits(params, m); p.Limits != nil {
		apart = name + "/" + model // limits are a deployment's own
	}
	weight := params.whole("weight")
	account := c.account(kind.kind, p, apart)
	if r := c.route(name, m.at("model_name")); r != nil && routeName.MatchString(model) {
		t := target{Provider: account, Model: model}
		if weight > 0 {
			t.Weight = number(min(weight, 1_000_000))
		}
		r.Targets = append(r.Targets, t)
		c.liteRouteTimes(r, params)
	}
	m.take("model_info") // describes the model; ours come from the catalogue
	c.rest(params)
	c.rest(m)
}

// litePrefix parts provider/model. Without a provider LiteLLM goes by the
// model's name.
func litePrefix(params *object) (prefix, model string) {
	model = params.text("model")
	prefix = params.text("custom_llm_provider")
	if before, after, ok := strings.Cut(model, "/"); ok {
		if _, known := liteKinds()[before]; known || prefix == "" {
			if prefix == "" || prefix == before {
				return before, after
			}
		}
	}
	switch {
	case prefix != "":
	case strings.HasPrefix(model, "claude-"):
		prefix = "anthropic"
	case strings.HasPrefix(model, "gemini-"):
		prefix = "vertex_ai"
	default:
		prefix = "openai"
	}
	return prefix, model
}

func (c *converter) liteProvider(params *object, kind liteKind) provider {
	p := provider{Type: kind.kind, BaseURL: c.plain(params.scalar("api_base"))}
	if p.BaseURL == "" {
		p.BaseURL = c.plain(params.scalar("base_url"))
	}
	switch {
	case p.BaseURL == "":
		p.BaseURL = kind.base
	case kind.kind == "ollama" && !strings.HasSuffix(strings.TrimRight(p.BaseURL, "/"), "/v1"):
		p.BaseURL = strings.TrimRight(p.BaseURL, "/") + "/v1"
	case kind.kind == "dashscope": // its compatible mode is what LiteLLM speaks there
		p.Type = "openai"
	}
	if key := c.secret(params.scalar("api_key"), kind.env); key != "" && kind.kind != "vertex" {
		p.Keys = []string{key}
	}
	switch kind.kind {
	case "azure-openai":
		p.APIVersion = c.plain(params.scalar("api_version"))
	case "openai":
		p.Organization = c.plain(params.scalar("organization"))
	case "vertex":
		p.Project, p.Location = c.plain(params.scalar("vertex_project")), c.plain(params.scalar("vertex_location"))
		p.Credentials = c.plain(params.scalar("vertex_credentials"))
		if strings.HasPrefix(p.Credentials, "{") {
			p.Credentials = ""
			c.leave(params.at("vertex_credentials"), "put the credentials into a file and name it in credentials_file")
		}
	}
	return p
}

// liteLimits reads a deployment's limits, which stand in litellm_params or
// beside it.
func liteLimits(params, m *object) *providerLimits {
	either := func(key string) float64 { return max(params.number(key), m.number(key)) }
	l := providerLimits{RPS: either("rpm") / 60, TPM: int(min(either("tpm"), 1e12)), Concurrency: params.whole("max_parallel_requests")}
	if l == (providerLimits{}) {
		return nil
	}
	return &l
}

func (c *converter) liteRouteTimes(r *route, params *object) {
	for _, one := range []struct {
		key string
		to  *string
	}{{"timeout", &r.Timeout}, {"stream_timeout", &r.StreamTimeout}} {
		now := seconds(params.number(one.key))
		switch {
		case now == "":
		case *one.to == "" || *one.to == now:
			*one.to = now
		default:
			c.leave(params.at(one.key), "a route has one for all its targets; another one stands already")
		}
	}
}
