package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/llm-gateway/llm-gateway/"

// rooms says for each room which others it may import, beside itself and its
// own sub-packages. pkg/... and internal/llm are open to everyone.
var rooms = map[string][]string{
	"cmd/llm-gateway": {"internal/migrate", "internal/app", "internal/provider", "config", "internal/auth", "internal/telemetry"},
	"internal/app": {
		"config", "internal/server", "internal/admin", "internal/service", "internal/route", "internal/limits", "internal/ledger",
		"internal/cache", "internal/auth", "internal/keystore", "internal/chain", "internal/provider", "internal/dialect", "internal/catalog", "internal/telemetry", "internal/notify",
		"internal/monitor", "internal/shadow", "internal/content",
	},
	"internal/server":    {"internal/service", "internal/dialect"},
	"internal/shadow":    {},
	"internal/content":   {"internal/dialect"},
	"internal/admin":     {"internal/service", "internal/shadow", "internal/route", "internal/ledger", "internal/dialect", "internal/monitor"},
	"internal/monitor":   {},
	"internal/service":   {"internal/route", "internal/limits", "internal/ledger", "internal/cache"},
	"internal/route":     {"internal/chain"},
	"internal/limits":    {},
	"internal/ledger":    {},
	"internal/cache":     {},
	"internal/auth":      {},
	"internal/keystore":  {},
	"internal/catalog":   {},
	"internal/chain":     {"internal/provider"},
	"internal/provider":  {"internal/dialect"},
	"internal/dialect":   {},
	"internal/telemetry": {},
	"internal/notify":    {},
	"internal/migrate":   {"config"}, // its tests load what it writes
	"internal/llm":       {},
	"internal/archtest":  {},
	"config":             {},
	"bench":              {"internal/provider"},
	"deploy":             {"config"}, // tests alone
}

// stdlibOnly lists the rooms that import nothing from outside the standard
// library but what stands beside them.
var stdlibOnly = map[string][]string{
	"internal/llm": nil, "internal/service": nil, "internal/route": nil, "internal/dialect": nil, "internal/catalog": nil,
	"internal/provider": nil, "internal/server": {"golang.org/x/time/rate"}, "internal/chain": nil,
	"internal/telemetry": {"github.com/prometheus/client_golang/", "go.opentelemetry.io/otel/"},
	"internal/auth":      {"github.com/go-jose/go-jose/v4"},
	"internal/limits":    {"github.com/redis/go-redis/v9"},
	"internal/ledger":    {"modernc.org/sqlite", "github.com/lib/pq"},
	"internal/keystore":  {"github.com/lib/pq"},
	"internal/admin":     nil,
	"internal/notify":    nil,
	"internal/monitor":   nil,
	"internal/content":   nil,
	"config":             {"github.com/joho/godotenv", "go.yaml.in/yaml/v3"},
}

// testKits are packages that only tests import; they may use what tests use.
var testKits = []string{"internal/provider/providertest", "internal/dialect/dialecttest"}

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestImports(t *testing.T) {
	pkgs := list(t)
	if len(pkgs) < 10 {
		t.Fatalf("only %d packages found", len(pkgs))
	}
	for _, p := range pkgs {
		from := strings.TrimPrefix(p.ImportPath, module)
		room := roomOf(from)
		if room == "" {
			t.Errorf("%s is in no room: draw it in docs/architecture.md and here", from)
			continue
		}
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module) && slices.Contains(testKits, from) {
				continue
			}
			if why := refuse(room, imp); why != "" {
				t.Errorf("%s imports %s: %s", from, imp, why)
			}
		}
	}
}

func refuse(room, imp string) string {
	to, ours := strings.CutPrefix(imp, module)
	if !ours {
		if !strings.Contains(strings.Split(imp, "/")[0], ".") {
			return ""
		}
		allowed, limited := stdlibOnly[room]
		if room == "pkg" {
			allowed, limited = nil, true
		}
		if limited && !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(imp, a) }) {
			return "this room gets by with the standard library"
		}
		return ""
	}
	target := roomOf(to)
	if target == room || target == "pkg" || target == "internal/llm" && room != "pkg" {
		return ""
	}
	if slices.Contains(rooms[room], target) {
		return ""
	}
	return "no such edge"
}

func roomOf(path string) string {
	if path == "pkg" || strings.HasPrefix(path, "pkg/") {
		return "pkg"
	}
	for room := range rooms {
		if path == room || strings.HasPrefix(path, room+"/") {
			return room
		}
	}
	return ""
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Standard,Imports", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestRulesCanFail(t *testing.T) {
	for _, tc := range []struct {
		room, imp string
		refused   bool
	}{
		{"internal/llm", module + "internal/chain", true},
		{"internal/service", module + "internal/server", true},
		{"internal/server", module + "config", true},
		{"pkg", module + "internal/llm", true},
		{"pkg", "golang.org/x/time/rate", true},
		{"internal/service", "github.com/prometheus/client_golang/prometheus", true},
		{"internal/service", module + "internal/route", false},
		{"internal/server", module + "pkg/sse", false},
		{"internal/llm", "net/http", false},
		{"config", "go.yaml.in/yaml/v3", false},
	} {
		if why := refuse(tc.room, tc.imp); (why != "") != tc.refused {
			t.Errorf("%s → %s: %q", tc.room, tc.imp, why)
		}
	}
}
