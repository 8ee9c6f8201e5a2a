package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver is a transport whose other side answers as told.
type receiver struct {
	mu     sync.Mutex
	got    []seen
	answer func(n int, r *http.Request) (int, error) // n counts from 0; nil = 200
}

type seen struct {
	url    string
	header http.Header
	body   []byte
	at     time.Time
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	n := len(r.got)
	r.got = append(r.got, seen{req.URL.String(), req.Header, body, time.Now()})
	r.mu.Unlock()
	status := 200
	if r.answer != nil {
		if status, err = r.answer(n, req); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

func (r *receiver) all() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// counts is an Observer.
type counts struct {
	mu sync.Mutex
	m  map[string]int
}

func (c *counts) add(k string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[string]int{}
	}
	c.m[k]++
}

func (c *counts) Alerted(kind string)     { c.add(kind) }
func (c *counts) Delivered(result string) { c.add(result) }

func (c *counts) of(k string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.m[k]
}

func closeIt(t *testing.T, n *Notifier) {
	t.Helper()
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

const (
	hookURL = "https://hooks.example/T0/secret-path-0000?token=secret-query-0000"
	hookKey = "hook-key-0000"
)

func TestDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r, c := &receiver{}, &counts{}
		n := New(Options{
			Gateway: "gw-1", Transport: r, Observer: c, Logger: slog.New(slog.NewJSONHandler(&log, nil)),
			Hooks: []Hook{{URL: hookURL, Secret: hookKey, Events: []string{CircuitOpened}}, {URL: "http://all.example/"}},
		})
		at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.FixedZone("", 7200))
		n.Notify(Event{Kind: CircuitOpened, Subject: "a/b", Message: "it opened", Time: at, Facts: []Fact{{"requests", "20"}}})
		n.Notify(Event{Kind: CircuitClosed, Subject: "a/b", Message: "it closed"})
		synctest.Wait()
		closeIt(t, n)
		got := r.all()
		if len(got) != 3 || c.of(Delivered) != 3 || c.of(CircuitOpened) != 1 || c.of(CircuitClosed) != 1 {
			t.Fatalf("%d deliveries, counted %v", len(got), c.m)
		}
		first := got[0]
		want := `{"kind":"circuit_opened","subject":"a/b","message":"it opened","time":"2026-05-06T05:08:09Z","gateway":"gw-1","facts":{"requests":"20"}}`
		if first.url != hookURL || string(first.body) != want {
			t.Errorf("%s got %s", first.url, first.body)
		}
		if got := first.header.Get(HeaderSignature); got != Sign(hookKey, first.at, first.body) {
			t.Errorf("signature %q", got)
		}
		if first.header.Get(HeaderEvent) != CircuitOpened || first.header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", first.header)
		}
		if got[1].header.Get(HeaderSignature) != "" || got[1].header.Get(HeaderDelivery) == first.header.Get(HeaderDelivery) {
			t.Errorf("the second hook got %v", got[1].header)
		}
		if text := log.String(); !strings.Contains(text, `"level":"WARN","msg":"it opened","alert":"circuit_opened","subject":"a/b","requests":"20"`) ||
			!strings.Contains(text, `"level":"INFO","msg":"it closed"`) {
			t.Errorf("log: %s", text)
		}
	})
}

// TestSign compares with a value computed by another implementation:
// printf '1700000000.{}' | openssl dgst -sha256 -hmac key
func TestSign(t *testing.T) {
	const want = "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
	if got := Sign("key", time.Unix(1700000000, 5), []byte("{}")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRetries: what may pass is tried again with growing waits, under the same
// id and a fresh signature; what will not is not.
func TestRetries(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answers []int // 0 = no answer
		tries   int
		result  string
	}{
		{"at once", []int{204}, 1, Delivered},
		{"after failures", []int{500, 429, 0, 200}, 4, Delivered},
		{"never", []int{503, 503, 503, 503, 503, 503, 503}, 5, Failed},
		{"refused", []int{404, 200}, 1, Failed},
		{"redirected elsewhere", []int{302, 200}, 1, Failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c := &counts{}
				r := &receiver{answer: func(n int, _ *http.Request) (int, error) {
					if tc.answers[n] == 0 {
						return 0, errors.New("cut: " + hookURL)
					}
					return tc.answers[n], nil
				}}
				n := New(Options{Transport: r, Observer: c, Hooks: []Hook{{URL: hookURL, Secret: hookKey}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				n.Notify(Event{Kind: RedisLost})
				<-time.After(time.Hour)
				got := r.all()
				if len(got) != tc.tries || c.of(tc.result) != 1 {
					t.Errorf("%d tries, %v", len(got), c.m)
				}
				for _, s := range got {
					if s.header.Get(HeaderDelivery) != got[0].header.Get(HeaderDelivery) || s.header.Get(HeaderSignature) != Sign(hookKey, s.at, s.body) {
						t.Errorf("headers %v", s.header)
					}
				}
				if text := log.String(); strings.Contains(text, "secret-") || strings.Contains(text, hookKey) || tc.result == Failed && !strings.Contains(text, "hooks.example") {
					t.Errorf("log: %s", text)
				}
				closeIt(t, n)
			})
		})
	}
}

// TestDeadHookHoldsNobodyUp: another hook's events go out while one is down.
func TestDeadHookHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(_ int, req *http.Request) (int, error) {
			if req.URL.Host == "dead.example" {
				<-req.Context().Done()
				return 0, req.Context().Err()
			}
			return 200, nil
		}}
		c := &counts{}
		n := New(Options{Transport: r, Observer: c, Hooks: []Hook{{URL: "http://dead.example", Timeout: time.Second}, {URL: "http://alive.example"}}})
		for range 3 {
			n.Notify(Event{Kind: RedisLost})
		}
		<-time.After(4 * time.Second)
		if c.of(Delivered) != 3 {
			t.Errorf("%v: the dead one delays the other", c.m)
		}
		<-time.After(time.Hour)
		if c.of(Failed) != 3 {
			t.Errorf("%v", c.m)
		}
		closeIt(t, n)
	})
}

// TestNeverBlocks: with a receiver that hangs, what exceeds the queue is dropped.
func TestNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(_ int, req *http.Request) (int, error) {
			<-req.Context().Done()
			return 0, req.Context().Err()
		}}
		c := &counts{}
		n := New(Options{Transport: r, Observer: c, Queue: 4, Hooks: []Hook{{URL: "http://hangs.example", Timeout: time.Minute}}})
		n.Notify(Event{Kind: RedisLost})
		synctest.Wait() // it is under way and no longer waits
		began := time.Now()
		for range 10 {
			n.Notify(Event{Kind: RedisLost})
		}
		if took := time.Since(began); took != 0 || c.of(Dropped) != 6 || c.of(RedisLost) != 11 {
			t.Errorf("after %v: %v", took, c.m)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := n.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the end: %v", err)
		}
		if took := time.Since(began); took != 3*time.Second || c.of(Dropped)+c.of(Failed) != 11 {
			t.Errorf("the end after %v: %v", took, c.m)
		}
	})
}

// TestCloseFlushes: what waits, and what waits for another try, is tried once
// more at once; nothing is taken on afterwards.
func TestCloseFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(n int, _ *http.Request) (int, error) {
			if n == 0 {
				return 503, nil
			}
			return 200, nil
		}}
		c := &counts{}
		n := New(Options{Transport: r, Observer: c, Hooks: []Hook{{URL: "http://h.example"}}})
		n.Notify(Event{Kind: RedisLost})
		synctest.Wait()
		n.Notify(Event{Kind: RedisRestored})
		closeIt(t, n)
		if c.of(Delivered) != 2 {
			t.Errorf("%v", c.m)
		}
		n.Notify(Event{Kind: RedisLost})
		if c.of(Dropped) != 1 || c.of(RedisLost) != 2 {
			t.Errorf("after the end: %v", c.m)
		}
		closeIt(t, n)
	})
}

func TestSetHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		n := New(Options{Transport: r})
		n.Notify(Event{Kind: RedisLost})
		n.SetHooks([]Hook{{URL: "http://new.example"}})
		n.Notify(Event{Kind: RedisRestored})
		closeIt(t, n)
		if got := r.all(); len(got) != 1 || got[0].url != "http://new.example" {
			t.Errorf("%+v", got)
		}
	})
}

func TestNilTellsNobody(t *testing.T) {
	var n *Notifier
	n.Notify(Event{Kind: RedisLost}) // must not panic
	if len(Kinds()) != 10 || slices.Contains(Kinds(), "") {
		t.Errorf("%v", Kinds())
	}
}

// TestRealHTTP: redirects within the host are followed, body and signature
// included, to another host they are not.
func TestRealHTTP(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was told") }))
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/here", http.StatusTemporaryRedirect)
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		default:
			if err != nil || !json.Valid(body) || r.Header.Get(HeaderSignature) == "" {
				t.Errorf("%s got %s, %v", r.URL.Path, body, err)
			}
		}
	}))
	defer srv.Close()
	c := &counts{}
	n := New(Options{Observer: c, Hooks: []Hook{{URL: srv.URL + "/moved", Secret: hookKey}, {URL: srv.URL + "/away", Secret: hookKey}}})
	n.Notify(Event{Kind: RedisLost, Message: "x"})
	closeIt(t, n)
	if c.of(Delivered) != 1 || c.of(Failed) != 1 || !slices.Equal(paths, []string{"/moved", "/here", "/away"}) {
		t.Errorf("%v %v", c.m, paths)
	}
}

// TestNoAnswerNamesNoAddress: a refused connection, a name that does not
// resolve and nonsense in the address show nothing of its path.
func TestNoAnswerNamesNoAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	n := New(Options{Tries: 1, Logger: slog.New(slog.NewTextHandler(&log, nil)), Hooks: []Hook{
		{URL: "http://" + addr + "/secret-path"}, {URL: "http://name.invalid/secret-path", Timeout: time.Second}, {URL: "http://%zz/secret-path"}, {URL: "gopher://h/secret-path"},
	}})
	n.Notify(Event{Kind: RedisLost})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "a webhook was not told") != 4 {
		t.Errorf("log: %s", text)
	}
}

// TestCounts: every kind is there, a nil Notifier's too, and each event counts
// once, whether a webhook wants it or not.
func TestCounts(t *testing.T) {
	n := New(Options{Hooks: []Hook{{URL: "https://hook.example", Events: []string{RedisLost}}}, Transport: &receiver{}})
	defer func() {
		if err := n.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, kind := range []string{CircuitOpened, RedisLost, CircuitOpened} {
		n.Notify(Event{Kind: kind})
	}
	got := n.Counts()
	if len(got) != len(Kinds()) || got[CircuitOpened] != 2 || got[RedisLost] != 1 || got[CircuitClosed] != 0 {
		t.Errorf("%v", got)
	}
	got[CircuitOpened] = 99
	if n.Counts()[CircuitOpened] != 2 {
		t.Error("the counts are the caller's to change")
	}
	if none := (*Notifier)(nil).Counts(); len(none) != len(Kinds()) {
		t.Errorf("nil: %v", none)
	}
}
