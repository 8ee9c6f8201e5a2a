package app

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/llm-gateway/llm-gateway/internal/route/canary"
)

// canaryMemory is how long Redis remembers where a canary stood that nobody
// runs any more.
const canaryMemory = 30 * 24 * time.Hour

// setPosition writes a position where it still has the expected version.
const setPosition = `local now = redis.call('GET', KEYS[1])
if now and cjson.decode(now).version ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`

// syncCanary makes replicas one: it takes over the position that they agree on,
// tells them what was counted here, and hears what they all have. false means
// that this replica judges alone, as there is no Redis or it does not answer.
func (a *App) syncCanary(ctx context.Context, run *canaryRun) bool {
	client := a.sharedRedis()
	if client == nil || !a.redis.Up() {
		return false
	}
	err := a.agreeOnCanary(ctx, client, run)
	if err == nil {
		err = a.shareCanarySums(ctx, client, run)
	}
	if err != nil && ctx.Err() == nil {
		a.log.LogAttrs(ctx, slog.LevelDebug, "a canary is judged by this replica alone", slog.String("route", run.route), slog.Any("error", err))
	}
	return err == nil
}

// agreeOnCanary takes the shared position, or writes this replica's when it is
// ahead: moved while Redis was away, or the first one there.
func (a *App) agreeOnCanary(ctx context.Context, client redis.UniversalClient, run *canaryRun) error {
	mine := run.control.Position()
	text, err := client.Get(ctx, a.canaryKey(run, "position")).Bytes()
	if errors.Is(err, redis.Nil) {
		_, err = a.writeCanary(ctx, client, run, mine, 0)
		return err
	}
	if err != nil {
		return err
	}
	var theirs canary.Position
	if err := json.Unmarshal(text, &theirs); err != nil {
		return err
	}
	if mine.Version > theirs.Version {
		_, err = a.writeCanary(ctx, client, run, mine, theirs.Version)
		return err
	}
	if run.control.Adopt(theirs) {
		a.log.LogAttrs(ctx, slog.LevelInfo, "canary moved by another replica", slog.String("route", run.route),
			slog.String("state", string(theirs.State)), slog.String("reason", theirs.Reason))
	}
	return nil
}

// casCanary makes a move for all replicas, unless another one was quicker.
func (a *App) casCanary(ctx context.Context, run *canaryRun, m canary.Move) bool {
	ok, err := a.writeCanary(ctx, a.sharedRedis(), run, m.To, m.From.Version)
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "a canary could not be moved in redis; it is tried again", slog.String("route", run.route), slog.Any("error", err))
	}
	return ok && err == nil
}

func (a *App) writeCanary(ctx context.Context, client redis.UniversalClient, run *canaryRun, p canary.Position, expected int64) (bool, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return false, err
	}
	n, err := client.Eval(ctx, setPosition, []string{a.canaryKey(run, "position")}, expected, text, canaryMemory.Milliseconds()).Int()
	return n == 1, err
}

// shareCanarySums adds what was counted here to the window's hash and reads it
// back, one field for each count.
func (a *App) shareCanarySums(ctx context.Context, client redis.UniversalClient, run *canaryRun) error {
	if !run.control.Judging() {
		return nil
	}
	window, d := run.control.Delta()
	key := a.canaryKey(run, "window:"+strconv.FormatInt(window, 10))
	pipe := client.TxPipeline()
	d.Each(func(field string, n int64) { pipe.HIncrBy(ctx, key, field, n) })
	pipe.PExpire(ctx, key, 24*time.Hour+4*run.settings.rules.Interval)
	all := pipe.HGetAll(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	total := sumsOf(all.Val())
	run.control.Told(window, &d, &total)
	for _, earlier := range run.control.Missing() {
		fields, err := client.HGetAll(ctx, a.canaryKey(run, "window:"+strconv.FormatInt(earlier, 10))).Result()
		if err != nil {
			return err
		}
		total := sumsOf(fields)
		run.control.Told(earlier, &canary.Sums{}, &total)
	}
	return nil
}

func sumsOf(fields map[string]string) (s canary.Sums) {
	for field, text := range fields {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			s.Set(field, n)
		}
	}
	return s
}

// canaryKey names a key of one canary. All keys of one lie on one node of a
// cluster. Other settings are another canary, so that replicas of two
// configurations do not mix while a new one is rolled out.
func (a *App) canaryKey(run *canaryRun, what string) string {
	h := fnv.New64a()
	settings, err := json.Marshal(struct {
		Candidate string
		Rules     canary.Rules
	}{run.settings.candidate, run.settings.rules})
	if err == nil {
		_, _ = h.Write(settings)
	}
	route := strings.NewReplacer("{", "%7B", "}", "%7D").Replace(run.route)
	return a.o.Config.Redis.Prefix + "canary:{" + route + ":" + strconv.FormatUint(h.Sum64(), 36) + "}:" + what
}
