package app

import (
	"errors"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// One client serves the limits and all else, and goes when the gateway does.
func TestSharedRedis(t *testing.T) {
	mr := miniredis.RunT(t)
	r := start(t, "", map[string]string{"REDIS_URL": "redis://" + mr.Addr()})
	a := r.app
	c := a.sharedRedis()
	if c == nil || c != a.sharedRedis() || c != a.redis.Client() {
		t.Fatalf("the client is %v", c)
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()).Err(); !errors.Is(err, redis.ErrClosed) {
		t.Errorf("after the end a command fails with %v", err)
	}
}

func TestNoSharedRedis(t *testing.T) {
	if c := start(t, "", nil).app.sharedRedis(); c != nil {
		t.Errorf("without redis.url there is a client: %v", c)
	}
}
