package llm

import "sync/atomic"

// Loan stands for the memory of a client's body, which its owner, the server,
// uses for another request once this one has been answered and its reply is
// closed. Whoever holds the bytes for longer, or lets others see them who may,
// says so before with Call.Keep; the memory is then left to the collector. The
// zero value is a loan that nobody keeps.
type Loan struct{ kept atomic.Bool }

// Kept reports whether somebody keeps the bytes.
func (l *Loan) Kept() bool { return l.kept.Load() }

// Keep says that c.Raw, or what was made of it, may be read after the call has
// been answered. It holds for all copies of the call, and cannot be taken back.
func (c *Call) Keep() {
	if c.Loan != nil {
		c.Loan.kept.Store(true)
	}
}
