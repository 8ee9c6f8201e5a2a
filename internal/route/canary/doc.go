// Package canary moves a route's callers from its baseline to a candidate step
// by step, and back by itself when the candidate is worse. It is pure: the
// clock comes with each call, nothing here does I/O or starts a goroutine.
//
// A Controller counts how the calls of both sides ended, in windows. Judge says
// what the counts mean; whoever owns the controller applies the move, alone or
// after replicas have agreed on it (see Shared). Which tests are used, and why
// they may be asked often, stands in judge.go and in docs/routing.md.
package canary
