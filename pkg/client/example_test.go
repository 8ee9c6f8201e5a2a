package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/llm-gateway/llm-gateway/pkg/client"
)

// gateway stands in for a running one.
func gateway() *httptest.Server {
	data := `{"id":"gen_1","model":"gpt-4o-mini","provider":"openai","text":"Hello!","finish_reason":"stop",` +
		`"usage":{"input_tokens":9,"output_tokens":2,"total_tokens":11},"cost":{"amount":0.00000255,"currency":"USD"},"latency_ms":8,"attempts":1}`
	envelope := `"code":200,"message":"success","request_id":"req_1","data":` + data + "}"
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/v1/usage":
			fmt.Fprint(w, `{"code":200,"message":"success","data":{"key":"app","today":{"requests":3,"cost":{"amount":0.0125,"currency":"USD"}}}}`)
		case r.URL.Path == "/v1/generate/batch":
			w.Header().Set("Content-Type", "application/x-ndjson")
			fmt.Fprint(w, `{"index":1,`+envelope+"\n"+`{"index":0,"code":400,"message":"unknown model","error":{"kind":"not_found"}}`+"\n"+`{"summary":{"succeeded":1,"failed":1}}`+"\n")
		case strings.Contains(string(body), `"stream":true`):
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "event: delta\ndata: {\"text\":\"Hel\"}\n\nevent: delta\ndata: {\"text\":\"lo!\"}\n\nevent: done\ndata: "+data+"\n\n")
		case strings.Contains(string(body), "too much"):
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"code":429,"message":"the key's limit is reached","data":null,"error":{"kind":"rate_limited","retryable":true,"retry_after_ms":1200}}`)
		default:
			fmt.Fprint(w, "{"+envelope)
		}
	}))
}

// start returns a client of a stand-in. A real one needs BaseURL and Key alone.
func start() (*client.Client, func()) {
	s := gateway()
	c, err := client.New(client.Options{BaseURL: s.URL, Key: "gw_test_0000"})
	if err != nil {
		panic(err)
	}
	return c, func() {
		c.Close()
		s.Close()
	}
}

func ExampleClient_Generate() {
	c, stop := start()
	defer stop()
	r, err := c.Generate(context.Background(), client.Request{Model: "chat", Prompt: "Say hello.", MaxTokens: 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Text)
	fmt.Printf("%d tokens, %s %s, %s/%s\n", r.Usage.TotalTokens, r.Cost.Amount, r.Cost.Currency, r.Provider, r.Model)
	// Output:
	// Hello!
	// 11 tokens, 0.00000255 USD, openai/gpt-4o-mini
}

func ExampleClient_Stream() {
	c, stop := start()
	defer stop()
	for ev, err := range c.Stream(context.Background(), client.Request{Prompt: "Say hello."}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch ev.Type {
		case client.EventDelta:
			fmt.Printf("%q ", ev.Text)
		case client.EventDone:
			fmt.Println(ev.Response.FinishReason, ev.Response.Usage.TotalTokens)
		}
	}
	// Output: "Hel" "lo!" stop 11
}

func ExampleClient_Batch() {
	c, stop := start()
	defer stop()
	reqs := []client.Request{{Model: "nobody", Prompt: "Say hello."}, {Prompt: "Say hello."}}
	o := client.BatchOptions{Summary: func(s client.BatchSummary) { fmt.Println(s.Succeeded, "good,", s.Failed, "failed") }}
	for r, err := range c.Batch(context.Background(), reqs, o) {
		switch {
		case err != nil:
			fmt.Println("the whole batch:", err)
		case r.Err != nil:
			fmt.Println(r.Index, r.Err)
		default:
			fmt.Println(r.Index, r.Response.Text)
		}
	}
	// Output:
	// 1 Hello!
	// 0 not_found: unknown model
	// 1 good, 1 failed
}

func ExampleClient_Usage() {
	c, stop := start()
	defer stop()
	u, err := c.Usage(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u.Key, "has asked", u.Today.Requests, "times today for", u.Today.Cost.Amount, u.Today.Cost.Currency)
	// Output: app has asked 3 times today for 0.0125 USD
}

func ExampleError() {
	c, stop := start()
	defer stop()
	_, err := c.Generate(context.Background(), client.Request{Prompt: "too much"})
	var e *client.Error
	if errors.As(err, &e) && e.Kind == client.KindRateLimited {
		fmt.Println("again in", e.RetryAfter)
	}
	// Output: again in 1.2s
}
