package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// testCase is one kind of load. A closed loop keeps conns callers busy; an
// open loop sends rate requests a second whatever the answers do, and counts
// latency from the moment a request was due, so that a stalled server cannot
// hide its stall (coordinated omission).
type testCase struct {
	name   string
	model  string
	prompt int // bytes of prompt text
	conns  int
	rate   int // requests a second; 0 = closed loop
	stream int // chunks expected; 0 = unary
}

var cases = []testCase{
	{name: "unary-200B-c1", model: "bench", prompt: 80, conns: 1},
	{name: "unary-200B-c16", model: "bench", prompt: 80, conns: 16},
	{name: "unary-200B-c64", model: "bench", prompt: 80, conns: 64},
	{name: "unary-200B-c256", model: "bench", prompt: 80, conns: 256},
	{name: "unary-10KB-c16", model: "bench", prompt: 10_000, conns: 16},
	{name: "unary-100KB-c16", model: "bench", prompt: 100_000, conns: 16},
	{name: "open-2000rps-50ms", model: "bench-delay-50", prompt: 80, conns: 500, rate: 2000},
	{name: "stream-100-c200", model: "bench-stream-100", prompt: 80, conns: 200, stream: 100},
	{name: "stream-20x20ms-c200", model: "bench-stream-20-gap-20", prompt: 80, conns: 200, stream: 20},
}

func caseNames() []string {
	var names []string
	for _, c := range cases {
		names = append(names, c.name)
	}
	return names
}

func caseByName(name string) (testCase, bool) {
	i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })
	if i < 0 {
		return testCase{}, false
	}
	return cases[i], true
}

// target is a system under test.
type target struct {
	name string
	base string // http://host:port
	key  string
	pid  int
}

// result is what one run saw.
type result struct {
	good, bad int
	took      time.Duration
	latency   []time.Duration // sorted
	firstBad  error
}

func (r *result) rate() float64 { return float64(r.good) / r.took.Seconds() }

func (r *result) quantile(q float64) time.Duration {
	if len(r.latency) == 0 {
		return 0
	}
	return r.latency[min(int(q*float64(len(r.latency))), len(r.latency)-1)].Round(time.Microsecond)
}

// runCase loads t with c for d and checks every answer.
func runCase(ctx context.Context, t target, c testCase, d time.Duration) (*result, error) {
	req, err := c.request(t)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(t.base)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	end := start.Add(d)
	var due chan time.Time
	if c.rate > 0 {
		due = make(chan time.Time, c.rate) // a second's worth may wait: later ones still count from when they were due
	}
	parts := make([]result, c.conns)
	var wg sync.WaitGroup
	for i := range parts {
		w := worker{addr: u.Host, request: req, c: c, r: &parts[i]}
		wg.Go(func() { w.run(ctx, end, due) })
	}
	if due != nil {
		feed(ctx, due, c.rate, start, end)
	}
	wg.Wait()
	return merge(parts, time.Since(start)), ctx.Err()
}

func feed(ctx context.Context, due chan<- time.Time, rate int, start, end time.Time) {
	defer close(due)
	gap := time.Second / time.Duration(rate)
	for at := start; at.Before(end) && ctx.Err() == nil; at = at.Add(gap) {
		if wait := time.Until(at); wait > 0 {
			time.Sleep(wait)
		}
		due <- at
	}
}

func merge(parts []result, took time.Duration) *result {
	sum := &result{took: took}
	for _, p := range parts {
		sum.good += p.good
		sum.bad += p.bad
		sum.latency = append(sum.latency, p.latency...)
		if sum.firstBad == nil {
			sum.firstBad = p.firstBad
		}
	}
	slices.Sort(sum.latency)
	return sum
}

// request renders the bytes that every caller sends.
func (c testCase) request(t target) ([]byte, error) {
	u, err := url.Parse(t.base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no base URL", t.base)
	}
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}],"temperature":0.2`, c.model, prompt(c.prompt))
	if c.stream > 0 {
		body += `,"stream":true,"stream_options":{"include_usage":true}`
	}
	body += "}"
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", u.Host, len(body))
	if t.key != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", t.key)
	}
	b.WriteString("\r\n" + body)
	return b.Bytes(), nil
}

func prompt(n int) string {
	const s = "What is the answer to life, the universe and everything? "
	return strings.Repeat(s, n/len(s)+1)[:n]
}

// worker is one caller with one connection.
type worker struct {
	addr    string
	request []byte
	c       testCase
	r       *result

	conn net.Conn
	br   *bufio.Reader
	buf  []byte
}

func (w *worker) run(ctx context.Context, end time.Time, due <-chan time.Time) {
	defer w.hangUp()
	for ctx.Err() == nil {
		at := time.Now()
		if due != nil {
			var ok bool
			if at, ok = <-due; !ok {
				return
			}
		} else if !at.Before(end) {
			return
		}
		if err := w.exchange(ctx); err != nil {
			w.hangUp()
			w.r.bad++
			if w.r.firstBad == nil {
				w.r.firstBad = err
			}
			continue
		}
		w.r.good++
		w.r.latency = append(w.r.latency, time.Since(at))
	}
}

func (w *worker) hangUp() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

func (w *worker) exchange(ctx context.Context) error {
	if w.conn == nil {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", w.addr)
		if err != nil {
			return err
		}
		w.conn, w.br = conn, bufio.NewReaderSize(conn, 16<<10)
	}
	_ = w.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := w.conn.Write(w.request); err != nil {
		return err
	}
	return w.readAnswer()
}

func (w *worker) readAnswer() error {
	resp, err := http.ReadResponse(w.br, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	w.buf, err = readInto(w.buf[:0], resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s: %.200s", strconv.Itoa(resp.StatusCode), w.buf)
	}
	return w.c.check(w.buf)
}

func readInto(dst []byte, r io.Reader) ([]byte, error) {
	for {
		dst = slices.Grow(dst, 4096)
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// check says whether an answer is whole: every chunk, the usage and the end.
func (c testCase) check(answer []byte) error {
	if c.stream == 0 {
		if !bytes.Contains(answer, []byte(`"total_tokens":35`)) {
			return fmt.Errorf("answer is not whole: %.200s", answer)
		}
		return nil
	}
	if n := bytes.Count(answer, []byte(`" token"`)); n != c.stream {
		return fmt.Errorf("stream has %d of %d chunks", n, c.stream)
	}
	if !bytes.HasSuffix(answer, []byte("data: [DONE]\n\n")) || !bytes.Contains(answer, []byte(`"total_tokens":`)) {
		return fmt.Errorf("stream has no end or no usage")
	}
	return nil
}
