package provider

import (
	"context"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// When an access token is fetched.
const (
	tokenAhead   = 5 * time.Minute  // before its end a token is replaced in the background
	tokenMargin  = 10 * time.Second // before its end a token is not used any more
	tokenTimeout = 30 * time.Second // for one exchange with the token server
	tokenBackoff = time.Second      // after a failure, doubled with each up to
	tokenLimit   = 30 * time.Second
	tokenForced  = time.Minute // a token that replaced a refused one counts as good for this long
)

// TokenSource obtains one access token. Errors are *llm.Error and hold no
// secret.
type TokenSource interface {
	Token(ctx context.Context) (AccessToken, error)
}

// AccessToken is a secret with a lifetime. It prints masked.
type AccessToken struct {
	Value Credential
	Life  time.Duration // from now
}

// Tokens are Credentials that consist of one access token at a time, shared by
// all calls. A call that finds the token near its end has it replaced in the
// background and goes on with it; only without a valid token do calls wait, all
// for the same exchange. A token that the provider refuses is replaced once.
type Tokens struct {
	source      TokenSource
	now         func() time.Time
	fingerprint string

	ctx    context.Context // of the exchanges; ended by Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	cred    Credential // empty = none yet, or refused
	ends    time.Time  // not used from then on
	renew   time.Time  // replaced from then on
	forced  time.Time  // when it replaced a refused one; zero = it did not
	refused bool       // the next one replaces a refused one
	used    time.Time
	flight  *flight // the exchange under way; nil when there is none
	fails   int     // in a row
	again   time.Time
	err     *llm.Error // of the last exchange, when it failed
}

// flight is one exchange with the token server.
type flight struct {
	done chan struct{}
	cred Credential
	err  *llm.Error
}

// TokensOptions makes Tokens.
type TokensOptions struct {
	Source   TokenSource
	Identity string           // whose tokens they are, for the fingerprint; it is not shown itself
	Now      func() time.Time // nil = time.Now
}

// NewTokens makes Tokens. The first token is fetched for the first call.
func NewTokens(o TokensOptions) *Tokens {
	t := &Tokens{source: o.Source, now: o.Now}
	if t.now == nil {
		t.now = time.Now
	}
	// A fingerprint of each token would make a new metric series each hour.
	if id, err := NewCredential(o.Identity); err == nil {
		t.fingerprint = id.Fingerprint()
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Close ends and awaits the exchange under way. Calls that come later fetch
// their token themselves.
func (t *Tokens) Close() error {
	t.cancel()
	t.wg.Wait()
	return nil
}

// Pick returns the access token. It waits for one, as long as ctx lasts, when
// there is none that is valid.
func (t *Tokens) Pick(ctx context.Context) (Credential, error) {
	t.mu.Lock()
	now := t.now()
	t.used = now
	if !t.cred.Empty() && now.Before(t.ends) {
		cred := t.cred
		if !now.Before(t.renew) && !now.Before(t.again) {
			t.start()
		}
		t.mu.Unlock()
		return cred, nil
	}
	if t.err != nil && now.Before(t.again) {
		defer t.mu.Unlock()
		return Credential{}, t.err
	}
	f := t.start()
	t.mu.Unlock()
	if f == nil {
		return t.fetchHere(ctx)
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return Credential{}, llm.ContextError(ctx)
	}
	switch {
	case f.err == nil:
		return f.cred, nil
	case f.err.Kind == llm.KindCanceled: // by Close, not by this call
		return t.fetchHere(ctx)
	}
	return Credential{}, f.err
}

// start begins an exchange unless one is under way. It returns nil once Tokens
// are closed. The lock is held.
func (t *Tokens) start() *flight {
	if t.ctx.Err() != nil {
		return nil
	}
	if t.flight == nil {
		f := &flight{done: make(chan struct{})}
		t.flight = f
		t.wg.Go(func() {
			defer close(f.done)
			f.cred, f.err = t.fetch(t.ctx)
		})
	}
	return t.flight
}

// fetchHere is the exchange of a call that outlives Close, as one of before a
// reload may.
func (t *Tokens) fetchHere(ctx context.Context) (Credential, error) {
	cred, err := t.fetch(ctx)
	if err != nil {
		return Credential{}, err
	}
	return cred, nil
}

// fetch makes one exchange and keeps what came of it.
func (t *Tokens) fetch(ctx context.Context) (Credential, *llm.Error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	tok, err := t.source.Token(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flight = nil
	now := t.now()
	if err != nil {
		t.err = llm.AsError(err)
		t.again = now.Add(min(tokenBackoff<<min(t.fails, 8), tokenLimit))
		t.fails++
		return Credential{}, t.err
	}
	t.fails, t.err, t.again = 0, nil, time.Time{}
	t.cred, t.ends = tok.Value, now.Add(tok.Life-min(tokenMargin, tok.Life/10))
	t.renew = now.Add(tok.Life - min(tokenAhead, tok.Life/4))
	t.forced = time.Time{}
	if t.refused {
		t.refused, t.forced = false, now
	}
	return tok.Value, nil
}

// Report drops a token that the provider refused, so that the next call gets
// another. One that has just replaced a refused token stays: the account lacks
// a right, and no token will change that.
func (t *Tokens) Report(used Credential, e *llm.Error) bool {
	if used.Empty() || e.Kind != llm.KindUpstreamAuth || e.Status != 401 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case used != t.cred:
		return true // it has been replaced meanwhile
	case !t.forced.IsZero() && t.now().Before(t.forced.Add(tokenForced)):
		return false
	}
	t.cred, t.refused = Credential{}, true
	return true
}

// Uses says when a token was last sent, under the fingerprint of whose it is.
func (t *Tokens) Uses() []CredentialUse {
	t.mu.Lock()
	defer t.mu.Unlock()
	return []CredentialUse{{Fingerprint: t.fingerprint, LastUsed: t.used}}
}
