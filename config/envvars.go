package config

// EnvVar describes one environment variable that Load reads. A secret one may
// instead be given as NAME_FILE, the path of a file that holds it.
type EnvVar struct {
	Name    string
	Secret  bool
	Default string // as it would be written; "" = none
	Key     string // the configuration key that it overrules; "" = none, or several
	Help    string
}

// gatewayVars are the gateway's own variables and those that set single keys.
var gatewayVars = []EnvVar{
	{Name: "GATEWAY_CONFIG", Help: "Path of a YAML configuration file."},
	{Name: "APP_ENV", Help: "Name of the environment: .env.$APP_ENV is read before .env; production logs JSON."},
	{Name: "MODEL_NAME", Key: "default_model", Help: "Model of requests that name none, as model, route or provider/model."},
	{Name: "GATEWAY_ADDR", Key: "server.addr", Default: DefaultAddr, Help: "Address to listen on; the default is :8080 when client authentication is configured."},
	{Name: "GATEWAY_API_KEYS", Secret: true, Help: "Client keys, parted by commas: name=key or name=sha256:hex."},
	{Name: "GATEWAY_ALLOW_ANONYMOUS", Key: "auth.allow_anonymous", Default: "false", Help: "Allow a non-loopback address without client authentication."},
	{Name: "GATEWAY_ADMIN_TOKEN", Secret: true, Key: "server.admin.token", Help: "Token of /admin/v1 and /dashboard; without it they are off."},
	{Name: "GATEWAY_ADMIN_ADDR", Key: "server.admin.addr", Help: "Separate address for /admin/v1 and /dashboard."},
	{Name: "GATEWAY_RPS", Key: "limits.rps", Default: "100", Help: "Requests per second of the whole gateway; 0 = no limit."},
	{Name: "GATEWAY_BURST", Key: "limits.burst", Default: "200", Help: "Requests at once; twice GATEWAY_RPS unless given; 0 = no limit."},
	{Name: "GATEWAY_MAX_BODY", Key: "server.max_body", Default: "16MiB", Help: "Largest request body."},
	{Name: "GATEWAY_DRAIN_TIMEOUT", Key: "server.drain_timeout", Default: "2m", Help: "Time for requests in flight to finish at shutdown."},
	{Name: "GATEWAY_LOG_LEVEL", Key: "telemetry.log_level", Default: "info", Help: "debug, info, warn or error."},
	{Name: "GATEWAY_LOG_FORMAT", Key: "telemetry.log_format", Default: "auto", Help: "json, text, or auto: text on a terminal outside production."},
	{Name: "GATEWAY_JWT_SECRET", Secret: true, Key: "auth.jwt.secret", Help: "Key of HS256 tokens, at least 32 bytes."},
	{Name: "GATEWAY_JWT_JWKS_URL", Key: "auth.jwt.jwks_url", Help: "Key set of RS256, ES256 and EdDSA tokens."},
	{Name: "GATEWAY_JWT_ISSUER", Key: "auth.jwt.issuer", Help: "Required issuer of tokens."},
	{Name: "GATEWAY_JWT_AUDIENCE", Key: "auth.jwt.audience", Help: "Required audience of tokens."},
	{Name: "REDIS_URL", Secret: true, Key: "redis.url", Help: "Redis that shares limits between replicas."},
	{Name: "DATABASE_URL", Secret: true, Key: "usage.database", Help: "Database of the usage ledger."},
}

// otelVars are those of the OpenTelemetry specification that the gateway obeys.
// Where a variable of the traces alone exists (OTEL_EXPORTER_OTLP_TRACES_…), it
// wins over the common one.
var otelVars = []EnvVar{
	{Name: "OTEL_SDK_DISABLED", Default: "false", Help: "true switches traces off."},
	{Name: "OTEL_TRACES_EXPORTER", Default: "otlp", Help: "none switches traces off."},
	{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Help: "Base URL of an OTLP/HTTP collector; /v1/traces is appended."},
	{Name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Key: "telemetry.traces.endpoint", Help: "Full URL of the traces endpoint; wins over the base URL."},
	{Name: "OTEL_EXPORTER_OTLP_HEADERS", Secret: true, Help: "Headers for the collector: name=value, parted by commas, percent-encoded."},
	{Name: "OTEL_EXPORTER_OTLP_TIMEOUT", Default: "10000", Help: "Milliseconds for one export."},
	{Name: "OTEL_EXPORTER_OTLP_COMPRESSION", Key: "telemetry.traces.compression", Default: "none", Help: "gzip or none."},
	{Name: "OTEL_EXPORTER_OTLP_CERTIFICATE", Key: "telemetry.traces.certificate", Help: "Path of a PEM file: who may sign the collector's certificate."},
	{Name: "OTEL_EXPORTER_OTLP_PROTOCOL", Default: "http/protobuf", Help: "The only protocol there is; any other is refused with a warning."},
	{Name: "OTEL_BSP_MAX_QUEUE_SIZE", Key: "telemetry.traces.queue", Default: "2048", Help: "Spans that wait for the collector at most."},
	{Name: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Key: "telemetry.traces.batch", Default: "512", Help: "Spans in one export at most."},
	{Name: "OTEL_BSP_SCHEDULE_DELAY", Default: "5000", Help: "Milliseconds that a span waits for others at most."},
	{Name: "OTEL_SERVICE_NAME", Key: "telemetry.traces.service_name", Default: "llm-gateway", Help: "Service name on traces."},
	{Name: "OTEL_RESOURCE_ATTRIBUTES", Help: "Further resource attributes: name=value, parted by commas, percent-encoded."},
	{Name: "OTEL_TRACES_SAMPLER", Key: "telemetry.traces.sampler", Default: "parentbased_always_on", Help: "Which traces are kept."},
	{Name: "OTEL_TRACES_SAMPLER_ARG", Default: "1.0", Help: "Ratio from 0 to 1 for the traceidratio samplers."},
}

// providerVars are those of providers beyond a key and a base URL.
var providerVars = []EnvVar{
	{Name: "OPENAI_BASE_URL", Help: "The same as BASE_URL."},
	{Name: "OPENAI_ORG_ID", Help: "OpenAI organisation of the key."},
	{Name: "OPENAI_PROJECT_ID", Help: "OpenAI project of the key."},
	{Name: "AZURE_OPENAI_API_VERSION", Default: defaultAzureVersion, Help: "api-version of the Azure resource."},
	{Name: "GOOGLE_CLOUD_PROJECT", Help: "Project of Vertex AI."},
	{Name: "GOOGLE_CLOUD_LOCATION", Help: "Location of Vertex AI, as europe-west4 or global."},
	{Name: "GOOGLE_APPLICATION_CREDENTIALS", Help: "Path of the credentials file for Vertex AI."},
}

// EnvVars returns every variable that Load reads, the gateway's own first, for
// documentation.
func EnvVars() []EnvVar {
	all := append([]EnvVar(nil), gatewayVars...)
	for _, k := range kinds {
		if k.KeyEnv != "" {
			all = append(all, EnvVar{Name: k.KeyEnv, Secret: true, Help: "Key of the provider type " + string(k.Kind) + "."})
		}
		if k.BaseURLEnv != "" {
			all = append(all, EnvVar{Name: k.BaseURLEnv, Default: k.BaseURL, Help: "Base URL of the provider type " + string(k.Kind) + "."})
		}
	}
	all = append(append(all, providerVars...), otelVars...)
	for _, name := range []string{"HEADERS", "TIMEOUT", "COMPRESSION", "CERTIFICATE", "PROTOCOL"} {
		all = append(all, EnvVar{
			Name: tracesOnly + name, Secret: name == "HEADERS", Help: "The same as " + allSignals + name + ", for traces alone; wins over it.",
		})
	}
	return all
}

// The variables of all signals, and those of the traces alone.
const (
	allSignals = "OTEL_EXPORTER_OTLP_"
	tracesOnly = "OTEL_EXPORTER_OTLP_TRACES_"
)
