package config

// Provider is one upstream account.
type Provider struct {
	Type    Kind     `yaml:"type"`
	BaseURL string   `yaml:"base_url"` // without a trailing slash; resolved from the type
	Keys    []Secret `yaml:"keys"`     // used in turn; a refused one is left out for a while

	Organization string            `yaml:"organization"` // openai: OpenAI-Organization
	Project      string            `yaml:"project"`      // openai: OpenAI-Project; vertex: the cloud project
	Location     string            `yaml:"location"`     // vertex
	Credentials  string            `yaml:"credentials_file"`
	APIVersion   string            `yaml:"api_version"` // azure-openai
	Deployments  map[string]string `yaml:"deployments"` // azure-openai: model name to deployment name
	Workspace    string            `yaml:"workspace"`   // dashscope: X-DashScope-WorkSpace

	Timeouts     Timeouts          `yaml:"timeouts"`
	Limits       ProviderLimits    `yaml:"limits"`
	Breaker      Breaker           `yaml:"breaker"`
	Retry        Retry             `yaml:"retry"`
	OnClientGone OnClientGone      `yaml:"on_client_gone"`
	Headers      map[string]Secret `yaml:"headers"` // sent with every request

	// StreamUsage says whether a stream is asked for its usage
	// (stream_options.include_usage). It is never nil after Load: providers
	// that always report, or that refuse the member, are not asked.
	StreamUsage *bool `yaml:"stream_usage"`
}

func (p *Provider) setDefaults() { p.OnClientGone = GoneCancel }

// Timeouts are the clocks of one attempt.
type Timeouts struct {
	Connect   Duration `yaml:"connect"`    // resolved from http.connect_timeout when 0
	FirstByte Duration `yaml:"first_byte"` // from the request's end to the answer's first byte
	Idle      Duration `yaml:"idle"`       // between two pieces of a stream
}

func (t *Timeouts) setDefaults() {
	*t = Timeouts{FirstByte: Duration(60 * second), Idle: Duration(60 * second)}
}

// ProviderLimits bound what the gateway asks of one account. Zero means no
// limit.
type ProviderLimits struct {
	RPS         float64  `yaml:"rps"`
	Burst       int      `yaml:"burst"` // twice rps unless given
	TPM         int64    `yaml:"tpm"`
	Concurrency int      `yaml:"concurrency"`
	MaxWait     Duration `yaml:"max_wait"` // how long an attempt may wait for its turn
	Budget      Budget   `yaml:"budget"`

	// BudgetAlerts are the shares of the budget that operators are told of when
	// they are spent. None = those of limits.
	BudgetAlerts []Share `yaml:"budget_alerts"`
}

func (l *ProviderLimits) setDefaults() {
	*l = ProviderLimits{Burst: burstUnset, MaxWait: Duration(second)}
}

// Breaker opens a target's circuit when too many calls fail.
type Breaker struct {
	FailureRatio Percent  `yaml:"failure_ratio"`
	MinRequests  int      `yaml:"min_requests"` // in the window, before the ratio counts; 0 = no breaker
	Window       Duration `yaml:"window"`
	Cooldown     Duration `yaml:"cooldown"` // open this long, then one trial
}

func (b *Breaker) setDefaults() {
	*b = Breaker{FailureRatio: hundredPercent / 2, MinRequests: 20, Window: Duration(30 * second), Cooldown: Duration(15 * second)}
}

// Retry says how a failed call is tried again on the same target.
type Retry struct {
	Max        int      `yaml:"max"`           // tries after the first; a route may say otherwise
	Base       Duration `yaml:"base"`          // first wait, doubled each time, with full jitter
	Cap        Duration `yaml:"cap"`           // longest wait, Retry-After included
	Budget     Percent  `yaml:"budget"`        // retries, as a part of recent requests
	BudgetMin  int      `yaml:"budget_min"`    // retries always allowed in the window
	BudgetSpan Duration `yaml:"budget_window"` // what recent means
}

func (r *Retry) setDefaults() {
	*r = Retry{Max: 2, Base: Duration(250 * ms), Cap: Duration(8 * second),
		Budget: hundredPercent / 5, BudgetMin: 10, BudgetSpan: Duration(10 * second)}
}
