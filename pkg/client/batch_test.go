package client

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func textResponse(r *http.Request, contentType, text string) *http.Response {
	return &http.Response{
		StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(text)), ContentLength: -1,
	}
}

func line(i int, rest string) string { return fmt.Sprintf(`{"index":%d,%s`+"\n", i, rest[1:]) }

const summaryLine = `{"summary":{"succeeded":1,"failed":1,"usage":{"input_tokens":9,"total_tokens":21},"cost":null}}` + "\n"

func gatherBatch(t *testing.T, c *Client, reqs []Request, o BatchOptions) (results []BatchResult, failed error) {
	t.Helper()
	for r, err := range c.Batch(t.Context(), reqs, o) {
		if failed != nil {
			t.Fatal("a pair after the error")
		}
		if failed = err; err == nil {
			results = append(results, r)
		} else if r.Index != -1 {
			t.Errorf("index %d beside the error", r.Index)
		}
	}
	return results, failed
}

var two = []Request{{Prompt: "a"}, {Raw: json.RawMessage(`{"prompt":"<b>", "stream":true}`)}}

func TestBatch(t *testing.T) {
	ok := line(1, `{"dropped":["seed"],`+envelopeOf(wholeData)[1:])
	bad := line(0, limitedBody)
	c, got := fake(t, Options{}, answer(200, "application/x-ndjson", ok+"\n"+bad+summaryLine))
	var sums []BatchSummary
	results, err := gatherBatch(t, c, two, BatchOptions{Concurrency: 3, DropUnsupported: true, Summary: func(s BatchSummary) { sums = append(sums, s) }})
	if err != nil || len(results) != 2 {
		t.Fatal(results, err)
	}
	first, second := results[0], results[1]
	if first.Index != 1 || first.Err != nil || first.Response.Text != "Zürich" || first.Response.RequestID != "r1" || first.Response.Dropped[0] != "seed" || string(first.Raw)+"\n" != ok {
		t.Errorf("%+v", first)
	}
	if second.Index != 0 || second.Response != nil || second.Err.Kind != KindRateLimited || second.Err.RequestID != "r9" {
		t.Errorf("%+v", second)
	}
	if d := cmp.Diff([]BatchSummary{{Succeeded: 1, Failed: 1, Usage: Usage{InputTokens: 9, TotalTokens: 21}}}, sums); d != "" {
		t.Error(d)
	}
	s := (*got)[0]
	if s.path != "/v1/generate/batch" || s.body != `{"requests":[{"prompt":"a"},{"prompt":"<b>", "stream":false}],"concurrency":3}` ||
		s.header.Get("Accept") != "application/x-ndjson" || s.header.Get("X-Gateway-Unsupported") != "drop" {
		t.Errorf("sent %+v", s)
	}
}

func TestBatchFailures(t *testing.T) {
	const nd = "application/x-ndjson"
	zero, one := line(0, envelopeOf(wholeData)), line(1, envelopeOf(wholeData))
	for _, tc := range []struct {
		name    string
		h       http.HandlerFunc
		results int
		kind    Kind
		message string
	}{
		{"refused", answer(429, "application/json", limitedBody), 0, KindRateLimited, "slow down"},
		{"one envelope", answer(200, "application/json", envelopeOf(`{}`)), 0, KindProtocol, "application/json"},
		{"cut between lines", cut(nd, zero), 1, KindConnection, "broke off"},
		{"cut within a line", cut(nd, zero+one[:20]), 1, KindConnection, "broke off"},
		{"no summary", answer(200, nd, zero+one), 2, KindConnection, "broke off"},
		{"a torn summary", answer(200, nd, zero+one+summaryLine[:20]), 2, KindConnection, "broke off"},
		{"a summary too early", answer(200, nd, zero+summaryLine), 1, KindProtocol, "1 of 2"},
		{"a result twice", answer(200, nd, zero+zero+summaryLine), 1, KindProtocol, "no request"},
		{"a result of nothing", answer(200, nd, line(2, envelopeOf(wholeData))), 0, KindProtocol, "no request"},
		{"a negative index", answer(200, nd, line(-1, envelopeOf(wholeData))), 0, KindProtocol, "no request"},
		{"no index", answer(200, nd, envelopeOf(wholeData)+"\n"), 0, KindProtocol, "no request"},
		{"not JSON", answer(200, nd, zero+"oops\n"), 1, KindProtocol, "cannot be read"},
		{"an error for all", answer(200, nd, zero+limitedBody+"\n"), 1, KindRateLimited, "slow down"},
		{"an endless line", answer(200, nd, zero+strings.Repeat("x", 10000)), 1, KindProtocol, "beyond the limit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := fake(t, Options{MaxAnswer: 4096}, tc.h)
			results, err := gatherBatch(t, c, two, BatchOptions{Summary: func(BatchSummary) { t.Error("a summary all the same") }})
			kindIs(t, err, tc.kind, tc.message)
			if len(results) != tc.results {
				t.Errorf("%d results before it", len(results))
			}
		})
	}
	c, _ := fake(t, Options{}, answer(200, nd, ""))
	_, err := gatherBatch(t, c, []Request{{Raw: json.RawMessage(`7`)}}, BatchOptions{})
	kindIs(t, err, KindInvalidRequest, "")
}

// A success whose data cannot be read is that item's failure alone.
func TestBatchItemWithoutData(t *testing.T) {
	c, _ := fake(t, Options{}, answer(200, "application/x-ndjson", line(0, envelopeOf("null"))+line(1, envelopeOf(wholeData))+summaryLine))
	results, err := gatherBatch(t, c, two, BatchOptions{})
	if err != nil || results[0].Err == nil || results[0].Err.Kind != KindProtocol || results[1].Response == nil {
		t.Errorf("%+v %v", results, err)
	}
}

func TestLeavingABatchCancels(t *testing.T) {
	gone := make(chan struct{})
	c, _ := fake(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprint(w, line(0, envelopeOf(wholeData)))
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	for r, err := range c.Batch(t.Context(), two, BatchOptions{}) {
		if err != nil || r.Index != 0 {
			t.Fatal(r, err)
		}
		break
	}
	within(t, gone)
}

func TestHugeResult(t *testing.T) {
	long := strings.Repeat("ü", 1<<20)
	c, _ := fake(t, Options{}, answer(200, "application/x-ndjson", line(0, envelopeOf(`{"text":"`+long+`"}`))+`{"summary":{}}`+"\n"))
	results, err := gatherBatch(t, c, two[:1], BatchOptions{})
	if err != nil || results[0].Response.Text != long {
		t.Errorf("%d results, %v", len(results), err)
	}
}

// FuzzLines checks that lines come out as strings.Split has them, and that a
// last one without its end is an error.
func FuzzLines(f *testing.F) {
	f.Add("a\nb\r\n\n  \nc")
	f.Add(strings.Repeat("x", 100) + "\ny\n")
	f.Fuzz(func(t *testing.T, text string) {
		l := lines{r: bufio.NewReaderSize(strings.NewReader(text), 16), most: 1 << 20}
		whole, rest := text, ""
		if i := strings.LastIndexByte(text, '\n'); i >= 0 {
			whole, rest = text[:i], text[i+1:]
		} else {
			whole, rest = "", text
		}
		for want := range strings.SplitSeq(whole, "\n") {
			if want = strings.TrimSpace(want); want == "" {
				continue
			}
			if got, err := l.next(); err != nil || string(got) != want {
				t.Fatalf("%q, %v; want %q", got, err, want)
			}
		}
		want := io.EOF
		if strings.TrimSpace(rest) != "" {
			want = io.ErrUnexpectedEOF
		}
		if got, err := l.next(); err != want {
			t.Fatalf("at the end %q, %v; want %v", got, err, want)
		}
	})
}
