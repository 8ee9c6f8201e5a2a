package schema

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func newGenerator(seed uint64) *generator {
	return &generator{rng: newRand(seed), checks: maxChecks}
}

// TestPatterns makes what matches, at every length that the pattern allows.
func TestPatterns(t *testing.T) {
	for _, tc := range []struct {
		pattern     string
		least, most int
	}{
		{`^$`, 0, 0},
		{`^a$`, 1, 1},
		{`^abc$`, 3, 3},
		{`^[0-9]{5}(-[0-9]{4})?$`, 5, 5},
		{`^[0-9]{5}(-[0-9]{4})?$`, 10, 10},
		{`^\d{3}-\d{2}-\d{4}$`, 11, 11},
		{`^[A-Z][a-z]+( [A-Z][a-z]+)*$`, 30, 60},
		{`^(red|green|blue)$`, 0, 5},
		{`^#(?:[0-9a-fA-F]{3}){1,2}$`, 7, 7},
		{`^\+?[1-9]\d{1,14}$`, 12, 16},
		{`^[\w.+-]+@[\w-]+\.[\w.]+$`, 40, 80},
		{`^https?://[^\s/]+(/[^\s]*)?$`, 25, 60},
		{`^[^\x00-\x1f]+$`, 10, 20},
		{`^[\p{L}]+$`, 3, 9},
		{`^[^a-zA-Z0-9 -~]$`, 1, 1},
		{`^\$[0-9]+(\.[0-9]{2})?$`, 8, 14},
		{`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`, 6, 40},
		{`^(\([0-9]{3}\))?[0-9]{3}-[0-9]{4}$`, 8, 13},
		{`^.{4,8}$`, 4, 8},
		{`^.{4,8}$`, 8, 8},
		{`^(ab){2,}$`, 10, 12},
		{`^(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])$`, 7, 7},
		{`^x*y?z+$`, 9, 12},
		{`^[[:alpha:]]{2}$`, 2, 2},
		{`a`, 20, 40},
		{``, 5, 30},
		{`^start`, 12, 40},
		{`end$`, 3, 3},
		{`\bword\b`, 4, 9},
		{`^\u0041\u00e9$`, 2, 2},
		{`^\\u0041$`, 6, 6},
		{`^[\u4e00-\u9fa5]{2}$`, 2, 2},
		{`^\-\.\/\@$`, 4, 4},
		{`(?i)^abc$`, 3, 3},
	} {
		p, err := newPattern(tc.pattern)
		if err != nil {
			t.Errorf("%s: %v", tc.pattern, err)
			continue
		}
		for seed := range uint64(40) {
			s, ok := newGenerator(seed).matching(p, tc.least, func(s string) bool {
				n := utf8.RuneCountInString(s)
				return n >= tc.least && n <= tc.most
			})
			if !ok || !p.re.MatchString(s) {
				t.Errorf("%s, %d to %d characters, seed %d: %q, %v", tc.pattern, tc.least, tc.most, seed, s, ok)
				break
			}
		}
	}
}

func TestPatternVariety(t *testing.T) {
	p, err := newPattern(`^[A-Z]{2}[0-9]{4}$`)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for seed := range uint64(100) {
		s, _ := newGenerator(seed).matching(p, 0, func(string) bool { return true })
		seen[s] = true
	}
	if len(seen) < 95 {
		t.Errorf("%d different values of 100", len(seen))
	}
}

func TestUnknownPatterns(t *testing.T) {
	for _, s := range []string{`(`, `[`, `a{2,1}`, `a{1001}`, `(?=a)b`, `(?!a)b`, `(?<=a)b`, `(a)\1`, `\k<x>`, `\cA`, `\uZZZZ`, `\u00`, strings.Repeat("(a{10}){10}", 300)} {
		if _, err := newPattern(s); err == nil {
			t.Errorf("%.40s was taken", s)
		}
	}
}

// FuzzPattern: any pattern is refused, or what is made for it matches.
func FuzzPattern(f *testing.F) {
	f.Add(`^[a-z]+(-[a-z]+)*$`, uint64(1), uint8(5))
	f.Add(`\u00e9|(a|b)*?c`, uint64(2), uint8(0))
	f.Add(`[^\x{0}-\x{d7ff}]`, uint64(2), uint8(1))
	f.Fuzz(func(t *testing.T, s string, seed uint64, least uint8) {
		p, err := newPattern(s)
		if err != nil {
			return
		}
		got, ok := newGenerator(seed).matching(p, int(least), func(s string) bool { return utf8.RuneCountInString(s) >= int(least) })
		if ok && (!p.re.MatchString(got) || utf8.RuneCountInString(got) < int(least) || !utf8.ValidString(got)) {
			t.Errorf("%q for %q", got, s)
		}
	})
}

func TestFormats(t *testing.T) {
	for format, cases := range map[string]struct{ good, bad []string }{
		"date-time": {
			[]string{"2024-02-29T23:59:59Z", "2024-01-01T00:00:00+05:30", "2024-01-01T00:00:00.123Z"},
			[]string{"", "2024-01-01", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00", "2023-02-29T00:00:00Z", "2024-01-01T25:00:00Z"},
		},
		"date":          {[]string{"2024-02-29"}, []string{"", "2023-02-29", "24-1-1", "2024-02-29T00:00:00Z"}},
		"time":          {[]string{"23:59:59Z", "00:00:00-07:00"}, []string{"", "24:00:00Z", "12:00:00"}},
		"duration":      {[]string{"P1D", "PT1H", "P1Y2M3DT4H5M6S", "P3W"}, []string{"", "P", "PT", "P1H", "1D", "P1DT", "P-1D"}},
		"email":         {[]string{"a@b.co", "first.last+tag@sub.example.com"}, []string{"", "a", "@b.co", "a@b", "a@b.c", "a b@c.de", "a@-b.co", "a@b..co"}},
		"hostname":      {[]string{"a", "a.b", "x-1.example.com"}, []string{"", "-a", "a-", "a..b", "a_b", strings.Repeat("a", 64), strings.Repeat("a.", 140) + "a"}},
		"ipv4":          {[]string{"0.0.0.0", "255.255.255.255"}, []string{"", "1.2.3", "256.1.1.1", "01.2.3.4", "::1"}},
		"ipv6":          {[]string{"::", "::1", "2001:db8::8a2e:370:7334"}, []string{"", "1.2.3.4", ":::", "fe80::1%eth0"}},
		"uuid":          {[]string{"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"}, []string{"", "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"}},
		"uri":           {[]string{"https://a", "urn:x:y", "mailto:a@b.co"}, []string{"", "a", "/a/b", "://a", "http://[::1"}},
		"uri-reference": {[]string{"", "a", "/a/b?c#d", "https://a"}, []string{"http://[::1", "%zz"}},
		"unheard-of":    {[]string{"", "anything"}, nil},
	} {
		for _, s := range cases.good {
			if !formatOK(format, s) {
				t.Errorf("%q is refused as %s", s, format)
			}
		}
		for _, s := range cases.bad {
			if formatOK(format, s) {
				t.Errorf("%q is taken for %s", s, format)
			}
		}
		for seed := range uint64(50) {
			s, known := newGenerator(seed).formatted(format, 0, math.MaxInt)
			if known != (format != "unheard-of") || known && !formatOK(format, s) {
				t.Errorf("%s, seed %d: %q, %v", format, seed, s, known)
			}
		}
	}
}

func TestUUIDs(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for seed := range uint64(200) {
		s := newGenerator(seed).uuid()
		if !form.MatchString(s) || seen[s] {
			t.Errorf("%s is no UUID of version 4, or came twice", s)
		}
		seen[s] = true
	}
}

func TestStretchedFormats(t *testing.T) {
	for _, tc := range []struct {
		format      string
		least, most int
	}{
		{"email", 0, 6}, {"email", 30, 30}, {"email", 100, 120}, {"uri", 0, 3}, {"uri", 64, 64}, {"uri", 300, 400}, {"hostname", 0, 4}, {"hostname", 40, 40},
	} {
		for seed := range uint64(20) {
			s, _ := newGenerator(seed).formatted(tc.format, tc.least, tc.most)
			if len(s) < tc.least || len(s) > tc.most || !formatOK(tc.format, s) {
				t.Errorf("%s of %d to %d characters: %q", tc.format, tc.least, tc.most, s)
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "1": "1", "1.0": "1", "1.50": "1.5", "1e3": "1000", "1E-3": "0.001", "-2.5e1": "-25", "0.1": "0.1",
		"123456789012345678901234567890": "123456789012345678901234567890", "1e-10": "0.0000000001", "0.30000000000000004": "0.30000000000000004",
	} {
		r, err := number(text)
		if err != nil || decimal(r) != want {
			t.Errorf("%s = %s, %v; want %s", text, decimal(r), err, want)
		}
	}
	for _, text := range []string{"1e401", "1e-401", "1e99999999999999999999", strings.Repeat("1", 401), "", "x", "1e", "0x10/3/4"} {
		if r, err := number(text); err == nil {
			t.Errorf("%.30s was taken as %s", text, decimal(r))
		}
	}
}

// FuzzNumber: what is read is written as a JSON number of the same value.
func FuzzNumber(f *testing.F) {
	f.Add("1.5e3")
	f.Add("-0.000")
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) || !strings.ContainsAny(text, "0123456789") || strings.ContainsAny(text, "\"[{") {
			return
		}
		r, err := number(strings.TrimSpace(text))
		if err != nil {
			return
		}
		s := decimal(r)
		back, ok := new(big.Rat).SetString(s)
		if !ok || back.Cmp(r) != 0 || !json.Valid([]byte(s)) {
			t.Errorf("%s became %s", text, s)
		}
	})
}

// TestMultiples looks at every corner of a range.
func TestMultiples(t *testing.T) {
	rat := func(s string) *big.Rat {
		if s == "" {
			return nil
		}
		r, _ := new(big.Rat).SetString(s)
		return r
	}
	for _, tc := range []struct {
		step, low, high   string
		lowOpen, highOpen bool
		none              bool
	}{
		{step: "1"}, {step: "1", low: "5"}, {step: "1", high: "5"}, {step: "1", low: "5", high: "5"},
		{step: "1", low: "5", high: "5", lowOpen: true, none: true},
		{step: "1", low: "5", high: "6", lowOpen: true}, {step: "1", low: "5", high: "6", lowOpen: true, highOpen: true, none: true},
		{step: "1", low: "-6", high: "-5", lowOpen: true}, {step: "1", low: "-6", high: "-5", highOpen: true},
		{step: "1", low: "0.2", high: "0.8", none: true}, {step: "0.1", low: "0.25", high: "0.35"}, {step: "7", low: "8", high: "13", none: true},
		{step: "7", low: "8", high: "14"}, {step: "7", low: "8", high: "14", highOpen: true, none: true},
		{step: "3", low: "-10", high: "-8"}, {step: "1e30", low: "1"}, {step: "1", low: "1", high: "1e100"}, {step: "2.5", low: "2", high: "3"},
	} {
		low, high := bound{rat(tc.low), tc.lowOpen}, bound{rat(tc.high), tc.highOpen}
		for seed := range uint64(50) {
			r := newGenerator(seed).multiple(rat(tc.step), low, high)
			if (r == nil) != tc.none {
				t.Errorf("%+v: %v", tc, r)
				break
			}
			if r == nil {
				continue
			}
			n := &node{multiple: rat(tc.step)}
			if low.open {
				n.above = low.at
			} else {
				n.min = low.at
			}
			if high.open {
				n.below = high.at
			} else {
				n.max = high.at
			}
			if !n.numberOK(r) {
				t.Errorf("%+v: %s", tc, decimal(r))
			}
		}
	}
}

func TestEqualValues(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{`1`, `1.0`, true}, {`100`, `1e2`, true}, {`1`, `"1"`, false}, {`null`, `false`, false}, {`true`, `true`, true}, {`true`, `false`, false},
		{`"a"`, `"\u0061"`, true}, {`[1,2]`, `[1,2.0]`, true}, {`[1,2]`, `[2,1]`, false}, {`[1]`, `[1,1]`, false}, {`{}`, `{}`, true},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, true}, {`{"a":1}`, `{"a":2}`, false}, {`{"a":1}`, `{"b":1}`, false}, {`{"a":1}`, `{"a":1,"b":1}`, false},
	} {
		a, err := parseValue([]byte(tc.a))
		if err != nil {
			t.Fatal(err)
		}
		b, err := parseValue([]byte(tc.b))
		if err != nil {
			t.Fatal(err)
		}
		if a.equal(b) != tc.same || b.equal(a) != tc.same {
			t.Errorf("%s and %s: want equal %v", tc.a, tc.b, tc.same)
		}
	}
}

// FuzzValue: what is parsed and written again is the same JSON value.
func FuzzValue(f *testing.F) {
	f.Add([]byte(`{"a":[1,null,"x\u00e9<>&",true,{"b":-1.5e3}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := parseValue(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q was taken for JSON", text)
		}
		out := v.append(nil)
		w, err := parseValue(out)
		if err != nil || !v.equal(w) {
			t.Errorf("%q became %q (%v)", text, out, err)
		}
	})
}

func TestPlainText(t *testing.T) {
	for _, tc := range []struct{ least, most int }{{0, 0}, {0, 1}, {1, 1}, {0, 5}, {20, 20}, {100, 101}, {5000, math.MaxInt}, {0, math.MaxInt}} {
		for seed := range uint64(30) {
			s := newGenerator(seed).plain(tc.least, tc.most)
			if len(s) < tc.least || len(s) > tc.most || len(s) > tc.least+200 {
				t.Errorf("%d to %d: %d characters", tc.least, tc.most, len(s))
			}
		}
	}
}
