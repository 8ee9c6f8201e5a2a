// Package client calls the native API of an llm-gateway: whole answers,
// streams as iterators, batches as iterators, and the caller's own usage.
//
//	c, err := client.New(client.Options{BaseURL: "http://127.0.0.1:8080", Key: os.Getenv("GATEWAY_KEY")})
//	…
//	answer, err := c.Generate(ctx, client.Request{Prompt: "Say hello."})
//
// The client adds no policy of its own. The gateway retries, falls back and
// limits, so a call is sent once; Options.ConnectRetries repeats only calls
// whose connection could not be made, which have reached nobody. There is no
// time-out but the context's and Request.Timeout.
//
// Every failure is an *Error, whose Kind is the gateway's word for it or one
// of the client's own three: KindConnection, KindProtocol and KindCanceled. A
// stream or a batch that ends early is always a failure, never a short answer.
package client
