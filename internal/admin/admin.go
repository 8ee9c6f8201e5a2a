// Package admin is the operators' API: what stands under /admin/v1/. Each
// endpoint is one row in (*API).routes, one file here and its description in
// openapi.yaml; the server hands every path below the prefix over.
//
// Ownership: an API keeps no state and starts no goroutine; what it shows and
// does belongs to the rooms whose small interfaces Options names.
package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/native"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Options makes an API.
type Options struct {
	Token  string           // what operators present as a bearer token; "" = there is no such API
	Logger *slog.Logger     // for causes that are not the operator's business, and for the audit; nil = none
	Now    func() time.Time // nil = time.Now

	// The rooms that the endpoints show. What is nil has no endpoints.
	Usage       UsageReader
	Gateway     Gateway
	Credentials CredentialLister
	Limits      LimitReader
	Traffic     TrafficReader
	Settings    Settings
	Canaries    Canaries
	Sessions    *Sessions // nil: there is no page
	Keys        KeyKeeper
	Tenants     TenantLister
	Shadows     Shadows
}

// API answers operators.
type API struct {
	o     Options
	token [sha256.Size]byte
	mux   *http.ServeMux

	profiling atomic.Bool // a rate of the runtime is switched on for a profile
}

// New makes the handler for the paths under /admin/v1/.
func New(o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &API{o: o, token: sha256.Sum256([]byte(o.Token)), mux: http.NewServeMux()}
	a.register(a.routes())
	if o.Sessions != nil {
		a.register(a.pageRoutes())
	}
	return a
}

// register adds the rows, and for each path an answer to other methods.
func (a *API) register(rows []row) {
	allowed := map[string][]string{}
	for _, r := range rows {
		if !r.on {
			continue
		}
		method, path, _ := strings.Cut(r.pattern, " ")
		allowed[path] = append(allowed[path], method)
		if method == http.MethodGet {
			allowed[path] = append(allowed[path], http.MethodHead)
		}
		a.handle(r.pattern, r.run)
	}
	for path, methods := range allowed {
		slices.Sort(methods)
		allow := strings.Join(methods, ", ")
		a.handle(path, func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Allow", allow)
			return &statusError{http.StatusMethodNotAllowed, llm.Errorf(llm.KindInvalidRequest, "the method is not allowed here; use %s", allow)}
		})
	}
}

func (a *API) handle(pattern string, run func(http.ResponseWriter, *http.Request) error) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := run(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// statusError is an error whose status says more than its kind.
type statusError struct {
	status int
	err    *llm.Error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// row is one endpoint.
type row struct {
	pattern string // of http.ServeMux
	on      bool   // Options has what it needs
	run     func(http.ResponseWriter, *http.Request) error
}

// routes is the whole API.
func (a *API) routes() []row {
	return []row{
		{"GET /admin/v1/usage", a.o.Usage != nil, a.usage},
		{"GET /admin/v1/status", a.o.Gateway != nil, a.status},
		{"GET /admin/v1/providers", a.o.Gateway != nil, a.providers},
		{"GET /admin/v1/routes", a.o.Gateway != nil, a.routesInForce},
		{"GET /admin/v1/credentials", a.o.Credentials != nil, a.credentials},
		{"GET /admin/v1/limits", a.o.Limits != nil, a.limits},
		{"GET /admin/v1/keys", a.o.Keys != nil, a.listKeys},
		{"POST /admin/v1/keys", a.o.Keys != nil, a.createKey},
		{"DELETE /admin/v1/keys/{name}", a.o.Keys != nil, a.revokeKey},
		{"GET /admin/v1/tenants", a.o.Tenants != nil, a.listTenants},
		{"GET /admin/v1/requests", a.o.Traffic != nil, a.requests},
		{"GET /admin/v1/overview", a.o.Traffic != nil, a.overview},
		{"GET /admin/v1/config", a.o.Settings != nil, a.config},
		{"GET /admin/v1/debug/pprof/{name}", true, a.profile},
		{"POST /admin/v1/reload", a.o.Settings != nil, a.reload},
		{"GET /admin/v1/shadows", a.o.Shadows != nil, a.shadows},
		{"GET /admin/v1/canaries", a.o.Canaries != nil, a.canaries},
		{"POST /admin/v1/canaries/{route}", a.o.Canaries != nil, a.steerCanary},
	}
}

// pageRoutes are those of the page, which are open: the page asks for the token
// itself.
func (a *API) pageRoutes() []row {
	rows := []row{
		{"GET /dashboard", true, a.page},
		{"GET /dashboard/{$}", true, a.page},
		{"GET " + sessionPath, true, a.whoAmI},
		{"POST " + sessionPath, true, a.signIn},
		{"DELETE " + sessionPath, true, a.signOut},
	}
	for _, name := range pageNames() {
		rows = append(rows, row{"GET /dashboard/" + name, true, a.page})
	}
	return rows
}

// ServeHTTP answers operators alone. Without a token in the configuration
// nothing here exists.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, pattern := a.mux.Handler(r)
	switch {
	case a.o.Token == "":
		a.fail(w, r, llm.Errorf(llm.KindNotFound, "there is no such path"))
	case strings.HasPrefix(r.URL.Path, "/dashboard") && pattern != "":
		w.Header().Set("Cache-Control", "no-store")
		a.mux.ServeHTTP(w, r)
	case r.Header["Authorization"] == nil && a.inSession(w, r):
		if !readOnly(r) && !fromOurPage(r) {
			a.fail(w, r, llm.Errorf(llm.KindPermissionDenied, "a change must come from the page itself, with the header %s", csrfHeader))
			return
		}
		a.serve(w, r, pattern)
	case !a.authorized(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		a.fail(w, r, llm.Errorf(llm.KindUnauthenticated, "the admin token is missing or wrong"))
	default:
		a.serve(w, r, pattern)
	}
}

// serve answers who may ask.
func (a *API) serve(w http.ResponseWriter, r *http.Request, pattern string) {
	if pattern == "" {
		a.fail(w, r, llm.Errorf(llm.KindNotFound, "there is no such path"))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	a.mux.ServeHTTP(w, r)
}

// authorized compares in a time that tells neither the token nor its length.
func (a *API) authorized(r *http.Request) bool {
	v := r.Header["Authorization"]
	if len(v) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(v[0], " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(got[:], a.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// statuses are those of the kinds that operators can meet; all others are 500.
var statuses = map[llm.Kind]int{
	llm.KindInvalidRequest:   http.StatusBadRequest,
	llm.KindUnauthenticated:  http.StatusUnauthorized,
	llm.KindPermissionDenied: http.StatusForbidden,
	llm.KindNotFound:         http.StatusNotFound,
	llm.KindRequestTooLarge:  http.StatusRequestEntityTooLarge,
	llm.KindRateLimited:      http.StatusTooManyRequests,
	llm.KindOverloaded:       http.StatusServiceUnavailable,
}

// fail answers with the envelope of contract §3.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := llm.AsError(err)
	status, ok := statuses[e.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	if s := (*statusError)(nil); errors.As(err, &s) {
		status = s.status
	}
	if status >= http.StatusInternalServerError {
		a.o.Logger.ErrorContext(r.Context(), "an operator's request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(native.Codec{}.AppendError(nil, e, &dialect.Facts{RequestID: requestID(w), Status: status}))
}

// envelope is a successful answer.
type envelope struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
	Data      any    `json:"data"`
}

// answer writes data in the envelope.
func answer(w http.ResponseWriter, data any) error {
	body, err := json.Marshal(envelope{http.StatusOK, "success", requestID(w), data})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // an operator who left needs no answer
	return nil
}

// requestID is what the server gave the request.
func requestID(w http.ResponseWriter) string { return w.Header().Get("X-Request-Id") }
