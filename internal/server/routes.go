package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/dialect/native"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/responses"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// endpoint is one row of the API.
type endpoint struct {
	method string // GET answers HEAD too
	path   string // pattern of http.ServeMux
	run    func(*exchange) error
	guard  bool // clients only: authentication and the gateway's limit
	quiet  bool // probes and scrapes: logged at debug level

	operator bool // operators only: the handler of Snapshot.Admin checks its token

	// What calls to models need besides.
	op      llm.Op
	dialect llm.Dialect
	client  dialect.Client
	errors  dialect.ErrorEncoder // nil = the envelope
	idStart string               // how ids of answers start in this dialect
	idName  string               // a header, its name canonical, that has the request's id besides X-Request-Id; "" = none
	maxBody int64                // bytes; 0 = the snapshot's

	name     string // for metrics: the path, or other
	title    string // for the log: method and path
	observer RequestObserver
}

// anthropicID is the header in which Anthropic's SDKs look for the request's id.
const anthropicID = "Request-Id"

// routes is the whole API.
func (s *Server) routes() []*endpoint {
	nat, oai, ant, rsp := native.Codec{}, openai.Codec{}, anthropic.Codec{}, responses.Codec{}
	return []*endpoint{
		{method: "POST", path: "/v1/generate", run: call, guard: true, op: llm.OpChat, dialect: llm.DialectNative, client: nat, errors: nat, idStart: "gen_"},
		{method: "POST", path: "/v1/generate/batch", run: batch, guard: true, op: llm.OpChat, dialect: llm.DialectNative, client: nat, errors: nat},
		{method: "POST", path: "/v1/chat/completions", run: call, guard: true, op: llm.OpChat, dialect: llm.DialectOpenAI, client: oai, errors: oai, idStart: "chatcmpl-"},
		{method: "POST", path: "/v1/embeddings", run: call, guard: true, op: llm.OpEmbed, dialect: llm.DialectOpenAI, client: oai, errors: oai},
		{method: "POST", path: "/v1/responses", run: call, guard: true, op: llm.OpChat, dialect: llm.DialectResponses, client: rsp, errors: rsp, idStart: "resp_"},
		{method: "POST", path: "/v1/messages", run: call, guard: true, op: llm.OpChat, dialect: llm.DialectAnthropic, client: ant, errors: ant, idStart: "msg_", idName: anthropicID},
		{method: "POST", path: "/v1/messages/count_tokens", run: call, guard: true, op: llm.OpCountTokens, dialect: llm.DialectAnthropic, client: ant, errors: ant, idName: anthropicID},
		{method: "GET", path: "/v1/models", run: listModels, guard: true, dialect: llm.DialectOpenAI, errors: oai},
		{method: "GET", path: "/v1/models/{id...}", run: oneModel, guard: true, dialect: llm.DialectOpenAI, errors: oai},
		{method: "GET", path: "/v1/usage", run: ownUsage, guard: true},
		{method: "GET", path: "/admin/v1/usage", run: operators, operator: true},
		{method: "GET", path: "/metrics", run: metrics, quiet: true},
		{method: "GET", path: "/healthz", run: healthz, quiet: true},
		{method: "GET", path: "/readyz", run: readyz, quiet: true},
		{method: "GET", path: "/openapi.yaml", run: openAPI},
	}
}

// newMux registers the routes, and for each path an answer to other methods,
// so that no answer comes from ServeMux itself.
func (s *Server) newMux() (*http.ServeMux, *endpoint) {
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	rows := s.routes()
	for _, ep := range rows {
		s.complete(ep, ep.path)
		mux.Handle(ep.method+" "+ep.path, ep)
		allowed[ep.path] = append(allowed[ep.path], ep.method)
		if ep.method == http.MethodGet {
			allowed[ep.path] = append(allowed[ep.path], http.MethodHead)
		}
	}
	for _, ep := range rows {
		methods := allowed[ep.path]
		if methods == nil {
			continue // another row of the same path came before
		}
		delete(allowed, ep.path)
		slices.Sort(methods)
		wrong := &endpoint{path: ep.path, errors: ep.errors, idName: ep.idName, run: wrongMethod(strings.Join(methods, ", "))}
		mux.Handle(ep.path, s.complete(wrong, ep.path))
	}
	unmatched := s.complete(&endpoint{run: noSuchPath}, "other")
	mux.Handle("/", unmatched)
	return mux, unmatched
}

func (s *Server) complete(ep *endpoint, name string) *endpoint {
	ep.name = name
	ep.title = strings.TrimSpace(ep.method + " " + name)
	ep.observer = s.o.Observe(name)
	if ep.errors == nil {
		ep.errors = native.Codec{}
	}
	return ep
}

// ServeHTTP runs one endpoint within the exchange that the Server began.
func (ep *endpoint) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	x := w.(*exchange)
	x.ep, x.counted = ep, true
	if ep.idName != "" {
		x.set(ep.idName, x.id)
	}
	ep.observer.Started()
	if err := x.serve(); err != nil {
		x.refused(err)
		x.fail(err)
	}
}

func (x *exchange) serve() error {
	if x.ep.guard {
		if err := x.admit(); err != nil {
			return err
		}
	}
	return x.ep.run(x)
}
