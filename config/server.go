package config

import "time"

const (
	ms     = time.Millisecond
	second = time.Second
	minute = time.Minute
)

// Server is the side of the gateway that clients and operators see.
type Server struct {
	Addr  string `yaml:"addr"` // host:port; resolved by Load: :8080 with authentication, else 127.0.0.1:8080
	Admin Admin  `yaml:"admin"`
	TLS   TLS    `yaml:"tls"`

	// TrustedProxies are networks (CIDR) or addresses whose X-Forwarded-For
	// and Forwarded headers are believed, for the address in log lines.
	TrustedProxies []string `yaml:"trusted_proxies"`

	MaxBody   Size `yaml:"max_body"`
	MaxHeader Size `yaml:"max_header"`

	ReadHeaderTimeout Duration `yaml:"read_header_timeout"` // from the connection's first byte to the end of the head
	ReadTimeout       Duration `yaml:"read_timeout"`        // for a request's body
	WriteTimeout      Duration `yaml:"write_timeout"`       // for one write to a client, not for a whole stream
	IdleTimeout       Duration `yaml:"idle_timeout"`        // of a kept-alive connection

	// RequestTimeout and StreamTimeout are the deadlines of a whole request,
	// retries and fallbacks included, where its route has none of its own.
	RequestTimeout Duration `yaml:"request_timeout"`
	StreamTimeout  Duration `yaml:"stream_timeout"`

	ShutdownGrace Duration `yaml:"shutdown_grace"` // after /readyz turned 503, before connections are refused
	DrainTimeout  Duration `yaml:"drain_timeout"`  // for requests in flight to finish

	BatchMaxItems    int `yaml:"batch_max_items"`
	BatchConcurrency int `yaml:"batch_concurrency"` // when the request does not say
	BatchConcMax     int `yaml:"batch_max_concurrency"`

	// WatchInterval is how often the files of the configuration are looked at
	// for changes; 0 = never.
	WatchInterval Duration `yaml:"watch_interval"`
}

// DefaultAddr and DefaultAddrAuth are where the gateway listens when nobody
// says: on loopback unless clients must authenticate.
const (
	DefaultAddr     = "127.0.0.1:8080"
	DefaultAddrAuth = ":8080"
)

func (s *Server) setDefaults() {
	s.MaxBody, s.MaxHeader = 16<<20, 64<<10
	s.ReadHeaderTimeout, s.ReadTimeout = Duration(10*second), Duration(60*second)
	s.WriteTimeout, s.IdleTimeout = Duration(30*second), Duration(120*second)
	s.RequestTimeout, s.StreamTimeout = Duration(120*second), Duration(600*second)
	s.ShutdownGrace, s.DrainTimeout = Duration(2*second), Duration(120*second)
	s.BatchMaxItems, s.BatchConcurrency, s.BatchConcMax = 1000, 8, 64
	s.WatchInterval = Duration(10 * second)
}

// Admin is the operators' side: /admin/v1 and /dashboard.
type Admin struct {
	Addr  string `yaml:"addr"`  // a listener of its own; "" = the server's
	Token Secret `yaml:"token"` // "" = the operators' side is off
}

// TLS lets the gateway speak HTTPS itself. Paths are relative to the
// configuration file.
type TLS struct {
	Cert     string `yaml:"cert"`      // PEM, the chain included
	Key      string `yaml:"key"`       // PEM
	ClientCA string `yaml:"client_ca"` // PEM; when set, clients must show a certificate signed by it
}

// HTTP is the one client and transport that all providers share.
type HTTP struct {
	MaxIdle        int      `yaml:"max_idle"`          // idle connections, all hosts
	MaxIdlePerHost int      `yaml:"max_idle_per_host"` // idle connections, one host
	MaxPerHost     int      `yaml:"max_per_host"`      // connections, one host; 0 = no bound
	IdleTimeout    Duration `yaml:"idle_timeout"`      // lifetime of an idle connection
	ConnectTimeout Duration `yaml:"connect_timeout"`
	TLSTimeout     Duration `yaml:"tls_timeout"` // for a TLS handshake
	MaxResponse    Size     `yaml:"max_response"`
	CAFile         string   `yaml:"ca_file"`    // PEM, added to the system's roots
	UseProxy       bool     `yaml:"use_proxy"`  // obey HTTPS_PROXY, HTTP_PROXY and NO_PROXY
	UserAgent      string   `yaml:"user_agent"` // "" = llm-gateway/version

	// ForwardHeaders are client headers passed on besides those that the
	// dialects need.
	ForwardHeaders []string `yaml:"forward_headers"`
}

func (h *HTTP) setDefaults() {
	h.MaxIdle, h.MaxIdlePerHost = 1024, 512
	h.IdleTimeout, h.ConnectTimeout, h.TLSTimeout = Duration(90*second), Duration(2*second), Duration(5*second)
	h.MaxResponse = 64 << 20
	h.UseProxy = true
}
