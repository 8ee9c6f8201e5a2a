package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const batchPath = genPath + "/batch"

// prompt is the text of a call's first message.
func prompt(c *llm.Call) string {
	req, err := c.Request()
	if err != nil {
		return err.Error()
	}
	return req.Messages[0].Parts[0].Text
}

// byPrompt answers, fails or panics as the prompt says.
func byPrompt(_ context.Context, c *llm.Call) (*llm.Reply, error) {
	switch p := prompt(c); p {
	case "fail":
		return nil, &llm.Error{Kind: llm.KindUpstreamError, Message: "broken", Provider: "prov", Attempts: 3}
	case "panic":
		panic("secret")
	case "unpriced":
		r := answer(p)
		r.Price = nil
		return r, nil
	default:
		return answer(p), nil
	}
}

type batchAnswer struct {
	Code      int
	Message   string
	RequestID string `json:"request_id"`
	Data      struct {
		Results []batchItem
		Summary batchSum
	}
}

type batchItem struct {
	Index     int
	Code      int
	RequestID string `json:"request_id"`
	Data      *struct{ Text string }
	Error     *struct{ Kind, Param string }
}

type batchSum struct {
	Succeeded, Failed int
	Usage             struct {
		Total int64 `json:"total_tokens"`
	}
	Cost *struct{ Amount float64 }
}

func items(prompts ...string) string {
	var reqs []string
	for _, p := range prompts {
		reqs = append(reqs, fmt.Sprintf(`{"prompt":%q}`, p))
	}
	return `{"requests":[` + strings.Join(reqs, ",") + `]}`
}

func TestBatch(t *testing.T) {
	h := serve(t, byPrompt)
	r := h.post(batchPath, `{"concurrency":2,"requests":[{"prompt":"a"},{"prompt":"fail"},{"promt":"x"},{"prompt":"panic"},{"prompt":"s","stream":true},{"prompt":"b"},7]}`,
		"X-Request-Id: id1")
	var got batchAnswer
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != 200 || got.Code != 200 || got.RequestID != "id1" {
		t.Fatalf("got %d %s: %v", r.status, r.body, err)
	}
	want := []struct {
		code       int
		text, kind string
	}{{200, "a", ""}, {502, "", "upstream_error"}, {400, "", "invalid_request"}, {500, "", "internal"}, {400, "", "invalid_request"}, {200, "b", ""}, {400, "", "invalid_request"}}
	if len(got.Data.Results) != len(want) {
		t.Fatalf("%d results: %s", len(got.Data.Results), r.body)
	}
	for i, w := range want {
		g := got.Data.Results[i]
		if g.Index != i || g.Code != w.code || g.RequestID != fmt.Sprintf("id1-%d", i) {
			t.Errorf("result %d: %+v", i, g)
		}
		if (w.text != "") != (g.Data != nil && g.Data.Text == w.text) || (w.kind != "") != (g.Error != nil && g.Error.Kind == w.kind) {
			t.Errorf("result %d: data %+v, error %+v", i, g.Data, g.Error)
		}
	}
	sum := got.Data.Summary
	if sum.Succeeded != 2 || sum.Failed != 5 || sum.Usage.Total != 18 || sum.Cost == nil || sum.Cost.Amount != 0.000018 {
		t.Errorf("summary %+v in %s", sum, r.body)
	}
	h.wait()
	line := h.log.lines(t, "POST "+batchPath)[0]
	if line["attempts"] != 7.0 || line["cost"] != 0.000018 || line["overhead_ms"] != nil || strings.Contains(h.log.String(), "secret") {
		t.Errorf("log %v", line)
	}
	if !strings.Contains(r.body, "promt") {
		t.Error("the unknown member is not named")
	}
}

func TestBatchSaysWhatWasDropped(t *testing.T) {
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		r := answer("x")
		if c.Drop && prompt(c) == "a" {
			r.Dropped = []string{"seed", `we"ird`}
		}
		return r, nil
	})
	r := h.post(batchPath, items("a", "b"), "X-Gateway-Unsupported: drop")
	var got struct {
		Data struct {
			Results []struct{ Dropped []string }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	if a, b := got.Data.Results[0].Dropped, got.Data.Results[1].Dropped; !slices.Equal(a, []string{"seed", `we"ird`}) || b != nil {
		t.Errorf("dropped %q and %q", a, b)
	}
	if r := h.post(batchPath, items("a"), "X-Gateway-Unsupported: maybe"); !strings.Contains(r.body, `"code":400`) {
		t.Errorf("got %+v", r)
	}
}

func TestBatchCostIsUnknownWhenAPriceIs(t *testing.T) {
	h := serve(t, byPrompt)
	for _, prompts := range [][]string{{"a", "unpriced"}, {"fail"}} {
		r := h.post(batchPath, items(prompts...))
		if !strings.Contains(r.body, `"cost":null}`) {
			t.Errorf("%v: %s", prompts, r.body)
		}
	}
}

func TestBatchRefusals(t *testing.T) {
	h := serve(t, byPrompt, func(o *Options) { o.Snapshot.Batch.MaxItems = 3 })
	for body, say := range map[string]string{
		`{}`:                                 "'requests': expected an array",
		`{"requests":[]}`:                    "at least one",
		`{"requests":{}}`:                    "'requests': expected an array, got an object",
		`{"requests":null}`:                  "'requests': expected an array",
		`{"requests":[1],"concurency":1}`:    "'concurency': unknown field",
		`{"requests":[1],"concurrency":0}`:   "'concurrency'",
		`{"requests":[1],"concurrency":1.5}`: "'concurrency'",
		`{"requests":[1],"concurrency":"4"}`: "'concurrency'",
		`{"requests":[1],"requests":[2]}`:    "given twice",
		items("1", "2", "3", "4"):            "at most 3",
		`[]`:                                 "malformed JSON",
		`{"requests":[}`:                     "byte 13",
	} {
		r := h.post(batchPath, body)
		if r.status != 400 || !strings.Contains(r.body, say) {
			t.Errorf("%s: got %d %s", body, r.status, r.body)
			continue
		}
		shape(t, batchPath, r)
	}
	if r := h.post(batchPath, `{"requests":[{"prompt":"a"}],"concurrency":null}`); r.status != 200 {
		t.Errorf("got %+v", r)
	}
}

func TestBatchConcurrencyIsBounded(t *testing.T) {
	for _, tc := range []struct {
		asked string
		most  int32
	}{{"", 3}, {`"concurrency":2,`, 2}, {`"concurrency":1000,`, 5}} {
		var running, peak atomic.Int32
		all := make(chan struct{})
		h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
			if n := running.Add(1); n > peak.Load() {
				peak.Store(n)
				if n == tc.most {
					close(all)
				}
			}
			<-all // nobody goes on before the bound is reached
			running.Add(-1)
			return answer("x"), nil
		}, func(o *Options) { o.Snapshot.Batch = BatchOptions{Concurrency: 3, MaxConcurrency: 5} })
		body := "{" + tc.asked + items(strings.Split(strings.Repeat("x", 20), "")...)[1:]
		if r := h.post(batchPath, body); r.status != 200 || peak.Load() != tc.most {
			t.Errorf("%q: %d, peak %d", tc.asked, r.status, peak.Load())
		}
	}
}

func TestBatchLines(t *testing.T) {
	release := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})}
	h := serve(t, func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
		<-release[prompt(c)]
		return byPrompt(ctx, c)
	})
	close(release["b"]) // the second one is ready first
	resp, err := h.client.Do(h.request("POST", batchPath, items("a", "b"), "Accept: application/x-ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if ct := resp.Header.Get("Content-Type"); ct != "application/x-ndjson" {
		t.Errorf("Content-Type %q", ct)
	}
	lines := bufio.NewScanner(resp.Body)
	next := func(v any) {
		t.Helper()
		if !lines.Scan() {
			t.Fatal("no more lines")
		}
		if err := json.Unmarshal(lines.Bytes(), v); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
	}
	var first, second batchItem
	next(&first) // arrives although the other one is not done
	close(release["a"])
	next(&second)
	var last struct{ Summary batchSum }
	next(&last)
	if first.Index != 1 || first.Data.Text != "b" || second.Index != 0 || last.Summary.Succeeded != 2 || lines.Scan() {
		t.Errorf("got %+v, %+v, %+v", first, second, last)
	}
}

func TestBatchIsCutOffInOrder(t *testing.T) {
	asked := make(chan struct{})
	h := serve(t, func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
		if prompt(c) == "slow" {
			close(asked)
			<-ctx.Done()
			return nil, llm.ContextError(ctx)
		}
		return byPrompt(ctx, c)
	}, func(o *Options) { o.Drain = 20 * time.Millisecond })
	resp, err := h.client.Do(h.request("POST", batchPath, `{"concurrency":1,`+items("a", "slow", "b")[1:], "Accept: application/x-ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	within(t, "the second item", asked)
	if err := h.Shutdown(t.Context()); err == nil {
		t.Error("nobody was told")
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || strings.Count(string(b), "shutting down") != 2 || strings.Count(string(b), `"failed":2`) != 1 {
		t.Errorf("got %s, %v", b, err)
	}
}

// A batch takes a token for each item, waits for it in fair competition, and
// says 429 for an item that would wait too long.
func TestBatchHonoursTheLimit(t *testing.T) {
	run := func(t *testing.T, limit *Limit, o BatchOptions, n int) (batchAnswer, []time.Duration) {
		start := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		s := New(Options{Snapshot: &Snapshot{Limit: limit, Batch: o, Service: fakeService{do: func(context.Context, *llm.Call) (*llm.Reply, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(start))
			return answer("x"), nil
		}}}})
		req := httptest.NewRequestWithContext(t.Context(), "POST", batchPath, strings.NewReader(items(slices.Repeat([]string{"x"}, n)...)))
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, req)
		var got batchAnswer
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 200 {
			t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
		}
		return got, at
	}
	synctest.Test(t, func(t *testing.T) {
		got, at := run(t, NewLimit(2, 2), BatchOptions{Concurrency: 1}, 5)
		want := []time.Duration{0, 0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond}
		if got.Data.Summary.Succeeded != 5 || !slices.Equal(at, want) {
			t.Errorf("began at %v, summary %+v", at, got.Data.Summary)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		got, _ := run(t, NewLimit(0.5, 2), BatchOptions{Concurrency: 4, MaxWait: time.Second}, 4)
		var codes []int
		for _, r := range got.Data.Results {
			codes = append(codes, r.Code)
		}
		if !slices.Equal(codes, []int{200, 200, 429, 429}) || got.Data.Results[3].Error.Kind != "rate_limited" {
			t.Errorf("codes %v", codes)
		}
	})
}
