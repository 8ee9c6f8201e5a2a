package llm

import (
	"fmt"
	"strconv"
	"strings"
)

// Money is an amount of US dollars in units of 10^-12 (a millionth of a
// micro-dollar), so that a price per million tokens with up to six decimals is
// exact per token and sums are exact. The range is about 9.2 million dollars
// either way.
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1_000_000_000_000

const moneyDigits = 12

// ParseMoney reads a decimal number of dollars, as "0.0375", without rounding:
// more than twelve decimals are an error.
func ParseMoney(s string) (Money, error) {
	t, neg := strings.CutPrefix(s, "-")
	whole, frac, _ := strings.Cut(t, ".")
	if len(frac) > moneyDigits {
		return 0, fmt.Errorf("amount %q has more than %d decimals", s, moneyDigits)
	}
	digits := whole + frac + strings.Repeat("0", moneyDigits-len(frac))
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || whole == "" {
		return 0, fmt.Errorf("amount %q is not a decimal number of dollars in range", s)
	}
	if neg {
		return -Money(n), nil
	}
	return Money(n), nil
}

// Append appends the amount as a decimal number of dollars, without exponent
// and without trailing zeros.
func (m Money) Append(dst []byte) []byte {
	u := uint64(m)
	if m < 0 {
		dst = append(dst, '-')
		u = -u
	}
	dst = strconv.AppendUint(dst, u/uint64(Dollar), 10)
	frac := u % uint64(Dollar)
	if frac == 0 {
		return dst
	}
	s := strconv.FormatUint(frac+uint64(Dollar), 10)[1:]
	return append(append(dst, '.'), strings.TrimRight(s, "0")...)
}

// String returns the amount as Append writes it.
func (m Money) String() string { return string(m.Append(nil)) }

// MarshalJSON writes a JSON number with every digit.
func (m Money) MarshalJSON() ([]byte, error) { return m.Append(nil), nil }

// Dollars returns the amount as a float, for metrics only.
func (m Money) Dollars() float64 { return float64(m) / float64(Dollar) }
