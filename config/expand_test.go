package config

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReferences(t *testing.T) {
	dir := folder(t, map[string]string{"token": "from-file\n", "two": "a\nb\n\n", "empty": ""})
	e := newEnvironment(Source{LookupEnv: lookup(env{"A": "alpha", "EMPTY": "", "NEST": "${A}", "SEC_FILE": dir + "/token", "BAD": "x", "BAD_FILE": "y"})})
	x := expander{env: e, dir: dir}
	for in, want := range map[string]string{
		"plain": "plain", "": "", "$A": "$A", "${A}": "alpha", "x-${A}-${A}-y": "x-alpha-alpha-y",
		"${EMPTY:-instead}": "instead", "${NONE:-instead}": "instead", "${NONE:-}": "", "${A:-instead}": "alpha", "${NONE:-a:-b}": "a:-b",
		"${NEST}": "${A}", // what a reference yields is not searched again
		"$${A}":   "${A}", "$$${A}": "$${A}", "a$${b}c${A}": "a${b}calpha", "$$": "$$", "}": "}",
		"${SEC}": "from-file", "${file:token}": "from-file", "${file:" + dir + "/token}": "from-file", "${file:two}": "a\nb",
	} {
		if got, err := x.expand(in); err != nil || got != want {
			t.Errorf("%q = %q, %v; want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"${A": `without "}"`, "${}": "${} is no reference", "${1A}": "is no reference", "${A-b}": "is no reference", "${A B}": "is no reference", "${:-x}": "is no reference",
		"${NONE}": "the variable NONE is not set", "${EMPTY}": "the variable EMPTY is not set", "${file:}": "names no file",
		"${file:gone}": "no such file", "${file:empty}": "is empty", "${BAD}": "cannot be resolved", "${A}${NONE}": "NONE is not set",
	} {
		if got, err := x.expand(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q = %q, %v; want %q", in, got, err, want)
		}
	}
}

// In a file, a reference that fails is a fault with its place.
func TestReferencesInFiles(t *testing.T) {
	got := bad(t, source(t, env{"SECRET": leak, "A_KEY": leak, "A_KEY_FILE": "x"}, `
redis:
  url: ${NONE}
limits:
  rps: ${SECRET}
  burst: "${SECRET}0"
http:
  idle_timeout: ${SECRET}
providers:
  a: {type: "${SECRET}", keys: ["${A_KEY}"]}
  b: {type: anthropic, keys: ["${file:gone}"]}
`))
	want := []string{
		"A_KEY: both A_KEY and A_KEY_FILE are set; keep one",
		"gw.yaml:3: redis.url: the variable NONE is not set; set it or write ${NONE:-default}",
		`gw.yaml:5: limits.rps: "${SECRET}" is not a number`,
		`gw.yaml:6: limits.burst: "${SECRET}0" is not a whole number`,
		`gw.yaml:8: http.idle_timeout: "${SECRET}" is not a duration; write a number with a unit, as 250ms, 30s, 10m, 2h or 90d`,
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%q is not in %q", w, got)
		}
	}
	for _, w := range []string{`gw.yaml:10: providers.a.type: "${SECRET}" is no provider type`, "gw.yaml:10: providers.a.keys[0]: ${A_KEY} cannot be resolved", "gw.yaml:11: providers.b.keys[0]: the file gone cannot be read"} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, w) }) {
			t.Errorf("%q begins none of %q", w, got)
		}
	}
}

// A value that happens to be part of its message's own words is not shown in
// parts.
func TestHide(t *testing.T) {
	for _, tc := range []struct{ msg, value, source, want string }{
		{`"abc" is bad`, "abc", "${X}", `"${X}" is bad`},
		{`amount "1" has more than 12 decimals`, "1", "${X}", "the value of ${X} does not fit here"},
		{`"abc" is bad`, "abc", "abc", `"abc" is bad`},
	} {
		if got := hide(tc.msg, tc.value, tc.source); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

// Printed texts pass through expansion unchanged.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"a", "${A}", "$${", "$$${A:-b}", "${file:x}", "${"} {
		f.Add(s)
	}
	x := expander{env: newEnvironment(Source{LookupEnv: lookup(env{"A": "alpha"})}), dir: "testdata-none"}
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = x.expand(s)
		if !utf8.ValidString(s) {
			return
		}
		if got, err := x.expand(text(s).Value); err != nil || got != s {
			t.Fatalf("%q is printed as %q and read as %q, %v", s, text(s).Value, got, err)
		}
	})
}
