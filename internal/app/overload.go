package app

import (
	"math"
	"runtime/debug"
	"runtime/metrics"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

// guard returns what sheds load by these settings; nil = nothing does. The
// same settings after a reload mean the same guard, which knows what is in
// flight.
func (a *App) guard(o config.Overload) *service.Guard {
	if !o.Adaptive && o.MaxConcurrency == 0 {
		return nil
	}
	return a.state.guards.get("", o, func() *service.Guard {
		return service.NewGuard(service.GuardOptions{
			Min: o.MinConcurrency, Max: o.MaxConcurrency, Adaptive: o.Adaptive, Tolerance: o.Tolerance,
			MaxWait: orNever(o.MaxWait), Memory: memoryInUse,
		})
	})
}

// classes returns what tells a caller's class: its key's, else its tenant's;
// nil when all are alike.
func classes(a config.Auth) func(c *llm.Caller) service.Class {
	keys, tenants := map[string]service.Class{}, map[string]service.Class{}
	for i := range a.Keys {
		if k := &a.Keys[i]; k.Priority != "" {
			keys[k.Name] = class(k.Priority)
		}
	}
	for name, t := range a.Tenants {
		if t.Priority != "" {
			tenants[name] = class(t.Priority)
		}
	}
	if len(keys)+len(tenants) == 0 {
		return nil
	}
	return func(c *llm.Caller) service.Class {
		if class, ok := keys[c.Name]; ok {
			return class
		}
		return tenants[c.Tenant]
	}
}

func class(p config.Priority) service.Class {
	switch p {
	case config.PriorityHigh:
		return 1
	case config.PriorityLow:
		return -1
	}
	return 0
}

// heapInUse returns the bytes of live and not yet collected objects.
func heapInUse() uint64 {
	sample := [...]metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample[:])
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

// memoryInUse returns the share of the memory limit (GOMEMLIMIT, or what serve
// takes from the container) that live objects and stacks hold; 0 without a
// limit. Garbage does not count: the collector lets it grow up to the limit.
func memoryInUse() float64 {
	limit := debug.SetMemoryLimit(-1) // a negative value only asks
	if limit <= 0 || limit == math.MaxInt64 {
		return 0
	}
	sample := [...]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(sample[:])
	used := uint64(0)
	for _, s := range sample {
		if s.Value.Kind() == metrics.KindUint64 {
			used += s.Value.Uint64()
		}
	}
	return float64(used) / float64(limit)
}
