package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// terminals counts the terminal events of a stream in each dialect.
func terminals(path, body string) (ends, errs int) {
	if path == chatPath {
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, `data: {"error":`) {
				errs++
			}
		}
		return strings.Count(body, "data: [DONE]\n"), errs
	}
	return strings.Count(body, "event: done\n"), strings.Count(body, "event: error\n")
}

func TestStreams(t *testing.T) {
	cut := llm.Errorf(llm.KindUpstreamError, "the connection broke")
	boom := func(at int) func(int) {
		return func(i int) {
			if i == at {
				panic("boom: a secret prompt")
			}
		}
	}
	passes := raws("data: {\"a\":1}\n\n", "data: {\"a\":2}\n\ndata: {\"a\":3}\n\n", "data: [DONE]\n\n")
	for _, tc := range []struct {
		name   string
		path   string
		stream *fakeStream
		raw    bool
		status int
		ends   int
		errs   int
		say    string
	}{
		{"passes", chatPath, &fakeStream{events: passes, err: io.EOF}, true, 200, 1, 0, `{"a":3}`},
		{"translated", chatPath, &fakeStream{events: append(texts("he", "llo"), finish()...), err: io.EOF}, false, 200, 1, 0, `"llo"`},
		{"native", genPath, &fakeStream{events: append(texts("he", "llo"), finish()...), err: io.EOF}, false, 200, 1, 0, `"llo"`},
		{"ping first", genPath, &fakeStream{events: append([]llm.Event{{Kind: llm.EventPing}}, texts("he")...), err: io.EOF}, false, 200, 1, 0, "he"},
		{"cut before anything", chatPath, &fakeStream{err: cut}, true, 502, 0, 1, "the connection broke"},
		{"cut before content", chatPath, &fakeStream{events: texts(), err: cut}, false, 502, 0, 1, "the connection broke"},
		{"cut before content, native", genPath, &fakeStream{events: texts(), err: cut}, false, 502, 0, 0, "the connection broke"},
		{"cut after content", chatPath, &fakeStream{events: texts("a"), err: cut}, false, 200, 0, 1, "the connection broke"},
		{"cut after content, raw", chatPath, &fakeStream{events: passes[:1], err: cut}, true, 200, 0, 1, "the connection broke"},
		{"cut after content, native", genPath, &fakeStream{events: texts("a"), err: cut}, false, 200, 0, 1, "the connection broke"},
		{"time-out after content", genPath, &fakeStream{events: texts("a"), err: llm.Errorf(llm.KindTimeout, "no event for 60s")}, false, 200, 0, 1, "no event for 60s"},
		{"foreign error", genPath, &fakeStream{events: texts("a"), err: errors.New("dial 10.0.0.1: secret")}, false, 200, 0, 1, "internal error"},
		{"empty", chatPath, &fakeStream{err: io.EOF}, true, 502, 0, 1, "empty stream"},
		{"empty, native", genPath, &fakeStream{events: texts(), err: io.EOF}, false, 502, 0, 0, "empty stream"},
		{"panic before content", chatPath, &fakeStream{events: texts("a"), before: boom(1)}, false, 500, 0, 1, "internal error"},
		{"panic before content, native", genPath, &fakeStream{events: texts("a"), before: boom(0)}, false, 500, 0, 0, "internal error"},
		{"panic after content", chatPath, &fakeStream{events: texts("a", "b"), before: boom(2)}, false, 200, 0, 1, "internal error"},
		{"panic after content, raw", chatPath, &fakeStream{events: passes, before: boom(1)}, true, 200, 0, 1, "internal error"},
		{"panic after content, native", genPath, &fakeStream{events: texts("a", "b"), before: boom(2)}, false, 200, 0, 1, "internal error"},
		{"raw where none belongs", genPath, &fakeStream{events: passes, err: io.EOF}, false, 500, 0, 0, "does not fit"},
		{"canonical where none belongs", chatPath, &fakeStream{events: append(passes[:1:1], texts("a")...), err: io.EOF}, true, 200, 0, 1, "does not fit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var d llm.Dialect
			if tc.raw {
				d = llm.DialectOpenAI
			}
			h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return streamOf(tc.stream, d), nil })
			r := h.post(tc.path, map[string]string{chatPath: chatStream, genPath: genStream}[tc.path])
			if r.status != tc.status || r.err != nil || !strings.Contains(r.body, tc.say) || strings.Contains(r.body, "secret") {
				t.Fatalf("got %d %v %q", r.status, r.err, r.body)
			}
			ends, errs := terminals(tc.path, r.body)
			if tc.status != 200 {
				ends, errs = 0, 0
				shape(t, tc.path, r)
			} else if ends != tc.ends || errs != tc.errs || ends+errs != 1 {
				t.Errorf("%d ends and %d errors in %q", ends, errs, r.body)
			}
			if ct := r.header.Get("Content-Type"); (ct == "text/event-stream") != (tc.status == 200) {
				t.Errorf("Content-Type %q", ct)
			}
			h.wait()
			if !tc.stream.isClosed() {
				t.Error("the stream was left open")
			}
			if strings.Contains(h.log.String(), "secret prompt") {
				t.Error("the panic's value is in the log")
			}
		})
	}
}

func TestStreamHeadersAndBytes(t *testing.T) {
	st := &fakeStream{events: raws(": hi\n\ndata: {\"a\":1}\n\n", "event: x\r\ndata:2\r\n\r\n", "data: [DONE]\n\n"), err: io.EOF}
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return streamOf(st, llm.DialectOpenAI), nil })
	r := h.post(chatPath, chatStream)
	if want := ": hi\n\ndata: {\"a\":1}\n\nevent: x\r\ndata:2\r\n\r\ndata: [DONE]\n\n"; r.body != want {
		t.Errorf("got %q, want %q", r.body, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no",
		"X-Gateway-Provider": "prov", "X-Gateway-Model": "m-1", "X-Gateway-Attempts": "1",
	} {
		if v := r.header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
}

// Every event must reach the client before the next one exists.
func TestEachEventIsFlushed(t *testing.T) {
	for path, d := range map[string]llm.Dialect{chatPath: llm.DialectOpenAI, genPath: 0} {
		t.Run(path, func(t *testing.T) {
			more := make(chan struct{})
			st := &fakeStream{err: io.EOF, events: texts("one", "two")[1:]}
			if d != 0 {
				st.events = raws("data: one\n\n", "data: two\n\n")
			}
			st.before = func(i int) {
				if i > 0 {
					<-more
				}
			}
			h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return streamOf(st, d), nil })
			resp, err := h.client.Do(h.request("POST", path, map[string]string{chatPath: chatStream, genPath: genStream}[path]))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			rd := bufio.NewReader(resp.Body)
			for _, word := range []string{"one", "two"} {
				for {
					line, err := rd.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(line, word) {
						break
					}
				}
				more <- struct{}{}
			}
			if _, err := io.Copy(io.Discard, rd); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// endless never ends by itself.
type endless struct {
	ev     llm.Event
	closed chan struct{}
}

func (e *endless) Recv() (*llm.Event, error) { return &e.ev, nil }
func (e *endless) Close() error              { close(e.closed); return nil }

func TestSlowReaderHitsTheWriteDeadline(t *testing.T) {
	st := &endless{ev: llm.Event{Kind: llm.EventRaw, Raw: []byte("data: " + strings.Repeat("x", 64<<10) + "\n\n")}, closed: make(chan struct{})}
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return streamOf(st, llm.DialectOpenAI), nil },
		func(o *Options) { o.Snapshot.Write = 50 * time.Millisecond })
	resp, err := h.client.Do(h.request("POST", chatPath, chatStream))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	within(t, "the close of the upstream", st.closed) // the client reads nothing
	if s := h.wait(); s.Status != 499 {
		t.Errorf("stats %+v", s)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the client saw an orderly end of a stream that was cut")
	}
}

func TestSlowReaderOfAWholeAnswer(t *testing.T) {
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return passing(strings.Repeat("x", 32<<20)), nil },
		func(o *Options) { o.Snapshot.Write = 50 * time.Millisecond })
	resp, err := h.client.Do(h.request("POST", chatPath, chatBody))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if s := h.wait(); s.Status != 499 {
		t.Errorf("stats %+v", s)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the client saw a whole answer")
	}
}

// brokenWriter is a client whose connection fails after some writes.
type brokenWriter struct {
	header http.Header
	left   int
	err    error
}

func (b *brokenWriter) Header() http.Header { return b.header }
func (b *brokenWriter) WriteHeader(int)     {}
func (b *brokenWriter) FlushError() error   { return nil }
func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, b.err
	}
	return len(p), nil
}

// A failing client ends the stream at the next event: nothing more is pulled
// from the upstream, and nothing is said to nobody.
func TestWriteErrorsAreNotUpstreamErrors(t *testing.T) {
	st := &fakeStream{events: raws("data: 1\n\n", "data: 2\n\n", "data: 3\n\n", "data: 4\n\n"), err: io.EOF}
	stats := &statsLog{}
	s := New(Options{
		Snapshot: &Snapshot{Service: fakeService{do: func(context.Context, *llm.Call) (*llm.Reply, error) { return streamOf(st, llm.DialectOpenAI), nil }}},
		Observe:  stats.observe,
	})
	req, _ := http.NewRequestWithContext(t.Context(), "POST", chatPath, strings.NewReader(chatStream))
	req.Header.Set("Content-Type", "application/json")
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("the connection is not closed: %v", p)
			}
		}()
		s.ServeHTTP(&brokenWriter{header: http.Header{}, left: 2, err: os.ErrDeadlineExceeded}, req)
	}()
	if st.next != 3 || !st.isClosed() {
		t.Errorf("%d events pulled, closed %v", st.next, st.isClosed())
	}
	if got := stats.ended[0]; got.Status != 499 || got.Size != 18 || got.Rejected != "" {
		t.Errorf("stats %+v", got)
	}
}

func TestPanics(t *testing.T) {
	for name, p := range map[string]any{"string": "secret", "error": errors.New("secret"), "runtime": nil} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) {
				if p == nil {
					var none *llm.Call
					_ = none.Model // a panic of the runtime's own
				}
				panic(p)
			})
			r := h.post(chatPath, chatBody)
			if r.status != 500 || !strings.Contains(r.body, "internal error") || strings.Contains(r.body, "secret") {
				t.Fatalf("got %+v", r)
			}
			shape(t, chatPath, r)
			h.wait()
			lines := h.log.lines(t, "a handler panicked")
			if len(lines) != 1 || !strings.Contains(lines[0]["stack"].(string), "stream_test.go") || lines[0]["request_id"] != r.header.Get("X-Request-Id") {
				t.Errorf("log %v", lines)
			}
			if strings.Contains(h.log.String(), "secret") {
				t.Error("the panic's value is in the log")
			}
			if r := h.post(chatPath, chatBody); r.status != 500 {
				t.Error("the server did not survive")
			}
		})
	}
}

// deadlines is a client's side that keeps the write deadlines it is given.
type deadlines struct {
	brokenWriter
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// Every write has most of the write time ahead of it, without a deadline being
// set for each.
func TestWriteDeadlineIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{brokenWriter: brokenWriter{header: http.Header{}, left: 1000}}
		st := &fakeStream{events: raws(strings.Split(strings.Repeat("x", 100), "")...), err: io.EOF}
		st.before = func(i int) {
			if n := len(w.set); i > 0 && time.Until(w.set[n-1]) < 30*time.Second*3/4-time.Second {
				t.Errorf("event %d had %v left", i-1, time.Until(w.set[n-1]))
			}
			time.Sleep(time.Second) // the bubble's clock
		}
		s := New(Options{Snapshot: &Snapshot{Service: fakeService{do: func(context.Context, *llm.Call) (*llm.Reply, error) { return streamOf(st, llm.DialectOpenAI), nil }}}})
		req, _ := http.NewRequestWithContext(t.Context(), "POST", chatPath, strings.NewReader(chatStream))
		req.Header.Set("Content-Type", "application/json")
		s.ServeHTTP(w, req)
		if n := len(w.set); n < 10 || n > 15 {
			t.Errorf("the deadline was set %d times in 100 s", n)
		}
	})
}
