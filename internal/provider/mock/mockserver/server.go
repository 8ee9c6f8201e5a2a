package mockserver

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

// defaultMaxBody is the largest request body in bytes, unless Options say
// otherwise.
const defaultMaxBody = 64 << 20

// Options configures a Server. The zero value is useful.
type Options struct {
	// Engine answers; nil = a new mock.New with default options.
	Engine *mock.Provider
	// Key is the API key that clients must present; "" = none is asked for.
	// The paths under /mock/ never ask for it.
	Key string
	// Lenient leaves out the strict checks: unknown members and odd
	// combinations pass, as they do at many compatible servers.
	Lenient bool
	// MaxBody is the largest request body in bytes; 0 = 64 MiB.
	MaxBody int64
}

// Server is the stand-alone upstream. It is an http.Handler, safe for
// concurrent use.
type Server struct {
	o     Options
	mux   *http.ServeMux
	stats stats
	bench benches
	ids   atomic.Uint64
	chat  *route // the route that the lean path shares
}

// surface is one wire format as a provider speaks it: all that a further
// dialect has to say about itself.
type surface struct {
	idPrefix string // begins the ids of answers, as chatcmpl-
	routes   []route
	codec    dialect.Client // reads requests, writes answers
	errors   errorWriter
	// key returns the API key that a request presents, "" for none.
	key func(r *http.Request) string
	// noKey is the refusal of a request that presents none, or (got) a wrong one.
	noKey func(got string) *llm.Error
	// head sets the headers of every answer, errors too.
	head func(h http.Header, m *meta)
	// dress gives an answer what only this provider's answers have (state that
	// it wants back, ids of its own form); nil = nothing.
	dress func(r *llm.Request, out *llm.Response)
}

// errorWriter words errors as the provider does. The error's Status is the
// HTTP status that goes with it.
type errorWriter interface {
	AppendError(dst []byte, e *llm.Error) []byte
	// AppendStreamError appends the event that ends a stream that failed.
	AppendStreamError(dst []byte, e *llm.Error) []byte
}

// route is one endpoint of a surface.
type route struct {
	pattern string // of http.ServeMux
	op      llm.Op // 0 for an endpoint that takes no call
	// check refuses what the real API refuses; nil = nothing.
	check func(hr *http.Request, body []byte) *llm.Error
	// adjust completes the request from what is not in its body (a model's
	// name in the path); nil = nothing to complete.
	adjust func(hr *http.Request, r *llm.Request)
	// serve answers an endpoint that takes no call.
	serve http.HandlerFunc
	// pick chooses the route where the pattern cannot (a verb behind a colon);
	// nil = this one. It returns nil when there is none.
	pick func(hr *http.Request) *route

	surface *surface
}

// meta is what the headers of an answer are made of.
type meta struct {
	requestID string
	millis    int64      // time until the head
	input     int64      // tokens
	err       *llm.Error // nil for a successful answer
}

// New makes a server.
func New(o Options) *Server {
	if o.Engine == nil {
		o.Engine = mock.New(mock.Options{})
	}
	if o.MaxBody <= 0 {
		o.MaxBody = defaultMaxBody
	}
	s := &Server{o: o, mux: http.NewServeMux()}
	for _, sf := range s.surfaces() {
		for i := range sf.routes {
			s.register(sf, &sf.routes[i])
		}
	}
	s.mux.HandleFunc("GET /mock/stats", s.serveStats)
	s.mux.HandleFunc("POST /mock/reset", s.serveReset)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return s
}

// surfaces lists the dialects that the server speaks.
func (s *Server) surfaces() []*surface {
	return []*surface{s.openAI(), s.responses(), s.anthropic(), s.gemini(), s.dashScope()}
}

func (s *Server) register(sf *surface, rt *route) {
	rt.surface = sf
	if rt.pattern == http.MethodPost+" "+benchPath {
		s.chat = rt
	}
	s.mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) {
		rt := rt
		if rt.pick != nil {
			if rt = rt.pick(r); rt == nil {
				s.notFound(w, r)
				return
			}
		}
		x := s.exchange(rt, w, r)
		if err := s.authorize(sf, r); err != nil {
			x.refuse(err)
			return
		}
		if rt.serve != nil {
			sf.head(w.Header(), x.meta())
			rt.serve(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.o.MaxBody))
		x.serve(body, err)
	})
}

// ServeHTTP answers a request. The lean path for load tests goes past routing.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == benchPath {
		s.serveChat(w, r)
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.notFound(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// notFound answers paths that no surface has in OpenAI's form, and wrong
// methods as net/http does.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	for _, m := range []string{http.MethodGet, http.MethodPost} {
		if m == r.Method {
			continue
		}
		probe := r.Clone(r.Context())
		probe.Method = m
		if _, pattern := s.mux.Handler(probe); pattern != "" {
			s.mux.ServeHTTP(w, r) // 405 with Allow
			return
		}
	}
	s.exchange(s.chat, w, r).refuse(&llm.Error{Kind: llm.KindNotFound, Status: http.StatusNotFound,
		Message: fmt.Sprintf("Invalid URL (%s %s)", r.Method, r.URL.Path)})
}

// authorize checks the key, in a time that does not tell how much of it fits.
func (s *Server) authorize(sf *surface, r *http.Request) *llm.Error {
	if s.o.Key == "" {
		return nil
	}
	got := sf.key(r)
	if subtle.ConstantTimeCompare([]byte(got), []byte(s.o.Key)) == 1 {
		return nil
	}
	return sf.noKey(got)
}

// readable refuses a body that is no JSON, or did not arrive.
func (s *Server) readable(r *http.Request, body []byte, err error) *llm.Error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &llm.Error{Kind: llm.KindRequestTooLarge, Status: http.StatusRequestEntityTooLarge, Err: err,
			Message: "The request body is larger than " + strconv.FormatInt(s.o.MaxBody, 10) + " bytes."}
	case err != nil:
		return &llm.Error{Kind: llm.KindInvalidRequest, Status: http.StatusBadRequest, Err: err, Message: "The request body did not arrive whole."}
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if t, _, err := mime.ParseMediaType(ct); err != nil || t != "application/json" {
			return &llm.Error{Kind: llm.KindInvalidRequest, Status: http.StatusUnsupportedMediaType,
				Message: fmt.Sprintf("Unsupported content type: '%s'. This API method only accepts 'application/json' requests.", ct)}
		}
	}
	if !json.Valid(body) {
		return &llm.Error{Kind: llm.KindInvalidRequest, Status: http.StatusBadRequest,
			Message: "We could not parse the JSON body of your request. The request body must be valid JSON."}
	}
	return nil
}

// requestID makes an id for one exchange; no two are alike.
func (s *Server) requestID() string {
	const width = 32
	n := strconv.FormatUint(s.ids.Add(1)*0x9e3779b97f4a7c15, 16)
	return "req_" + strings.Repeat("0", width-len(n)) + n
}

// gone reports whether the client has left.
func gone(ctx context.Context) bool { return ctx.Err() != nil }
