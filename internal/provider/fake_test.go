package provider

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// fakeCodec is a dialect of the tests' own: chunks {"t":"text","fin":"stop",
// "in":1,"out":2,"role":true,"error":"…"}, ended by [DONE]. A whole answer is
// one such object.
type fakeCodec struct{}

type fakeChunk struct {
	T     string `json:"t,omitempty"`
	Fin   string `json:"fin,omitempty"`
	In    int64  `json:"in,omitempty"`
	Out   int64  `json:"out,omitempty"`
	Role  bool   `json:"role,omitempty"`
	Error string `json:"error,omitempty"`
	Wait  int64  `json:"wait,omitempty"` // seconds
}

func fakeError(kind llm.Kind, msg string) *llm.Error { return llm.Errorf(kind, "%s", msg) }

func parseChunk(data []byte) (fakeChunk, error) {
	var c fakeChunk
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fakeError(llm.KindUpstreamError, "no JSON")
	}
	if c.Error != "" {
		return c, fakeError(llm.KindUpstreamError, c.Error)
	}
	return c, nil
}

func (c fakeChunk) usage() *llm.Usage {
	if c.In == 0 {
		return nil
	}
	return &llm.Usage{Input: c.In, Output: c.Out, Source: llm.UsageReported}
}

func (fakeCodec) AppendRequest(dst []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	return append(dst, `{"model":"`+c.Model+`"}`...), nil
}

func (fakeCodec) DecodeResponse(_ llm.Op, body []byte) (*llm.Response, error) {
	c, err := parseChunk(body)
	if err != nil {
		return nil, err
	}
	r := &llm.Response{Parts: []llm.Part{{Type: llm.PartText, Text: c.T}}, Finish: llm.FinishReason(c.Fin)}
	if u := c.usage(); u != nil {
		r.Usage = *u
	}
	return r, nil
}

func (fakeCodec) DecodeError(status int, body []byte) *llm.Error {
	v := providertest.StatusVerdict(status)
	if status < 300 {
		v.Kind = llm.KindUpstreamError
	}
	var c fakeChunk
	if json.Unmarshal(body, &c) != nil || c.Error == "" {
		c.Error = "the provider failed"
	}
	return &llm.Error{Kind: v.Kind, Permanent: v.Permanent, Message: c.Error, RetryAfter: time.Duration(c.Wait) * time.Second}
}

func (fakeCodec) Rewrite(c *llm.Call) ([]byte, error) { return c.Raw, nil }

func (fakeCodec) Inspect(_ llm.Op, body []byte) (llm.Usage, llm.FinishReason, error) {
	c, err := parseChunk(body)
	if err != nil || c.usage() == nil {
		return llm.Usage{}, llm.FinishReason(c.Fin), err
	}
	return *c.usage(), llm.FinishReason(c.Fin), nil
}

func (fakeCodec) NewInspector(hide bool) dialect.Inspector { return &fakeWatch{hide: hide} }
func (fakeCodec) NewStreamDecoder() dialect.StreamDecoder  { return &fakeDecoder{} }

type fakeWatch struct{ hide, fin, done bool }

func (w *fakeWatch) Inspect(ev sse.Event) (dialect.Verdict, error) {
	if isDone(ev.Data) {
		w.done = true
		return dialect.Verdict{Last: true}, nil
	}
	c, err := parseChunk(ev.Data)
	if err != nil {
		return dialect.Verdict{}, err
	}
	w.fin = w.fin || c.Fin != ""
	return dialect.Verdict{
		Preamble: c.Role, Usage: c.usage(), Finish: llm.FinishReason(c.Fin), TextBytes: len(c.T),
		Hide: w.hide && c.T == "" && c.Fin == "" && c.usage() != nil,
	}, nil
}

func (w *fakeWatch) End() ([]byte, error) {
	switch {
	case w.done:
		return nil, nil
	case w.fin:
		return []byte("data: [DONE]\n\n"), nil
	}
	return nil, fakeError(llm.KindUpstreamError, "the stream was cut")
}

type fakeDecoder struct{ fin bool }

func (d *fakeDecoder) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	if isDone(ev.Data) {
		return dst, nil
	}
	c, err := parseChunk(ev.Data)
	if err != nil {
		return dst, err
	}
	switch {
	case c.Role:
		return append(dst, llm.Event{Kind: llm.EventStart}), nil
	case c.T != "":
		return append(dst, llm.Event{Kind: llm.EventText, Text: c.T}), nil
	case c.Fin != "":
		d.fin = true
		return append(dst, llm.Event{Kind: llm.EventFinish, Finish: llm.FinishReason(c.Fin)}), nil
	case c.In != 0:
		return append(dst, llm.Event{Kind: llm.EventUsage, Usage: c.usage()}), nil
	}
	return dst, nil
}

func (d *fakeDecoder) End(dst []llm.Event) ([]llm.Event, error) {
	if !d.fin {
		return dst, fakeError(llm.KindUpstreamError, "the stream was cut")
	}
	return dst, nil
}

// The one answer of the tests, whole and as a stream.
const (
	fakeText   = "héllo wörld 🙂"
	fakeGood   = `{"t":"héllo wörld 🙂","fin":"stop","in":3,"out":2}`
	fakeFinish = `data: {"fin":"stop"}` + "\n\n"
	fakeUsage  = `data: {"in":3,"out":2}` + "\n\n"
	fakeDone   = "data: [DONE]\n\n"
	fakeStart  = `data: {"role":true}` + "\n\n"
	fakeBody   = fakeStart + "data: {\"t\":\"héllo \"}\n\n" + "data: {\"t\":\"wörld 🙂\"}\n\n"
	fakeStream = fakeBody + fakeFinish + fakeUsage + fakeDone
)

var fakeRequest = &llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "hi"}}}}}

func fakeCall(stream bool) *llm.Call {
	return &llm.Call{
		Op: llm.OpChat, Model: "m", Stream: stream, Dialect: llm.DialectOpenAI,
		Raw: []byte(`{"model":"m"}`), Peek: llm.Peek{Model: "m", IncludeUsage: true},
		Meta:    &llm.Meta{},
		Request: func() (*llm.Request, error) { return fakeRequest, nil },
	}
}

func fakeSpec() providertest.Spec {
	return providertest.Spec{
		New: func(_ testing.TB, o providertest.Target) (llm.Provider, error) {
			return NewOpenAI(OpenAIOptions{
				Name: "fake", BaseURL: o.BaseURL + "/v1/", Keys: []string{o.Key}, Codec: fakeCodec{}, Client: o.Client,
				MaxBody: o.MaxBody, Headers: map[string]string{"X-Extra": o.Key},
			})
		},
		Call: fakeCall,
		Path: "/v1/chat/completions",
		CheckRequest: func(t testing.TB, r *providertest.Request, stream bool) {
			want := "application/json"
			if stream {
				want = "text/event-stream"
			}
			if got := r.Header.Get("Accept"); got != want {
				t.Errorf("Accept %q", got)
			}
			if got := r.Header.Get("Authorization"); got != "Bearer "+providertest.Key {
				t.Errorf("Authorization %q", got)
			}
		},
		Good: fakeGood, Stream: fakeStream, Text: fakeText,
		Usage: llm.Usage{Input: 3, Output: 2, Source: llm.UsageReported}, Finish: llm.FinishStop,
		Complete: len(fakeBody + fakeFinish), Terminal: true,
		StreamError: `data: {"error":"it broke with ` + providertest.Key + `"}` + "\n\n",
		Disguised:   `{"error":"it broke with ` + providertest.Key + `"}`,
		Error: func(_ int, message string) string {
			b, _ := json.Marshal(fakeChunk{Error: message})
			return string(b)
		},
		Transport: func() *http.Transport { return NewTransport(TransportOptions{}) },
		Wrap:      Exchanger,
	}
}

func TestConformancePassing(t *testing.T) { providertest.Run(t, fakeSpec()) }

func TestConformanceTranslating(t *testing.T) {
	s := fakeSpec()
	s.Call = func(stream bool) *llm.Call {
		c := fakeCall(stream)
		c.Dialect = llm.DialectAnthropic
		c.Raw = nil
		return c
	}
	providertest.Run(t, s)
}

// quickCodec watches without allocating, so that measurements show the
// exchange alone.
type quickCodec struct{ fakeCodec }

func (quickCodec) Inspect(llm.Op, []byte) (llm.Usage, llm.FinishReason, error) {
	return llm.Usage{}, llm.FinishStop, nil
}

func (quickCodec) NewInspector(bool) dialect.Inspector { return quickWatch{} }

type quickWatch struct{}

func (quickWatch) Inspect(ev sse.Event) (dialect.Verdict, error) {
	return dialect.Verdict{Last: isDone(ev.Data)}, nil
}

func (quickWatch) End() ([]byte, error) { return nil, nil }
