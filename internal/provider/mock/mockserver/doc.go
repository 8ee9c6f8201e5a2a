// Package mockserver puts the mock model behind real HTTP, as an upstream that
// speaks a provider's dialect as strictly as the provider does: it refuses what
// the real API refuses, and what a model name asks to break really breaks on
// the wire. It serves tests, benchmarks, and people who test their applications.
//
// Each dialect is one file that fills in a surface: routes, codec, strict
// checks, error bodies, response headers: openai.go, responses.go,
// anthropic.go, gemini.go, dashscope.go, with what is refused in the _rules
// files beside them. A further one adds a line to surfaces in server.go.
//
// Ownership: a Server starts no goroutine. Handlers end when their request's
// context does, so a server whose clients hang is stopped by cancelling its
// base context (http.Server.BaseContext).
package mockserver
