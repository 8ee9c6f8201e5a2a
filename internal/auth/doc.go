// Package auth answers who a caller is: by an API key, of which it knows only
// the SHA-256, or by a signed token (JWT) whose keys it was given or fetches
// in the background from a key set (JWKS). It decides nothing about what a
// caller may do beyond the facts that it puts into llm.Caller. On the way of a
// request there is no lock on keys, no network and, for a token that was seen
// before, no signature to check.
//
// Ownership: an Authenticator has no goroutine. A JWT may have one at a time,
// which fetches a key set; Close ends it and waits.
package auth
