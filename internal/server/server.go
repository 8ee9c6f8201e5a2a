package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// lastWords is how long a hard close leaves the handlers to tell their clients
// that the gateway is stopping.
const lastWords = 2 * time.Second

// Server answers the API. Make it with New; it is safe for concurrent use.
type Server struct {
	o         Options
	snap      atomic.Pointer[Snapshot]
	front     *table    // for clients, and for operators who have no listener of their own
	back      *table    // for the operators' own listener
	unmatched *endpoint // what a request belongs to until a path is found
	http      *http.Server
	backHTTP  *http.Server
	exchanges sync.Pool
	records   sync.Pool    // of CallRecord
	streams   atomic.Int64 // whose head is out
	anonymous llm.Caller   // who calls when there is no authentication
	draining  atomic.Bool
	door      door
	date      dateline
	bodies    bodyPool
	cut       context.CancelCauseFunc // ends every request in flight
}

// New makes a Server. It panics when there is no snapshot or the snapshot has
// no service, as that is a fault of the program.
func New(o Options) *Server {
	if o.Snapshot == nil || o.Snapshot.Service == nil {
		panic("server: a snapshot with a service is required")
	}
	s := &Server{o: o.withDefaults()}
	s.snap.Store(o.Snapshot.withDefaults())
	s.exchanges.New = func() any { return new(exchange) }
	s.bodies.poison = racing
	s.records.New = func() any { return new(CallRecord) }
	s.front, s.back = s.newTables()
	// The root of all requests; ended by Shutdown alone.
	base, cut := context.WithCancelCause(context.Background())
	s.cut = cut
	s.http, s.backHTTP = s.newHTTP(base, s), s.newHTTP(base, http.HandlerFunc(s.serveOperators))
	if s.o.TLS != nil {
		s.encrypt(s.http)
		s.encrypt(s.backHTTP)
	}
	return s
}

func (s *Server) newHTTP(base context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            s.o.ReadHeader,
		ReadTimeout:                  s.o.ReadBody,
		IdleTimeout:                  s.o.Idle,
		MaxHeaderBytes:               s.o.MaxHeaderBytes,
		BaseContext:                  func(net.Listener) context.Context { return base },
		ErrorLog:                     slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug),
		DisableGeneralOptionsHandler: true,
		ConnState:                    s.door.state,
		ConnContext:                  withGuest,
	}
}

// Swap replaces the snapshot; requests that have begun keep theirs. The request
// limit keeps its bucket and only takes the new rate and burst, so that a
// reload gives nobody a full one. Swaps must not overlap. It panics like New.
func (s *Server) Swap(n *Snapshot) {
	if n == nil || n.Service == nil {
		panic("server: a snapshot with a service is required")
	}
	d := n.withDefaults()
	d.Limit = s.snap.Load().Limit.become(d.Limit)
	s.snap.Store(d)
}

// Serve answers connections of ln until Shutdown, then returns nil. It closes
// ln. It may be called for several listeners.
func (s *Server) Serve(ln net.Listener) error { return s.serve(s.http, ln) }

// ServeOperators is Serve for the operators' own listener: their API, what
// their page needs of the clients' API, and what probes and scrapers ask for.
// Without Options.OperatorsApart it answers what Serve answers.
func (s *Server) ServeOperators(ln net.Listener) error { return s.serve(s.backHTTP, ln) }

func (s *Server) serve(h *http.Server, ln net.Listener) error {
	serve := h.Serve
	if s.o.TLS != nil {
		serve = func(l net.Listener) error { return h.ServeTLS(l, "", "") }
	}
	err := serve(s.door.open(ln))
	if !errors.Is(err, http.ErrServerClosed) && !s.draining.Load() {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown drains the server: readiness turns off at once; after the grace
// time connections are refused; requests in flight, streams included, have the
// drain time to finish. What is left then is cut off, each with an error in its
// own dialect, and Shutdown returns an error. ctx shortens all of this. A
// second call has no grace time.
func (s *Server) Shutdown(ctx context.Context) error {
	if !s.draining.Swap(true) {
		sleep(ctx, s.o.Grace)
	}
	drain, cancel := context.WithTimeout(ctx, s.o.Drain)
	defer cancel()
	s.door.close()
	s.door.settle(drain)
	err := s.shutdown(drain)
	if err == nil || drain.Err() == nil {
		s.cut(errStopping())
		return err
	}
	if n := s.door.inFlight.Load(); n > 0 && s.o.Cut != nil {
		s.o.Cut(n)
	}
	s.cut(errStopping())
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if s.shutdown(last) != nil {
		err = errors.Join(err, s.http.Close(), s.backHTTP.Close())
	}
	return fmt.Errorf("requests were cut off at shutdown: %w", err)
}

// shutdown waits for the connections of both listeners to become idle. The
// clients' come first; what is left of the time is the operators'.
func (s *Server) shutdown(ctx context.Context) error {
	return errors.Join(s.http.Shutdown(ctx), s.backHTTP.Shutdown(ctx))
}

// errStopping is the cause with which requests end that outlive the drain time.
func errStopping() *llm.Error {
	e := llm.Errorf(llm.KindOverloaded, "the gateway is shutting down")
	e.RetryAfter = time.Second
	return e
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.route(s.front, w, r) }

// serveOperators answers one request that came by the operators' listener.
func (s *Server) serveOperators(w http.ResponseWriter, r *http.Request) { s.route(s.back, w, r) }

func (s *Server) route(t *table, w http.ResponseWriter, r *http.Request) {
	s.door.inFlight.Add(1)
	defer s.door.inFlight.Add(-1)
	x := s.begin(w, r)
	defer x.end()
	if p := r.URL.Path; p == "" || p[0] != '/' || strings.Contains(p, "//") || strings.Contains(p, "/.") {
		// ServeMux would redirect to the cleaned path, and a client would
		// send its key and prompt a second time.
		s.unmatched.ServeHTTP(x, r)
		return
	}
	t.ServeHTTP(x, r)
}
