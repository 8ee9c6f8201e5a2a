// Package provider performs calls against upstreams over HTTP. HTTP is the one
// exchange that all of them share: it picks pass-through or translation, sends
// exactly one request and reads one answer, whole or as a stream. What differs
// between upstreams is a Wire (where to, and with which credential), a codec
// from internal/dialect, and a constructor that puts them together: one file
// each.
//
// There is no loop and no sleep here: whether another attempt makes sense is
// said by the error (llm.Error), and the decorators of internal/chain act on
// it. No error, of whatever verbosity, holds a credential; internal addresses
// are in llm.Error.Err alone, which is for logs.
//
// Ownership: the Transport and the Client belong to the application and are
// shared by all providers. A Reply belongs to the caller of Do.
package provider
