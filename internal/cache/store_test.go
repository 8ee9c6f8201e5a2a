package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

func numbered(n int) (k Key) {
	binary.LittleEndian.PutUint64(k[:8], uint64(n)) //nolint:gosec // small
	return k
}

func TestMemoryForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(MemoryOptions{MaxSize: 10 * (1000 + nodeSize), MaxEntry: 8000})
		if len(m.shards) != 1 {
			t.Fatalf("%d shards", len(m.shards))
		}
		for i := range 10 {
			m.Put(numbered(i), make([]byte, 1000), time.Duration(i+1)*time.Minute)
		}
		m.Get(t.Context(), numbered(0), numbered(0)) // the oldest, just used
		m.Put(numbered(10), make([]byte, 1000), time.Hour)
		for i, want := range []bool{true, false, true} {
			if _, ok := m.Get(t.Context(), numbered(i), numbered(99)); ok != want {
				t.Errorf("%d is there: %v", i, ok)
			}
		}
		time.Sleep(time.Minute)
		if _, ok := m.Get(t.Context(), numbered(99), numbered(0)); ok {
			t.Error("an entry outlives its time")
		}
		m.Put(numbered(3), []byte("new"), time.Hour)
		if v, ok := m.Get(t.Context(), numbered(99), numbered(3)); !ok || string(v) != "new" {
			t.Errorf("%q", v)
		}
		m.Put(numbered(4), make([]byte, 20_000), time.Hour)
		if n, size := m.Size(); n != 8 || size != 7*(1000+nodeSize)+3+nodeSize {
			t.Errorf("%d entries, %d bytes", n, size)
		}
	})
}

// TestMemoryIsBounded: whatever comes, from however many.
func TestMemoryIsBounded(t *testing.T) {
	m := NewMemory(MemoryOptions{MaxSize: 1 << 20, MaxEntry: 8 << 10})
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 2000 {
				k := Key{byte(w), byte(i), byte(i >> 8)}
				m.Put(k, make([]byte, i%(8<<10)), time.Minute)
				m.Get(t.Context(), k, numbered(i))
			}
		})
	}
	all.Wait()
	n, size := m.Size()
	var real int64
	for i := range m.shards {
		for _, node := range m.shards[i].m {
			real += node.size()
		}
	}
	if size > 1<<20 || size < 1<<18 || size != real || n == 0 {
		t.Errorf("%d entries, %d bytes, really %d", n, size, real)
	}
}

func redisOf(t *testing.T, addr string, failed func(string)) *Redis {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1, DialTimeout: 50 * time.Millisecond, ReadTimeout: 50 * time.Millisecond})
	r := NewRedis(RedisOptions{Client: c, Prefix: "gw:", Timeout: 100 * time.Millisecond, Failed: failed})
	t.Cleanup(func() {
		_ = r.Close()
		_ = c.Close()
	})
	return r
}

func TestRedisKeeps(t *testing.T) {
	mr := miniredis.RunT(t)
	r := redisOf(t, mr.Addr(), func(op string) { t.Errorf("%s failed", op) })
	if _, ok := r.Get(t.Context(), numbered(1), numbered(2)); ok {
		t.Error("there is something in an empty Redis")
	}
	r.Put(numbered(2), []byte("two"), time.Minute)
	for ok := false; !ok; {
		var v []byte
		if v, ok = r.Get(t.Context(), numbered(1), numbered(2)); ok && string(v) != "two" {
			t.Errorf("%q", v)
		}
	}
	if ttl := mr.TTL(r.name(numbered(2))); ttl != time.Minute {
		t.Errorf("it lives for %v", ttl)
	}
	mr.FastForward(time.Minute)
	if _, ok := r.Get(t.Context(), numbered(2), numbered(1)); ok {
		t.Error("it outlives its time")
	}
}

// TestRedisAway: failures are misses, and soon nobody waits for it.
func TestRedisAway(t *testing.T) {
	mr := miniredis.RunT(t)
	var reads, writes atomic.Int32
	r := redisOf(t, mr.Addr(), func(op string) {
		if op == "read" {
			reads.Add(1)
		} else {
			writes.Add(1)
		}
	})
	mr.SetError("LOADING")
	before := mr.CommandCount()
	for range 20 {
		if _, ok := r.Get(t.Context(), numbered(1), numbered(2)); ok {
			t.Fatal("an answer out of nothing")
		}
	}
	if asked := mr.CommandCount() - before; reads.Load() != 20 || asked > 12 {
		t.Errorf("%d failures, %d commands", reads.Load(), asked)
	}
	mr.SetError("")
	r.rest.Store(1) // the rest is over
	if _, ok := r.Get(t.Context(), numbered(1), numbered(2)); ok || reads.Load() != 20 || r.rest.Load() != 0 {
		t.Errorf("it does not come back: %d failures", reads.Load())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := r.Get(ended, numbered(1), numbered(2)); ok || reads.Load() != 20 {
		t.Error("a client that left counts as a failure of Redis")
	}
}

// TestRedisQueueIsBounded: what finds no room is dropped and counted.
func TestRedisQueueIsBounded(t *testing.T) {
	var lost atomic.Int32
	r := &Redis{o: RedisOptions{Failed: func(string) { lost.Add(1) }}, queue: make(chan write, maxWaiting)}
	for range 10 {
		r.Put(numbered(1), make([]byte, 1<<20), time.Minute)
	}
	if lost.Load() != 2 || r.waiting.Load() != maxWaitingBytes {
		t.Errorf("%d are lost, %d bytes wait", lost.Load(), r.waiting.Load())
	}
	for range maxWaiting {
		r.Put(numbered(1), nil, time.Minute)
	}
	if lost.Load() != 2+8 {
		t.Errorf("%d are lost", lost.Load())
	}
}

func BenchmarkMemory(b *testing.B) {
	m := NewMemory(MemoryOptions{})
	for i := range 100 {
		m.Put(numbered(i), []byte(fmt.Sprint(i)), time.Hour)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Get(b.Context(), numbered(5), numbered(6))
	}
}
