package server

import (
	"cmp"
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
	path   string // pattern of http.ServeMux; one that ends in a slash stands for all below it, whatever the method
	run    func(*exchange) error
	guard  bool // clients only: authentication and the gateway's limit
	quiet  bool // probes and scrapes: logged at debug level

	operator bool // operators only: the handler of Snapshot.Admin checks who asks, and answers 404 and 405 itself
	both     bool // there on the operators' own listener too, if they have one

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
		{method: "POST", path: "/v1/generate", run: call, guard: true, both: true, op: llm.OpChat, dialect: llm.DialectNative, client: nat, errors: nat, idStart: "gen_"},
		{method: "POST", path: "/v1/generate/batch", run: batch, guard: true, op: llm.OpChat, dialect: llm.DialectNative, client: nat, errors: nat},
		{method: "POST", path: "/v1/chat/completions", run: call, guard: true, op: llm.OpChat, dialect: llm.DialectOpenAI, client: oai, errors: oai, idStart: "chatcmpl-"},
		{method: "POST", path: "/v1/embeddings", run: call, guard: true, op: llm.OpEmbed, dialect: llm.DialectOpenAI, client: oai, errors: oai},
		{method: "POST", path: "/v1/responses", run: call, guard: true, op: llm.OpChat, dialect: llm.DialectResponses, client: rsp, errors: rsp, idStart: "resp_"},
		{method: "POST", path: "/v1/messages", run: call, guard: true, op: llm.OpChat, dialect: llm.DialectAnthropic, client: ant, errors: ant, idStart: "msg_", idName: anthropicID},
		{method: "POST", path: "/v1/messages/count_tokens", run: call, guard: true, op: llm.OpCountTokens, dialect: llm.DialectAnthropic, client: ant, errors: ant, idName: anthropicID},
		{method: "GET", path: "/v1/models", run: listModels, guard: true, both: true, dialect: llm.DialectOpenAI, errors: oai},
		{method: "GET", path: "/v1/models/{id...}", run: oneModel, guard: true, dialect: llm.DialectOpenAI, errors: oai},
		{method: "GET", path: "/v1/usage", run: ownUsage, guard: true},
		{path: "/admin/v1", run: operators, operator: true, quiet: true},
		{path: "/admin/v1/", run: operators, operator: true, quiet: true},
		{path: "/dashboard", run: operators, operator: true, quiet: true},
		{path: "/dashboard/", run: operators, operator: true, quiet: true},
		{method: "GET", path: "/metrics", run: metrics, quiet: true, both: true},
		{method: "GET", path: "/healthz", run: healthz, quiet: true, both: true},
		{method: "GET", path: "/readyz", run: readyz, quiet: true, both: true},
		{method: "GET", path: "/openapi.yaml", run: openAPI, both: true},
	}
}

// table finds the endpoint of a request. Calls to models stand in a map before
// the ServeMux, which takes a path apart to find it.
type table struct {
	calls map[string]*endpoint // POST, by path
	mux   *http.ServeMux
}

func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		if ep := t.calls[r.URL.Path]; ep != nil {
			ep.ServeHTTP(w, r)
			return
		}
	}
	t.mux.ServeHTTP(w, r)
}

// newTables returns what clients meet and what operators meet: the same, unless
// operators have a listener of their own.
func (s *Server) newTables() (clients, operators *table) {
	s.unmatched = s.complete(&endpoint{run: noSuchPath}, "other")
	rows := s.routes()
	for _, ep := range rows {
		s.complete(ep, cmp.Or(strings.TrimSuffix(ep.path, "/"), "/"))
	}
	if !s.o.OperatorsApart {
		all := s.newTable(rows)
		return all, all
	}
	back := slices.DeleteFunc(slices.Clone(rows), func(ep *endpoint) bool { return !ep.operator && !ep.both })
	front := slices.DeleteFunc(rows, func(ep *endpoint) bool { return ep.operator })
	return s.newTable(front), s.newTable(back)
}

// newTable registers rows, and for each path an answer to other methods, so
// that no answer comes from ServeMux itself.
func (s *Server) newTable(rows []*endpoint) *table {
	mux := http.NewServeMux()
	calls := map[string]*endpoint{}
	allowed := map[string][]string{}
	for _, ep := range rows {
		mux.Handle(strings.TrimSpace(ep.method+" "+ep.path), ep)
		if ep.operator {
			continue
		}
		if ep.method == http.MethodPost {
			calls[ep.path] = ep
		}
		allowed[ep.path] = append(allowed[ep.path], ep.method)
		if ep.method == http.MethodGet {
			allowed[ep.path] = append(allowed[ep.path], http.MethodHead)
		}
	}
	for _, ep := range rows {
		methods := allowed[ep.path]
		if methods == nil {
			continue // any method is right, or another row of the same path came before
		}
		delete(allowed, ep.path)
		slices.Sort(methods)
		wrong := &endpoint{path: ep.path, errors: ep.errors, idName: ep.idName, run: wrongMethod(strings.Join(methods, ", "))}
		mux.Handle(ep.path, s.complete(wrong, ep.path))
	}
	mux.Handle("/", s.unmatched)
	return &table{calls: calls, mux: mux}
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
	x.beginTrace()
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
