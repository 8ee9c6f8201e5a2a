package config

import "math"

// Config is everything that an operator can set, resolved: after Load no
// default is left to be applied by a reader, except where a field says so.
type Config struct {
	Server          Server               `yaml:"server"`
	HTTP            HTTP                 `yaml:"http"`
	Providers       map[string]*Provider `yaml:"providers"`
	DefaultProvider string               `yaml:"default_provider"`
	DefaultModel    string               `yaml:"default_model"`
	Models          map[string]*Route    `yaml:"models"`
	Auth            Auth                 `yaml:"auth"`
	Limits          Limits               `yaml:"limits"`
	Overload        Overload             `yaml:"overload"`
	Cache           Cache                `yaml:"cache"`
	Redis           Redis                `yaml:"redis"`
	Usage           Usage                `yaml:"usage"`
	Telemetry       Telemetry            `yaml:"telemetry"`
	Webhooks        []Webhook            `yaml:"webhooks"`

	// AppEnv is APP_ENV; production changes the default log format.
	AppEnv string `yaml:"-"`
	// MockFallback says that no provider is configured and that the built-in
	// mock answers; the program says so in its log.
	MockFallback bool `yaml:"-"`
	// Warnings are remarks for the log: legal settings that are probably not
	// what was meant. They hold no secret.
	Warnings []string `yaml:"-"`
	// Files are the paths that this configuration was made of, sorted: a
	// change of one of them calls for a reload. Files that do not exist but
	// would be read if they did (.env) are among them.
	Files []string `yaml:"-"`

	origins origins
}

// Default returns the settings that hold without a file and an environment, but
// no provider.
func Default() *Config {
	c := unresolved()
	c.resolve()
	return c
}

// unresolved returns the defaults with marks where another setting decides.
func unresolved() *Config {
	c := &Config{}
	setDefaults(c)
	return c
}

func (c *Config) setDefaults() {
	c.Limits.RPS = 100
	c.Limits.BudgetAlerts = []Share{hundredPercent / 2, hundredPercent / 10 * 8, hundredPercent}
}

// AuthConfigured reports whether clients must authenticate.
func (c *Config) AuthConfigured() bool {
	return c.Auth.Required || len(c.Auth.Keys) > 0 || c.Auth.JWT != nil
}

// Limits bound what one key, tenant, route or the whole gateway may use. Zero
// means no limit.
type Limits struct {
	RPS         float64 `yaml:"rps"`         // requests per second, sustained
	Burst       int     `yaml:"burst"`       // requests at once; twice rps unless given
	TPM         int64   `yaml:"tpm"`         // tokens per minute, input and output together
	Concurrency int     `yaml:"concurrency"` // requests in flight, streams included
	Budget      Budget  `yaml:"budget"`

	// BudgetAlerts are the shares of a budget that operators are told of when
	// they are spent. None = those of limits, for the gateway 50, 80 and 100.
	BudgetAlerts []Share `yaml:"budget_alerts"`
}

// burstUnset marks a burst that nobody gave; Load replaces it.
const burstUnset = math.MinInt32

func (l *Limits) setDefaults() { l.Burst = burstUnset }

// Unlimited reports whether l bounds nothing.
func (l Limits) Unlimited() bool {
	return l.RPS == 0 && l.TPM == 0 && l.Concurrency == 0 && l.Budget == Budget{}
}

// Budget bounds money per calendar day and month, in UTC. Zero means no limit.
type Budget struct {
	Day   Money `yaml:"day"`
	Month Money `yaml:"month"`
}

// Overload says when the gateway sheds load to stay quick for the rest.
type Overload struct {
	Adaptive       bool     `yaml:"adaptive"`        // find the bound on requests in flight by watching the gateway's own latency
	MinConcurrency int      `yaml:"min_concurrency"` // the adaptive bound never goes below
	MaxConcurrency int      `yaml:"max_concurrency"` // requests in flight at most; 0 = no fixed bound
	Tolerance      float64  `yaml:"tolerance"`       // own latency may grow by this factor before the bound shrinks
	MaxWait        Duration `yaml:"max_wait"`        // how long a request may queue for a slot before it is refused
}

func (o *Overload) setDefaults() {
	*o = Overload{MinConcurrency: 64, Tolerance: 2, MaxWait: Duration(100 * ms)}
}

// Cache sizes the exact-match cache that routes may switch on.
type Cache struct {
	Store    CacheStore `yaml:"store"`
	MaxSize  Size       `yaml:"max_size"`  // of all entries together, in memory
	MaxEntry Size       `yaml:"max_entry"` // a larger answer is not kept
}

func (c *Cache) setDefaults() {
	*c = Cache{Store: CacheMemory, MaxSize: 64 << 20, MaxEntry: 1 << 20}
}

// Redis shares limits and cache between replicas.
type Redis struct {
	URL       Secret         `yaml:"url"` // redis://, rediss:// (TLS); it may hold a password
	OnFailure RedisOnFailure `yaml:"on_failure"`
	Prefix    string         `yaml:"prefix"`  // of every key that the gateway writes
	Timeout   Duration       `yaml:"timeout"` // for one command, on the way of a request
}

func (r *Redis) setDefaults() {
	*r = Redis{OnFailure: RedisLocal, Prefix: "gw:", Timeout: Duration(100 * ms)}
}

// Usage says where ledger records go and what an unknown price means.
type Usage struct {
	Database     Secret       `yaml:"database"`  // postgres://…, a file's path, or "memory"; "" = the file llm-gateway.db, or memory where that cannot be written
	Retention    Duration     `yaml:"retention"` // records older than this are deleted; 0 = kept
	UnknownPrice UnknownPrice `yaml:"unknown_price"`
	Prices       string       `yaml:"prices"` // a JSON file in the form of config/prices.json that overrides the built-in list
}

func (u *Usage) setDefaults() { u.Retention = Duration(90 * day) }

// Telemetry is about logs and traces; metrics are always on.
type Telemetry struct {
	LogLevel  LogLevel  `yaml:"log_level"`
	LogFormat LogFormat `yaml:"log_format"`
	MaxLogged Size      `yaml:"log_bodies_max"` // bytes of a question, and of an answer, that routes with log_bodies record
	Traces    Traces    `yaml:"traces"`
}

func (t *Telemetry) setDefaults() {
	t.LogLevel, t.LogFormat, t.MaxLogged = LogInfo, LogAuto, 16<<10
}

// Traces sends OpenTelemetry spans over OTLP/HTTP. The standard OTEL_*
// variables set the same keys.
type Traces struct {
	Endpoint    string            `yaml:"endpoint"` // full URL of the traces endpoint; "" = off
	Headers     map[string]Secret `yaml:"headers"`
	ServiceName string            `yaml:"service_name"`
	Resource    map[string]string `yaml:"resource"` // further resource attributes
	Sampler     Sampler           `yaml:"sampler"`
	Ratio       Percent           `yaml:"ratio"`       // for the traceidratio samplers
	Timeout     Duration          `yaml:"timeout"`     // for one export, its repetitions included
	Compression Compression       `yaml:"compression"` // of exports
	Certificate string            `yaml:"certificate"` // a PEM file of who may sign the collector's certificate; "" = the system's roots
	Queue       int               `yaml:"queue"`       // spans that wait for the collector at most
	Batch       int               `yaml:"batch"`       // spans in one export at most
	Interval    Duration          `yaml:"interval"`    // longest wait of a span for others
}

func (t *Traces) setDefaults() {
	*t = Traces{
		ServiceName: "llm-gateway", Sampler: SampleParentAlwaysOn, Ratio: hundredPercent, Timeout: Duration(10 * second),
		Compression: CompressNone, Queue: 2048, Batch: 512, Interval: Duration(5 * second),
	}
}

// Webhook is told of events by a JSON POST.
type Webhook struct {
	URL     Secret         `yaml:"url"`    // a secret, because chat services put their credential into it
	Secret  Secret         `yaml:"secret"` // signs the body with HMAC-SHA256; "" = not signed
	Events  []WebhookEvent `yaml:"events"` // none = all
	Timeout Duration       `yaml:"timeout"`
}

func (w *Webhook) setDefaults() { w.Timeout = Duration(5 * second) }
