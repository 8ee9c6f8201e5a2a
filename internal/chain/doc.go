// Package chain protects and watches the calls to one target. Every policy is a
// decorator in a file of its own: it implements llm.Provider around another
// llm.Provider and learns from llm.OnDone how a call really ended, so that a
// stream is settled when it ends and not when it starts. Build puts them
// together, outermost first:
//
//	drain → observe → retry → breaker → limit → timeout → trace → attempt → provider
//
// Drain stands outermost, and only where an account asks for it; Build leaves it
// to the caller, who has the Drainer.
//
// What belongs to an upstream and not to a request is made by the caller and
// handed in, as it must outlive a chain: breaker.Breaker (per target), Gate and
// RetryBudget (per provider account), and what keeps the account's limits.
//
// Ownership: a decorator may write to the Reply that passes through its hands,
// but never to a Call or an Error, which others may hold; it copies those.
// Reply.Attempts and Error.Attempts count what reached the provider, so a
// refusal by the chain itself carries 0.
package chain
