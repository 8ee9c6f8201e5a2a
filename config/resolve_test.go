package config

import (
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestBurst(t *testing.T) {
	for _, tc := range []struct {
		yaml  string
		vars  env
		rps   float64
		burst int
	}{
		{"", nil, 100, 200},
		{"limits: {rps: 20}", nil, 20, 40},
		{"limits: {rps: 0.2}", nil, 0.2, 1},
		{"limits: {rps: 2.6}", nil, 2.6, 6},
		{"limits: {rps: 20, burst: 5}", nil, 20, 5},
		{"limits: {rps: 0}", nil, 0, 0},
		{"limits: {rps: 0, burst: 5}", nil, 0, 5},
		{"limits: {burst: 5}", nil, 100, 5},
		{"limits: {burst: 0}", nil, 0, 0}, // 0 = no limit, whichever of the two says it
		{"limits: {rps: 1e300}", nil, 1e300, 1<<31 - 1},
		{"limits: {rps: 20}", env{"GATEWAY_RPS": "30"}, 30, 60},
		{"limits: {rps: 20, burst: 7}", env{"GATEWAY_RPS": "30"}, 30, 7},
		{"", env{"GATEWAY_RPS": "0"}, 0, 0},
		{"", env{"GATEWAY_BURST": "0"}, 0, 0},
	} {
		c := good(t, tc.vars, tc.yaml)
		if c.Limits.RPS != tc.rps || c.Limits.Burst != tc.burst {
			t.Errorf("%q %v: %v, %d; want %v, %d", tc.yaml, tc.vars, c.Limits.RPS, c.Limits.Burst, tc.rps, tc.burst)
		}
	}
	// The same holds wherever limits stand.
	c := good(t, nil, `
providers: {p: {type: mock, limits: {rps: 3}}}
models: {m: {targets: [{provider: p, model: x}], limits: {rps: 4}}}
auth:
  keys: [{name: a, key: k, limits: {rps: 5}}]
  tenants: {t: {limits: {rps: 6}}}
`)
	for want, got := range map[int]int{6: c.Providers["p"].Limits.Burst, 8: c.Models["m"].Limits.Burst, 10: c.Auth.Keys[0].Limits.Burst, 12: c.Auth.Tenants["t"].Limits.Burst} {
		if got != want {
			t.Errorf("burst %d, want %d", got, want)
		}
	}
}

func TestDefaultAddress(t *testing.T) {
	for _, tc := range []struct {
		name string
		vars env
		yaml string
		want string
	}{
		{"nobody is known", nil, "", "127.0.0.1:8080"},
		{"anyone is welcome, still on loopback", env{"GATEWAY_ALLOW_ANONYMOUS": "true"}, "", "127.0.0.1:8080"},
		{"keys of the environment", env{"GATEWAY_API_KEYS": "a=k"}, "", ":8080"},
		{"keys of the file", nil, "auth: {keys: [{name: a, key: k}]}", ":8080"},
		{"tokens", env{"GATEWAY_JWT_SECRET": "0123456789abcdef0123456789abcdef"}, "", ":8080"},
		{"client certificates", nil, "server: {tls: {cert: gw.yaml, key: gw.yaml, client_ca: gw.yaml}}", ":8080"},
		{"no keys in the end", env{"GATEWAY_API_KEYS": " , "}, "", "127.0.0.1:8080"},
		{"by wish", env{"GATEWAY_ADDR": "127.0.0.1:1", "GATEWAY_API_KEYS": "a=k"}, "", "127.0.0.1:1"},
		{"open by wish", env{"GATEWAY_ADDR": ":1", "GATEWAY_ALLOW_ANONYMOUS": "true"}, "", ":1"},
	} {
		if got := good(t, tc.vars, tc.yaml).Server.Addr; got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestRouteTimeouts(t *testing.T) {
	c := good(t, nil, `
server: {request_timeout: 50s, stream_timeout: 5m}
http: {connect_timeout: 3s}
providers: {p: {type: mock}, q: {type: mock, timeouts: {connect: 1s}}}
models:
  a: {targets: [{provider: p, model: x}]}
  b: {targets: [{provider: p, model: x}], timeout: 7s, retries: 0}
`)
	a, b := c.Models["a"], c.Models["b"]
	for _, tc := range []struct {
		got  Duration
		want time.Duration
	}{
		{a.Timeout, 50 * time.Second}, {a.StreamTimeout, 5 * time.Minute}, {b.Timeout, 7 * time.Second}, {b.StreamTimeout, 5 * time.Minute},
		{c.Providers["p"].Timeouts.Connect, 3 * time.Second}, {c.Providers["q"].Timeouts.Connect, time.Second},
	} {
		if tc.got.Std() != tc.want {
			t.Errorf("%v, want %v", tc.got, tc.want)
		}
	}
	if a.Retries != nil || b.Retries == nil || *b.Retries != 0 {
		t.Errorf("retries %v, %v", a.Retries, b.Retries)
	}
}

// The figures that the contract with operators promises.
func TestPromisedDefaults(t *testing.T) {
	c := good(t, nil, "providers: {p: {type: vllm}}\nmodels: {m: {targets: [{provider: p, model: x}], canary: {candidate: {provider: p, model: y}}, hedge: {}, cache: {}}}")
	p, m := c.Providers["p"], c.Models["m"]
	for name, ok := range map[string]bool{
		"connect timeout":        c.HTTP.ConnectTimeout.Std() == 2*time.Second && p.Timeouts.Connect.Std() == 2*time.Second,
		"first byte":             p.Timeouts.FirstByte.Std() == 60*time.Second,
		"stream idle":            p.Timeouts.Idle.Std() == 60*time.Second,
		"whole request":          m.Timeout.Std() == 120*time.Second && m.StreamTimeout.Std() == 600*time.Second,
		"idle connections":       c.HTTP.MaxIdle == 1024 && c.HTTP.MaxIdlePerHost == 512 && c.HTTP.MaxPerHost == 0,
		"idle lifetime":          c.HTTP.IdleTimeout.Std() == 90*time.Second,
		"gateway limit":          c.Limits.RPS == 100 && c.Limits.Burst == 200,
		"retries":                p.Retry.Max == 2 && p.Retry.Base.Std() == 250*time.Millisecond && p.Retry.Cap.Std() == 8*time.Second,
		"retry budget":           p.Retry.Budget.Ratio() == 0.2 && p.Retry.BudgetMin == 10 && p.Retry.BudgetSpan.Std() == 10*time.Second,
		"circuit breaker":        p.Breaker.FailureRatio.Ratio() == 0.5 && p.Breaker.MinRequests == 20 && p.Breaker.Window.Std() == 30*time.Second && p.Breaker.Cooldown.Std() == 15*time.Second,
		"batch":                  c.Server.BatchMaxItems == 1000 && c.Server.BatchConcurrency == 8,
		"body and drain":         c.Server.MaxBody == 16<<20 && c.Server.DrainTimeout.Std() == 120*time.Second,
		"ledger":                 c.Usage.Retention.Std() == 90*24*time.Hour && c.Usage.UnknownPrice == UnknownPrice{},
		"Redis":                  c.Redis.OnFailure == RedisLocal,
		"route":                  m.Strategy == StrategyOrdered && m.Targets[0].Weight == 1 && !m.LogBody,
		"client gone":            p.OnClientGone == GoneCancel,
		"canary":                 len(m.Canary.Steps) == 4 && m.Canary.Steps[3].Ratio() == 1 && m.Canary.MaxErrorRate.Ratio() == 0.02 && m.Canary.MaxLatencyRatio == 1.5,
		"no anonymous by itself": !c.Auth.AllowAnonymous,
	} {
		if !ok {
			t.Errorf("%s is not as promised", name)
		}
	}
}

// The configuration file of the contract, as it stands there.
func TestContractExample(t *testing.T) {
	dir := folder(t, map[string]string{"openai-2": "sk-test-2\n", "sa.json": "{}"})
	c := good(t, env{"OPENAI_API_KEY": "sk-test-1", "AZURE_OPENAI_API_KEY": "az", "REDIS_URL": "redis://r", "DATABASE_URL": "usage.db", "ANTHROPIC_API_KEY": "a", "DASHSCOPE_API_KEY": "d"}, `
server: {addr: ":8080", max_body: 16MiB, drain_timeout: 120s}
providers:
  openai:
    type: openai            # openai, azure-openai, anthropic, gemini, vertex, dashscope, mock, or a preset (groq, ollama, …)
    base_url: https://api.openai.com/v1
    keys: ["${OPENAI_API_KEY}", "${file:`+dir+`/openai-2}"]
    timeouts: {connect: 2s, first_byte: 60s, idle: 60s}
    limits: {rps: 50, tpm: 2000000, concurrency: 200}
    breaker: {failure_ratio: 50%, min_requests: 20, window: 30s, cooldown: 15s}
    on_client_gone: cancel  # or drain
  azure-eu: {type: azure-openai, base_url: "https://res.openai.azure.com", api_version: "2024-10-21", keys: ["${AZURE_OPENAI_API_KEY}"], deployments: {gpt-4o: prod-4o}}
  google:   {type: vertex, project: my-project, location: europe-west4, credentials_file: `+dir+`/sa.json}
models:                     # a route: the name that clients ask for
  chat:
    strategy: ordered       # ordered, weighted, least_latency, lowest_cost
    targets:
      - {provider: openai, model: gpt-4o-mini, weight: 9}
      - {provider: anthropic, model: claude-haiku-4-5, weight: 1}
    retries: 2
    timeout: 120s
    hedge: {after: p95, max_extra: 5%}
    cache: {ttl: 10m}
    shadow: {target: {provider: dashscope, model: qwen-max}, percent: 5, budget_per_day: 10}
    canary:
      candidate: {provider: openai, model: gpt-4.1-mini}
      steps: [5, 25, 50, 100]
      step_interval: 10m
      min_requests: 100
      max_error_rate: 2%
      max_latency_ratio: 1.5
auth:
  keys:
    - {name: billing-app, hash: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", tenant: finance, models: [chat], limits: {rps: 20, tpm: 100000, concurrency: 10, budget: {day: 5, month: 100}}}
  jwt: {issuer: "https://id.example", audience: llm, jwks_url: "https://id.example/jwks.json", claims: {tenant: org, models: models}}
limits: {rps: 100, burst: 200}                       # the whole gateway; 0 = no limit
redis: {url: "${REDIS_URL}", on_failure: local}      # or refuse
usage: {database: "${DATABASE_URL}", retention: 90d, unknown_price: flag}   # or deny, or a price
telemetry: {log_level: info, log_format: json}
`)
	chat := c.Models["chat"]
	if len(c.Warnings) > 0 || len(c.Providers) != 5 || len(c.Providers["openai"].Keys) != 2 || c.Providers["openai"].Keys[1].Reveal() != "sk-test-2" {
		t.Errorf("%q %v", c.Warnings, summaries(c))
	}
	if chat.Shadow.BudgetPerDay.Amount() != 10*llm.Dollar || chat.Shadow.Percent.Ratio() != 0.05 || chat.Canary.StepInterval.Std() != 10*time.Minute || !chat.Cache.Share {
		t.Errorf("%+v %+v", chat.Shadow, chat.Canary)
	}
	k := c.Auth.Keys[0]
	if k.Limits.Budget.Month.Amount() != 100*llm.Dollar || k.Limits.Burst != 40 || k.Tenant != "finance" || c.Auth.JWT.Claims.Name != "sub" || c.Auth.JWT.Leeway.Std() != time.Minute {
		t.Errorf("%+v %+v", k, c.Auth.JWT)
	}
	if k.Limits.Unlimited() || !(Limits{Burst: 3}).Unlimited() || (Limits{Budget: Budget{Day: 1}}).Unlimited() {
		t.Error("Unlimited")
	}
	if len(Prices()) < 1000 {
		t.Error("no price list")
	}
}
