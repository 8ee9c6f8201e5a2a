package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	fetchTimeout = 5 * time.Second
	maxJWKS      = 1 << 20 // bytes of a key set
)

// keySet is a remote key set, kept in memory. Requests read what is there. A
// fetch runs in the background, one at a time, when the set has grown old or
// a token names an unknown key, but no sooner than the interval allows. While
// fetches fail the old set goes on being used.
type keySet struct {
	o       *JWTOptions
	client  *http.Client
	own     *http.Transport // nil when the client was given
	ttl     time.Duration
	floor   time.Duration
	current atomic.Pointer[fetched]

	ctx    context.Context // ends with close; only fetches use it
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	flight chan struct{} // closed when the fetch in flight ends; nil = none
	next   time.Time     // no fetch starts before
}

type fetched struct {
	keys []verifyKey
	at   time.Time
}

func newKeySet(o *JWTOptions) *keySet {
	s := &keySet{o: o, client: o.Client, ttl: o.JWKSTTL, floor: o.JWKSInterval}
	if s.client == nil {
		s.own = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
		s.client = &http.Client{Transport: s.own, CheckRedirect: sameScheme}
	}
	if s.ttl <= 0 {
		s.ttl = DefaultJWKSTTL
	}
	if s.floor <= 0 {
		s.floor = DefaultJWKSInterval
	}
	// A fetch belongs to no request: it ends with close, not with a caller.
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// loaded returns the key set that is there, nil when there is none. An old one
// is fetched anew in the background.
func (s *keySet) loaded(now time.Time) *fetched {
	if s == nil {
		return nil
	}
	set := s.current.Load()
	if set != nil && now.Sub(set.at) >= s.ttl {
		s.refresh()
	}
	return set
}

// find returns the key set to verify a token with. When it does not know the
// token's key, it waits for the fetch in flight, or for one that may start now.
func (s *keySet) find(ctx context.Context, alg jose.SignatureAlgorithm, id string) (*fetched, error) {
	set := s.current.Load()
	if set == nil || !known(set.keys, alg, id) {
		if err := wait(ctx, s.refresh()); err != nil {
			return nil, err
		}
		set = s.current.Load()
	}
	if set == nil {
		return nil, &llm.Error{Kind: llm.KindOverloaded, Message: "tokens cannot be verified at present", RetryAfter: s.floor / 10}
	}
	return set, nil
}

// wait returns when done is closed, at once when it is nil, or with an error
// when ctx ends first.
func wait(ctx context.Context, done <-chan struct{}) error {
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return llm.ContextError(ctx)
	}
}

// refresh returns the end of the fetch in flight, which it starts when one is
// due; nil when it is too soon.
func (s *keySet) refresh() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if s.closed || s.flight == nil && now.Before(s.next) {
		return nil
	}
	if s.flight == nil {
		done := make(chan struct{})
		s.flight = done
		s.wg.Go(func() { s.run(done) })
	}
	return s.flight
}

// run makes one fetch and settles when the next may start.
func (s *keySet) run(done chan struct{}) {
	keys, err := s.fetch()
	now, pause := s.o.Now(), s.floor
	if err != nil {
		pause /= 10
	} else {
		s.current.Store(&fetched{keys: keys, at: now})
	}
	s.mu.Lock()
	s.flight, s.next = nil, now.Add(pause)
	s.mu.Unlock()
	close(done)
	if s.o.OnFetch != nil && s.ctx.Err() == nil {
		s.o.OnFetch(err)
	}
}

func (s *keySet) fetch() ([]verifyKey, error) {
	ctx, cancel := context.WithTimeout(s.ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.o.JWKSURL, nil)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("key set: status %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxJWKS+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("key set: %w", err)
	case len(body) > maxJWKS:
		return nil, fmt.Errorf("key set: more than %d bytes", maxJWKS)
	}
	keys, err := parseJWKS(body)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	return keys, nil
}

// close ends the fetch in flight and waits for it.
func (s *keySet) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
}

// sameScheme refuses redirects that leave HTTPS, and long chains of them.
func sameScheme(req *http.Request, via []*http.Request) error {
	if len(via) >= 5 || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("unsafe redirect")
	}
	return nil
}
