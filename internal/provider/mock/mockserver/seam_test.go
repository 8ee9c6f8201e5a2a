package mockserver

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The toy dialect has what OpenAI's has not: the model and the wish for a
// stream stand in the path, the key in a header of its own, and no envelope is
// like another. It shows that a dialect is one file: a surface, its routes, a
// codec, its errors.

func (s *Server) toy() *surface {
	return &surface{
		idPrefix: "toy_",
		codec:    toyCodec{},
		errors:   toyErrors{},
		key:      func(r *http.Request) string { return r.Header.Get("X-Toy-Key") },
		noKey: func(string) *llm.Error {
			return &llm.Error{Kind: llm.KindUnauthenticated, Status: http.StatusForbidden, Message: "who are you"}
		},
		head: func(h http.Header, m *meta) { h.Set("X-Toy-Id", m.requestID) },
		routes: []route{{
			pattern: "POST /toy/{model}/{verb}", op: llm.OpChat,
			adjust: func(hr *http.Request, r *llm.Request) {
				r.Model = hr.PathValue("model")
				r.Stream = hr.PathValue("verb") == "stream"
			},
			check: func(_ *http.Request, body []byte) *llm.Error {
				if !strings.Contains(string(body), "say") {
					return problem("", "say", "say something")
				}
				return nil
			},
		}},
	}
}

type toyCodec struct{}

func (toyCodec) DecodeRequest(_ llm.Op, raw []byte) (*llm.Request, error) {
	var in struct{ Say string }
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, llm.Invalid("say", "no string")
	}
	return &llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: in.Say}}}}}, nil
}

func (toyCodec) AppendResponse(dst []byte, _ llm.Op, r *llm.Response, _ *dialect.Facts) ([]byte, error) {
	if r.Text() == "unsayable" {
		return dst, llm.Errorf(llm.KindInternal, "this cannot be said")
	}
	return append(append(dst, `"`+r.ID[:4]...), r.Text()+`"`...), nil
}

func (toyCodec) NewStreamEncoder(dialect.StreamOptions) dialect.StreamEncoder { return toyStream{} }

type toyStream struct{}

func (toyStream) Append(dst []byte, ev *llm.Event) []byte {
	return append(dst, strings.ToUpper(ev.Text)...)
}
func (toyStream) AppendEnd(dst []byte, _ *dialect.Facts) []byte { return append(dst, '.') }

type toyErrors struct{}

func (toyErrors) AppendError(dst []byte, e *llm.Error) []byte {
	return append(dst, "no: "+strconv.Itoa(e.Status)...)
}

func (t toyErrors) AppendStreamError(dst []byte, e *llm.Error) []byte { return t.AppendError(dst, e) }

func TestAnotherDialect(t *testing.T) {
	s := New(Options{Key: "toy-key"})
	sf := s.toy()
	s.register(sf, &sf.routes[0])
	try := func(path, key, body string) (int, string) {
		req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		req.Header.Set("X-Toy-Key", key)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		b, _ := io.ReadAll(w.Body)
		if w.Header().Get("X-Toy-Id") == "" {
			t.Errorf("%s: headers %v", path, w.Header())
		}
		return w.Code, string(b)
	}
	for _, tc := range []struct {
		path, key, body string
		status          int
		want            string
	}{
		{"/toy/echo/whole", "toy-key", `{"say":"hi you"}`, 200, `"toy_hi you"`},
		{"/toy/echo/stream", "toy-key", `{"say":"hi you"}`, 200, "HI YOU."},
		{"/toy/echo/whole", "", `{"say":"hi"}`, 403, "no: 403"},
		{"/toy/echo/whole", "toy-key", `{"sing":"hi"}`, 400, "no: 400"},
		{"/toy/echo/whole", "toy-key", `{"say":5}`, 400, "no: 400"},
		{"/toy/nonsense/whole", "toy-key", `{"say":"x"}`, 404, "no: 404"},
		{"/toy/status-503/stream", "toy-key", `{"say":"x"}`, 503, "no: 503"},
		{"/toy/echo+error-after-2/stream", "toy-key", `{"say":"hi you"}`, 200, "HIno: 500"},
		{"/toy/echo/whole", "toy-key", `{"say":"unsayable"}`, 500, "no: 500"},
	} {
		if status, got := try(tc.path, tc.key, tc.body); status != tc.status || got != tc.want {
			t.Errorf("%s %s: %d %q, want %d %q", tc.path, tc.body, status, got, tc.status, tc.want)
		}
	}
	if st := s.Stats(); st.Models["echo"].OK != 2 || st.Models["echo"].Failed != 1 {
		t.Errorf("stats = %+v", st)
	}
}

// TestRowsAreBounded: junk for model names does not fill the memory.
func TestRowsAreBounded(t *testing.T) {
	var s stats
	for i := range maxModels + 50 {
		s.begin("m"+strconv.Itoa(i), false).end(false)
	}
	if len(s.models) != maxModels+1 || s.models[otherModels].requests.Load() != 50 {
		t.Errorf("%d rows, %d in the last", len(s.models), s.models[otherModels].requests.Load())
	}
	if e := s.begin("m3", true); e != s.row("m3") || e.requests.Load() != 2 || e.openStreams.Load() != 1 {
		t.Errorf("row = %+v", e.snapshot())
	}
}

// broken is a client that takes so many bytes and then no more.
type broken struct {
	*httptest.ResponseRecorder
	left int
}

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return b.ResponseRecorder.Write(p)
}

// TestDeafClients: an answer that could not be written is counted as canceled,
// not as given, wherever the writing failed.
func TestDeafClients(t *testing.T) {
	for _, tc := range []struct{ model, extra string }{
		{"lorem-20", ""}, {"lorem-20", `,"stream":true`}, {"bench", ""}, {"bench-stream-20", `,"stream":true`},
		{"bench-stream-20+pace-1ms", `,"stream":true`}, {"cut-after-3+lorem-20", `,"stream":true`},
	} {
		full := 1
		for left := 0; left < full; left += 1 + full/7 {
			s := New(Options{})
			body := `{"model":"` + tc.model + `","messages":[{"role":"user","content":"x"}]` + tc.extra + `}`
			ask := func(n int) *broken {
				w := &broken{httptest.NewRecorder(), n}
				func() {
					defer func() { _ = recover() }() // a cut aborts the handler
					s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, benchPath, strings.NewReader(body)))
				}()
				return w
			}
			full = ask(1 << 30).Body.Len()
			s.Reset()
			ask(left)
			if st := s.Stats().Models[tc.model]; st.Canceled != 1 || st.OK != 0 || st.Failed != 0 || st.Open != 0 || st.Requests != 1 {
				t.Errorf("%s%s, %d of %d bytes: %+v", tc.model, tc.extra, left, full, st)
			}
		}
	}
}
