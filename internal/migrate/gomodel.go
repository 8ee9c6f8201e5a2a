package migrate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/joho/godotenv"
	"go.yaml.in/yaml/v3"
)

// goModelKinds are GoModel's provider types that the gateway has, by their
// names in its config.example.yaml.
func goModelKinds() map[string]liteKind {
	return map[string]liteKind{
		"openai": {kind: "openai"}, "anthropic": {kind: "anthropic"}, "gemini": {kind: "gemini"}, "vertex": {kind: "vertex"},
		"azure": {kind: "azure-openai"}, "xai": {kind: "xai"}, "groq": {kind: "groq"}, "ollama": {kind: "ollama"}, "vllm": {kind: "vllm"},
		"deepseek": {kind: "deepseek"}, "openrouter": {kind: "openrouter"},
		"bailian": {kind: "openai", base: "https://dashscope.aliyuncs.com/compatible-mode/v1"},
		"zai":     {kind: "zhipu", base: "https://api.z.ai/api/paas/v4"},
	}
}

// compatible are types without a preset of ours that speak the OpenAI dialect:
// with an address they are converted.
func compatible() []string {
	return []string{"fireworks", "chutes", "kilo", "sglang", "llmd", "xiaomi", "opencode_go", "oracle", "meta"}
}

// goModel is one run over its configuration.
type goModel struct {
	*converter
	names   map[string]string // its providers' names to ours
	virtual map[string]*object
}

// gomodel converts config.yaml of GoModel, or a .env file with its variables.
func (c *converter) gomodel(b []byte) error {
	g := &goModel{converter: c, names: map[string]string{}, virtual: map[string]*object{}}
	if isDotEnv(b) {
		return g.environment(b)
	}
	n, err := document(b)
	if err != nil {
		return err
	}
	root := newObject(n, "")
	providers := root.object("providers")
	for _, name := range providers.order {
		g.provider(name, providers.object(name))
	}
	g.settings(root)
	for _, v := range root.objects("virtual_models") {
		if source := v.text("source"); source != "" {
			g.virtual[source] = v
		}
	}
	for _, source := range slices.Sorted(maps.Keys(g.virtual)) {
		g.virtualModel(source, g.virtual[source])
	}
	g.rest(root)
	return nil
}

var assignment = regexp.MustCompile(`^(export\s+)?[A-Za-z_][A-Za-z0-9_]*=`)

// isDotEnv reports whether the first line that says something is NAME=value.
func isDotEnv(b []byte) bool {
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return assignment.Match(line)
		}
	}
	return false
}

func (g *goModel) provider(name string, o *object) {
	typ := cmp.Or(o.text("type"), name)
	kind, ok := goModelKinds()[typ]
	base := g.plain(o.scalar("base_url"))
	if !ok && slices.Contains(compatible(), typ) && base != "" {
		kind, ok = liteKind{kind: "openai"}, true
	}
	if !ok {
		g.leave(o.path, "provider type %q is not one that the gateway has", typ)
		return
	}
	p := provider{Type: kind.kind, BaseURL: cmp.Or(base, kind.base)}
	switch kind.kind {
	case "vertex":
		p.Project, p.Location = g.plain(o.scalar("vertex_project")), g.plain(o.scalar("vertex_location"))
		p.Credentials = g.plain(o.scalar("service_account_file"))
	case "azure-openai":
		p.APIVersion = g.plain(o.scalar("api_version"))
	}
	want := name + "_API_KEY"
	keys := []value{o.scalar("api_key")}
	for i, text := range o.texts("api_keys") {
		keys = append(keys, value{fmt.Sprintf("%s[%d]", o.at("api_keys"), i), text})
	}
	for _, v := range keys {
		if key := g.secret(v, want); key != "" && !slices.Contains(p.Keys, key) {
			p.Keys = append(p.Keys, key)
		}
	}
	g.resilience(o.object("resilience"), &p)
	g.names[name] = g.account(name, p, name)
	o.take("auth_type")
	o.take("models") // ours answer whatever they are asked for
	g.rest(o)
}

func (g *goModel) resilience(o *object, p *provider) {
	r, b := o.object("retry"), o.object("circuit_breaker")
	if r.text("max_retries") != "" || len(r.order) > 0 {
		p.Retry = &retry{Base: g.duration(r, "initial_backoff"), Cap: g.duration(r, "max_backoff")}
		if r.text("max_retries") != "" {
			p.Retry.Max = number(min(r.whole("max_retries"), 10))
		}
	}
	if len(b.order) > 0 {
		p.Breaker = &breaker{Cooldown: g.duration(b, "timeout")}
		if strings.EqualFold(b.text("enabled"), "false") {
			p.Breaker.MinRequests = number(0)
		}
	}
	for _, left := range []*object{r, b, o} {
		g.rest(left)
	}
}

var duration = regexp.MustCompile(`^[0-9]{1,6}(ms|s|m|h)$`)

// duration takes 1s or 500ms as it stands; others are reported as not read.
func (g *goModel) duration(o *object, key string) string {
	if d := o.text(key); duration.MatchString(d) {
		return d
	}
	delete(o.used, key)
	return ""
}

// settings converts what is not about providers or models.
func (g *goModel) settings(root *object) {
	srv, http, storage := root.object("server"), root.object("http"), root.object("storage")
	if v := srv.scalar("master_key"); v.text != "" {
		g.master(v)
	}
	g.port(srv.text("port"))
	g.out.Server.RequestTimeout = seconds(http.number("timeout"))
	pg, use := storage.object("postgresql"), root.object("usage")
	if url := pg.scalar("url"); storage.text("type") == "postgresql" && url.text != "" {
		g.out.Usage = &usage{Database: g.secret(url, "DATABASE_URL")}
	}
	if days := use.whole("retention_days"); days > 0 && days < 100_000 {
		if g.out.Usage == nil {
			g.out.Usage = &usage{}
		}
		g.out.Usage.Retention = strconv.Itoa(days) + "d"
	}
	g.limits(root.object("rate_limits"))
	all := provider{}
	g.resilience(root.object("resilience"), &all)
	for _, p := range g.out.Providers {
		p.Retry, p.Breaker = cmp.Or(p.Retry, all.Retry), cmp.Or(p.Breaker, all.Breaker)
	}
	for _, o := range []*object{srv, http, pg, storage, use} {
		g.rest(o)
	}
}

func (g *goModel) master(v value) {
	key := g.secret(v, "GOMODEL_MASTER_KEY")
	g.out.Auth.Keys = append(g.out.Auth.Keys, authKey{Name: "master", Key: key})
	g.out.Server.Admin = &admin{Token: key}
}

// limits converts those of providers.
func (g *goModel) limits(o *object) {
	for _, rule := range o.objects("providers") {
		p := g.out.Providers[g.names[rule.text("name")]]
		if p == nil {
			g.leave(rule.path, "there is no provider of that name")
			continue
		}
		p.Limits = &providerLimits{}
		for _, l := range rule.objects("limits") {
			switch l.text("period") {
			case "minute":
				p.Limits.RPS, p.Limits.TPM = l.number("max_requests")/60, l.whole("max_tokens")
			case "concurrent":
				p.Limits.Concurrency = l.whole("max_requests")
			default:
				g.leave(l.path, "a provider has limits for a minute and for requests at once")
			}
		}
		if *p.Limits == (providerLimits{}) {
			p.Limits = nil
		}
	}
	o.take("enabled")
	o.take("flush_interval")
	g.rest(o)
}

// virtualModel makes a route.
func (g *goModel) virtualModel(source string, o *object) {
	if strings.EqualFold(o.text("enabled"), "false") {
		g.leave(o.path, "%q is switched off", source)
		return
	}
	r := g.route(source, o.path)
	if r == nil {
		return
	}
	r.Targets = g.targets(o, map[string]bool{source: true})
	switch s := o.text("strategy"); s {
	case "", "round_robin":
		r.Strategy = "weighted"
	case "cost":
		r.Strategy = "lowest_cost"
	case "failover":
		r.Strategy = "ordered"
	default:
		r.Strategy = "weighted"
		g.leave(o.at("strategy"), "%s became weighted", s)
	}
	if r.Strategy != "weighted" {
		for i := range r.Targets {
			r.Targets[i].Weight = nil
		}
	}
	o.take("description")
	g.rest(o)
}

// targets returns those of a virtual model; another virtual model among them
// stands for its own, once.
func (g *goModel) targets(o *object, seen map[string]bool) []target {
	list := o.objects("targets")
	if one := o.text("target"); one != "" {
		list = append(list, newObject(mapping("model", one), o.at("target")))
	}
	var all []target
	for _, t := range list {
		model, weight := t.text("model"), t.number("weight")
		name := t.text("provider")
		if inner := g.virtual[model]; name == "" && inner != nil && !seen[model] {
			seen[model] = true
			all = append(all, g.targets(inner, seen)...)
			continue
		}
		if before, after, ok := strings.Cut(model, "/"); ok && name == "" {
			name, model = before, after
		}
		account, ok := g.names[name]
		if !ok || !routeName.MatchString(model) {
			g.leave(t.path, "names no provider that was converted")
			continue
		}
		one := target{Provider: account, Model: model}
		if weight > 0 {
			one.Weight = number(int(max(1, min(weight, 1_000_000))))
		}
		all = append(all, one)
	}
	return all
}

func mapping(key, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Value: key}, {Kind: yaml.ScalarNode, Value: text}}}
}

var numbered = regexp.MustCompile(`_API_KEY(_[0-9]+)?$`)

// environment converts NAME_API_KEY, NAME_BASE_URL and the few variables beside
// them. The variables keep their names.
func (g *goModel) environment(b []byte) error {
	vars, err := godotenv.UnmarshalBytes(b)
	if err != nil {
		return errors.New("this is no valid .env file") // the library's error quotes it
	}
	found := map[string]*provider{}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		g.variable(name, value{name, vars[name]}, found)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		kind := goModelKinds()[name]
		found[name].Type = kind.kind
		found[name].BaseURL = cmp.Or(found[name].BaseURL, kind.base)
		g.account(name, *found[name], name)
	}
	return nil
}

func (g *goModel) variable(name string, v value, found map[string]*provider) {
	typ := strings.ToLower(numbered.ReplaceAllString(strings.TrimSuffix(strings.TrimSuffix(name, "_BASE_URL"), "_API_VERSION"), ""))
	_, known := goModelKinds()[typ]
	switch {
	case v.text == "":
	case known && typ != "vertex" && typ != strings.ToLower(name):
		if found[typ] == nil {
			found[typ] = &provider{}
		}
		switch p := found[typ]; {
		case strings.HasSuffix(name, "_BASE_URL"):
			p.BaseURL = g.plain(v)
		case strings.HasSuffix(name, "_API_VERSION"):
			p.APIVersion = g.plain(v)
		default:
			p.Keys = append(p.Keys, g.secret(v, name))
		}
	case name == "GOMODEL_MASTER_KEY":
		g.master(v)
	case name == "PORT":
		g.port(v.text)
	default:
		g.leave(name, "has no counterpart here, or was not understood")
	}
}

func (g *goModel) port(text string) {
	if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
		g.out.Server.Addr = ":" + strconv.FormatUint(n, 10)
	}
}
