package server

import (
	_ "embed" // openapi.yaml
	"encoding/json"
	"net/http"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

// healthz says that the process is alive.
func healthz(x *exchange) error {
	return x.json(http.StatusOK, readiness{Status: "ok"})
}

// readiness is the body of GET /readyz and /healthz.
type readiness struct {
	Status string  `json:"status"` // ok, ready, draining, not_ready
	Checks []Check `json:"checks,omitempty"`
}

// readyz says whether new requests are welcome, and what is impaired.
func readyz(x *exchange) error {
	r := readiness{Status: "ready"}
	if x.snap.Checks != nil {
		r.Checks = x.snap.Checks()
	}
	for _, c := range r.Checks {
		if c.Fatal && c.State == StateFailed {
			r.Status = "not_ready"
		}
	}
	if x.srv.draining.Load() {
		r.Status = "draining"
	}
	if r.Status == "ready" {
		return x.json(http.StatusOK, r)
	}
	return x.json(http.StatusServiceUnavailable, r)
}

// metrics hands over to the handler that the program was given.
func metrics(x *exchange) error {
	if x.srv.o.Metrics == nil {
		return noSuchPath(x)
	}
	x.srv.o.Metrics.ServeHTTP(x, x.req)
	return nil
}

//go:embed openapi.yaml
var openAPIDocument []byte

// openAPI serves the description of the API.
func openAPI(x *exchange) error {
	x.Header()["Content-Type"] = []string{"application/yaml"} // RFC 9512
	_, _ = x.Write(openAPIDocument)
	return x.writeErr
}

// modelBody is one model in OpenAI's form, with what the gateway knows beyond.
type modelBody struct {
	ID            string   `json:"id"`
	Object        string   `json:"object"`
	Created       int64    `json:"created"`
	OwnedBy       string   `json:"owned_by"`
	ContextWindow int64    `json:"context_window,omitempty"`
	MaxOutput     int64    `json:"max_output_tokens,omitempty"`
	Capabilities  []string `json:"capabilities,omitempty"`
}

type modelList struct {
	Object string      `json:"object"`
	Data   []modelBody `json:"data"`
}

func newModelBody(m service.Model) modelBody {
	return modelBody{
		ID: m.ID, Object: "model", Created: m.Created, OwnedBy: m.OwnedBy,
		ContextWindow: m.ContextWindow, MaxOutput: m.MaxOutput, Capabilities: m.Capabilities,
	}
}

// listModels answers with what the caller may ask for.
func listModels(x *exchange) error {
	models := x.snap.Service.Models(x.caller)
	list := modelList{Object: "list", Data: make([]modelBody, len(models))}
	for i, m := range models {
		list.Data[i] = newModelBody(m)
	}
	return x.json(http.StatusOK, list)
}

// oneModel answers for one model. One that the caller may not use is unknown
// to it.
func oneModel(x *exchange) error {
	id := x.req.PathValue("id")
	for _, m := range x.snap.Service.Models(x.caller) {
		if m.ID == id {
			return x.json(http.StatusOK, newModelBody(m))
		}
	}
	e := llm.Errorf(llm.KindNotFound, "the model does not exist or this key may not call it")
	e.Code, e.Param = "model_not_found", "model"
	return e
}

// json writes v as a whole answer, which holds for its caller and for now.
func (x *exchange) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return llm.AsError(err)
	}
	x.Header()["Cache-Control"] = noStore
	x.whole(status, append(body, '\n'))
	return x.writeErr
}
