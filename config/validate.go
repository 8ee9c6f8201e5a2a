package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Validate checks the settings as a whole and returns one *Error for each
// fault, joined. It looks at no file and asks no network.
func (c *Config) Validate() error {
	v := &validator{c: c}
	v.origins = c.origins
	v.server()
	v.http()
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		v.provider(name, c.Providers[name])
	}
	v.defaults()
	v.models()
	v.auth()
	v.limits("limits", c.Limits)
	v.shared()
	v.telemetry()
	return v.err()
}

type validator struct {
	problems
	c *Config
}

// check records a fault unless ok.
func (v *validator) check(ok bool, path, format string, args ...any) {
	if !ok {
		v.add(path, fmt.Sprintf(format, args...))
	}
}

// positive records a fault unless d is above zero.
func (v *validator) positive(path string, d Duration) {
	v.check(d > 0, path, "must be above zero")
}

func (v *validator) between(path string, n, least, most int) {
	v.check(n >= least && n <= most, path, "must be from %d to %d, not %d", least, most, n)
}

var (
	// A provider's name stands before the slash of provider/model and in
	// metric labels.
	providerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// A route's name is what clients send as model.
	routeName = regexp.MustCompile(`^[^\s*"'\x00-\x1f\x7f]{1,128}$`)
	// The names of keys and tenants stand in logs and in GATEWAY_API_KEYS.
	plainName  = regexp.MustCompile(`^[^\s,=\x00-\x1f\x7f]{1,128}$`)
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	// A key goes into a header: visible letters only.
	visible = regexp.MustCompile(`^[\x21-\x7e]+$`)
)

func (v *validator) limits(path string, l Limits) {
	v.rate(path, l.RPS, l.Burst)
	v.check(l.TPM >= 0, path+".tpm", "must not be negative; 0 = no limit")
	v.check(l.Concurrency >= 0, path+".concurrency", "must not be negative; 0 = no limit")
	v.budget(path, l.Budget, l.BudgetAlerts)
}

func (v *validator) budget(path string, b Budget, alerts []Share) {
	v.check(len(alerts) <= 8, path+".budget_alerts", "has more than 8 shares")
	last := Share(0)
	for _, s := range alerts {
		v.check(s > last, path+".budget_alerts", "must ascend from above zero")
		last = s
	}
	v.check(b.Month == 0 || b.Day <= b.Month, path+".budget.day", "is more than the month's %s", b.Month)
}

func (v *validator) rate(path string, rps float64, burst int) {
	v.check(rps >= 0, path+".rps", "must not be negative; 0 = no limit")
	v.check(burst >= 0, path+".burst", "must not be negative; 0 = no limit")
}

// shared checks what requests of all routes share.
func (v *validator) shared() {
	c := v.c
	v.check(c.Cache.MaxEntry > 0, "cache.max_entry", "must be above zero")
	v.check(c.Cache.MaxSize >= c.Cache.MaxEntry, "cache.max_size", "is less than cache.max_entry")
	v.check(c.Cache.Store != CacheRedis || !c.Redis.URL.IsZero(), "cache.store", "is redis, but redis.url is not set")
	if !c.Redis.URL.IsZero() {
		v.secretURL("redis.url", c.Redis.URL, "redis", "rediss", "unix")
	}
	v.positive("redis.timeout", c.Redis.Timeout)
	o := c.Overload
	v.check(o.MinConcurrency >= 1, "overload.min_concurrency", "must be at least 1")
	v.check(o.MaxConcurrency == 0 || o.MaxConcurrency >= o.MinConcurrency, "overload.max_concurrency", "is less than overload.min_concurrency; 0 = no bound")
	v.check(o.Tolerance > 1, "overload.tolerance", "must be above 1")
}

// maxLogged bounds what a log line takes of a question, and of an answer.
const maxLogged = 1 << 20

// maxTraceQueue bounds what a collector that is away can cost: a span takes a
// few KiB.
const maxTraceQueue = 1 << 16

func (v *validator) telemetry() {
	v.check(v.c.Telemetry.MaxLogged >= 256 && v.c.Telemetry.MaxLogged <= maxLogged, "telemetry.log_bodies_max", "must be from 256 to %d bytes", maxLogged)
	t := v.c.Telemetry.Traces
	if t.Endpoint != "" {
		v.url("telemetry.traces.endpoint", t.Endpoint)
	}
	v.headers("telemetry.traces.headers", t.Headers)
	v.positive("telemetry.traces.timeout", t.Timeout)
	v.positive("telemetry.traces.interval", t.Interval)
	v.check(t.Queue > 0 && t.Queue <= maxTraceQueue, "telemetry.traces.queue", "must be from 1 to %d", maxTraceQueue)
	v.check(t.Batch > 0 && t.Batch <= t.Queue, "telemetry.traces.batch", "must be above zero and not above telemetry.traces.queue")
	for i, w := range v.c.Webhooks {
		path := "webhooks[" + strconv.Itoa(i) + "]"
		v.secretURL(path+".url", w.URL, "http", "https")
		v.positive(path+".timeout", w.Timeout)
	}
}

// url checks an address that is no secret and may be shown.
func (v *validator) url(path, s string) *url.URL {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		v.add(path, "must be an address that begins with http:// or https://")
		return nil
	case u.User != nil:
		v.add(path, "must hold no user and password; use keys or headers")
		return nil
	}
	return u
}

// secretURL checks an address that may hold a credential; messages do not
// repeat it.
func (v *validator) secretURL(path string, s Secret, schemes ...string) {
	u, err := url.Parse(s.Reveal())
	ok := err == nil && slices.Contains(schemes, u.Scheme) && (u.Host != "" || u.Scheme == "unix" && u.Path != "")
	v.check(ok, path, "must be an address that begins with %s://", strings.Join(schemes, ":// or "))
}

func (v *validator) headers(path string, h map[string]Secret) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		at := joinPath(path, name)
		v.check(headerName.MatchString(name), at, "is no header name")
		v.check(!ownHeader(name), at, "is a header that the gateway sets itself")
		v.check(!strings.ContainsAny(h[name].Reveal(), "\r\n\x00"), at, "holds a line break")
	}
}

// ownHeader reports whether a header belongs to one connection or to the
// framing of a message.
func ownHeader(name string) bool {
	switch strings.ToLower(name) {
	case "host", "connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length", "content-type",
		"accept-encoding", "proxy-connection", "proxy-authorization":
		return true
	}
	return false
}

// loopback reports whether a host can be reached from its own machine alone.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
