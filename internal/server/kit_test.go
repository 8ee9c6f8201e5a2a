package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeService is a service made of functions.
type fakeService struct {
	do     func(ctx context.Context, c *llm.Call) (*llm.Reply, error)
	models func(c *llm.Caller) []service.Model
}

func (f fakeService) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) { return f.do(ctx, c) }
func (f fakeService) Models(c *llm.Caller) []service.Model                    { return f.models(c) }

type authFunc func(ctx context.Context, token string) (*llm.Caller, error)

func (f authFunc) Authenticate(ctx context.Context, token string) (*llm.Caller, error) {
	return f(ctx, token)
}

// keys authenticates by a table of key → name.
func keys(table map[string]string) authFunc {
	return func(_ context.Context, token string) (*llm.Caller, error) {
		if name, ok := table[token]; ok {
			return &llm.Caller{Name: name}, nil
		}
		return nil, llm.Errorf(llm.KindUnauthenticated, "the API key is not valid")
	}
}

// perToken is a price.
type perToken llm.Money

func (p perToken) Cost(u llm.Usage) (llm.Money, bool) {
	return llm.Money(p) * llm.Money(u.Total()), p > 0
}

var usage9 = llm.Usage{Input: 4, Output: 5, CachedInput: 1, Reasoning: 2, Source: llm.UsageReported}

// answer is a canonical answer.
func answer(text string) *llm.Reply {
	return &llm.Reply{
		Response: &llm.Response{ID: "up-1", Model: "m-1", Finish: llm.FinishStop, Usage: usage9, Created: 1700000000,
			Parts: []llm.Part{{Type: llm.PartText, Text: text}}},
		Usage: usage9, Finish: llm.FinishStop, Provider: "prov", Model: "m-1", Attempts: 2, Upstream: time.Millisecond, Price: perToken(1_000_000),
	}
}

// passing is an answer of an OpenAI target to an OpenAI client.
func passing(body string) *llm.Reply {
	return &llm.Reply{Dialect: llm.DialectOpenAI, Raw: []byte(body), Usage: usage9, Provider: "prov", Model: "m-1", Attempts: 1, Upstream: time.Millisecond}
}

// fakeStream plays events and then ends with err. before, if set, runs ahead of
// each Recv with the number of the event.
type fakeStream struct {
	mu     sync.Mutex
	events []llm.Event
	err    error
	before func(i int)
	next   int
	closed bool
}

func (f *fakeStream) Recv() (*llm.Event, error) {
	if f.before != nil {
		f.before(f.next)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.next
	f.next++
	if i < len(f.events) {
		return &f.events[i], nil
	}
	return nil, f.err
}

func (f *fakeStream) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func (f *fakeStream) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// streamOf is a canonical stream; of raw events it is one that passes through.
func streamOf(st llm.Stream, d llm.Dialect) *llm.Reply {
	return &llm.Reply{Stream: st, Dialect: d, Provider: "prov", Model: "m-1", Attempts: 1, Upstream: time.Millisecond, Price: perToken(1_000_000)}
}

func texts(words ...string) []llm.Event {
	evs := []llm.Event{{Kind: llm.EventStart, ID: "up-1", Model: "m-1"}}
	for _, w := range words {
		evs = append(evs, llm.Event{Kind: llm.EventText, Text: w})
	}
	return evs
}

func finish() []llm.Event {
	u := usage9
	return []llm.Event{{Kind: llm.EventFinish, Finish: llm.FinishStop}, {Kind: llm.EventUsage, Usage: &u}}
}

func raws(events ...string) []llm.Event {
	var evs []llm.Event
	for _, e := range events {
		evs = append(evs, llm.Event{Kind: llm.EventRaw, Raw: []byte(e)})
	}
	return evs
}

// logBuffer is a log that tests can read while the server writes it.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// lines returns the log lines with a given message.
func (l *logBuffer) lines(t *testing.T, msg string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}

// statsLog is an observer that keeps what it was told.
type statsLog struct {
	mu      sync.Mutex
	started int
	ended   []RequestStats
	each    chan RequestStats // if set, gets every end
}

func (s *statsLog) observe(string) RequestObserver { return s }
func (s *statsLog) Started() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started++
}

func (s *statsLog) Ended(r RequestStats) {
	s.mu.Lock()
	s.ended = append(s.ended, r)
	s.mu.Unlock()
	if s.each != nil {
		s.each <- r
	}
}

// harness is a server on loopback.
type harness struct {
	*Server
	t      *testing.T
	url    string
	addr   string
	client *http.Client
	log    *logBuffer
	stats  *statsLog
}

// serve starts a server around do. change may alter the options.
func serve(t *testing.T, do func(ctx context.Context, c *llm.Call) (*llm.Reply, error), change ...func(*Options)) *harness {
	t.Helper()
	h := &harness{t: t, log: &logBuffer{}, stats: &statsLog{each: make(chan RequestStats, 1000)}}
	o := Options{
		Snapshot: &Snapshot{Service: fakeService{do: do, models: func(*llm.Caller) []service.Model { return nil }}},
		Logger:   slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe:  h.stats.observe,
	}
	for _, c := range change {
		c(&o)
	}
	h.Server = New(o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	h.url = "http://" + h.addr
	served := make(chan error, 1)
	go func() { served <- h.Serve(ln) }()
	tr := &http.Transport{MaxIdleConnsPerHost: 100}
	h.client = &http.Client{Transport: tr}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = h.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return h
}

// wait returns the record of the next request that ends.
func (h *harness) wait() RequestStats {
	h.t.Helper()
	select {
	case s := <-h.stats.each:
		return s
	case <-time.After(10 * time.Second):
		h.t.Fatal("no request has ended")
		return RequestStats{}
	}
}

// request makes a JSON request; header lines are "Name: value".
func (h *harness) request(method, path, body string, header ...string) *http.Request {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	return req
}

// result is an answer that has been read.
type result struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

func (h *harness) do(method, path, body string, header ...string) result {
	h.t.Helper()
	return h.send(h.request(method, path, body, header...))
}

func (h *harness) post(path, body string, header ...string) result {
	h.t.Helper()
	return h.do("POST", path, body, header...)
}

func (h *harness) send(req *http.Request) result {
	h.t.Helper()
	resp, err := h.client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return result{resp.StatusCode, resp.Header, string(b), err}
}

// tcp opens a plain connection and writes to it.
func (h *harness) tcp(text string) net.Conn {
	h.t.Helper()
	conn, err := new(net.Dialer).DialContext(h.t.Context(), "tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		h.t.Fatal(err)
	}
	return conn
}

func decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("body %q: %v", body, err)
	}
	return m
}

// within fails the test unless ch is closed or filled soon.
func within[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

const (
	chatPath   = "/v1/chat/completions"
	chatBody   = `{"model":"gpt-x","messages":[{"role":"user","content":"hi"}]}`
	chatStream = `{"model":"gpt-x","messages":[{"role":"user","content":"hi"}],"stream":true}`
	rspPath    = "/v1/responses"
	msgPath    = "/v1/messages"
	cntPath    = "/v1/messages/count_tokens"
	genPath    = "/v1/generate"
	genBody    = `{"prompt":"hi"}`
	genStream  = `{"prompt":"hi","stream":true}`
)
