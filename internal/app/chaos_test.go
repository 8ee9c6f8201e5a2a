package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

// chaosVariable says how many calls TestChaos makes.
const chaosVariable = "CHAOS_CALLS"

const chaosYAML = `
providers:
  bad: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 5ms}, timeouts: {first_byte: 250ms, idle: 250ms}, breaker: {cooldown: 200ms, window: 2s}}
  worse: {type: anthropic, base_url: "%[1]s", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 5ms}, timeouts: {first_byte: 250ms, idle: 250ms}, breaker: {min_requests: 0}}
  gone: {type: openai, base_url: "%[2]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 2ms}}
  good: {type: openai, base_url: "%[3]s/v1", keys: ["` + provKey + `"], breaker: {min_requests: 0}}
models:
  healed: {retries: 1, targets: [{provider: bad, model: mock/lorem-24}, {provider: good, model: mock/lorem-24}]}
  mended: {retries: 1, targets: [{provider: gone, model: x}, {provider: worse, model: mock/lorem-24}, {provider: good, model: mock/lorem-24}]}
  lonely: {retries: 1, targets: [{provider: bad, model: mock/lorem-24}]}
  bare: {retries: 0, targets: [{provider: worse, model: mock/lorem-24}]}
auth:
  keys: [{name: app, key: "` + clientKey + `", tenant: team, limits: {concurrency: 1000, tpm: 1000000000}}]
usage: {database: "%[4]s"}
limits: {rps: 0, concurrency: 1000}
server: {admin: {token: ` + adminToken + `}}
`

// gremlin stands before an upstream and breaks it at random. It counts the
// requests that have reached it.
type gremlin struct {
	next http.Handler

	mu   sync.Mutex
	rand *rand.Rand
	seen atomic.Int64
	done [faults]atomic.Int64
}

// The faults, each as likely as the other; what is left of a hundred is well.
const (
	faultReset = iota // the connection is reset before the answer
	faultHangUp
	faultStall // nothing comes
	faultLimited
	faultLimitedWait
	faultServer
	faultHTML
	faultSlow
	faultNoJSON   // 200 with a body that is no JSON, or a stream that is none
	faultShort    // less of the body than was promised
	faultCut      // a part of the answer, then a clean end of the connection
	faultBreak    // a part of the answer, then a reset
	faultPause    // a part of the answer, then nothing
	faultGarbage  // a part of the answer, then bytes of another world
	faultErrorMid // a part of the answer, then an error
	faults
	percentEach = 3
)

func (g *gremlin) draw() (fault int, part float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rand.IntN(100) / percentEach, g.rand.Float64()
}

func (g *gremlin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.seen.Add(1)
	fault, part := g.draw()
	if fault < faults {
		g.done[fault].Add(1)
	}
	switch fault {
	case faultReset:
		hangUp(w, true)
	case faultHangUp:
		hangUp(w, false)
	case faultStall:
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case faultLimited, faultLimitedWait:
		if fault == faultLimitedWait {
			w.Header().Set("Retry-After-Ms", strconv.Itoa(int(part*20)))
		}
		fail(w, r, http.StatusTooManyRequests, "rate_limit_error")
	case faultServer:
		fail(w, r, []int{500, 502, 503, 529}[int(part*4)], "api_error")
	case faultHTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html><body>Bad gateway</body></html>")
	case faultSlow:
		<-time.After(time.Duration(part * float64(30*time.Millisecond)))
		g.next.ServeHTTP(w, r)
	case faultNoJSON, faultShort, faultCut, faultBreak, faultPause, faultGarbage, faultErrorMid:
		g.spoil(w, r, fault, part)
	default:
		g.next.ServeHTTP(w, r)
	}
}

func fail(w http.ResponseWriter, r *http.Request, status int, kind string) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"error","error":{"type":%q,"message":"chaos","code":null,"param":null}}`, kind)
}

func hangUp(w http.ResponseWriter, reset bool) {
	nc, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if t, ok := nc.(*net.TCPConn); ok && reset {
		_ = t.SetLinger(0)
	}
	_ = nc.Close()
}

// spoil sends a part of the true answer, and then what the fault says.
func (g *gremlin) spoil(w http.ResponseWriter, r *http.Request, fault int, part float64) {
	rec := httptest.NewRecorder()
	g.next.ServeHTTP(rec, r)
	whole := rec.Body.Bytes()
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Del("Content-Length")
	stream := strings.HasPrefix(rec.Header().Get("Content-Type"), "text/event-stream")
	n := int(part * float64(len(whole)-1))
	switch fault {
	case faultNoJSON:
		_, _ = io.WriteString(w, "upstream\nsays \x00 hello\n\n")
		return
	case faultShort:
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)+100))
	}
	_, _ = w.Write(whole[:n])
	_ = http.NewResponseController(w).Flush()
	switch fault {
	case faultBreak:
		hangUp(w, true)
	case faultPause:
		<-r.Context().Done()
	case faultGarbage:
		_, _ = io.WriteString(w, "\n\ndata: {\"choices\":[{\"delta\":{\"con\n\n")
	case faultErrorMid:
		if stream {
			_, _ = io.WriteString(w, "\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"chaos\"}}\n\n")
		}
	}
}

// asker is one kind of client: how it asks, and how it reads an answer.
type asker struct {
	path, body string
	// whole returns the text of a good answer; failed says whether body is an
	// error of this dialect.
	whole  func(body []byte) string
	failed func(body []byte) bool
	// ends are what the last event of a stream may be: good, and bad.
	good, bad func(ev event) bool
	delta     func(ev event) string
}

type event struct {
	name string
	data []byte
}

// member returns the string at a path of members and indices, "" when there is none.
func member(b []byte, path ...any) string {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return ""
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			a, _ := v.([]any)
			if p >= len(a) {
				return ""
			}
			v = a[p]
		}
	}
	s, _ := v.(string)
	return s
}

func hasError(b []byte) bool {
	return member(b, "error", "message") != "" || member(b, "message") != ""
}

var askers = []asker{
	{
		path: "/v1/generate", body: `{"model":%q,"stream":%t,"prompt":"chaos"}`,
		whole:  func(b []byte) string { return member(b, "data", "text") },
		failed: func(b []byte) bool { return member(b, "error", "kind") != "" },
		good:   func(e event) bool { return e.name == "done" && member(e.data, "finish_reason") != "" },
		bad:    func(e event) bool { return e.name == "error" && member(e.data, "error", "kind") != "" },
		delta: func(e event) string {
			if e.name == "delta" {
				return member(e.data, "text")
			}
			return ""
		},
	},
	{
		path: "/v1/chat/completions", body: `{"model":%q,"stream":%t,"messages":[{"role":"user","content":"chaos"}]}`,
		whole:  func(b []byte) string { return member(b, "choices", 0, "message", "content") },
		failed: hasError,
		good:   func(e event) bool { return string(e.data) == "[DONE]" },
		bad:    func(e event) bool { return member(e.data, "error", "message") != "" },
		delta:  func(e event) string { return member(e.data, "choices", 0, "delta", "content") },
	},
	{
		path: "/v1/messages", body: `{"model":%q,"stream":%t,"max_tokens":900,"messages":[{"role":"user","content":"chaos"}]}`,
		whole:  func(b []byte) string { return member(b, "content", 0, "text") },
		failed: func(b []byte) bool { return member(b, "type") == "error" && hasError(b) },
		good:   func(e event) bool { return e.name == "message_stop" },
		bad:    func(e event) bool { return e.name == "error" && member(e.data, "error", "message") != "" },
		delta:  func(e event) string { return member(e.data, "delta", "text") },
	},
	{
		path: "/v1/responses", body: `{"model":%q,"stream":%t,"input":"chaos"}`,
		whole:  func(b []byte) string { return member(b, "output", 0, "content", 0, "text") },
		failed: hasError,
		good:   func(e event) bool { return e.name == "response.completed" },
		bad:    func(e event) bool { return e.name == "error" || e.name == "response.failed" },
		delta: func(e event) string {
			if e.name == "response.output_text.delta" {
				return member(e.data, "delta")
			}
			return ""
		},
	},
}

// tally counts what became of the calls to one route.
type tally struct{ calls, begun, whole, left atomic.Int64 }

// TestChaos: whatever the upstreams do, every client gets a complete answer or
// exactly one well-formed error in its dialect; a route with one healthy target
// answers practically always; nothing leaks and the ledger agrees.
func TestChaos(t *testing.T) {
	calls := 1500
	if s := os.Getenv(chaosVariable); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		calls = n
	} else if testing.Short() {
		calls = 300
	}
	g := &gremlin{next: mockserver.New(mockserver.Options{Key: provKey}), rand: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))}
	bad := httptest.NewUnstartedServer(g)
	bad.Config.ErrorLog = nil
	bad.Start()
	t.Cleanup(bad.Close)
	well := mockserver.New(mockserver.Options{Key: provKey})
	var reached atomic.Int64
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached.Add(1); well.ServeHTTP(w, r) }))
	t.Cleanup(good.Close)
	refused := httptest.NewServer(nil)
	refused.Close() // nobody listens there
	file := t.TempDir() + "/ledger.db"
	r := start(t, fmt.Sprintf(chaosYAML, bad.URL, refused.URL, good.URL, file), nil)
	c := &chaos{t: t, r: r, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, tallies: map[string]*tally{}}
	for _, name := range []string{"healed", "mended", "lonely", "bare"} {
		c.tallies[name] = &tally{}
	}
	c.text = c.ask(&askers[1], "good/mock/lorem-24", false) // what a good answer says
	before := runtime.NumGoroutine()
	c.storm(calls)
	for name, n := range c.tallies {
		t.Logf("%s: %d calls, %d answers begun, %d whole, %d left by the client", name, n.calls.Load(), n.begun.Load(), n.whole.Load(), n.left.Load())
		lost := n.calls.Load() - n.begun.Load()
		if (name == "healed" || name == "mended") && lost*10_000 > n.calls.Load() {
			t.Errorf("%s: %d of %d calls failed before the first byte, with a healthy target behind", name, lost, n.calls.Load())
		}
		if name != "healed" && name != "mended" && n.whole.Load() == 0 {
			t.Errorf("%s: nothing came through", name)
		}
	}
	for i := range g.done {
		if calls >= 1000 && g.done[i].Load() == 0 {
			t.Errorf("fault %d never happened", i)
		}
	}
	c.settled(before)
	c.reconcile(file, int64(calls)+1, map[string]int64{"bad+worse": g.seen.Load(), "good": reached.Load()})
}

type chaos struct {
	t       *testing.T
	r       *running
	client  *http.Client
	tallies map[string]*tally
	text    string
}

// storm makes the calls: all dialects, whole and streamed, to all routes; one
// in twenty leaves early.
func (c *chaos) storm(calls int) {
	routes := []string{"healed", "mended", "healed", "lonely", "bare"}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 96 {
		wg.Go(func() {
			for !c.t.Failed() {
				n := int(next.Add(1)) - 1
				if n >= calls {
					return
				}
				a := &askers[n%len(askers)]
				c.one(a, routes[(n/8)%len(routes)], n/4%2 == 0, n%20 == 19)
			}
		})
	}
	wg.Wait()
	c.client.CloseIdleConnections()
}

// ask makes a call that must succeed and returns the text.
func (c *chaos) ask(a *asker, model string, stream bool) string {
	c.t.Helper()
	resp, err := c.post(c.t.Context(), a, model, stream)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	text := a.whole(b)
	if resp.StatusCode != http.StatusOK || text == "" {
		c.t.Fatalf("%d %s", resp.StatusCode, b)
	}
	return text
}

func (c *chaos) post(ctx context.Context, a *asker, model string, stream bool) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.r.base+a.path, strings.NewReader(fmt.Sprintf(a.body, model, stream)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+clientKey)
	req.Header.Set("Content-Type", "application/json")
	return c.client.Do(req)
}

func (c *chaos) one(a *asker, model string, stream, leave bool) {
	n := c.tallies[model]
	n.calls.Add(1)
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	resp, err := c.post(ctx, a, model, stream)
	if err != nil {
		c.t.Errorf("%s %s: %v", a.path, model, err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		n.begun.Add(1)
	}
	if leave {
		n.left.Add(1)
		_, _ = io.CopyN(io.Discard, resp.Body, 300)
		return
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Errorf("%s %s: %d: %v: …%s", a.path, model, resp.StatusCode, err, body[max(0, len(body)-300):])
		return
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		if !a.failed(body) {
			c.t.Errorf("%s %s: %d is no error of the dialect: %s", a.path, model, resp.StatusCode, body)
		}
	case stream:
		c.stream(a, model, body)
	case a.whole(body) != c.text:
		c.t.Errorf("%s %s: an answer that is not whole: %s", a.path, model, body)
	default:
		n.whole.Add(1)
	}
}

// stream checks that a stream has one terminal event, at its end, and before a
// good one the whole text.
func (c *chaos) stream(a *asker, model string, body []byte) {
	var text strings.Builder
	ended, wellEnded := 0, false
	for _, ev := range eventsOf(body) {
		if ended > 0 {
			ended++ // something follows the end
		}
		text.WriteString(a.delta(ev))
		switch {
		case a.good(ev):
			ended++
			wellEnded = true
		case a.bad(ev):
			ended++
		}
	}
	switch {
	case ended != 1:
		c.t.Errorf("%s %s: %d terminal events: …%s", a.path, model, ended, body[max(0, len(body)-600):])
	case wellEnded && text.String() != c.text:
		c.t.Errorf("%s %s: a good end behind %q", a.path, model, text.String())
	case wellEnded:
		c.tallies[model].whole.Add(1)
	}
}

func eventsOf(body []byte) (all []event) {
	sc := bufio.NewScanner(bytes.NewReader(body))
	sc.Buffer(nil, 1<<20)
	var ev event
	for sc.Scan() {
		line := sc.Text()
		switch {
		case line == "" && ev.data != nil:
			all = append(all, ev)
			ev = event{}
		case strings.HasPrefix(line, "event: "):
			ev.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			ev.data = []byte(line[len("data: "):])
		}
	}
	return all
}

// settled waits until all that the storm took has been given back.
func (c *chaos) settled(goroutines int) {
	c.t.Helper()
	var state string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		metrics := c.metrics()
		state = fmt.Sprintf("%d goroutines (%d before), requests in flight %s, streams %s", runtime.NumGoroutine(), goroutines,
			metrics["http_requests_in_flight"], metrics["llm_streams_in_flight"])
		if runtime.NumGoroutine() <= goroutines+8 && metrics["llm_streams_in_flight"] == "0" && metrics["http_requests_in_flight"] != "" {
			c.t.Log(state)
			return
		}
		http.DefaultClient.CloseIdleConnections()
		c.client.CloseIdleConnections()
		c.r.app.client.CloseIdleConnections()
	}
	buf := make([]byte, 1<<20)
	c.t.Errorf("not settled: %s\n%.6000s", state, buf[:runtime.Stack(buf, true)])
}

// metrics returns the series without labels.
func (c *chaos) metrics() map[string]string {
	resp, err := http.Get(c.r.base + "/metrics")
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	m := map[string]string{}
	sc := bufio.NewScanner(resp.Body)
	for sc.Scan() {
		if name, value, ok := strings.Cut(sc.Text(), " "); ok {
			m[name] = value
		}
	}
	return m
}

// reconcile compares the ledger with what the upstreams have seen.
func (c *chaos) reconcile(file string, requests int64, seen map[string]int64) {
	c.t.Helper()
	if err := c.r.stop(); err != nil {
		c.t.Error(err)
	}
	store, err := ledger.OpenSQLite(c.t.Context(), file)
	if err != nil {
		c.t.Fatal(err)
	}
	defer store.Close()
	rows, err := store.Usage(c.t.Context(), ledger.Query{GroupBy: []ledger.Group{ledger.ByProvider}})
	if err != nil {
		c.t.Fatal(err)
	}
	attempts, total := map[string]int64{}, int64(0)
	for _, row := range rows {
		total += row.Requests
		switch row.Provider {
		case "bad", "worse":
			attempts["bad+worse"] += row.Attempts
		case "good":
			attempts["good"] += row.Attempts
		}
	}
	if total != requests {
		c.t.Errorf("%d requests were made, the ledger has %d", requests, total)
	}
	for name, n := range seen {
		// An attempt whose client left, or whose time was up, before the request
		// was out is in the ledger alone.
		if surplus := attempts[name] - n; surplus < 0 || surplus > 5+n/50 {
			c.t.Errorf("%s saw %d requests, the ledger has %d attempts", name, n, attempts[name])
		}
	}
	if s := c.r.app.ledger.Stats(); s.Lost != 0 || s.Waiting != 0 {
		c.t.Errorf("%+v", s)
	}
}
