package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// The headers of a delivery.
const (
	// HeaderSignature is t=UNIX,v1=HEX: HEX is the HMAC-SHA256, keyed by the
	// hook's secret, of UNIX (seconds, decimal), a full stop and the body.
	HeaderSignature = "X-Gateway-Signature"
	HeaderEvent     = "X-Gateway-Event"    // the kind
	HeaderDelivery  = "X-Gateway-Delivery" // the same for all tries of a delivery
)

const (
	defaultTimeout = 5 * time.Second
	maxRedirects   = 3
	maxDrained     = 64 << 10 // of an answer, so that its connection can be used again
)

// delivery is one event on its way to one hook.
type delivery struct {
	hook  Hook
	kind  string
	id    string
	body  []byte
	tries int // made
	due   time.Time
}

// payload is the body of a delivery.
type payload struct {
	Kind    string            `json:"kind"`
	Subject string            `json:"subject"`
	Message string            `json:"message"`
	Time    time.Time         `json:"time"`
	Gateway string            `json:"gateway"`
	Facts   map[string]string `json:"facts"`
}

func encode(e Event, gateway string) []byte {
	p := payload{Kind: e.Kind, Subject: e.Subject, Message: e.Message, Time: e.Time.UTC(), Gateway: gateway, Facts: map[string]string{}}
	for _, f := range e.Facts {
		p.Facts[f.Name] = f.Value
	}
	body, err := json.Marshal(p)
	if err != nil { // only a year beyond 9999 could do it
		return []byte("{}")
	}
	return body
}

func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Sign returns the value of HeaderSignature for a body sent at a time.
func Sign(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, t+".") // a hash never fails
	_, _ = mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// newClient makes the client of all deliveries. A redirect to another host is
// not followed: the signature and the body were meant for the one configured.
func newClient(rt http.RoundTripper) *http.Client {
	if rt == nil {
		rt = &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: defaultTimeout,
		}
	}
	return &http.Client{Transport: rt, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if first := via[0].URL; len(via) > maxRedirects || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
			return http.ErrUseLastResponse // the 3xx is the answer, and no good one
		}
		return nil
	}}
}

// work delivers until Close; it is the worker's whole life.
func (n *Notifier) work() {
	defer close(n.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		d, wait, state := n.next()
		switch state {
		case ready:
			n.attempt(d)
			continue
		case over:
			return
		}
		timer.Reset(wait)
		select {
		case <-n.wake:
		case <-timer.C:
		}
	}
}

// What next found.
const (
	idle = iota
	ready
	over
)

// next takes the delivery that is due first. While closing all are due.
func (n *Notifier) next() (d delivery, wait time.Duration, state int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing && (len(n.queue) == 0 || n.life.Err() != nil) {
		return d, 0, over
	}
	if len(n.queue) == 0 {
		return d, time.Hour, idle
	}
	first := 0
	for i := range n.queue {
		if n.queue[i].due.Before(n.queue[first].due) {
			first = i
		}
	}
	d = n.queue[first]
	if wait = time.Until(d.due); wait > 0 && !n.closing {
		return d, wait, idle
	}
	n.queue = slices.Delete(n.queue, first, first+1)
	return d, 0, ready
}

// attempt makes one try, and puts the delivery back if another one makes sense.
func (n *Notifier) attempt(d delivery) {
	again, err := n.post(&d)
	if err == nil {
		n.count(Delivered, 1)
		return
	}
	d.tries++
	if again && d.tries < n.o.Tries && n.putBack(d) {
		return
	}
	n.o.Logger.LogAttrs(n.life, slog.LevelWarn, "a webhook was not told",
		slog.String("host", d.hook.host()), slog.String("kind", d.kind), slog.Int("tries", d.tries), slog.Any("error", err))
	n.count(Failed, 1)
}

// putBack queues a delivery for another try. While closing there is none.
func (n *Notifier) putBack(d delivery) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return false
	}
	d.due = time.Now().Add(n.o.Backoff.Delay(d.tries - 1))
	n.queue = append(n.queue, d)
	return true
}

// post makes one exchange. again says whether another may do better. The error
// does not show the address beyond its host.
func (n *Notifier) post(d *delivery) (again bool, err error) {
	timeout := d.hook.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(n.life, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.hook.URL, bytes.NewReader(d.body))
	if err != nil {
		return false, errors.New("the address cannot be read") // err shows it
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "llm-gateway")
	req.Header.Set(HeaderEvent, d.kind)
	req.Header.Set(HeaderDelivery, d.id)
	if d.hook.Secret != "" {
		req.Header.Set(HeaderSignature, Sign(d.hook.Secret, time.Now(), d.body))
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return true, reason(ctx, err)
	}
	defer resp.Body.Close()                            //nolint:errcheck // read only
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained) // what the receiver says is of no use
	return verdict(resp.StatusCode)
}

func verdict(status int) (again bool, err error) {
	if status >= 200 && status < 300 {
		return false, nil
	}
	again = status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
	return again, fmt.Errorf("it answered %d", status)
}

// reason says why there was no answer. The client's own error holds the whole
// address.
func reason(ctx context.Context, err error) error {
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &op):
		return op
	case errors.As(err, &cert):
		return cert
	}
	return errors.New("no answer that HTTP allows")
}

// host is all of a hook's address that may be shown.
func (h Hook) host() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return "?"
	}
	return u.Host
}

// Close delivers what waits, one last try each, until ctx ends. What is left
// then is dropped and counted.
func (n *Notifier) Close(ctx context.Context) error {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	n.nudge()
	var err error
	select {
	case <-n.done:
	case <-ctx.Done():
		err = fmt.Errorf("webhooks: %w", context.Cause(ctx))
	}
	n.abort()
	<-n.done
	n.client.CloseIdleConnections()
	n.mu.Lock()
	left := len(n.queue)
	n.queue = nil
	n.mu.Unlock()
	n.count(Dropped, left)
	return err
}
