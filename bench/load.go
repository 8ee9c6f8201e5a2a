package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

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

// patience is how long an answer may take, and how long after the end of a run
// requests that were due in it are still sent.
const patience = 30 * time.Second

// errNeverSent is the fate of a request that was due and found no caller free.
var errNeverSent = fmt.Errorf("it was due, and every caller still waited %v after the end", patience)

// count takes one answer in. A bad one has no latency: a server does not get
// faster by failing.
func (r *result) count(err error, took time.Duration) {
	if err == nil {
		r.good++
		r.latency = append(r.latency, took)
		return
	}
	r.bad++
	if r.firstBad == nil {
		r.firstBad = err
	}
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
	start := time.Now()
	end := start.Add(d)
	var due chan time.Time
	if c.rate > 0 {
		due = make(chan time.Time, c.rate) // a second's worth may wait: later ones still count from when they were due
	}
	parts := make([]result, c.conns)
	host := hostOf(t.base)
	var wg sync.WaitGroup
	for i := range parts {
		w := worker{addr: host, request: req, c: c, r: &parts[i]}
		wg.Go(func() { w.run(ctx, end, due) })
	}
	if due != nil {
		feed(ctx, due, c.rate, start, end)
	}
	wg.Wait()
	return merge(parts, time.Since(start)), ctx.Err()
}

// hostOf is the host and port of a base URL that request has accepted.
func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Host
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

// worker is one caller with one connection.
type worker struct {
	addr    string
	request []byte
	c       testCase
	r       *result

	small bool   // buffers for one slow stream among thousands
	begun func() // told of the first byte of a body; nil = nobody asks

	conn     net.Conn
	br       *bufio.Reader
	buf      []byte
	hasBegun bool
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
		err := error(nil)
		if time.Since(end) > patience {
			err = errNeverSent
		} else if err = w.exchange(ctx); err != nil {
			w.hangUp()
		}
		w.r.count(err, time.Since(at))
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
		size := 16 << 10
		if w.small {
			size = 1 << 10
		}
		w.conn, w.br = conn, bufio.NewReaderSize(conn, size)
	}
	_ = w.conn.SetDeadline(time.Now().Add(patience))
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
	body := io.Reader(resp.Body)
	if w.begun != nil {
		body = opening{body, w}
	}
	w.buf, err = readInto(w.buf[:0], body)
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
		dst = slices.Grow(dst, 512)
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
