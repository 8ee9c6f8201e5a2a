package config

// defaultAzureVersion is the latest dated general-availability api-version.
const defaultAzureVersion = "2024-10-21"

// providerEnv applies the customary variables of providers. A kind that the
// file does not use is switched on by its credential. One that the file
// declares under the kind's own name is overruled. Where the file declares the
// kind under other names only, its variables belong to the file's references
// alone: no further account appears.
func (l *loader) providerEnv() {
	for _, info := range kinds {
		name := string(info.Kind)
		p, named := l.config.Providers[name]
		switch {
		case named && p.Type == info.Kind:
			l.overrule(name, p, info)
		case named || l.uses(info.Kind):
		default:
			l.switchOn(name, info)
		}
	}
	for name, p := range l.config.Providers {
		l.customaryKey(name, p)
	}
}

// uses reports whether the file declares a provider of a kind.
func (l *loader) uses(k Kind) bool {
	for _, p := range l.config.Providers {
		if p.Type == k {
			return true
		}
	}
	return false
}

// overrule puts the environment over a provider of the file.
func (l *loader) overrule(name string, p *Provider, info KindInfo) {
	path := joinPath("providers", name)
	if v, at := l.baseURL(info); v != "" {
		p.BaseURL = v
		l.probs.origins[path+".base_url"] = origin{env: at}
	}
	if info.KeyEnv != "" {
		if v, ok := l.env.secret(info.KeyEnv); ok && !holds(p.Keys, v) {
			p.Keys = []Secret{NewSecret(v)}
			l.probs.origins[path+".keys"] = origin{env: info.KeyEnv}
		}
	}
	l.extras(p)
}

func holds(keys []Secret, v string) bool {
	for _, k := range keys {
		if k.Equal(NewSecret(v)) {
			return true
		}
	}
	return false
}

// customaryKey gives a provider of the file that lists no keys the one of its
// type's variable. The key of OpenAI itself is not given to servers that only
// speak as OpenAI does.
func (l *loader) customaryKey(name string, p *Provider) {
	info, ok := p.Type.Info()
	if !ok || info.KeyEnv == "" || len(p.Keys) > 0 || !l.declared[name] {
		return
	}
	if info.Kind == KindOpenAI && p.BaseURL != "" && trimBase(info.Wire, p.BaseURL) != info.BaseURL {
		return
	}
	if v, ok := l.env.secret(info.KeyEnv); ok {
		p.Keys = []Secret{NewSecret(v)}
		l.probs.origins[joinPath("providers", name)+".keys"] = origin{env: info.KeyEnv}
	}
}

// switchOn adds a provider when the environment holds its credential.
func (l *loader) switchOn(name string, info KindInfo) {
	p := &Provider{}
	setDefaults(p)
	p.Type = info.Kind
	base, at := l.baseURL(info)
	p.BaseURL = base
	l.extras(p)
	if !l.credential(p, info) {
		return
	}
	if l.config.Providers == nil {
		l.config.Providers = map[string]*Provider{}
	}
	l.config.Providers[name] = p
	path := joinPath("providers", name)
	l.probs.origins[path] = origin{env: info.KeyEnv}
	if at != "" {
		l.probs.origins[path+".base_url"] = origin{env: at}
	}
}

// credential gives p the credential of its kind's variables and reports
// whether they suffice to switch it on.
func (l *loader) credential(p *Provider, info KindInfo) bool {
	if info.Kind == KindVertex {
		return l.vertexComplete(p)
	}
	if info.KeyEnv == "" || info.KeyOptional {
		return false
	}
	key, ok := l.env.secret(info.KeyEnv)
	if ok {
		p.Keys = []Secret{NewSecret(key)}
	}
	switch info.Kind {
	case KindAzure:
		if ok && p.BaseURL == "" {
			l.env.fail(info.KeyEnv, "is set without "+info.BaseURLEnv+"; set both or neither")
		}
		if !ok && p.BaseURL != "" {
			l.warn("%s is set without %s: Azure OpenAI is off", info.BaseURLEnv, info.KeyEnv)
		}
		return ok && p.BaseURL != ""
	case KindOpenAI:
		// A server of one's own, named by BASE_URL, needs no key.
		return ok || p.BaseURL != "" && trimBase(info.Wire, p.BaseURL) != info.BaseURL
	}
	return ok
}

// vertexComplete reports whether all that Vertex AI needs is there. Its
// variables are often set for other programs, so an incomplete set is a remark
// and no fault.
func (l *loader) vertexComplete(p *Provider) bool {
	var missing []string
	for _, m := range []struct{ name, value string }{
		{"GOOGLE_CLOUD_PROJECT", p.Project},
		{"GOOGLE_CLOUD_LOCATION", p.Location},
		{"GOOGLE_APPLICATION_CREDENTIALS", p.Credentials},
	} {
		if m.value == "" {
			missing = append(missing, m.name)
		}
	}
	if len(missing) == 1 {
		l.warn("Vertex AI is off: %s is not set", missing[0])
	}
	return len(missing) == 0
}

// baseURL returns the base URL that the environment gives a kind, and the
// variable's name.
func (l *loader) baseURL(info KindInfo) (value, at string) {
	if info.BaseURLEnv == "" {
		return "", ""
	}
	value, ok := l.env.get(info.BaseURLEnv)
	if info.Kind != KindOpenAI {
		return value, named(ok, info.BaseURLEnv)
	}
	const alias = "OPENAI_BASE_URL"
	other, both := l.env.get(alias)
	switch {
	case !both:
		return value, named(ok, info.BaseURLEnv)
	case !ok:
		return other, alias
	case trimBase(info.Wire, value) != trimBase(info.Wire, other):
		l.env.fail(info.BaseURLEnv, "differs from "+alias+"; they mean the same, so keep one")
	}
	return value, info.BaseURLEnv
}

func named(ok bool, name string) string {
	if ok {
		return name
	}
	return ""
}

// extras applies the variables that only one kind has.
func (l *loader) extras(p *Provider) {
	set := func(dst *string, name string) {
		if v, ok := l.env.get(name); ok {
			*dst = v
		}
	}
	switch p.Type {
	case KindOpenAI:
		set(&p.Organization, "OPENAI_ORG_ID")
		set(&p.Project, "OPENAI_PROJECT_ID")
	case KindAzure:
		set(&p.APIVersion, "AZURE_OPENAI_API_VERSION")
	case KindVertex:
		set(&p.Project, "GOOGLE_CLOUD_PROJECT")
		set(&p.Location, "GOOGLE_CLOUD_LOCATION")
		set(&p.Credentials, "GOOGLE_APPLICATION_CREDENTIALS")
	}
}
