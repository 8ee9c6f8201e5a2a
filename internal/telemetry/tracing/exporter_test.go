package tracing

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// spans makes n ended spans.
func spans(t *testing.T, n int) []sdktrace.ReadOnlySpan {
	t.Helper()
	s := &sink{}
	tr := start(t, Options{Service: "svc", Version: "v9"}, s)
	for range n {
		tr.one()
	}
	closeNow(t, tr)
	return s.spans
}

// collector answers each export with the next of some answers.
func collector(t *testing.T, answers ...func(w http.ResponseWriter, r *http.Request)) (*exporter, *atomic.Int32, *drops) {
	t.Helper()
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(asked.Add(1)) - 1
		answers[min(n, len(answers)-1)](w, r)
	}))
	t.Cleanup(srv.Close)
	d := &drops{}
	e := newExporter(Options{Endpoint: srv.URL + "/v1/traces?token=secret-in-url", Headers: map[string]string{"x-key": "sk-test-0000"}, Version: "v9", Dropped: d.add})
	e.retry.Base, e.retry.Cap = time.Millisecond, time.Millisecond
	t.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	return e, &asked, d
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func TestExportRepeats(t *testing.T) {
	batch := spans(t, 3)
	for _, tc := range []struct {
		name    string
		answers []func(http.ResponseWriter, *http.Request)
		asked   int32
		fails   string
	}{
		{"accepted", []func(http.ResponseWriter, *http.Request){status(200)}, 1, ""},
		{"busy, then accepted", []func(http.ResponseWriter, *http.Request){status(503), status(429), status(502), status(504), status(200)}, 5, ""},
		{"refused for good", []func(http.ResponseWriter, *http.Request){status(400), status(200)}, 1, "status 400"},
		{"a fault that repeating does not mend", []func(http.ResponseWriter, *http.Request){status(500), status(200)}, 1, "status 500"},
		{"a redirect is not followed", []func(http.ResponseWriter, *http.Request){status(307, "Location", "/elsewhere"), status(200)}, 1, "status 307"},
		{"told to wait longer than there is time", []func(http.ResponseWriter, *http.Request){status(429, "Retry-After", "3600"), status(200)}, 1, "status 429"},
		{"told to wait until a moment that is past", []func(http.ResponseWriter, *http.Request){status(503, "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"), status(200)}, 2, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, asked, _ := collector(t, tc.answers...)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := e.ExportSpans(ctx, batch)
			if asked.Load() != tc.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), tc.asked)
			}
			if (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("got %v, want %q", err, tc.fails)
			}
		})
	}
}

func TestExportRequest(t *testing.T) {
	batch := spans(t, 2)
	for _, zipped := range []bool{false, true} {
		var body string
		e, _, _ := collector(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("X-Key") != "sk-test-0000" || r.Header.Get("Content-Type") != "application/x-protobuf" {
				t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
			}
			in := io.Reader(r.Body)
			if zipped {
				z, err := gzip.NewReader(r.Body)
				if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
					t.Errorf("%v, %v", err, r.Header)
					return
				}
				in = z
			}
			b, err := io.ReadAll(in)
			if err != nil {
				t.Error(err)
			}
			body = string(b)
		})
		if zipped {
			e.gzip, e.zip = true, gzip.NewWriter(io.Discard)
			e.header.Set("Content-Encoding", "gzip")
		}
		for range 2 { // the buffers are used again
			if err := e.ExportSpans(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			if want := string(appendRequest(nil, batch)); body != want || !strings.Contains(body, "svc") {
				t.Errorf("zipped %v: %d bytes, want %d", zipped, len(body), len(want))
			}
		}
	}
}

func TestExportErrorsShowNoSecret(t *testing.T) {
	e, _, _ := collector(t, status(401))
	if err := e.ExportSpans(t.Context(), spans(t, 1)); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sk-test") {
		t.Errorf("got %v", err)
	}
	gone := newExporter(Options{Endpoint: "http://127.0.0.1:1/?token=secret"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := gone.ExportSpans(ctx, spans(t, 1)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestPartialSuccess(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		want   int
	}{
		"none":           {"", 0},
		"two":            {"\x0a\x02\x08\x02", 2},
		"with a message": {"\x0a\x06\x08\x01\x12\x02no", 1},
		"message first":  {"\x0a\x06\x12\x02no\x08\x01", 1},
		"more than sent": {"\x0a\x03\x08\xff\x7f", 3},
		"garbage":        {"\xff\xff\xff", 0},
		"cut off":        {"\x0a\x09\x08", 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, _, d := collector(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, tc.answer) })
			if err := e.ExportSpans(t.Context(), spans(t, 3)); err != nil {
				t.Fatal(err)
			}
			if d.of(DroppedRejected) != tc.want {
				t.Errorf("%d rejected, want %d", d.of(DroppedRejected), tc.want)
			}
		})
	}
}

func FuzzRejected(f *testing.F) {
	for _, s := range []string{"", "\x0a\x02\x08\x02", "\x0a\x06\x08\x01\x12\x02no", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, b []byte) { rejected(b) })
}

func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	s := &sink{}
	tr := newTracer(b.Context(), Options{}.withDefaults(), sdktrace.AlwaysSample(), s)
	for range 512 {
		tr.one()
	}
	if err := tr.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	var w wire
	for b.Loop() {
		w = appendRequest(w[:0], s.spans)
	}
}
