package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// upstream answers with bytes made beforehand, in the dialect of the path. The
// model name says what to do, in words joined by dashes: bench, then any of
// stream-N (chunks), gap-N (ms between them), delay-N (ms before the head).
type upstream struct {
	mu    sync.RWMutex
	plans map[asked]*plan
}

// asked is a dialect and a model.
type asked struct{ dialect, model string }

type plan struct {
	stream     int
	gap, delay time.Duration
	rendering
}

func newUpstream() http.Handler { return &upstream{plans: map[asked]*plan{}} }

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		return
	}
	p, err := u.plan(askedFor(r.URL.Path, body))
	if err != nil {
		http.Error(w, `{"error":{"message":"`+err.Error()+`","type":"invalid_request_error","param":"model","code":null}}`, http.StatusNotFound)
		return
	}
	if p.delay > 0 {
		t := time.NewTimer(p.delay)
		select {
		case <-t.C:
		case <-r.Context().Done():
			t.Stop()
			return
		}
	}
	if p.stream > 0 {
		p.serveStream(w, r)
		return
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(p.unary))}
	_, _ = w.Write(p.unary)
}

var (
	jsonType = []string{"application/json"}
	sseType  = []string{"text/event-stream; charset=utf-8"}
)

func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(r.Body)
	}
	b := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, b)
	return b, err
}

// askedFor returns the dialect of a path and the model: Gemini's is in the path
// (/v1beta/models/NAME:generateContent), that of the others in the body.
func askedFor(path string, body []byte) asked {
	if rest, ok := strings.CutPrefix(path, "/v1beta/models/"); ok {
		model, _, _ := strings.Cut(rest, ":")
		return asked{"gemini", model}
	}
	return asked{path, modelOf(body)}
}

// modelOf finds the model without decoding: the load generator and the systems
// under test write the member without blanks, or with one.
func modelOf(body []byte) string {
	_, rest, ok := bytes.Cut(body, []byte(`"model":`))
	if !ok {
		return ""
	}
	rest = bytes.TrimLeft(rest, ` "`)
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(name)
}

func (p *plan) serveStream(w http.ResponseWriter, r *http.Request) {
	w.Header()["Content-Type"] = sseType
	if p.gap == 0 {
		_, _ = w.Write(p.all)
		return
	}
	rc := http.NewResponseController(w)
	tick := time.NewTicker(p.gap)
	defer tick.Stop()
	_, _ = w.Write(p.start)
	for range p.stream {
		_, _ = w.Write(p.chunk)
		if rc.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
	_, _ = w.Write(p.end)
}

func (u *upstream) plan(a asked) (*plan, error) {
	u.mu.RLock()
	p := u.plans[a]
	u.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := newPlan(a)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.plans) < 1000 {
		u.plans[a] = p
	}
	return p, nil
}

func newPlan(a asked) (*plan, error) {
	render := dialects[a.dialect]
	if render == nil {
		return nil, fmt.Errorf("no endpoint %q", a.dialect)
	}
	words := strings.Split(a.model, "-")
	if words[0] != "bench" || len(words)%2 == 0 {
		return nil, fmt.Errorf("no model %q: bench[-stream-N][-gap-N][-delay-N]", a.model)
	}
	p := &plan{}
	for i := 1; i < len(words); i += 2 {
		n, err := strconv.Atoi(words[i+1])
		if err != nil || n < 0 || n > 100_000 {
			return nil, fmt.Errorf("%q is no number in range", words[i+1])
		}
		switch words[i] {
		case "stream":
			p.stream = n
		case "gap":
			p.gap = time.Duration(n) * time.Millisecond
		case "delay":
			p.delay = time.Duration(n) * time.Millisecond
		default:
			return nil, fmt.Errorf("unknown word %q", words[i])
		}
	}
	p.rendering = render(a.model, p.stream)
	return p, nil
}

// newYardstick returns the bare proxy that everything is compared with.
func newYardstick(to string) (http.Handler, error) {
	u, err := url.Parse(to)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("-upstream %q is no URL", to)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport: &http.Transport{
			MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
		},
		BufferPool: &bufferPool{},
	}, nil
}

type bufferPool struct{ p sync.Pool }

func (b *bufferPool) Get() []byte {
	if v, ok := b.p.Get().(*[]byte); ok {
		return *v
	}
	return make([]byte, 32<<10)
}

func (b *bufferPool) Put(v []byte) { b.p.Put(&v) }
