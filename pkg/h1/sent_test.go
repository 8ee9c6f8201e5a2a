package h1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
)

// watched is a body that knows whether it may still be read.
type watched struct {
	bytes.Reader
	sent   atomic.Int32
	closed atomic.Bool
}

func (w *watched) Read(p []byte) (int, error) {
	if w.sent.Load() > 0 {
		panic("read after Sent")
	}
	return w.Reader.Read(p)
}

func (w *watched) Sent()        { w.sent.Add(1) }
func (w *watched) Close() error { w.closed.Store(true); return nil }

// TestBodiesAreToldWhenTheyAreSent: whatever becomes of the exchange, the body
// is told once, before RoundTrip returns; another transport's is not.
func TestBodiesAreToldWhenTheyAreSent(t *testing.T) {
	base, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/early" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
	})
	other := func(*http.Request) (*http.Response, error) { return nil, errors.New("another transport's") }
	for _, tc := range []struct {
		name  string
		url   string
		size  int
		proxy bool
		fails bool
		told  int32
	}{
		{"answered", base, 1000, false, false, 1},
		{"large", base, inline + 1, false, false, 1},
		{"answered early", base + "/early", 4 << 20, false, false, 1},
		{"nobody there", "http://127.0.0.1:1", 1000, false, true, 1},
		{"by a proxy", base, 1000, true, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTransport(t, Options{Fallback: roundTripper(other), Proxy: func(*url.URL) bool { return tc.proxy }})
			w := &watched{}
			w.Reset(make([]byte, tc.size))
			req := post(t.Context(), tc.url, nil)
			req.Body, req.ContentLength = w, int64(tc.size)
			resp, err := tr.RoundTrip(req)
			if (err != nil) != tc.fails || w.sent.Load() != tc.told || w.closed.Load() != (tc.told > 0) {
				t.Errorf("%v, told %d times, closed %v", err, w.sent.Load(), w.closed.Load())
			}
			if err == nil {
				resp.Body.Close()
			}
		})
	}
}
