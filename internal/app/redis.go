package app

import "github.com/redis/go-redis/v9"

// sharedRedis returns the one Redis client of the gateway, nil when redis.url
// is empty. The engine of the limits makes and closes it, last of all, so that
// nobody else does; it does not retry, and no command of it waits longer than
// redis.timeout.
func (a *App) sharedRedis() redis.UniversalClient {
	if a.redis == nil {
		return nil
	}
	return a.redis.Client()
}
