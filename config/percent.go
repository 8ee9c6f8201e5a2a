package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// hundredPercent is 100 % in the unit of Percent and Share.
const hundredPercent = 1_000_000

// Percent is a part of a whole from 0% to 100%, exact to four decimals (parts
// per million). The sign is required: a bare 0.5 could mean half or half of
// one per cent.
type Percent int64

// Ratio returns the part as a number from 0 to 1.
func (p Percent) Ratio() float64 { return float64(p) / hundredPercent }

// String returns the part with its sign, as 2.5%.
func (p Percent) String() string { return formatPercent(int64(p)) + "%" }

// MarshalText returns String.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a part with its sign.
func (p *Percent) UnmarshalText(b []byte) error {
	s := string(b)
	digits, ok := strings.CutSuffix(s, "%")
	if !ok {
		return fmt.Errorf("%q needs the sign %%, as 2%% or 0.5%%", s)
	}
	n, err := parsePercent(digits)
	if err != nil {
		return fmt.Errorf("%q %w", s, err)
	}
	*p = Percent(n)
	return nil
}

// Share is a Percent whose sign may be left out, for keys that say themselves
// that they count in per cent (percent: 5, steps: [5, 25, 100]).
type Share int64

// Ratio returns the share as a number from 0 to 1.
func (p Share) Ratio() float64 { return float64(p) / hundredPercent }

// String returns the share as a bare number of per cent, as 2.5.
func (p Share) String() string { return formatPercent(int64(p)) }

// MarshalText returns String.
func (p Share) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a share with or without the sign.
func (p *Share) UnmarshalText(b []byte) error {
	n, err := parsePercent(strings.TrimSuffix(string(b), "%"))
	if err != nil {
		return fmt.Errorf("%q %w", b, err)
	}
	*p = Share(n)
	return nil
}

var errPercent = errors.New("is not a percentage from 0% to 100% with at most four decimals")

func parsePercent(s string) (int64, error) {
	whole, frac, dot := strings.Cut(s, ".")
	if len(frac) > 4 || dot && frac == "" || whole == "" {
		return 0, errPercent
	}
	n, err := strconv.ParseUint(whole+frac+strings.Repeat("0", 4-len(frac)), 10, 63)
	if err != nil || n > hundredPercent {
		return 0, errPercent
	}
	return int64(n), nil
}

func formatPercent(n int64) string {
	s := strconv.FormatInt(n/10_000, 10)
	if frac := n % 10_000; frac != 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%04d", frac), "0")
	}
	return s
}
