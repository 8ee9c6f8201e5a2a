package limits

import (
	"math"
	"math/bits"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// bucket is a token bucket in whole billionths of a request. What a division
// leaves over is dropped, so it never grants more than the rule.
type bucket struct {
	level int64
	at    time.Duration // when level was true
	used  bool          // false: never asked, and therefore full
}

// fill brings the level up to now.
func (b *bucket) fill(s *Subject, now time.Duration) {
	if !b.used {
		b.used, b.level, b.at = true, s.cap, now
		return
	}
	if now > b.at {
		// nanoseconds * millionths of a request per second / 10^6
		hi, lo := bits.Mul64(uint64(now-b.at), s.rate)
		if hi >= 1e6 {
			b.level = s.cap
		} else {
			in, _ := bits.Div64(hi, lo, 1e6)
			if b.level += int64(min(in, uint64(s.cap))); b.level < 0 {
				b.level = s.cap
			}
		}
		b.at = now
	}
	b.level = min(b.level, s.cap) // the rule may have become smaller
}

// until returns the least time after which the level is want.
func (b *bucket) until(s *Subject, want int64) time.Duration {
	if b.level >= want {
		return 0
	}
	hi, lo := bits.Mul64(uint64(want-b.level), 1e6)
	lo, carry := bits.Add64(lo, s.rate-1, 0)
	if hi += carry; hi >= s.rate {
		return math.MaxInt64
	}
	wait, _ := bits.Div64(hi, lo, s.rate)
	return time.Duration(min(wait, math.MaxInt64))
}

// windowSlots is how many seconds a window of a minute can touch: 60 whole ones
// and the one that has just begun.
const windowSlots = 61

// window counts tokens in slots of one second. The sum always holds the whole
// of the oldest slot that a minute ending now can touch, so that no 60 seconds,
// wherever they begin, see more than the limit.
type window struct {
	slots [windowSlots]int64 // by second modulo windowSlots
	head  int64              // the newest second, since the engine's start
	last  int64              // the newest second in which tokens were counted
	sum   int64
}

// maxTokens bounds what one call can count, against absurd reports.
const maxTokens = 1 << 40

// roll lets what is older than a minute fall out, and returns the second that
// counts as now: time does not go back.
func (w *window) roll(sec int64) int64 {
	if sec <= w.head {
		return w.head
	}
	for k := max(w.head+1, sec-windowSlots+1); k <= sec; k++ {
		i := k % windowSlots
		w.sum -= w.slots[i]
		w.slots[i] = 0
	}
	w.head = sec
	return sec
}

// add counts n tokens now.
func (w *window) add(n int64) {
	if n > 0 {
		w.slots[w.head%windowSlots] += n
		w.sum += n
		w.last = w.head
	}
}

// refund takes n tokens out of the second in which they were counted, unless it
// has fallen out already.
func (w *window) refund(sec, n int64) {
	if sec <= w.head-windowSlots || sec > w.head {
		return
	}
	i := sec % windowSlots
	n = min(n, w.slots[i])
	w.slots[i] -= n
	w.sum -= n
}

// until returns when the sum will have fallen to at most most, if nobody adds:
// the start of the second at which enough has fallen out.
func (w *window) until(most int64, now time.Duration) time.Duration {
	left := w.sum
	for k := w.head - windowSlots + 1; k <= w.head && left > most; k++ {
		if k < 0 {
			continue
		}
		if left -= w.slots[k%windowSlots]; left <= most {
			return w.gone(k, now)
		}
	}
	return 0
}

// empty returns when everything will have fallen out.
func (w *window) empty(now time.Duration) time.Duration {
	if w.sum == 0 {
		return 0
	}
	return w.gone(w.last, now)
}

func (w *window) gone(sec int64, now time.Duration) time.Duration {
	return max(time.Duration(sec+windowSlots)*time.Second-now, 0)
}

// account sums money over a calendar period.
type account struct {
	period int64 // number of the day or month
	spent  llm.Money

	told  int64     // the greatest share of a budget that was told; see reached
	of    llm.Money // of that budget
	known llm.Money // spent before this process began
}

// roll starts a new sum when a newer period has begun. A clock that is set back
// does not give the money back.
func (a *account) roll(period int64) {
	if period > a.period {
		*a = account{period: period}
	}
}

func (a *account) add(m llm.Money) {
	if a.spent += m; a.spent < 0 {
		a.spent = math.MaxInt64
	}
}

// civil is where an instant stands in the calendar, in UTC.
type civil struct {
	day, month          int64         // numbers that grow by one with each day and month
	nextDay, nextMonth  time.Duration // until the next one begins
	validFrom, validTil int64         // the day in Unix seconds, for which day and month hold
}

const daySeconds = 86400

// civilAt computes the calendar of t.
func civilAt(t time.Time) civil {
	t = t.UTC()
	y, m, d := t.Date()
	begin := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return civil{
		day: begin.Unix() / daySeconds, month: int64(y)*12 + int64(m) - 1,
		nextDay: begin.AddDate(0, 0, 1).Sub(t), nextMonth: time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC).Sub(t),
		validFrom: begin.Unix(), validTil: begin.Unix() + daySeconds,
	}
}
