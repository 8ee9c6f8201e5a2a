package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how far back a request's way is followed. No honest way is
// that long.
const maxHops = 32

// clientAddr is the address of the client, for log and audit lines: that of
// the connection, or, if that is a trusted proxy's, what the proxies say. It
// decides nothing, as a credential does.
func (x *exchange) clientAddr() string {
	if x.client == "" {
		x.client = clientAddr(x.snap.Proxies, x.req)
	}
	return x.client
}

// clientAddr follows X-Forwarded-For or Forwarded (RFC 7239) from the nearest
// hop backwards for as long as the hops are trusted, and returns the first
// address that is not. What stands before it anybody may have written. A hop
// that cannot be read ends the way at the last one that could. The two headers
// must agree if both are there: a proxy writes one of them and may pass on the
// other as a client made it.
func clientAddr(trusted []netip.Prefix, r *http.Request) string {
	host := hostOf(r.RemoteAddr)
	if len(trusted) == 0 {
		return host
	}
	peer, ok := parseHop(r.RemoteAddr)
	if !ok || !contains(trusted, peer) {
		return host
	}
	xff, fwd := r.Header["X-Forwarded-For"], r.Header["Forwarded"]
	if len(xff) == 0 && len(fwd) == 0 {
		return host
	}
	by := walk(trusted, peer, xff, parseHop)
	if len(xff) == 0 {
		by = walk(trusted, peer, fwd, parseForwarded)
	} else if len(fwd) > 0 && walk(trusted, peer, fwd, parseForwarded) != by {
		by = peer
	}
	return by.String()
}

// walk goes from the last hop of the last line to the first that is not
// trusted.
func walk(trusted []netip.Prefix, at netip.Addr, lines []string, parse func(string) (netip.Addr, bool)) netip.Addr {
	hops := 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; hops++ {
			hop := rest
			comma := strings.LastIndexByte(rest, ',')
			if more = comma >= 0; more {
				rest, hop = rest[:comma], rest[comma+1:]
			}
			addr, ok := parse(strings.Trim(hop, " \t"))
			if !ok || hops == maxHops {
				return at
			}
			if at = addr; !contains(trusted, at) {
				return at
			}
		}
	}
	return at
}

// parseForwarded reads the for= of one element of a Forwarded header. Elements
// come split at commas: a comma within quotes, which no address has, makes
// pieces that cannot be read.
func parseForwarded(element string) (addr netip.Addr, ok bool) {
	for more := true; more; {
		var pair string
		pair, element, more = strings.Cut(element, ";")
		name, value, has := strings.Cut(strings.Trim(pair, " \t"), "=")
		if !has || !strings.EqualFold(name, "for") {
			continue
		}
		if ok {
			return netip.Addr{}, false // twice
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if addr, ok = parseHop(value); !ok {
			return netip.Addr{}, false
		}
	}
	return addr, ok
}

// parseHop reads an address with or without a port: 192.0.2.1, 192.0.2.1:80,
// 2001:db8::1, [2001:db8::1], [2001:db8::1]:80.
func parseHop(s string) (netip.Addr, bool) {
	const longest = len("[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535")
	if len(s) > longest {
		return netip.Addr{}, false
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
		if !strings.Contains(s, ":") {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		both, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = both.Addr()
	}
	// A zone has a meaning on the machine that wrote it only.
	return addr.WithZone("").Unmap(), true
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// hostOf cuts the port off an address of a connection, without an allocation.
func hostOf(addr string) string {
	colon := strings.LastIndexByte(addr, ':')
	if colon < 0 {
		return addr
	}
	return strings.Trim(addr[:colon], "[]")
}
