// Package monitor remembers what the gateway has lately done, for operators to
// look at: the last calls one by one, without their content, and figures of the
// last hour by route and provider. All of it is bounded and in memory; what
// must last is the ledger's and the metrics' matter.
//
// Ownership: a Monitor starts no goroutine and keeps no timer; buckets are
// emptied by whoever comes first in their next round.
package monitor
