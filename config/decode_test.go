package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Faults of form, each with the whole message: it names file, line and key.
func TestStrictYAML(t *testing.T) {
	for _, tc := range []struct {
		name, yaml string
		want       []string
	}{
		{"unknown section", "sever: {addr: ':80'}", []string{`gw.yaml:1: sever: unknown key; did you mean "server"?`}},
		{"unknown key", "server:\n  adr: x", []string{`gw.yaml:2: server.adr: unknown key; did you mean "addr"?`}},
		{"unknown key without a like", "redis:\n  quux: x", []string{"gw.yaml:2: redis.quux: unknown key; known are url, on_failure, prefix, timeout"}},
		{"unknown key deep in a list", "models:\n  chat:\n    targets:\n      - {provider: p, model: m}\n      - {provider: p, modell: m}",
			[]string{`gw.yaml:5: models.chat.targets[1].modell: unknown key; did you mean "model"?`}},
		{"repeated key", "limits:\n  rps: 1\n  burst: 2\n  rps: 3", []string{"gw.yaml:4: limits.rps: repeats a key of line 2"}},
		{"repeated section", "limits: {rps: 1}\nlimits: {rps: 2}", []string{"gw.yaml:2: limits: repeats a key of line 1"}},
		{"repeated name", "providers:\n  a: {type: mock}\n  a: {type: mock}", []string{"gw.yaml:3: providers.a: repeats a key of line 2"}},
		{"key that is no name", "? [a, b]\n: c", []string{"gw.yaml:1: a key must be a plain name"}},
		{"list for a mapping", "server: [1]", []string{"gw.yaml:1: server: must be a mapping of keys to values, not a list"}},
		{"value for a mapping", "server: on", []string{"gw.yaml:1: server: must be a mapping of keys to values, not a single value"}},
		{"value for a list", "providers: {a: {type: mock, keys: sk-1}}", []string{"gw.yaml:1: providers.a.keys: must be a list, not a single value"}},
		{"mapping for a list", "models: {m: {targets: {a: b}}}", []string{"gw.yaml:1: models.m.targets: must be a list, not a mapping"}},
		{"list for a value", "limits: {rps: [1]}", []string{"gw.yaml:1: limits.rps: must be a single value, not a list"}},
		{"mapping for a value", "server: {addr: {host: x}}", []string{"gw.yaml:1: server.addr: must be a single value, not a mapping"}},
		{"no value", "server:\n  addr:", []string{"gw.yaml:2: server.addr: has no value; give one or delete the line"}},
		{"null value", "limits: {rps: ~}", []string{"gw.yaml:1: limits.rps: has no value; give one or delete the line"}},
		{"feature without a body", "models:\n  m:\n    cache:", []string{"gw.yaml:3: models.m.cache: has nothing below it; write {} for its defaults or delete the line"}},
		{"recording", "models: {m: {log_bodies: sometimes}}", []string{`gw.yaml:1: models.m.log_bodies: "sometimes" is not true or false`}},
		{"recorded words", "telemetry: {log_bodies_max: much}", []string{`gw.yaml:1: telemetry.log_bodies_max: "much" is not a size; write whole bytes or a unit, as 65536, 64KiB or 16MiB`}},
		{"number", "limits: {rps: fast}", []string{`gw.yaml:1: limits.rps: "fast" is not a number`}},
		{"not a number", "limits: {rps: .nan}", []string{`gw.yaml:1: limits.rps: ".nan" is not a number`}},
		{"infinite number", "limits: {rps: Inf}", []string{`gw.yaml:1: limits.rps: "Inf" is not a number`}},
		{"whole number", "limits: {burst: 1.5}", []string{`gw.yaml:1: limits.burst: "1.5" is not a whole number`}},
		{"huge number", "limits: {tpm: 9223372036854775808}", []string{`gw.yaml:1: limits.tpm: "9223372036854775808" is not a whole number`}},
		{"truth", "overload: {adaptive: yes}", []string{`gw.yaml:1: overload.adaptive: "yes" is not true or false`}},
		{"duration", "http: {idle_timeout: 90}", []string{`gw.yaml:1: http.idle_timeout: "90" is not a duration; write a number with a unit, as 250ms, 30s, 10m, 2h or 90d`}},
		{"size", "server: {max_body: 16M}", []string{`gw.yaml:1: server.max_body: "16M" is not a size; write whole bytes or a unit, as 65536, 64KiB or 16MiB`}},
		{"money", "limits: {budget: {day: 1e3}}", []string{`gw.yaml:1: limits.budget.day: amount "1e3" is not a decimal number of dollars in range`}},
		{"percent", "models: {m: {hedge: {max_extra: 5}}}", []string{`gw.yaml:1: models.m.hedge.max_extra: "5" needs the sign %, as 2% or 0.5%`}},
		{"share", "models: {m: {canary: {steps: [5, 120]}}}", []string{`gw.yaml:1: models.m.canary.steps[1]: "120" is not a percentage from 0% to 100% with at most four decimals`}},
		{"enum", "telemetry: {log_level: loud}", []string{`gw.yaml:1: telemetry.log_level: "loud" is none of debug, info, warn, error`}},
		{"hash", "auth: {keys: [{name: a, hash: gw_" + leak + "}]}", []string{`gw.yaml:1: auth.keys[0].hash: is not a key's hash; write "sha256:" and 64 hexadecimal digits, as "llm-gateway keygen" prints`}},
		{"mask", "redis: {url: '[masked]'}", []string{"gw.yaml:1: redis.url: holds the mask [masked] of a printed configuration; fill the secret in"}},
		{"binary value", "default_model: !!binary Z3B0", []string{"gw.yaml:1: default_model: has the tag !!binary, which has no meaning here"}},
		{"name with a dot", "models:\n  gpt-4.1:\n    retries: many", []string{`gw.yaml:3: models["gpt-4.1"].retries: "many" is not a whole number`}},
		{"root", "- a", []string{"gw.yaml:1: must be a mapping of keys to values, not a list"}},
		{"two documents", "limits: {rps: 1}\n---\nlimits: {rps: 2}", []string{"gw.yaml:2: a second YAML document; a configuration is one"}},
		{"syntax", "limits:\n  rps: 1\n bad: x", []string{"gw.yaml:2: not valid YAML: did not find expected key"}},
		{"tab", "limits:\n\trps: 1", []string{"gw.yaml:2: not valid YAML: found character that cannot start any token"}},
		{"unknown anchor", "limits: *x", []string{"gw.yaml: not valid YAML: unknown anchor 'x' referenced"}},
		{"not UTF-8", "limits: \xff", []string{"gw.yaml: not valid YAML: invalid leading UTF-8 octet"}},
		{"several at once", "limits: {rps: x}\nserver:\n  nope: 1\n  max_body: -1", []string{
			`gw.yaml:1: limits.rps: "x" is not a number`, "gw.yaml:3: server.nope: unknown key",
			`gw.yaml:4: server.max_body: "-1" is not a size; write whole bytes or a unit, as 65536, 64KiB or 16MiB`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, bad(t, source(t, nil, tc.yaml))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEmptyFiles(t *testing.T) {
	want := good(t, nil, "").Masked()
	for _, yaml := range []string{"# nothing\n", "---\n", "---\n# x\n...\n", "server:\nmodels:\nlimits: {}\nproviders:\nwebhooks:\n"} {
		if got := good(t, nil, yaml).Masked(); got != want {
			t.Errorf("%q: %s", yaml, cmp.Diff(want, got))
		}
	}
}

// Texts are taken as written, whatever YAML would make of them elsewhere.
func TestScalarsAsText(t *testing.T) {
	c := good(t, nil, `
providers: {p: {type: mock, headers: {X-A: on, X-B: 010, X-C: 1.10, X-D: "null", X-E: !!str 2026-03-01}}}
models: {1.0: {targets: [{provider: p, model: 007}]}, off: {targets: [{provider: p, model: true}]}}`)
	var got []string
	for _, k := range []string{"X-A", "X-B", "X-C", "X-D", "X-E"} {
		got = append(got, c.Providers["p"].Headers[k].Reveal())
	}
	got = append(got, c.Models["1.0"].Targets[0].Model, c.Models["off"].Targets[0].Model)
	if want := []string{"on", "010", "1.10", "null", "2026-03-01", "007", "true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnchorsAndMerges(t *testing.T) {
	c := good(t, nil, `
providers:
  a: &base
    type: mock
    timeouts: &t {first_byte: 5s}
    retry: {max: 5}
  b:
    <<: *base
    retry: {max: 1}
  c:
    type: mock
    timeouts:
      <<: [*t, {idle: 7s, first_byte: 9s}]
`)
	for _, tc := range []struct {
		name            string
		firstByte, idle time.Duration
		retries         int
	}{{"a", 5 * second, 60 * second, 5}, {"b", 5 * second, 60 * second, 1}, {"c", 5 * second, 7 * second, 2}} {
		p := c.Providers[tc.name]
		if p.Type != KindMock || p.Timeouts.FirstByte.Std() != tc.firstByte || p.Timeouts.Idle.Std() != tc.idle || p.Retry.Max != tc.retries {
			t.Errorf("%s: %+v %+v", tc.name, p.Timeouts, p.Retry)
		}
	}
	got := bad(t, source(t, nil, "providers:\n  a: &a\n    type: mock\n    tipe: x\n  b:\n    <<: *a"))
	if want := `gw.yaml:4: providers.b.tipe: unknown key; did you mean "type"?`; !slices.Contains(got, want) {
		t.Errorf("a fault that was merged in: %q, want %q among them", got, want)
	}
}

// A file cannot make the program work without end.
func TestMultiplyingAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("x0: &x0 {a: b}\n")
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&b, "x%d: &x%d {<<: [*x%d, *x%d]}\n", i, i, i-1, i-1)
	}
	b.WriteString("limits: *x39\n")
	started := time.Now()
	got := bad(t, source(t, nil, b.String()))
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "aliases multiply") }) {
		t.Errorf("got %d messages, the first %q", len(got), got[0])
	}
	got = bad(t, source(t, nil, "limits: &l\n  <<: *l\n  rps: 1"))
	if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "aliases multiply") }) {
		t.Errorf("a mapping within itself: %q", got)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"retries", "timeout", "targets", "rps"}
	for in, want := range map[string]string{
		"retrys": "retries", "timeouts": "timeout", "target": "targets", "rp": "rps", "": "", "zzz": "", "strategy": "",
	} {
		got := suggest(in, known)
		if want == "" && strings.Contains(got, "mean") || want != "" && got != `; did you mean "`+want+`"?` {
			t.Errorf("suggest(%q) = %q, want %q", in, got, want)
		}
	}
	if d := distance("kitten", "sitting"); d != 3 {
		t.Errorf("distance = %d, want 3", d)
	}
}

// Whatever the file says, Load returns, and what passes prints and reads back
// as the same.
func FuzzLoad(f *testing.F) {
	f.Add("server: {addr: ':8080'}\nauth: {keys: [{name: a, key: '${K}'}]}")
	f.Add("providers: {p: &p {type: mock, headers: {X: \"$${y\"}}, q: {<<: *p}}\nmodels: {m: {targets: [{provider: p, model: x}], canary: {candidate: {provider: q, model: y}}}}")
	f.Add("limits: {rps: 0.5, budget: {day: 1}}\nwebhooks: [{url: 'https://h.example/${K}'}]")
	f.Add("usage: {unknown_price: 3/15, retention: 0d}\ntelemetry: {traces: {ratio: 10%, headers: {a: '${N:-b}'}}}")
	f.Fuzz(func(t *testing.T, yaml string) {
		vars := env{"K": leak + "-key-that-is-long-enough-for-all"}
		c, err := Load(source(t, vars, yaml))
		if err != nil {
			if strings.Contains(err.Error(), leak) && !strings.Contains(yaml, leak) {
				t.Fatalf("a secret in the message: %v", err)
			}
			return
		}
		text := c.Masked()
		filled := strings.ReplaceAll(text, "'"+masked+"'", "https://secret-of-thirty-two-bytes-or-more")
		again, err := Load(source(t, vars, filled))
		if err != nil {
			t.Skip() // several secrets filled in alike may clash
		}
		for _, d := range Diff(c, again) {
			if !strings.HasPrefix(d.Old, "secret ") {
				t.Fatalf("%s\n%s", d, text)
			}
		}
	})
}
