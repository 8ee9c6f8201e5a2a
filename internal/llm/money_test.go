package llm

import (
	"encoding/json"
	"math"
	"testing"
)

func TestMoney(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Money
		out  string
	}{
		{"0", 0, "0"},
		{"1", Dollar, "1"},
		{"0.0375", 37_500_000_000, "0.0375"},
		{"-0.5", -Dollar / 2, "-0.5"},
		{"12.000000000001", 12*Dollar + 1, "12.000000000001"},
		{"0.100", Dollar / 10, "0.1"},
		{"9223372.036854775807", math.MaxInt64, "9223372.036854775807"},
		{"-9223372.036854775807", -math.MaxInt64, "-9223372.036854775807"},
		{"1000", 1000 * Dollar, "1000"},
	} {
		m, err := ParseMoney(tc.in)
		if err != nil || m != tc.want {
			t.Errorf("ParseMoney(%q) = %d, %v", tc.in, m, err)
		}
		if m.String() != tc.out {
			t.Errorf("%q is written %q", tc.in, m)
		}
		if b, err := json.Marshal(m); err != nil || string(b) != tc.out {
			t.Errorf("%q in JSON: %s, %v", tc.in, b, err)
		}
	}
	if got := Money(math.MinInt64).String(); got != "-9223372.036854775808" {
		t.Errorf("the least amount is written %q", got)
	}
	if got := (Dollar / 4).Dollars(); got != 0.25 {
		t.Errorf("got %v", got)
	}
}

func TestParseMoneyRefuses(t *testing.T) {
	for _, s := range []string{"", "-", ".", ".5", "1e3", "+1", " 1", "1 ", "--1", "1.-5", "1,5", "1_000", "0x1", "NaN", "0.0000000000001", "9223372.036854775808", "99999999", "1.2.3"} {
		if m, err := ParseMoney(s); err == nil {
			t.Errorf("%q was read as %v", s, m)
		}
	}
}

func FuzzMoney(f *testing.F) {
	for _, s := range []string{"0.0375", "-1", "9223372.036854775807", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMoney(s)
		if err != nil {
			return
		}
		if back, err := ParseMoney(m.String()); err != nil || back != m {
			t.Fatalf("%q is %d, written %q, read back %d, %v", s, m, m, back, err)
		}
	})
}
