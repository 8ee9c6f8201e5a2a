package config

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// aRoute is a good file to be spoilt: with one provider and one route.
const aRoute = `
providers:
  p: {type: mock}
models:
  m:
    targets: [{provider: p, model: x}]
`

// Each case is a whole file and the one message that it must cause.
func TestValidation(t *testing.T) {
	for _, tc := range []struct{ name, yaml, want string }{
		// server
		{"open to the world", "server: {addr: ':8080'}", `gw.yaml:1: server.addr: ":8080" can be reached from other machines, but callers need no credential; set GATEWAY_API_KEYS (llm-gateway keygen makes a key) or auth.jwt, or listen on 127.0.0.1, or allow it with GATEWAY_ALLOW_ANONYMOUS=true`},
		{"address without a port", "server: {addr: localhost}", `gw.yaml:1: server.addr: "localhost" is no address; write host:port or :port, as 127.0.0.1:8080`},
		{"port by name", "server: {addr: '127.0.0.1:http'}", `gw.yaml:1: server.addr: "127.0.0.1:http" is no address; write host:port or :port, as 127.0.0.1:8080`},
		{"port too high", "server: {addr: '127.0.0.1:65536'}", `gw.yaml:1: server.addr: "127.0.0.1:65536" is no address; write host:port or :port, as 127.0.0.1:8080`},
		{"admin without a token", "server: {admin: {addr: '127.0.0.1:9'}}", "gw.yaml:1: server.admin.addr: is set, but there is no token for it; set GATEWAY_ADMIN_TOKEN or server.admin.token"},
		{"admin on the same address", "server: {addr: '127.0.0.1:9', admin: {addr: '127.0.0.1:9', token: sixteen-letters-long}}", "gw.yaml:1: server.admin.addr: is the same as server.addr; leave it out to share that listener"},
		{"admin on no address", "server: {admin: {addr: nine, token: sixteen-letters-long}}", `gw.yaml:1: server.admin.addr: "nine" is no address; write host:port or :port, as 127.0.0.1:8080`},
		{"TLS without a key", "server:\n  tls: {cert: gw.yaml}", "gw.yaml:2: server.tls: needs both cert and key"},
		{"client certificates without TLS", "server: {tls: {client_ca: gw.yaml}}", "gw.yaml:1: server.tls.client_ca: needs cert and key as well"},
		{"TLS file that is not there", "server: {tls: {cert: gone.pem, key: gw.yaml}}", "gw.yaml:1: server.tls.cert: the file gone.pem cannot be read: no such file or directory"},
		{"proxy", "server: {trusted_proxies: [10.0.0.0/8, '::1', proxy.example]}", `gw.yaml:1: server.trusted_proxies[2]: "proxy.example" is neither an address nor a network, as 10.0.0.0/8`},
		{"no body", "server: {max_body: 0}", "gw.yaml:1: server.max_body: must be above zero"},
		{"small head", "server: {max_header: 1KiB}", "gw.yaml:1: server.max_header: must be at least 4KiB"},
		{"no time for the head", "server: {read_header_timeout: 0}", "gw.yaml:1: server.read_header_timeout: must be above zero"},
		{"no time for the body", "server: {read_timeout: 0}", "gw.yaml:1: server.read_timeout: must be above zero"},
		{"no time to write", "server: {write_timeout: 0}", "gw.yaml:1: server.write_timeout: must be above zero"},
		{"no idle time", "server: {idle_timeout: 0}", "gw.yaml:1: server.idle_timeout: must be above zero"},
		{"no time for a request", "server: {request_timeout: 0}", "gw.yaml:1: server.request_timeout: must be above zero"},
		{"no time for a stream", "server: {stream_timeout: 0}", "gw.yaml:1: server.stream_timeout: must be above zero"},
		{"batch beyond the contract", "server: {batch_max_items: 1001}", "gw.yaml:1: server.batch_max_items: must be from 1 to 1000, not 1001"},
		{"batch wider than allowed", "server: {batch_concurrency: 9, batch_max_concurrency: 8}", "gw.yaml:1: server.batch_concurrency: must be from 1 to 8, not 9"},
		{"batch bound", "server: {batch_max_concurrency: 1001}", "gw.yaml:1: server.batch_max_concurrency: must be from 1 to 1000, not 1001"},
		{"watching without a pause", "server: {watch_interval: 10ms}", "gw.yaml:1: server.watch_interval: must be 0 (off) or at least 1s"},
		// http
		{"idle", "http: {max_idle: -1}", "gw.yaml:1: http.max_idle: must not be negative; 0 = no bound"},
		{"idle per host", "http: {max_idle_per_host: 0}", "gw.yaml:1: http.max_idle_per_host: must be at least 1"},
		{"per host", "http: {max_per_host: -1}", "gw.yaml:1: http.max_per_host: must not be negative; 0 = no bound"},
		{"connect", "http: {connect_timeout: 0}", "gw.yaml:1: http.connect_timeout: must be above zero"},
		{"handshake", "http: {tls_timeout: 0}", "gw.yaml:1: http.tls_timeout: must be above zero"},
		{"idle lifetime", "http: {idle_timeout: 0}", "gw.yaml:1: http.idle_timeout: must be above zero"},
		{"response", "http: {max_response: 0}", "gw.yaml:1: http.max_response: must be above zero"},
		{"user agent", `http: {user_agent: "a\r\nb"}`, "gw.yaml:1: http.user_agent: holds a line break"},
		{"forwarded header", "http: {forward_headers: [X-A, 'x y']}", `gw.yaml:1: http.forward_headers[1]: "x y" is no header name`},
		{"forwarded credential", "http: {forward_headers: [Authorization]}", `gw.yaml:1: http.forward_headers[0]: "Authorization" must not be passed on`},
		{"forwarded framing", "http: {forward_headers: [Content-Length]}", `gw.yaml:1: http.forward_headers[0]: "Content-Length" must not be passed on`},
		{"CA file", "http: {ca_file: gone.pem}", "gw.yaml:1: http.ca_file: the file gone.pem cannot be read: no such file or directory"},
		// providers
		{"provider's name", "providers: {'a/b': {type: mock}}", "gw.yaml:1: providers.a/b: is no name for a provider; use letters, digits, dots, dashes and underscores"},
		{"no type", "providers:\n  a: {keys: [k]}", "gw.yaml:2: providers.a.type: is missing; write a provider type, as openai"},
		{"no body at all", "providers:\n  a:", "gw.yaml:2: providers.a.type: is missing; write a provider type, as openai"},
		{"Azure without an address", "providers: {a: {type: azure-openai, keys: [k]}}", "gw.yaml:1: providers.a.base_url: is missing"},
		{"address of another scheme", "providers: {a: {type: groq, keys: [k], base_url: 'ftp://x'}}", "gw.yaml:1: providers.a.base_url: must be an address that begins with http:// or https://"},
		{"address that is none", "providers: {a: {type: groq, keys: [k], base_url: 'https://%zz'}}", "gw.yaml:1: providers.a.base_url: must be an address that begins with http:// or https://"},
		{"password in an address", "providers: {a: {type: groq, keys: [k], base_url: 'https://u:" + leak + "@x'}}", "gw.yaml:1: providers.a.base_url: must hold no user and password; use keys or headers"},
		{"query in an address", "providers: {a: {type: groq, keys: [k], base_url: 'https://x/?a=b'}}", "gw.yaml:1: providers.a.base_url: must end with the path, without ? and #"},
		{"itself", "server: {addr: '127.0.0.1:9000'}\nproviders: {a: {type: vllm, base_url: 'http://localhost:9000/v1'}}", "gw.yaml:2: providers.a.base_url: is the gateway's own address 127.0.0.1:9000: it would call itself without end"},
		{"itself by any address", "auth: {allow_anonymous: true}\nserver: {addr: '0.0.0.0:9000'}\nproviders: {a: {type: vllm, base_url: 'http://127.0.0.1:9000/v1'}}", "gw.yaml:3: providers.a.base_url: is the gateway's own address 0.0.0.0:9000: it would call itself without end"},
		{"required and anonymous", "auth:\n  allow_anonymous: true\n  required: true", "gw.yaml:3: auth.required: contradicts auth.allow_anonymous: leave one of them out"},
		{"key with a space", "providers: {a: {type: groq, keys: [k, 'a " + leak + "']}}", "gw.yaml:1: providers.a.keys[1]: holds a space, a line break or another sign that no key has"},
		{"key twice", "providers: {a: {type: groq, keys: [" + leak + ", b, " + leak + "]}}", "gw.yaml:1: providers.a.keys[2]: repeats keys[0]"},
		{"Vertex AI without a project", "providers: {a: {type: vertex, location: l}}", "gw.yaml:1: providers.a.project: is missing"},
		{"Vertex AI without a location", "providers: {a: {type: vertex, project: p}}", "gw.yaml:1: providers.a.location: is missing"},
		{"deployments elsewhere", "providers: {a: {type: groq, keys: [k], deployments: {a: b}}}", "gw.yaml:1: providers.a.deployments: has no meaning for type groq, only for azure-openai"},
		{"location elsewhere", "providers: {a: {type: gemini, keys: [k], location: l}}", "gw.yaml:1: providers.a.location: has no meaning for type gemini, only for vertex"},
		{"project elsewhere", "providers: {a: {type: gemini, keys: [k], project: l}}", "gw.yaml:1: providers.a.project: has no meaning for type gemini, only for openai and vertex"},
		{"api_version elsewhere", "providers: {a: {type: openai, keys: [k], api_version: v}}", "gw.yaml:1: providers.a.api_version: has no meaning for type openai, only for azure-openai"},
		{"workspace elsewhere", "providers: {a: {type: openai, keys: [k], workspace: v}}", "gw.yaml:1: providers.a.workspace: has no meaning for type openai, only for dashscope"},
		{"organization elsewhere", "providers: {a: {type: anthropic, keys: [k], organization: v}}", "gw.yaml:1: providers.a.organization: has no meaning for type anthropic, only for openai"},
		{"credentials elsewhere", "providers: {a: {type: gemini, keys: [k], credentials_file: gw.yaml}}", "gw.yaml:1: providers.a.credentials_file: has no meaning for type gemini, only for vertex"},
		{"empty deployment", "providers: {a: {type: azure-openai, base_url: 'https://x', keys: [k], deployments: {m: ''}}}", "gw.yaml:1: providers.a.deployments.m: is empty"},
		{"header name", "providers: {a: {type: mock, headers: {'a b': c}}}", `gw.yaml:1: providers.a.headers["a b"]: is no header name`},
		{"header of the gateway", "providers: {a: {type: mock, headers: {Host: c}}}", "gw.yaml:1: providers.a.headers.Host: is a header that the gateway sets itself"},
		{"header with a line break", `providers: {a: {type: mock, headers: {X: "` + leak + `\nY: z"}}}`, "gw.yaml:1: providers.a.headers.X: holds a line break"},
		{"provider's rps", "providers: {a: {type: mock, limits: {rps: -1}}}", "gw.yaml:1: providers.a.limits.rps: must not be negative; 0 = no limit"},
		{"provider's burst", "providers: {a: {type: mock, limits: {burst: -1}}}", "gw.yaml:1: providers.a.limits.burst: must not be negative; 0 = no limit"},
		{"provider's tpm", "providers: {a: {type: mock, limits: {tpm: -1}}}", "gw.yaml:1: providers.a.limits.tpm: must not be negative; 0 = no limit"},
		{"provider's concurrency", "providers: {a: {type: mock, limits: {concurrency: -1}}}", "gw.yaml:1: providers.a.limits.concurrency: must not be negative; 0 = no limit"},
		{"breaker's ratio", "providers: {a: {type: mock, breaker: {failure_ratio: 0%}}}", "gw.yaml:1: providers.a.breaker.failure_ratio: must be above 0%"},
		{"breaker's requests", "providers: {a: {type: mock, breaker: {min_requests: -1}}}", "gw.yaml:1: providers.a.breaker.min_requests: must not be negative; 0 = no circuit breaker"},
		{"breaker's window", "providers: {a: {type: mock, breaker: {window: 0}}}", "gw.yaml:1: providers.a.breaker.window: must be above zero"},
		{"breaker's cooldown", "providers: {a: {type: mock, breaker: {cooldown: 0}}}", "gw.yaml:1: providers.a.breaker.cooldown: must be above zero"},
		{"many retries", "providers: {a: {type: mock, retry: {max: 11}}}", "gw.yaml:1: providers.a.retry.max: must be from 0 to 10, not 11"},
		{"no first wait", "providers: {a: {type: mock, retry: {base: 0}}}", "gw.yaml:1: providers.a.retry.base: must be above zero"},
		{"waits the wrong way round", "providers: {a: {type: mock, retry: {base: 9s}}}", "gw.yaml:1: providers.a.retry.cap: is less than base"},
		{"budget's least", "providers: {a: {type: mock, retry: {budget_min: -1}}}", "gw.yaml:1: providers.a.retry.budget_min: must not be negative"},
		{"budget's window", "providers: {a: {type: mock, retry: {budget_window: 0}}}", "gw.yaml:1: providers.a.retry.budget_window: must be above zero"},
		// models
		{"default provider", "default_provider: nope\nproviders: {p: {type: mock}, q: {type: mock}}", `gw.yaml:1: default_provider: "nope" is no configured provider; configured are p, q`},
		{"default model", "default_model: 'a b'", `gw.yaml:1: default_model: "a b" is no model name`},
		{"route's name", "providers: {p: {type: mock}}\nmodels: {'a*': {targets: [{provider: p, model: x}]}}", "gw.yaml:2: models.a*: is no model name; it must have no spaces, quotes or *"},
		{"no targets", "models:\n  m: {strategy: ordered}", "gw.yaml:2: models.m.targets: is empty; a route needs at least one target"},
		{"dangling target", strings.ReplaceAll(aRoute, "provider: p", "provider: q"), `gw.yaml:6: models.m.targets[0].provider: "q" is no configured provider; configured are p`},
		{"target without a provider", strings.ReplaceAll(aRoute, "provider: p, ", ""), `gw.yaml:6: models.m.targets[0].provider: is missing; configured are p`},
		{"target without a model", strings.ReplaceAll(aRoute, ", model: x", ""), `gw.yaml:6: models.m.targets[0].model: is missing`},
		{"weight", strings.ReplaceAll(aRoute, "model: x", "model: x, weight: -1"), "gw.yaml:6: models.m.targets[0].weight: must not be negative"},
		{"weights", strings.ReplaceAll(aRoute, "model: x", "model: x, weight: 0") + "    strategy: weighted", "gw.yaml:6: models.m.targets: all weights are 0"},
		{"alias of another", aRoute + "  n: {aliases: [m], targets: [{provider: p, model: x}]}", `gw.yaml:7: models.n.aliases[0]: "m" is already a name of the route "m"`},
		{"alias twice", aRoute + "    aliases: [a]\n  n: {aliases: [a], targets: [{provider: p, model: x}]}", `gw.yaml:8: models.n.aliases[0]: "a" is already a name of the route "m"`},
		{"alias's name", aRoute + "    aliases: ['a b']", `gw.yaml:7: models.m.aliases[0]: "a b" is no model name`},
		{"route's retries", aRoute + "    retries: -1", "gw.yaml:7: models.m.retries: must be from 0 to 10, not -1"},
		{"route's limits", aRoute + "    limits: {concurrency: -1}", "gw.yaml:7: models.m.limits.concurrency: must not be negative; 0 = no limit"},
		{"hedge", aRoute + "    hedge: {max_extra: 0%}", "gw.yaml:7: models.m.hedge.max_extra: must be above 0%"},
		{"cache", aRoute + "    cache: {ttl: 0}", "gw.yaml:7: models.m.cache.ttl: must be above zero"},
		{"shadow's target", aRoute + "    shadow: {target: {provider: q, model: x}, percent: 5}", `gw.yaml:7: models.m.shadow.target.provider: "q" is no configured provider; configured are p`},
		{"shadow's part", aRoute + "    shadow: {target: {provider: p, model: x}}", "gw.yaml:7: models.m.shadow.percent: must be above 0"},
		{"shadow's bound", aRoute + "    shadow: {target: {provider: p, model: x}, percent: 5, max_in_flight: 0}", "gw.yaml:7: models.m.shadow.max_in_flight: must be above 0"},
		{"canary's candidate", aRoute + "    canary: {candidate: {provider: p}}", "gw.yaml:7: models.m.canary.candidate.model: is missing"},
		{"canary without steps", aRoute + "    canary: {candidate: {provider: p, model: y}, steps: []}", "gw.yaml:7: models.m.canary.steps: is empty"},
		{"canary's steps down", aRoute + "    canary: {candidate: {provider: p, model: y}, steps: [5, 25, 25]}", "gw.yaml:7: models.m.canary.steps[2]: must be more than the step before (25), not 25"},
		{"canary's first step", aRoute + "    canary: {candidate: {provider: p, model: y}, steps: [0, 5]}", "gw.yaml:7: models.m.canary.steps[0]: must be more than the step before (0), not 0"},
		{"canary's pace", aRoute + "    canary: {candidate: {provider: p, model: y}, step_interval: 0}", "gw.yaml:7: models.m.canary.step_interval: must be above zero"},
		{"canary's sample", aRoute + "    canary: {candidate: {provider: p, model: y}, min_requests: 0}", "gw.yaml:7: models.m.canary.min_requests: must be at least 1"},
		{"canary's errors", aRoute + "    canary: {candidate: {provider: p, model: y}, max_error_rate: 0%}", "gw.yaml:7: models.m.canary.max_error_rate: must be above 0%"},
		{"canary's latency", aRoute + "    canary: {candidate: {provider: p, model: y}, max_latency_ratio: 0.9}", "gw.yaml:7: models.m.canary.max_latency_ratio: must be at least 1"},
		// auth
		{"key without a name", "auth: {keys: [{key: k}]}", `gw.yaml:1: auth.keys[0].name: "" is no name; it must not be empty and have no spaces, commas or =`},
		{"key without a key", "auth:\n  keys:\n    - name: a", "gw.yaml:3: auth.keys[0]: needs exactly one of key and hash"},
		{"key and hash", "auth: {keys: [{name: a, key: " + leak + ", hash: 'sha256:" + strings.Repeat("0", 64) + "'}]}", "gw.yaml:1: auth.keys[0]: needs exactly one of key and hash"},
		{"key that cannot be sent", "auth: {keys: [{name: a, key: 'a " + leak + "'}]}", "gw.yaml:1: auth.keys[0].key: holds a space, a line break or another sign that no key has"},
		{"name twice", "auth:\n  keys:\n    - {name: a, key: x}\n    - {name: a, key: y}", `gw.yaml:4: auth.keys[1].name: "a" is also the name of auth.keys[0]`},
		{"key twice under two names", "auth:\n  keys:\n    - {name: a, key: x}\n    - {name: b, key: x}", "gw.yaml:4: auth.keys[1]: is the same key as auth.keys[0]"},
		{"dangling tenant", "auth:\n  tenants: {finance: {}}\n  keys:\n    - {name: a, key: x, tenant: finanz}", `gw.yaml:4: auth.keys[0].tenant: "finanz" is not among auth.tenants`},
		{"tenant's name", "auth: {tenants: {'a b': {}}}", `gw.yaml:1: auth.tenants["a b"]: is no tenant name; it must have no spaces, commas or =`},
		{"tenant's limits", "auth: {tenants: {a: {limits: {tpm: -1}}}}", "gw.yaml:1: auth.tenants.a.limits.tpm: must not be negative; 0 = no limit"},
		{"key's budget", "auth: {keys: [{name: a, key: x, limits: {budget: {day: 9, month: 5}}}]}", "gw.yaml:1: auth.keys[0].limits.budget.day: is more than the month's 5"},
		{"JWT without a key", "auth:\n  jwt: {issuer: x}", "gw.yaml:2: auth.jwt: needs a key: secret, public_key or jwks_url (GATEWAY_JWT_SECRET or GATEWAY_JWT_JWKS_URL)"},
		{"short JWT secret", "auth: {jwt: {secret: " + leak + "}}", "gw.yaml:1: auth.jwt.secret: has fewer than 32 bytes"},
		{"JWKS in the clear", "auth: {jwt: {jwks_url: 'http://id.example/jwks'}}", "gw.yaml:1: auth.jwt.jwks_url: must begin with https://: whoever changes the answer on its way could sign tokens"},
		{"JWKS nowhere", "auth: {jwt: {jwks_url: id.example}}", "gw.yaml:1: auth.jwt.jwks_url: must be an address that begins with http:// or https://"},
		{"JWKS lifetime", "auth: {jwt: {jwks_url: 'https://x', jwks_ttl: 0}}", "gw.yaml:1: auth.jwt.jwks_ttl: must be above zero"},
		{"JWKS pace", "auth: {jwt: {jwks_url: 'https://x', jwks_interval: 0}}", "gw.yaml:1: auth.jwt.jwks_interval: must be above zero"},
		{"leeway", "auth: {jwt: {jwks_url: 'https://x', leeway: 1h}}", "gw.yaml:1: auth.jwt.leeway: must be at most 10m"},
		{"no name claim", "auth: {jwt: {jwks_url: 'https://x', claims: {name: ''}}}", "gw.yaml:1: auth.jwt.claims.name: is empty"},
		// the rest
		{"negative rate", "limits: {rps: -1}", "gw.yaml:1: limits.rps: must not be negative; 0 = no limit"},
		{"day above month of a provider", "providers: {m: {type: mock, limits: {budget: {day: 5, month: 2}}}}", "gw.yaml:1: providers.m.limits.budget.day: is more than the month's 2"},
		{"provider's alerts out of order", "providers: {m: {type: mock, limits: {budget_alerts: [80, 50]}}}", "gw.yaml:1: providers.m.limits.budget_alerts: must ascend from above zero"},
		{"budget alert of nothing", "limits: {budget_alerts: [0, 50]}", "gw.yaml:1: limits.budget_alerts: must ascend from above zero"},
		{"many budget alerts", "limits: {budget_alerts: [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "gw.yaml:1: limits.budget_alerts: has more than 8 shares"},
		{"budget alerts out of order", "auth: {tenants: {a: {limits: {budget_alerts: [80, 50]}}}}", "gw.yaml:1: auth.tenants.a.limits.budget_alerts: must ascend from above zero"},
		{"cache entry", "cache: {max_entry: 0}", "gw.yaml:1: cache.max_entry: must be above zero"},
		{"cache size", "cache: {max_size: 1KiB}", "gw.yaml:1: cache.max_size: is less than cache.max_entry"},
		{"cache in no Redis", "cache: {store: redis}", "gw.yaml:1: cache.store: is redis, but redis.url is not set"},
		{"Redis address", "redis: {url: 'https://:" + leak + "@x'}", "gw.yaml:1: redis.url: must be an address that begins with redis:// or rediss:// or unix://"},
		{"broken Redis address", "redis: {url: 'redis://:" + leak + "%zz@x'}", "gw.yaml:1: redis.url: must be an address that begins with redis:// or rediss:// or unix://"},
		{"Redis time", "redis: {timeout: 0}", "gw.yaml:1: redis.timeout: must be above zero"},
		{"least concurrency", "overload: {min_concurrency: 0}", "gw.yaml:1: overload.min_concurrency: must be at least 1"},
		{"concurrency", "overload: {max_concurrency: 5}", "gw.yaml:1: overload.max_concurrency: is less than overload.min_concurrency; 0 = no bound"},
		{"tolerance", "overload: {tolerance: 1}", "gw.yaml:1: overload.tolerance: must be above 1"},
		{"traces", "telemetry: {traces: {endpoint: otel:4318}}", "gw.yaml:1: telemetry.traces.endpoint: must be an address that begins with http:// or https://"},
		{"trace headers", `telemetry: {traces: {headers: {a: "b\n` + leak + `"}}}`, "gw.yaml:1: telemetry.traces.headers.a: holds a line break"},
		{"recorded words, too few", "telemetry:\n  log_bodies_max: 255", "gw.yaml:2: telemetry.log_bodies_max: must be from 256 to 1048576 bytes"},
		{"recorded words, too many", "telemetry: {log_bodies_max: 2MiB}", "gw.yaml:1: telemetry.log_bodies_max: must be from 256 to 1048576 bytes"},
		{"traces' time", "telemetry: {traces: {timeout: 0}}", "gw.yaml:1: telemetry.traces.timeout: must be above zero"},
		{"webhook", "webhooks: [{url: 'hooks.example/" + leak + "'}]", "gw.yaml:1: webhooks[0].url: must be an address that begins with http:// or https://"},
		{"webhook without an address", "webhooks: [{events: [circuit_opened]}]", "gw.yaml:1: webhooks[0].url: must be an address that begins with http:// or https://"},
		{"webhook's time", "webhooks: [{url: 'https://x', timeout: 0}]", "gw.yaml:1: webhooks[0].timeout: must be above zero"},
		{"prices", "usage: {prices: gone.json}", "gw.yaml:1: usage.prices: the file gone.json cannot be read: no such file or directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := bad(t, source(t, nil, tc.yaml)); !slices.Equal(got, []string{tc.want}) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// What stands at the edge of a rule is fine.
func TestValidEdges(t *testing.T) {
	for name, yaml := range map[string]string{
		"loopback by name":                "server: {addr: 'localhost:1'}",
		"loopback of version 6":           "server: {addr: '[::1]:1'}",
		"another loopback":                "server: {addr: '127.5.5.5:1'}",
		"any port":                        "server: {addr: '127.0.0.1:0', admin: {addr: '127.0.0.1:0', token: sixteen-letters-long}}",
		"open to keys made at run time":   "server: {addr: ':1'}\nauth: {required: true}",
		"open by wish":                    "server: {addr: ':1'}\nauth: {allow_anonymous: true}",
		"open with a key":                 "server: {addr: '0.0.0.0:1'}\nauth: {keys: [{name: a, key: k}]}",
		"open with tokens":                "server: {addr: '[::]:1'}\nauth: {jwt: {secret: " + strings.Repeat("x", 32) + "}}",
		"open with client certificates":   "server: {addr: ':1', tls: {cert: gw.yaml, key: gw.yaml, client_ca: gw.yaml}}",
		"admin open to the world":         "server: {admin: {addr: ':2', token: sixteen-letters-long}}",
		"a server on the gateway's port":  "server: {addr: '127.0.0.1:9'}\nproviders: {a: {type: vllm, base_url: 'http://gpu.example:9/v1'}}",
		"the gateway's other port":        "server: {addr: '127.0.0.1:9'}\nproviders: {a: {type: vllm, base_url: 'http://127.0.0.1:10/v1'}}",
		"the port on another own address": "auth: {allow_anonymous: true}\nserver: {addr: '10.0.0.1:9'}\nproviders: {a: {type: vllm, base_url: 'http://127.0.0.1:9/v1'}}",
		"no tenants listed":               "auth: {keys: [{name: a, key: k, tenant: any}]}",
		"JWKS of a neighbour":             "auth: {jwt: {jwks_url: 'http://keycloak:8080/certs'}}",
		"JWKS on loopback":                "auth: {jwt: {jwks_url: 'http://127.0.0.1:1/certs'}}",
		"no retries":                      aRoute + "    retries: 0",
		"canary to the full":              aRoute + "    canary: {candidate: {provider: p, model: y}, steps: [100]}",
		"canary short of it":              aRoute + "    canary: {candidate: {provider: p, model: y}, steps: [0.5, 1.25%, 90]}",
		"a weight of zero":                aRoute + "    strategy: weighted\n  n: {targets: [{provider: p, model: x, weight: 0}]}",
		"a route called as a model":       "providers: {p: {type: mock}}\nmodels: {'p/x:free': {targets: [{provider: p, model: x}]}}",
		"Redis by socket":                 "redis: {url: 'unix:///run/redis.sock'}",
		"Redis with TLS":                  "redis: {url: 'rediss://:pw@redis.example:6380/1'}",
		"Vertex AI with a key":            "providers: {v: {type: vertex, keys: [k]}}",
		"no breaker":                      "providers: {p: {type: mock, breaker: {min_requests: 0}}}",
		"timeouts off":                    "providers: {p: {type: mock, timeouts: {first_byte: 0, idle: 0}}}",
		"never watched":                   "server: {watch_interval: 0}",
		"records kept":                    "usage: {retention: 0}",
		"day equals month":                "limits: {budget: {day: 5, month: 5}}",
	} {
		t.Run(name, func(t *testing.T) { good(t, nil, yaml) })
	}
}

// Settings made in code are checked too, without places.
func TestValidateWithoutFile(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults are not good: %v", err)
	}
	c.Server.Addr = ":8080"
	c.Models = map[string]*Route{"m": {}}
	err := c.Validate()
	var e *Error
	if !errors.As(err, &e) || e.File != "" || e.Line != 0 || e.Key != "server.addr" {
		t.Errorf("%v", err)
	}
	if n := len(flatErrors(err)); n != 2 {
		t.Errorf("%d faults, want 2: %v", n, err)
	}
}

func TestErrorForms(t *testing.T) {
	cause := errors.New("cause")
	for _, tc := range []struct {
		e    Error
		want string
	}{
		{Error{File: "f", Line: 3, Key: "k", Msg: "m"}, "f:3: k: m"},
		{Error{File: "f", Msg: "m", Err: cause}, "f: m: cause"},
		{Error{Key: "k", Msg: "m"}, "k: m"},
		{Error{Msg: "m"}, "m"},
	} {
		if got := tc.e.Error(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
	if !errors.Is(&Error{Err: cause}, cause) {
		t.Error("the cause is lost")
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		name, yaml string
		want       []string
	}{
		{"none", aRoute, nil},
		{"keys in the clear", "providers: {p: {type: groq, keys: [k], base_url: 'http://llm.example.com/v1'}}",
			[]string{`provider "p": its keys go over the network unencrypted, because base_url begins with http://`}},
		{"in the clear to a public address", "providers: {p: {type: groq, keys: [k], base_url: 'http://8.8.8.8/v1'}}",
			[]string{`provider "p": its keys go over the network unencrypted, because base_url begins with http://`}},
		{"in the clear at home", "providers: {p: {type: vllm, keys: [k], base_url: 'http://10.1.2.3/v1'}, q: {type: vllm, keys: [k], base_url: 'http://gpu:8000'}, r: {type: vllm, keys: [k], base_url: 'http://gpu.ml.svc:8000'}}", nil},
		{"short key", "auth: {keys: [{name: a, key: short}]}", []string{`client key "a" is short enough to be guessed; llm-gateway keygen makes a good one`}},
		{"short admin token", "server: {admin: {token: short}}", []string{"the admin token is short enough to be guessed"}},
		{"open identity provider", "auth: {jwt: {jwks_url: 'https://x', issuer: y}}", []string{"auth.jwt checks no issuer or no audience: tokens that the identity provider made for others are let in"}},
		{"no use", "auth: {allow_anonymous: true, keys: [{name: a, key: long-enough-to-be-good}]}", []string{"auth.allow_anonymous has no effect: clients must authenticate"}},
		{"unknown routes", aRoute + "    aliases: [n]\nauth:\n  keys: [{name: a, key: long-enough-to-be-good, models: [m, n, o, 'p*', 'p/q']}]\n  tenants: {t: {models: [x]}}",
			[]string{`client key "a" may call "o", which is no configured route`, `tenant "t" may call "x", which is no configured route`}},
		{"no routes", "auth:\n  keys: [{name: a, key: long-enough-to-be-good, models: [gpt-4o]}]", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := good(t, nil, tc.yaml).Warnings; !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
