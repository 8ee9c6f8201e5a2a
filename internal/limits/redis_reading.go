package limits

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// readBatch is how many subjects are asked for in one round trip.
const readBatch = 200

// Read says how much of each rule is in use by all replicas, or by this one
// while Redis is away. It changes nothing in Redis.
func (r *Redis) Read(ctx context.Context, rules []Named) ([]Reading, error) {
	if !r.up.Load() {
		return r.local.Read(ctx, rules)
	}
	now, err := r.client.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	out := make([]Reading, 0, len(rules))
	for len(rules) > 0 {
		n := min(len(rules), readBatch)
		part, err := r.readSome(ctx, rules[:n], now)
		if err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
		out, rules = append(out, part...), rules[n:]
	}
	return out, nil
}

func (r *Redis) readSome(ctx context.Context, rules []Named, now time.Time) ([]Reading, error) {
	pipe := r.client.Pipeline()
	hashes, slots := make([]*redis.MapStringStringCmd, len(rules)), make([]*redis.IntCmd, len(rules))
	for i, n := range rules {
		base := r.key(n.Scope, n.Name)
		hashes[i] = pipe.HGetAll(ctx, base)
		slots[i] = pipe.ZCount(ctx, base+":slots", strconv.FormatInt(now.UnixMilli(), 10), "+inf")
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	out := make([]Reading, len(rules))
	for i, n := range rules {
		out[i] = fields(hashes[i].Val()).reading(n, now)
		if n.Rule.Concurrency > 0 {
			out[i].InFlight = int(slots[i].Val())
		}
	}
	return out, nil
}

// key names a subject's hash.
func (r *Redis) key(scope Scope, name string) string {
	return r.o.Prefix + "{limits}:" + scope.String() + ":" + name
}

// fields are those of a subject's hash; redis.lua lists them.
type fields map[string]string

func (f fields) int(name string) int64 {
	n, _ := strconv.ParseInt(f[name], 10, 64) // what is not there is 0
	return n
}

func (f fields) reading(n Named, now time.Time) Reading {
	s := newSubject(n.Scope, n.Name, n.Rule)
	out := Reading{Named: n}
	if s.rate > 0 {
		b := f.bucket(s, now)
		out.Burst, out.RequestsLeft, out.RequestsReset = s.Rule.Burst, b.level/nano, b.until(s, s.cap)
	}
	if n.Rule.TPM > 0 {
		out.TokensUsed = f.tokens(now.Unix())
		if out.TokensUsed > 0 {
			out.TokensReset = max(time.Unix(f.int("tl")+windowSlots, 0).Sub(now), 0)
		}
	}
	if n.Rule.budgeted() {
		c := civilAt(now)
		if f.int("dp") == c.day {
			out.Day = llm.Money(f.int("ds"))
		}
		if f.int("mp") == c.month {
			out.Month = llm.Money(f.int("ms"))
		}
		out.DayReset, out.MonthReset = c.nextDay, c.nextMonth
	}
	return out
}

// bucket returns the request bucket as it is now. Time counts from when its
// level was true.
func (f fields) bucket(s *Subject, now time.Time) bucket {
	b := bucket{level: s.cap}
	if f["r"] != "" {
		b = bucket{used: true, level: min(f.int("r")*(nano/1e6), s.cap)}
		b.fill(s, max(now.Sub(time.UnixMicro(f.int("ra"))), 0))
	}
	return b
}

// tokens sums up the seconds of the last minute.
func (f fields) tokens(now int64) int64 {
	sum := int64(0)
	for name := range f {
		sec, err := strconv.ParseInt(name[min(1, len(name)):], 10, 64)
		if err == nil && name[0] == 't' && sec > now-windowSlots {
			sum += f.int(name)
		}
	}
	return sum
}
