package server

import (
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func FuzzRequestID(f *testing.F) {
	for _, s := range []string{"", "a", "req_1", "a b", "é", "a\r\nb", "\x7f", strings.Repeat("x", 128), strings.Repeat("x", 129)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id := requestID(http.Header{"X-Request-Id": {s}})
		if id == "" || len(id) > maxRequestID {
			t.Fatalf("%q of %d bytes", id, len(id))
		}
		for _, r := range id {
			if r > unicode.MaxASCII || !unicode.IsGraphic(r) || unicode.IsSpace(r) {
				t.Fatalf("%q holds %q", id, r)
			}
		}
		if id != s && saneID(s) {
			t.Fatalf("%q was sane and is lost", s)
		}
	})
}

func FuzzTraceID(f *testing.F) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, s := range []string{good, good + "-x", "01" + good[2:] + "-x", "ff" + good[2:], good[:54], strings.ToUpper(good), "00-" + strings.Repeat("0", 32) + good[35:]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id := traceID(http.Header{"Traceparent": {s}})
		if id == "" {
			return
		}
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || strings.Trim(id, "0") == "" || !strings.Contains(s, "-"+id+"-") {
			t.Fatalf("%q of %q", id, s)
		}
	})
}

func TestTraceID(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for s, want := range map[string]string{
		"00-" + id + "-b7ad6b7169203331-01":                      id,
		"01-" + id + "-b7ad6b7169203331-01-future":               id,
		"00-" + id + "-b7ad6b7169203331-01-future":               "",
		"ff-" + id + "-b7ad6b7169203331-01":                      "",
		"00-" + strings.ToUpper(id) + "-b7ad6b7169203331-01":     "",
		"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01": "",
		"00_" + id + "-b7ad6b7169203331-01":                      "",
		"":                                                       "",
	} {
		if got := traceID(http.Header{"Traceparent": {s}}); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
	if traceID(http.Header{"Traceparent": {"00-" + id + "-b7ad6b7169203331-01", "x"}}) != "" {
		t.Error("a header that comes twice says nothing")
	}
}

func FuzzContentType(f *testing.F) {
	for _, s := range []string{"application/json", "application/json; charset=utf-8", "text/plain", "application/json;charset=latin1", ";", "application/json, text/plain"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ok := checkJSON(http.Header{"Content-Type": {s}}) == nil
		if ok && !strings.EqualFold(strings.TrimSpace(strings.SplitN(s, ";", 2)[0]), "application/json") {
			t.Fatalf("%q passes for JSON", s)
		}
	})
}

func TestContentTypes(t *testing.T) {
	for s, want := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "Application/JSON;charset=\"UTF-8\"": true,
		"": false, "text/json": false, "application/jsonp": false, "application/json; charset=utf-16": false, "application/json,text/plain": false,
	} {
		if got := checkJSON(http.Header{"Content-Type": {s}}) == nil; got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestForward(t *testing.T) {
	h := http.Header{"A": {"1"}, "B": {"1", "2"}, "Authorization": {"Bearer x"}}
	want := []llm.Header{{Name: "A", Value: "1"}, {Name: "B", Value: "1, 2"}}
	if d := cmp.Diff(want, forward(h, []string{"A", "B", "C"})); d != "" {
		t.Error(d)
	}
	if forward(h, nil) != nil {
		t.Error("headers out of nothing")
	}
	s := (&Snapshot{Forward: []string{"x-lower"}}).withDefaults()
	if d := cmp.Diff([]string{"X-Lower"}, s.Forward); d != "" {
		t.Error(d)
	}
}
