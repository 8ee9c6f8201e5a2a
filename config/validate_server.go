package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

func (v *validator) server() {
	s := v.c.Server
	v.bind()
	v.tls()
	for i, p := range s.TrustedProxies {
		_, prefixErr := netip.ParsePrefix(p)
		_, addrErr := netip.ParseAddr(p)
		v.check(prefixErr == nil || addrErr == nil, "server.trusted_proxies["+strconv.Itoa(i)+"]", "%q is neither an address nor a network, as 10.0.0.0/8", p)
	}
	v.check(s.MaxBody > 0, "server.max_body", "must be above zero")
	v.check(s.MaxHeader >= 4<<10, "server.max_header", "must be at least 4KiB")
	v.positive("server.read_header_timeout", s.ReadHeaderTimeout)
	v.positive("server.read_timeout", s.ReadTimeout)
	v.positive("server.write_timeout", s.WriteTimeout)
	v.positive("server.idle_timeout", s.IdleTimeout)
	v.positive("server.request_timeout", s.RequestTimeout)
	v.positive("server.stream_timeout", s.StreamTimeout)
	v.between("server.batch_max_items", s.BatchMaxItems, 1, 1000)
	v.between("server.batch_max_concurrency", s.BatchConcMax, 1, 1000)
	v.between("server.batch_concurrency", s.BatchConcurrency, 1, s.BatchConcMax)
	v.check(s.WatchInterval == 0 || s.WatchInterval >= Duration(second), "server.watch_interval", "must be 0 (off) or at least 1s")
}

// bind checks the addresses, and that no stranger is let in by mistake.
func (v *validator) bind() {
	s, auth := v.c.Server, v.c.Auth
	host, ok := v.address("server.addr", s.Addr)
	if ok && !loopback(host) && !v.c.guarded() && !auth.AllowAnonymous {
		v.add("server.addr", strconv.Quote(s.Addr)+" can be reached from other machines, but callers need no credential; "+
			"set GATEWAY_API_KEYS (llm-gateway keygen makes a key) or auth.jwt, or listen on 127.0.0.1, or allow it with GATEWAY_ALLOW_ANONYMOUS=true")
	}
	if s.Admin.Addr == "" {
		return
	}
	v.address("server.admin.addr", s.Admin.Addr)
	v.check(!s.Admin.Token.IsZero(), "server.admin.addr", "is set, but there is no token for it; set GATEWAY_ADMIN_TOKEN or server.admin.token")
	v.check(s.Admin.Addr != s.Addr || strings.HasSuffix(s.Addr, ":0"), "server.admin.addr", "is the same as server.addr; leave it out to share that listener")
}

// address checks host:port.
func (v *validator) address(path, addr string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(addr)
	n, numErr := strconv.ParseUint(port, 10, 16)
	if err != nil || numErr != nil || strconv.FormatUint(n, 10) != port {
		v.add(path, strconv.Quote(addr)+" is no address; write host:port or :port, as 127.0.0.1:8080")
		return "", false
	}
	return host, true
}

func (v *validator) tls() {
	t := v.c.Server.TLS
	v.check((t.Cert == "") == (t.Key == ""), "server.tls", "needs both cert and key")
	v.check(t.ClientCA == "" || t.Cert != "", "server.tls.client_ca", "needs cert and key as well")
}

func (v *validator) http() {
	h := v.c.HTTP
	v.check(h.MaxIdle >= 0, "http.max_idle", "must not be negative; 0 = no bound")
	v.check(h.MaxIdlePerHost >= 1, "http.max_idle_per_host", "must be at least 1")
	v.check(h.MaxPerHost >= 0, "http.max_per_host", "must not be negative; 0 = no bound")
	v.positive("http.connect_timeout", h.ConnectTimeout)
	v.positive("http.tls_timeout", h.TLSTimeout)
	v.positive("http.idle_timeout", h.IdleTimeout)
	v.check(h.MaxResponse > 0, "http.max_response", "must be above zero")
	v.check(!strings.ContainsAny(h.UserAgent, "\r\n\x00"), "http.user_agent", "holds a line break")
	for i, name := range h.ForwardHeaders {
		path := "http.forward_headers[" + strconv.Itoa(i) + "]"
		v.check(headerName.MatchString(name), path, "%q is no header name", name)
		v.check(!ownHeader(name) && !credentialHeader(name), path, "%q must not be passed on", name)
	}
}

// credentialHeader reports whether a client's header holds its credential for
// the gateway.
func credentialHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie":
		return true
	}
	return false
}

// ownAddress reports whether a provider's address is the gateway's own, which
// would make it call itself without end.
func (c *Config) ownAddress(u *url.URL) bool {
	host, port, err := net.SplitHostPort(c.Server.Addr)
	if err != nil || port == "0" || u.Port() != port || !loopback(u.Hostname()) {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || loopback(host) || err == nil && ip.IsUnspecified()
}
