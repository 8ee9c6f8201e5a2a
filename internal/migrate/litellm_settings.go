package migrate

import (
	"maps"
	"slices"
	"strings"
)

// liteStrategy gives every route of several targets the router's strategy.
func (c *converter) liteStrategy(router *object) {
	strategy := "weighted"
	switch s := router.text("routing_strategy"); s {
	case "", "simple-shuffle":
	case "latency-based-routing":
		strategy = "least_latency"
	case "cost-based-routing":
		strategy = "lowest_cost"
	case "least-busy":
		strategy = "least_latency"
		c.leave(router.at("routing_strategy"), "least-busy became least_latency, which is near it")
	default:
		c.leave(router.at("routing_strategy"), "%s became weighted", s)
	}
	for _, r := range c.out.Models {
		if len(r.Targets) > 1 {
			r.Strategy = strategy
		}
	}
}

// liteFallbacks adds the targets of a route's fallbacks behind its own. Routes
// are extended by what the others have of their own, not by their fallbacks.
func (c *converter) liteFallbacks(router, lib *object) {
	own := map[string][]target{}
	for name, r := range c.out.Models {
		own[name] = slices.Clone(r.Targets)
	}
	for _, o := range []*object{router, lib} {
		for _, pairs := range o.objects("fallbacks") {
			for _, name := range pairs.order {
				if name == "*" {
					c.liteDefaultFallbacks(pairs.texts(name), own, pairs.at(name))
					continue
				}
				c.fallback(name, pairs.texts(name), own, pairs.at(name))
			}
		}
		c.liteDefaultFallbacks(o.texts("default_fallbacks"), own, o.at("default_fallbacks"))
	}
}

func (c *converter) liteDefaultFallbacks(to []string, own map[string][]target, path string) {
	if len(to) == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if !slices.Contains(to, name) {
			c.fallback(name, to, own, path)
		}
	}
}

// fallback lets the targets of other routes answer when all of name's own fail.
func (c *converter) fallback(name string, to []string, own map[string][]target, path string) {
	r := c.out.Models[name]
	if r == nil {
		c.leave(path, "there is no route %q", name)
		return
	}
	for _, other := range to {
		targets, ok := own[other]
		if !ok {
			c.leave(path, "there is no route %q to fall back to", other)
			continue
		}
		for _, t := range targets {
			c.last(r, t, name)
		}
	}
}

// last puts a target behind all others of a route: behind one it is enough to be
// the next in order, behind several that share the calls it has no weight.
func (c *converter) last(r *route, t target, name string) {
	if slices.ContainsFunc(r.Targets, func(o target) bool { return o.Provider == t.Provider && o.Model == t.Model }) {
		return
	}
	switch r.Strategy {
	case "", "ordered":
		r.Strategy, t.Weight = "ordered", nil
	case "weighted":
		t.Weight = number(0)
	default:
		c.leave("model "+name, "strategy %s became weighted, so that its fallbacks come last", r.Strategy)
		r.Strategy, t.Weight = "weighted", number(0)
	}
	r.Targets = append(r.Targets, t)
}

func (c *converter) liteAliases(router *object) {
	aliases := router.object("model_group_alias")
	for _, alias := range aliases.order {
		to := aliases.text(alias)
		if to == "" { // {model: name, hidden: bool}
			to = aliases.object(alias).text("model")
		}
		if r := c.out.Models[to]; r == nil || c.out.Models[alias] != nil || !routeName.MatchString(alias) {
			c.leave(aliases.at(alias), "is no further name of a route")
		} else if !slices.Contains(r.Aliases, alias) {
			r.Aliases = append(r.Aliases, alias)
		}
	}
}

func (c *converter) liteRetries(router, lib *object) {
	for _, o := range []*object{lib, router} { // the router's wins
		if s := o.text("num_retries"); s != "" {
			for _, r := range c.out.Models {
				r.Retries = number(min(o.whole("num_retries"), 10))
			}
		}
	}
	if s := seconds(router.number("cooldown_time")); s != "" {
		for _, p := range c.out.Providers {
			p.Breaker = &breaker{Cooldown: s}
		}
	}
}

func (c *converter) liteTimes(router, lib, general *object) {
	for _, s := range []string{seconds(lib.number("request_timeout")), seconds(router.number("timeout"))} {
		if s != "" {
			c.out.Server.RequestTimeout = s
		}
	}
	c.out.Server.StreamTimeout = seconds(router.number("stream_timeout"))
	if n := max(lib.whole("max_parallel_requests"), general.whole("global_max_parallel_requests")); n > 0 {
		c.out.Limits = &limits{Concurrency: n}
	}
}

// liteRedis takes the first Redis that is named.
func (c *converter) liteRedis(router, lib *object) {
	for _, o := range []*object{router, lib.object("cache_params")} {
		prefix := "redis_"
		if o != router {
			prefix = ""
		}
		url := c.secret(o.scalar(prefix+"url"), "REDIS_URL")
		if host := c.plain(o.scalar(prefix + "host")); url == "" && host != "" {
			url = "redis://"
			if password := c.secret(o.scalar(prefix+"password"), "REDIS_PASSWORD"); password != "" {
				url += ":" + password + "@"
			}
			port := c.plain(o.scalar(prefix + "port"))
			if port == "" {
				port = "6379"
			}
			url += host + ":" + port
		}
		if url != "" && c.out.Redis == nil {
			c.out.Redis = &redis{URL: url}
		}
	}
}

// liteCache switches the exact-match cache on for every route.
func (c *converter) liteCache(lib *object) {
	on := lib.yes("cache")
	params := lib.object("cache_params")
	kind, ttl := params.text("type"), seconds(params.number("ttl"))
	switch {
	case !on:
		return
	case kind == "redis":
		c.out.Cache = &cacheStore{Store: "redis"}
	case kind != "" && kind != "local":
		c.leave(params.at("type"), "%s: the cache is kept in memory", kind)
	}
	for _, used := range []string{"host", "port", "password", "url"} {
		params.take(used)
	}
	c.rest(params)
	if ttl == "" {
		ttl = "10m"
	}
	for _, r := range c.out.Models {
		r.Cache = &routeCache{TTL: ttl}
	}
}

// liteMaster makes the master key a client's key and the operators' token, as
// it is both there.
func (c *converter) liteMaster(general *object) {
	v := general.scalar("master_key")
	if strings.TrimSpace(v.text) == "" {
		return
	}
	key := c.secret(v, "LITELLM_MASTER_KEY")
	c.out.Auth.Keys = append(c.out.Auth.Keys, authKey{Name: "master", Key: key})
	c.out.Server.Admin = &admin{Token: key}
	if general.text("database_url") != "" {
		c.leave(general.at("database_url"), "keys, teams and spend in LiteLLM's database are not read; make keys with \"llm-gateway keygen\"")
	}
}
