// Package llm is the centre of the gateway: what a call to a language model
// is, what comes back, and how it can fail. Every other room speaks in these
// types. The package does no I/O and imports nothing but the standard library.
//
// Ownership: a Call and a Request are immutable once made; whoever needs a
// change copies. A Reply belongs to whoever received it, who must Close it.
package llm
