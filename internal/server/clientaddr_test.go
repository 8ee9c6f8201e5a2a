package server

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func prefixes(t testing.TB, names ...string) (out []netip.Prefix) {
	t.Helper()
	for _, n := range names {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestClientAddr(t *testing.T) {
	inside := []string{"10.0.0.0/8", "fd00::/8"}
	const proxy, stranger = "10.0.0.1:4711", "203.0.113.9:4711"
	for _, tc := range []struct {
		name    string
		trusted []string
		remote  string
		header  []string
		want    string
	}{
		{"no proxies", nil, stranger, []string{"X-Forwarded-For: 198.51.100.1"}, "203.0.113.9"},
		{"no proxies, IPv6", nil, "[2001:db8::9]:80", nil, "2001:db8::9"},
		{"not a proxy", inside, stranger, []string{"X-Forwarded-For: 198.51.100.1", "Forwarded: for=198.51.100.1"}, "203.0.113.9"},
		{"proxy without a word", inside, proxy, nil, "10.0.0.1"},
		{"one hop", inside, proxy, []string{"X-Forwarded-For: 198.51.100.1"}, "198.51.100.1"},
		{"spoofed in front", inside, proxy, []string{"X-Forwarded-For: 1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"spoofed as a proxy", inside, proxy, []string{"X-Forwarded-For: 10.9.9.9, 198.51.100.1"}, "198.51.100.1"},
		{"spoofed on a line of its own", inside, proxy, []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 198.51.100.1"}, "198.51.100.1"},
		{"two proxies", inside, proxy, []string{"X-Forwarded-For: 1.1.1.1, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"two proxies, two lines", inside, proxy, []string{"X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 10.0.0.2"}, "198.51.100.1"},
		{"all inside", inside, proxy, []string{"X-Forwarded-For: 10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"ports", inside, proxy, []string{"X-Forwarded-For: 198.51.100.1:5555, 10.0.0.2:80"}, "198.51.100.1"},
		{"IPv6", inside, "[fd00::1]:80", []string{"X-Forwarded-For: 2001:db8::7"}, "2001:db8::7"},
		{"IPv6, brackets and port", inside, proxy, []string{"X-Forwarded-For: [2001:db8::7]:443, [fd00::2]"}, "2001:db8::7"},
		{"mapped IPv4 proxy", inside, "[::ffff:10.0.0.1]:80", []string{"X-Forwarded-For: ::ffff:198.51.100.1"}, "198.51.100.1"},
		{"one address trusted", []string{"10.0.0.1/32"}, proxy, []string{"X-Forwarded-For: 198.51.100.1, 10.0.0.2"}, "10.0.0.2"},
		{"garbage last", inside, proxy, []string{"X-Forwarded-For: 198.51.100.1, <script>"}, "10.0.0.1"},
		{"garbage behind a proxy", inside, proxy, []string{"X-Forwarded-For: unknown, 10.0.0.2"}, "10.0.0.2"},
		{"empty", inside, proxy, []string{"X-Forwarded-For: "}, "10.0.0.1"},
		{"commas", inside, proxy, []string{"X-Forwarded-For: ,,,"}, "10.0.0.1"},
		{"brackets around IPv4", inside, proxy, []string{"X-Forwarded-For: [198.51.100.1]"}, "10.0.0.1"},
		{"log injection", inside, proxy, []string{"X-Forwarded-For: 1.1.1.1\" status=200"}, "10.0.0.1"},
		{"longer than any address", inside, proxy, []string{"X-Forwarded-For: " + strings.Repeat("1", 500)}, "10.0.0.1"},
		{"longer than any way", inside, proxy, []string{"X-Forwarded-For: 198.51.100.1" + strings.Repeat(", 10.0.0.2", 10_000)}, "10.0.0.2"},

		{"Forwarded", inside, proxy, []string{"Forwarded: for=198.51.100.1;proto=https;by=10.0.0.1"}, "198.51.100.1"},
		{"Forwarded, IPv6", inside, proxy, []string{`Forwarded: proto=https; For="[2001:db8::7]:443"`}, "2001:db8::7"},
		{"Forwarded, two hops", inside, proxy, []string{`Forwarded: for=1.1.1.1, for=198.51.100.1, for="10.0.0.2:80"`}, "198.51.100.1"},
		{"Forwarded, hidden", inside, proxy, []string{"Forwarded: for=_hidden, for=10.0.0.2"}, "10.0.0.2"},
		{"Forwarded, unknown", inside, proxy, []string{"Forwarded: for=unknown"}, "10.0.0.1"},
		{"Forwarded, no for", inside, proxy, []string{"Forwarded: by=10.0.0.1"}, "10.0.0.1"},
		{"Forwarded, twice for", inside, proxy, []string{"Forwarded: for=1.1.1.1;for=198.51.100.1"}, "10.0.0.1"},
		{"Forwarded, open quote of a client", inside, proxy, []string{`Forwarded: for=1.1.1.1;x=", for=198.51.100.1`}, "198.51.100.1"},
		{"Forwarded, comma in quotes", inside, proxy, []string{`Forwarded: for="1.1.1.1,for=2.2.2.2"`}, "10.0.0.1"},

		{"both agree", inside, proxy, []string{"X-Forwarded-For: 198.51.100.1", "Forwarded: for=198.51.100.1"}, "198.51.100.1"},
		{"both, the client's own Forwarded", inside, proxy, []string{"X-Forwarded-For: 198.51.100.1", "Forwarded: for=1.1.1.1"}, "10.0.0.1"},
		{"both, the client's own X-Forwarded-For", inside, proxy, []string{"X-Forwarded-For: 1.1.1.1", "Forwarded: for=198.51.100.1"}, "10.0.0.1"},
		{"no address of a connection", inside, "@", []string{"X-Forwarded-For: 198.51.100.1"}, "@"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tc.remote, Header: http.Header{}}
			for _, line := range tc.header {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Add(name, value)
			}
			if got := clientAddr(prefixes(t, tc.trusted...), r); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestClientAddrInLogAndForOperators: what the log tells and what operators'
// audit lines are made of is the same address, in one request and after a
// reload.
func TestClientAddrInLogAndForOperators(t *testing.T) {
	var seen string
	admin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen = r.RemoteAddr; w.WriteHeader(204) })
	h := serve(t, nil, func(o *Options) {
		o.Snapshot.Proxies = prefixes(t, "127.0.0.0/8")
		o.Snapshot.Admin = admin
	})
	h.do("GET", "/admin/v1/status", "", "X-Forwarded-For: 1.1.1.1, 198.51.100.1")
	h.wait()
	if line := h.log.lines(t, "/admin/v1")[0]; seen != "198.51.100.1" || line["client"] != "198.51.100.1" {
		t.Errorf("operators see %q, the log %v", seen, line["client"])
	}
	next := *h.snap.Load()
	next.Proxies = nil
	h.Swap(&next)
	h.do("GET", "/admin/v1/status", "", "X-Forwarded-For: 198.51.100.1")
	h.wait()
	if line := h.log.lines(t, "/admin/v1")[1]; !strings.HasPrefix(seen, "127.0.0.1:") || line["client"] != "127.0.0.1" {
		t.Errorf("without proxies operators see %q, the log %v", seen, line["client"])
	}
}

// Without proxies the address costs nothing.
func TestClientAddrAllocations(t *testing.T) {
	r := &http.Request{RemoteAddr: "[2001:db8::9]:80", Header: http.Header{"X-Forwarded-For": {"1.1.1.1"}}}
	if n := testing.AllocsPerRun(100, func() { _ = clientAddr(nil, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzClientAddr: whatever a client writes before its own address, the address
// that the trusted proxy saw stands.
func FuzzClientAddr(f *testing.F) {
	f.Add("1.1.1.1", "10.0.0.1:80")
	f.Add(`for="1.1.1.1`, "[fd00::1]:80")
	f.Add(",,;=\"", "x")
	trusted := prefixes(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, forged, remote string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:80", Header: http.Header{"X-Forwarded-For": {forged + ", 198.51.100.1"}}}
		if got := clientAddr(trusted, r); got != "198.51.100.1" {
			t.Errorf("X-Forwarded-For: %q", got)
		}
		r.Header = http.Header{"Forwarded": {forged + ", for=198.51.100.1;proto=https"}}
		if got := clientAddr(trusted, r); got != "198.51.100.1" {
			t.Errorf("Forwarded: %q", got)
		}
		r.RemoteAddr, r.Header = remote, http.Header{"Forwarded": {forged}, "X-Forwarded-For": {forged}}
		_ = clientAddr(trusted, r)
	})
}
