package config

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

func (v *validator) provider(name string, p *Provider) {
	path := joinPath("providers", name)
	v.check(providerName.MatchString(name), path, "is no name for a provider; use letters, digits, dots, dashes and underscores")
	info, ok := p.Type.Info()
	if !ok {
		v.add(path+".type", "is missing; write a provider type, as openai")
		return
	}
	v.baseURL(path, p, info)
	v.keys(path, p, info)
	v.foreign(path, p, info)
	v.headers(path+".headers", p.Headers)
	v.rate(path+".limits", p.Limits.RPS, p.Limits.Burst)
	v.check(p.Limits.TPM >= 0, path+".limits.tpm", "must not be negative; 0 = no limit")
	v.check(p.Limits.Concurrency >= 0, path+".limits.concurrency", "must not be negative; 0 = no limit")
	v.budget(path+".limits", p.Limits.Budget, p.Limits.BudgetAlerts)
	v.breaker(path+".breaker", p.Breaker)
	v.retry(path+".retry", p.Retry)
}

func (v *validator) baseURL(path string, p *Provider, info KindInfo) {
	switch {
	case p.BaseURL != "":
	case info.Kind == KindMock || info.Kind == KindVertex:
		return
	default:
		v.add(path+".base_url", "is missing")
		return
	}
	u := v.url(path+".base_url", p.BaseURL)
	if u == nil {
		return
	}
	v.check(u.RawQuery == "" && u.Fragment == "", path+".base_url", "must end with the path, without ? and #")
	v.check(!v.c.ownAddress(u), path+".base_url", "is the gateway's own address %s: it would call itself without end", v.c.Server.Addr)
}

func (v *validator) keys(path string, p *Provider, info KindInfo) {
	seen := map[string]int{}
	for i, k := range p.Keys {
		at := path + ".keys[" + strconv.Itoa(i) + "]"
		text := k.Reveal()
		switch {
		case !visible.MatchString(text):
			v.add(at, "holds a space, a line break or another sign that no key has")
		case seen[text] != 0:
			v.add(at, "repeats keys["+strconv.Itoa(seen[text]-1)+"]")
		}
		seen[text] = i + 1
	}
	own := info.Kind == KindOpenAI && p.BaseURL != info.BaseURL // a server of one's own may need none
	if len(p.Keys) == 0 && !info.KeyOptional && !own {
		v.add(path+".keys", "there is no key; list one or set "+info.KeyEnv)
	}
	if info.Kind == KindVertex && len(p.Keys) == 0 {
		v.check(p.Project != "", path+".project", "is missing")
		v.check(p.Location != "", path+".location", "is missing")
	}
}

// foreign refuses keys that mean nothing to a kind, because whoever wrote them
// expects an effect.
func (v *validator) foreign(path string, p *Provider, info KindInfo) {
	for _, m := range []struct {
		key   string
		set   bool
		kinds []Kind
	}{
		{"organization", p.Organization != "", []Kind{KindOpenAI}},
		{"project", p.Project != "", []Kind{KindOpenAI, KindVertex}},
		{"location", p.Location != "", []Kind{KindVertex}},
		{"credentials_file", p.Credentials != "", []Kind{KindVertex}},
		{"api_version", p.APIVersion != "", []Kind{KindAzure}},
		{"deployments", len(p.Deployments) > 0, []Kind{KindAzure}},
		{"workspace", p.Workspace != "", []Kind{KindDashScope}},
	} {
		ok, names := !m.set, make([]string, len(m.kinds))
		for i, k := range m.kinds {
			ok, names[i] = ok || info.Wire == k, string(k)
		}
		v.check(ok, path+"."+m.key, "has no meaning for type %s, only for %s", info.Kind, strings.Join(names, " and "))
	}
	for model, deployment := range p.Deployments {
		v.check(deployment != "", joinPath(path+".deployments", model), "is empty")
	}
}

func (v *validator) breaker(path string, b Breaker) {
	v.check(b.MinRequests >= 0, path+".min_requests", "must not be negative; 0 = no circuit breaker")
	v.check(b.FailureRatio > 0, path+".failure_ratio", "must be above 0%%")
	v.positive(path+".window", b.Window)
	v.positive(path+".cooldown", b.Cooldown)
}

func (v *validator) retry(path string, r Retry) {
	v.between(path+".max", r.Max, 0, 10)
	v.positive(path+".base", r.Base)
	v.check(r.Cap >= r.Base, path+".cap", "is less than base")
	v.check(r.BudgetMin >= 0, path+".budget_min", "must not be negative")
	v.positive(path+".budget_window", r.BudgetSpan)
}

// cleartext reports whether keys would go over a foreign network unencrypted.
func cleartext(p *Provider) bool {
	u, err := url.Parse(p.BaseURL)
	return err == nil && u.Scheme == "http" && len(p.Keys) > 0 && public(u.Hostname())
}

// public reports whether a host seems to be reached over a network that others
// share: no private address, no name of a cluster or local network.
func public(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast()
	}
	host = strings.ToLower(host)
	for _, end := range []string{".local", ".internal", ".localhost", ".svc"} {
		if strings.HasSuffix(host, end) {
			return false
		}
	}
	return strings.Contains(host, ".")
}
