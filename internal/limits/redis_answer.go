package limits

import (
	"errors"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

var errAnswer = errors.New("redis: an unexpected answer to an admission")

// answer reads the numbers of a script's answer one after the other.
type answer struct {
	raw []any
	bad bool
}

func (a *answer) int() int64 {
	if len(a.raw) == 0 {
		a.bad = true
		return 0
	}
	v := a.raw[0]
	a.raw = a.raw[1:]
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		a.bad = a.bad || err != nil
		return n
	}
	a.bad = true
	return 0
}

// read takes an admission's answer apart: who refused, and what is left.
func (r *Redis) read(a *answer, l *Lease) refusal {
	by, limit, wait, now := a.int(), Limit(a.int()), time.Duration(a.int())*time.Microsecond, time.UnixMicro(a.int())
	for i, s := range l.subjects[:l.n] {
		level, sum, last, day, month, head := a.int(), a.int(), a.int(), a.int(), a.int(), a.int()
		if a.bad {
			return refusal{}
		}
		l.slots[i] = head
		l.note(i, s.shared(level, sum, time.Unix(last+windowSlots, 0).Sub(now)))
		if s.Rule.budgeted() {
			r.local.learn(s, llm.Money(day), llm.Money(month))
		}
	}
	if by <= 0 || by > int64(l.n) {
		a.bad = a.bad || by != 0
		return refusal{}
	}
	for i, s := range l.subjects[:l.n] {
		if s.Rule.TPM > 0 && l.tokens[i] > s.Rule.TPM {
			return refusal{subject: s, limit: LimitTooLarge, tokens: l.tokens[i]}
		}
	}
	switch limit {
	case LimitDay:
		wait = civilAt(now).nextDay
	case LimitMonth:
		wait = civilAt(now).nextMonth
	}
	return refusal{subject: l.subjects[by-1], limit: limit, wait: wait, tokens: l.tokens[by-1]}
}

// shared says what is left of limits whose counters Redis keeps. level is in
// millionths of a request.
func (s *Subject) shared(level, sum int64, empty time.Duration) remains {
	var r remains
	if s.rate > 0 {
		b := bucket{level: level * (nano / 1e6)}
		r.requests, r.requestsReset = level/1e6, b.until(s, s.cap)
	}
	if s.Rule.TPM > 0 {
		r.tokens = max(s.Rule.TPM-sum, 0)
		if sum > 0 {
			r.tokensReset = max(empty, 0)
		}
	}
	return r
}
