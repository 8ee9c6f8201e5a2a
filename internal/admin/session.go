package admin

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The life of a session of the page.
const (
	sessionCookie = "gateway_session"
	sessionLife   = 12 * time.Hour   // after the sign-in
	sessionIdle   = time.Hour        // after the last request
	sessionRenew  = 5 * time.Minute  // how old a cookie is before a newer one is sent
	signInPause   = 10 * time.Second // in which one more wrong token may be tried
	signInBurst   = 5                // wrong tokens in a row, from one address
	maxAddresses  = 1000             // that are remembered for a wrong token
	maxSignedOut  = 1000             // sessions that are remembered for having been ended
	csrfHeader    = "X-Gateway-CSRF"
)

// Sessions is what sign-ins leave behind: who tried wrong tokens, and which
// sessions were ended. It outlives a reload. A session itself is a signed
// cookie, keyed from the admin token, so that every replica takes it and a new
// token ends it; only its early end is known to the one replica that was told.
type Sessions struct {
	mu    sync.Mutex
	wrong map[string]tries
	ended map[nonce]time.Time // until when it could have been used
}

type nonce [16]byte

// tries are the wrong tokens that came from an address.
type tries struct {
	spent float64
	at    time.Time
}

// NewSessions returns Sessions of nobody.
func NewSessions() *Sessions {
	return &Sessions{wrong: map[string]tries{}, ended: map[nonce]time.Time{}}
}

// session is the content of a cookie.
type session struct {
	id     nonce
	issued time.Time // at the sign-in
	seen   time.Time // when the cookie was made
}

// sessionBytes is the size of a session without its signature.
const sessionBytes = 16 + 8 + 8

// key is what sessions are signed with.
func (a *API) sessionKey() []byte {
	h := hmac.New(sha256.New, []byte(a.o.Token))
	h.Write([]byte("llm-gateway session of the operators' page"))
	return h.Sum(nil)
}

func (a *API) seal(s session) string {
	b := make([]byte, 0, sessionBytes+sha256.Size)
	b = append(b, s.id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.issued.Unix()))
	b = binary.BigEndian.AppendUint64(b, uint64(s.seen.Unix()))
	h := hmac.New(sha256.New, a.sessionKey())
	h.Write(b)
	return base64.RawURLEncoding.EncodeToString(h.Sum(b))
}

// unseal returns the session of a cookie that is whole, and not too old.
func (a *API) unseal(value string) (s session, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) != sessionBytes+sha256.Size {
		return s, false
	}
	h := hmac.New(sha256.New, a.sessionKey())
	h.Write(b[:sessionBytes])
	if !hmac.Equal(h.Sum(nil), b[sessionBytes:]) {
		return s, false
	}
	copy(s.id[:], b)
	s.issued = time.Unix(int64(binary.BigEndian.Uint64(b[16:])), 0)
	s.seen = time.Unix(int64(binary.BigEndian.Uint64(b[24:])), 0)
	now := a.o.Now()
	return s, now.Before(s.issued.Add(sessionLife)) && now.Before(s.seen.Add(sessionIdle)) && !a.o.Sessions.over(s.id)
}

// inSession reports whether a request comes from a page that is signed in. A
// request that changes something must come from our own page, and say so in a
// header that no other page can send.
func (a *API) inSession(w http.ResponseWriter, r *http.Request) bool {
	if a.o.Sessions == nil {
		return false
	}
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return false
	}
	s, ok := a.unseal(c.Value)
	if !ok {
		return false
	}
	if now := a.o.Now(); now.Sub(s.seen) >= sessionRenew && !signsOut(r) {
		s.seen = now
		a.give(w, r, s)
	}
	return true
}

func signsOut(r *http.Request) bool {
	return r.Method == http.MethodDelete && r.URL.Path == sessionPath
}

// give sends the cookie of a session.
func (a *API) give(w http.ResponseWriter, r *http.Request, s session) {
	life := min(s.issued.Add(sessionLife).Sub(s.seen), sessionIdle)
	http.SetCookie(w, cookie(r, a.seal(s), int(life.Seconds())))
}

func cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is set whenever TLS is spoken; see below
		Name: sessionCookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		// A proxy that speaks TLS for us says so; that a liar can set the
		// flag too costs only the liar's own sign-in.
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// fromOurPage reports whether a request was made by a script of our own page.
func fromOurPage(r *http.Request) bool {
	if r.Header.Get(csrfHeader) == "" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		site := r.Header.Get("Sec-Fetch-Site")
		return site == "" || site == "same-origin"
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.Host == r.Host
}

func readOnly(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

const sessionPath = "/dashboard/session"

// signIn trades the admin token for a session.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) error {
	if !fromOurPage(r) {
		return llm.Errorf(llm.KindPermissionDenied, "this must come from the page itself")
	}
	from := addressOf(r)
	if wait := a.o.Sessions.wait(from, a.o.Now()); wait > 0 {
		e := llm.Errorf(llm.KindRateLimited, "too many wrong tokens; wait a moment")
		e.RetryAfter = wait
		return e
	}
	var body struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return llm.Invalid("token", "the body must be {\"token\": \"…\"}")
	}
	got := sha256.Sum256([]byte(body.Token))
	if subtle.ConstantTimeCompare(got[:], a.token[:]) != 1 {
		a.o.Sessions.mistaken(from, a.o.Now())
		a.audit(w, r, "sign-in", "refused")
		return llm.Errorf(llm.KindUnauthenticated, "the admin token is wrong")
	}
	s := session{issued: a.o.Now(), seen: a.o.Now()}
	_, _ = rand.Read(s.id[:]) // it never fails
	a.give(w, r, s)
	a.audit(w, r, "sign-in", "granted")
	return answer(w, signedIn{true})
}

type signedIn struct {
	SignedIn bool `json:"signed_in"`
}

func (a *API) whoAmI(w http.ResponseWriter, r *http.Request) error {
	return answer(w, signedIn{a.inSession(w, r)})
}

// signOut ends a session.
func (a *API) signOut(w http.ResponseWriter, r *http.Request) error {
	if !fromOurPage(r) {
		return llm.Errorf(llm.KindPermissionDenied, "this must come from the page itself")
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		if s, ok := a.unseal(c.Value); ok {
			a.o.Sessions.end(s.id, s.issued.Add(sessionLife))
			a.audit(w, r, "sign-out", "done")
		}
	}
	http.SetCookie(w, cookie(r, "", -1))
	return answer(w, signedIn{})
}

func addressOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// wait returns how long an address must wait before its next try.
func (s *Sessions) wait(from string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := s.wrong[from].now(now) - (signInBurst - 1)
	return max(time.Duration(over*float64(signInPause)), 0)
}

func (t tries) now(now time.Time) float64 {
	return max(t.spent-float64(now.Sub(t.at))/float64(signInPause), 0)
}

// mistaken counts a wrong token. When too many addresses try, the forgotten
// ones make room, and if there are none, all do.
func (s *Sessions) mistaken(from string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.wrong[from]; !known && len(s.wrong) >= maxAddresses {
		for k, t := range s.wrong {
			if t.now(now) == 0 {
				delete(s.wrong, k)
			}
		}
		if len(s.wrong) >= maxAddresses {
			clear(s.wrong)
		}
	}
	s.wrong[from] = tries{s.wrong[from].now(now) + 1, now}
}

func (s *Sessions) over(id nonce) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, over := s.ended[id]
	return over
}

// end remembers that a session is over until it would be in any case.
func (s *Sessions) end(id nonce, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) >= maxSignedOut {
		soonest, at := id, until
		for k, t := range s.ended {
			if t.Before(at) {
				soonest, at = k, t
			}
		}
		delete(s.ended, soonest)
	}
	s.ended[id] = until
}
