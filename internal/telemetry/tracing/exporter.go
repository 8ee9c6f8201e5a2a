package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/llm-gateway/llm-gateway/pkg/backoff"
)

// maxAnswer bounds what is read of a collector's answer.
const maxAnswer = 64 << 10

// exporter sends spans by OTLP/HTTP in its binary encoding
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp): one POST for a batch,
// repeated on the statuses for which the specification wants it, until the
// context of the export ends.
type exporter struct {
	url     string
	header  http.Header
	client  *http.Client
	gzip    bool
	retry   backoff.Backoff
	dropped func(n int, reason string)

	mu   sync.Mutex // guards the buffers, which serve export after export
	raw  wire
	body bytes.Buffer
	zip  *gzip.Writer
}

func newExporter(o Options) *exporter {
	e := &exporter{
		url: o.Endpoint, gzip: o.Gzip, dropped: o.Dropped, header: http.Header{},
		retry: backoff.Backoff{Base: time.Second, Cap: 30 * time.Second},
		client: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
				MaxIdleConns: 2, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
			},
			// A redirect would carry the headers, which may be secret, elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for name, value := range o.Headers {
		e.header.Set(name, value)
	}
	e.header.Set("Content-Type", "application/x-protobuf")
	e.header.Set("User-Agent", "llm-gateway/"+o.Version)
	if e.gzip {
		e.header.Set("Content-Encoding", "gzip")
		e.zip, _ = gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is a valid one
	}
	return e
}

// ExportSpans sends one batch.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	body, err := e.encode(spans)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		wait, err := e.post(ctx, body, len(spans))
		var again *retryable
		if !errors.As(err, &again) {
			return err
		}
		if wait == 0 {
			wait = e.retry.Delay(n)
		}
		if left, ok := ctx.Deadline(); ok && time.Until(left) <= wait {
			return err
		}
		if backoff.Wait(ctx, wait) != nil {
			return err
		}
	}
}

// Shutdown gives the connections back.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

func (e *exporter) encode(spans []sdktrace.ReadOnlySpan) ([]byte, error) {
	e.raw = appendRequest(e.raw[:0], spans)
	if !e.gzip {
		return e.raw, nil
	}
	e.body.Reset()
	e.zip.Reset(&e.body)
	if _, err := e.zip.Write(e.raw); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := e.zip.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return e.body.Bytes(), nil
}

// retryable is a failure after which the same batch may be sent again.
type retryable struct{ error }

func (r *retryable) Unwrap() error { return r.error }

// post sends a batch of so many spans once. wait is what the collector asked
// for.
func (e *exporter) post(ctx context.Context, body []byte, spans int) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header = e.header
	resp, err := e.client.Do(req)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // without the address, which may hold a token
		}
		return 0, &retryable{fmt.Errorf("collector: %w", err)}
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close() // nothing more is wanted of it
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		// What could not be read of the answer to a success changes nothing.
		if n := rejected(answer); err == nil && n > 0 {
			e.dropped(int(min(n, uint64(spans))), DroppedRejected)
		}
		return 0, nil
	case mayRepeat(resp.StatusCode):
		return retryAfter(resp.Header.Get("Retry-After")), &retryable{fmt.Errorf("collector: status %d", resp.StatusCode)}
	}
	return 0, fmt.Errorf("collector: status %d", resp.StatusCode)
}

// mayRepeat reports the statuses of "Retryable Response Codes" in the
// specification of OTLP/HTTP.
func mayRepeat(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads seconds or a date; 0 = none.
func retryAfter(v string) time.Duration {
	if n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// rejected reads an ExportTraceServiceResponse: how many spans of the batch the
// collector did not take (partial_success = 1, rejected_spans = 1). What it
// cannot read counts as none.
func rejected(answer []byte) uint64 {
	partial, _ := field1(answer)
	_, n := field1(partial)
	return n
}

// field1 finds field 1 of a message, as bytes or as a number.
func field1(b []byte) (msg []byte, number uint64) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, 0
		}
		b = b[n:]
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, 0
		}
		b = b[n:]
		switch tag & 7 {
		case wireVarint:
			if tag>>3 == 1 {
				return nil, v
			}
		case wireBytes:
			if v > uint64(len(b)) {
				return nil, 0
			}
			if tag>>3 == 1 {
				return b[:v], 0
			}
			b = b[v:]
		default:
			return nil, 0 // such fields the answer has none
		}
	}
	return nil, 0
}
