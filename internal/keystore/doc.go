// Package keystore keeps the API keys that operators make while the gateway
// runs: durably, in the database of the ledger, and the same for every replica
// that shares it. Only hashes of keys are stored.
//
// A Keystore holds a copy of all keys in memory, which is what requests are
// checked against. It learns of changes by notification where the database has
// such (PostgreSQL), and everywhere by asking for a version now and then. A store
// that does not answer changes nothing: the keys last known stay in force.
//
// Ownership: Open starts a goroutine that asks, and one that listens where the
// store can be listened to; Close ends both and waits. The *sql.DB belongs to
// whoever opened it.
package keystore
