package limits

import (
	"errors"
	"net/url"

	"github.com/redis/go-redis/v9"
)

var errURL = errors.New("not a Redis URL") // the cause would show the password

// dial makes the client for a URL. There are no retries: a script that was
// perhaps executed must not be executed again.
func dial(o RedisOptions) (redis.UniversalClient, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, errURL
	}
	const none, conns = -1, 64
	switch q := u.Query(); {
	case q.Has("master_name"):
		f, err := redis.ParseFailoverURL(o.URL)
		if err != nil {
			return nil, errURL
		}
		f.MaxRetries, f.PoolSize, f.DialTimeout, f.ReadTimeout, f.WriteTimeout, f.PoolTimeout = none, conns, o.Timeout, o.Timeout, o.Timeout, o.Timeout
		f.ContextTimeoutEnabled, f.DisableIdentity = true, true
		return redis.NewFailoverClient(f), nil
	case q.Has("addr"):
		c, err := redis.ParseClusterURL(o.URL)
		if err != nil {
			return nil, errURL
		}
		c.MaxRetries, c.PoolSize, c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = none, conns, o.Timeout, o.Timeout, o.Timeout, o.Timeout
		c.ContextTimeoutEnabled, c.DisableIdentity = true, true
		return redis.NewClusterClient(c), nil
	}
	s, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, errURL
	}
	s.MaxRetries, s.PoolSize, s.DialTimeout, s.ReadTimeout, s.WriteTimeout, s.PoolTimeout = none, conns, o.Timeout, o.Timeout, o.Timeout, o.Timeout
	s.ContextTimeoutEnabled, s.DisableIdentity, s.DialerRetries = true, true, 1
	return redis.NewClient(s), nil
}
