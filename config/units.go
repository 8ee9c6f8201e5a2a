package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const day = 24 * time.Hour

// Duration is a span of time, written as Go does (1m30s, 250ms) or in whole
// days (90d). It is never negative. A bare number is refused, except 0,
// because its unit would have to be guessed.
type Duration time.Duration

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns the shortest text that UnmarshalText reads back: 90d, 2m, 1h30m, 250ms.
func (d Duration) String() string {
	t := time.Duration(d)
	if t == 0 {
		return "0s"
	}
	if t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// MarshalText returns String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	t, err := parseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a duration; write a number with a unit, as 250ms, 30s, 10m, 2h or 90d", s)
	case t < 0:
		return fmt.Errorf("%q is negative", s)
	}
	*d = Duration(t)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 31)
	if err != nil {
		return 0, err
	}
	if n > uint64(math.MaxInt64/day) {
		return 0, errors.New("too long")
	}
	return time.Duration(n) * day, nil
}

// Size is a number of bytes, written bare (65536) or with a unit: B, KiB, MiB,
// GiB, TiB (powers of 1024) or kB, KB, MB, GB, TB (powers of 1000).
type Size int64

// sizeUnits are ordered so that the first suffix that fits is the unit meant.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// Bytes returns s as a number of bytes.
func (s Size) Bytes() int64 { return int64(s) }

// String returns the size in the largest unit that divides it.
func (s Size) String() string {
	n, name := int64(s), ""
	for _, u := range sizeUnits {
		if q := int64(s) / u.bytes; int64(s)%u.bytes == 0 && q < n {
			n, name = q, u.name
		}
	}
	return strconv.FormatInt(n, 10) + name
}

// MarshalText returns String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a size. Fractions are refused: 1.5MiB is 1536KiB.
func (s *Size) UnmarshalText(b []byte) error {
	text := string(b)
	digits, unit := text, int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			digits, unit = strings.TrimRight(rest, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64/uint64(unit) {
		return fmt.Errorf("%q is not a size; write whole bytes or a unit, as 65536, 64KiB or 16MiB", text)
	}
	*s = Size(int64(n) * unit)
	return nil
}

// Money is an amount of US dollars, written as a decimal number without an
// exponent (5, 0.25), exact to twelve decimals and never negative.
type Money llm.Money

// Amount returns m in the gateway's unit of account.
func (m Money) Amount() llm.Money { return llm.Money(m) }

// String returns the amount as a decimal number of dollars.
func (m Money) String() string { return llm.Money(m).String() }

// MarshalText returns String.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads an amount.
func (m *Money) UnmarshalText(b []byte) error {
	v, err := llm.ParseMoney(string(b))
	if err != nil {
		return err
	}
	if v < 0 {
		return fmt.Errorf("%q is negative", b)
	}
	*m = Money(v)
	return nil
}
