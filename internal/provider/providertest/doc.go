// Package providertest is the kit that every provider's tests call: Run is the
// conformance suite, Upstream a server over real TCP that misbehaves as real
// ones do, CheckSecret the search for secrets in what a failing call says.
// What differs between providers stands in a Spec.
package providertest
