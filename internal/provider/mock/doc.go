// Package mock is a model that needs no network, no key and no luck. It
// answers chat, embedding and token-count calls in the canonical form, the
// same answer for the same request (id included), and behaves as its model
// name says: slow, rate limited, cut in the middle, calling tools, and so on.
// The words of that language stand in one table (Words); docs/mock.md explains
// them with examples.
//
// The package is for people who test their applications, and for our own
// tests. Package mockserver puts the same engine behind real HTTP.
//
// Ownership: a Provider keeps two bounded sets of counters (for fail-first and
// flaky) and starts no goroutine; every wait ends with the call's context.
package mock
