// Package ledger keeps one record of every attempt, and of every request that
// was refused before any: who asked, what answered, how it ended, what was
// used and what it cost.
//
// A Recorder takes records without making its caller wait, and one goroutine
// of its own writes them in batches. A Store is where they go: an embedded
// SQLite file, a PostgreSQL server, or bounded memory. In one transaction a
// batch becomes records, which retention deletes after a while, and sums by
// the hour, which it merges into sums by the day and never loses. Questions
// are answered from the sums alone, so that they are exact at any age.
//
// Ownership: the Recorder owns its two goroutines and its Store; Close waits
// for the ones and closes the other.
package ledger
