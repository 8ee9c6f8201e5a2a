package llm

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// Limits are what an identity may use when it brings them itself: a key made at
// run time, or the subject of a token. Zero means no limit.
type Limits struct {
	RPS         float64 // requests per second, sustained; at most 10^9
	Burst       int     // requests at once; 0 = twice RPS
	TPM         int64   // tokens in any 60 seconds, input and output together
	Concurrency int     // requests in flight, streams included
	Day, Month  Money   // per calendar day and month, in UTC
}

// Unlimited reports whether l bounds nothing. A burst without a rate does not.
func (l Limits) Unlimited() bool {
	l.Burst = 0
	return l == Limits{}
}

// maxLimit bounds each number of Limits, so that no sum overflows.
const maxLimit = 1_000_000_000_000

// limitsJSON is the form of Limits: the members that the configuration has.
type limitsJSON struct {
	RPS         float64 `json:"rps"`
	Burst       int     `json:"burst"`
	TPM         int64   `json:"tpm"`
	Concurrency int     `json:"concurrency"`
	Budget      struct {
		Day   Money `json:"day"`
		Month Money `json:"month"`
	} `json:"budget"`
}

// MarshalJSON writes {"rps","burst","tpm","concurrency","budget":{"day","month"}},
// every member of it.
func (l Limits) MarshalJSON() ([]byte, error) {
	out := limitsJSON{RPS: l.RPS, Burst: l.Burst, TPM: l.TPM, Concurrency: l.Concurrency}
	out.Budget.Day, out.Budget.Month = l.Day, l.Month
	return json.Marshal(out)
}

// UnmarshalJSON reads what ParseLimits does.
func (l *Limits) UnmarshalJSON(raw []byte) error {
	read, err := ParseLimits(raw)
	if err == nil {
		*l = read
	}
	return err
}

// ParseLimits reads the form that MarshalJSON writes. Members may be missing or
// null, which is 0; unknown ones, negative numbers, amounts with an exponent and
// a day's budget above the month's are errors, so that a slip never means "no
// limit". The error is an *Error of KindInvalidRequest whose Param names the
// member, as budget.day; "" stands for the whole.
func ParseLimits(raw []byte) (Limits, error) {
	var l Limits
	var members, budget map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return l, Invalid("", "must be an object with rps, burst, tpm, concurrency and budget")
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name == "budget" {
			if json.Unmarshal(members[name], &budget) != nil {
				return Limits{}, Invalid(name, "must be an object with day and month")
			}
			continue
		}
		if err := l.set(name, members[name]); err != nil {
			return Limits{}, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(budget)) {
		if err := l.set("budget."+name, budget[name]); err != nil {
			return Limits{}, err
		}
	}
	if l.Month > 0 && l.Day > l.Month {
		return Limits{}, Invalid("budget.day", "is more than the month's %s", l.Month)
	}
	return l, nil
}

// set reads one member.
func (l *Limits) set(name string, raw json.RawMessage) error {
	if bytes.Equal(raw, []byte("null")) {
		return nil
	}
	text, ok := string(raw), true
	switch name {
	case "rps":
		var err error
		l.RPS, err = strconv.ParseFloat(text, 64)
		ok = err == nil && l.RPS >= 0 && l.RPS <= 1e9
	case "burst":
		l.Burst, ok = count[int](text, 1e9)
	case "tpm":
		l.TPM, ok = count[int64](text, maxLimit)
	case "concurrency":
		l.Concurrency, ok = count[int](text, 1e9)
	case "budget.day", "budget.month":
		m, err := ParseMoney(text)
		if err != nil || m < 0 {
			return Invalid(name, "must be a number of dollars of at least 0, without an exponent")
		}
		if name == "budget.day" {
			l.Day = m
		} else {
			l.Month = m
		}
	default:
		return Invalid(name, "is no limit; there are rps, burst, tpm, concurrency, budget.day and budget.month")
	}
	if !ok {
		return Invalid(name, "must be a number of at least 0%s", wholeUnless(name == "rps"))
	}
	return nil
}

func wholeUnless(fraction bool) string {
	if fraction {
		return ""
	}
	return ", without decimals"
}

// count reads a whole number up to most.
func count[T int | int64](text string, most uint64) (T, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n > most {
		return 0, false
	}
	return T(n), true
}
