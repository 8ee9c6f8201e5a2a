package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// defaults checks the model and the provider of requests that name none.
func (v *validator) defaults() {
	c := v.c
	if c.DefaultProvider != "" {
		v.known("default_provider", c.DefaultProvider)
	}
	v.check(c.DefaultModel == "" || routeName.MatchString(c.DefaultModel), "default_model", "%q is no model name", c.DefaultModel)
}

// known records a fault when a name is no provider's.
func (v *validator) known(path, name string) {
	if _, ok := v.c.Providers[name]; ok {
		return
	}
	names := slices.Sorted(maps.Keys(v.c.Providers))
	switch {
	case name == "":
		v.add(path, "is missing; configured are "+strings.Join(names, ", "))
	default:
		v.add(path, strconv.Quote(name)+" is no configured provider; configured are "+strings.Join(names, ", "))
	}
}

func (v *validator) models() {
	names := map[string]string{} // route or alias to the route it belongs to
	for name := range v.c.Models {
		names[name] = name
	}
	for _, name := range slices.Sorted(maps.Keys(v.c.Models)) {
		path := joinPath("models", name)
		v.check(routeName.MatchString(name), path, "is no model name; it must have no spaces, quotes or *")
		r := v.c.Models[name]
		for i, alias := range r.Aliases {
			at := path + ".aliases[" + strconv.Itoa(i) + "]"
			v.check(routeName.MatchString(alias), at, "%q is no model name", alias)
			v.check(names[alias] == "", at, "%q is already a name of the route %q", alias, names[alias])
			names[alias] = name
		}
		v.route(path, r)
	}
}

func (v *validator) route(path string, r *Route) {
	v.check(len(r.Targets) > 0, path+".targets", "is empty; a route needs at least one target")
	sum := 0
	for i, t := range r.Targets {
		v.target(path+".targets["+strconv.Itoa(i)+"]", t)
		sum += max(t.Weight, 0)
	}
	v.check(r.Strategy != StrategyWeighted || sum > 0 || len(r.Targets) == 0, path+".targets", "all weights are 0")
	if r.Retries != nil {
		v.between(path+".retries", *r.Retries, 0, 10)
	}
	v.limits(path+".limits", r.Limits)
	if r.Hedge != nil {
		v.check(r.Hedge.MaxExtra > 0, path+".hedge.max_extra", "must be above 0%%")
	}
	if r.Cache != nil {
		v.positive(path+".cache.ttl", r.Cache.TTL)
	}
	if s := r.Shadow; s != nil {
		v.target(path+".shadow.target", s.Target)
		v.check(s.Percent > 0, path+".shadow.percent", "must be above 0")
		v.check(s.MaxInFlight > 0, path+".shadow.max_in_flight", "must be above 0")
	}
	if r.Canary != nil {
		v.canary(path+".canary", r.Canary)
	}
}

func (v *validator) target(path string, t Target) {
	v.known(path+".provider", t.Provider)
	v.check(t.Model != "", path+".model", "is missing")
	v.check(t.Weight >= 0, path+".weight", "must not be negative")
}

func (v *validator) canary(path string, c *Canary) {
	v.target(path+".candidate", c.Candidate)
	v.check(len(c.Steps) > 0, path+".steps", "is empty")
	last := Share(0)
	for i, s := range c.Steps {
		v.check(s > last, path+".steps["+strconv.Itoa(i)+"]", "must be more than the step before (%s), not %s", last, s)
		last = s
	}
	v.positive(path+".step_interval", c.StepInterval)
	v.check(c.MinRequests >= 1, path+".min_requests", "must be at least 1")
	v.check(c.MaxErrorRate > 0, path+".max_error_rate", "must be above 0%%")
	v.check(c.MaxLatencyRatio >= 1, path+".max_latency_ratio", "must be at least 1")
}
