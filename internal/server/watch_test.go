package server

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// watcher keeps what a server tells of calls.
type watcher struct {
	mu   sync.Mutex
	seen []CallRecord
}

func (w *watcher) told(r *CallRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, *r)
}

func (w *watcher) all() []CallRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]CallRecord{}, w.seen...)
}

func TestCallsAreWatched(t *testing.T) {
	w := &watcher{}
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		switch {
		case c.Model == "none":
			return nil, llm.Errorf(llm.KindNotFound, "no such model")
		case c.Stream:
			c.Meta.Route = "chat"
			return streamOf(&fakeStream{events: append(texts("a", "b"), finish()...), err: io.EOF}, 0), nil
		}
		c.Meta.Route, c.Meta.Path = "chat", "a/b:timeout>prov/m-1"
		return answer("hi"), nil
	}, func(o *Options) {
		o.Snapshot.Watch = w.told
		o.Snapshot.Auth = keys(map[string]string{"sk-test-0000": "app"})
	})
	const key = "Authorization: Bearer sk-test-0000"
	for _, body := range []string{`{"model":"chat","prompt":"x"}`, `{"model":"chat","prompt":"x","stream":true}`, `{"model":"none","prompt":"x"}`} {
		h.do("POST", genPath, body, key)
		h.wait()
	}
	h.do("POST", genPath, `{"prompt":"x"}`)
	h.wait()
	h.do("GET", "/healthz", "")
	h.do("GET", genPath, "", key)
	h.do("POST", batchPath, `{"requests":[{"model":"chat","prompt":"x"},{"model":"none","prompt":"y"}],"concurrency":1}`, key)
	h.wait()
	got := w.all()
	if len(got) != 6 {
		t.Fatalf("%d records: %+v", len(got), got)
	}
	for i, want := range []CallRecord{
		{Key: "app", Route: "chat", Provider: "prov", Model: "m-1", Path: "a/b:timeout>prov/m-1", Routed: true, Priced: true, Status: 200, Attempts: 2, Usage: usage9, Cost: 9_000_000},
		{Key: "app", Route: "chat", Provider: "prov", Model: "m-1", Routed: true, Stream: true, Priced: true, Status: 200, Attempts: 1, Usage: usage9, Cost: 9_000_000},
		{Key: "app", Route: "none", Kind: "not_found", Status: 404},
		{Kind: "unauthenticated", Status: 401},
		{Key: "app", Route: "chat", Provider: "prov", Model: "m-1", Path: "a/b:timeout>prov/m-1", Routed: true, Priced: true, Status: 200, Attempts: 2, Usage: usage9, Cost: 9_000_000},
		{Key: "app", Route: "none", Kind: "not_found", Status: 404},
	} {
		r := got[i]
		if r.Time.IsZero() || r.Took <= 0 || r.RequestID == "" || r.Stream != (r.FirstToken > 0) {
			t.Errorf("record %d: %+v", i, r)
		}
		r.Time, r.RequestID, r.Took, r.FirstToken = time.Time{}, "", 0, 0
		if r != want {
			t.Errorf("record %d:\n%+v, want\n%+v", i, r, want)
		}
	}
	if !strings.HasSuffix(got[5].RequestID, "-1") {
		t.Errorf("an item is called %s", got[5].RequestID)
	}
}

// TestLoad: streams are counted from their head to their end.
func TestLoad(t *testing.T) {
	release := make(chan struct{})
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) {
		return streamOf(&fakeStream{events: append(texts("a"), finish()...), err: io.EOF, before: func(i int) {
			if i == 2 {
				<-release
			}
		}}, 0), nil
	})
	done := make(chan struct{})
	go func() { h.do("POST", genPath, `{"prompt":"x","stream":true}`); close(done) }()
	for {
		if r, s := h.Load(); r == 1 && s == 1 {
			break
		}
		<-time.After(time.Millisecond)
	}
	close(release)
	<-done
	h.wait()
	for {
		if r, s := h.Load(); r == 0 && s == 0 {
			break
		}
		<-time.After(time.Millisecond)
	}
	if h.Draining() {
		t.Error("it drains")
	}
}

func TestRate(t *testing.T) {
	h := serve(t, nil)
	if _, ok := h.Rate(); ok {
		t.Error("a rate without a limit")
	}
	n := *h.snap.Load()
	n.Limit = NewLimit(10, 20)
	h.Swap(&n)
	h.snap.Load().Limit.take(time.Now())
	r, ok := h.Rate()
	if !ok || r.RPS != 10 || r.Burst != 20 || r.Left < 19 || r.Reset > 100*time.Millisecond {
		t.Errorf("got %+v", r)
	}
}
