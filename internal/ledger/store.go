package ledger

import (
	"context"
	"errors"
	"time"
)

// Store is where records go. It is safe for concurrent use.
type Store interface {
	Writer
	Reader
	Keeper
}

// Writer commits batches.
type Writer interface {
	// Write commits a batch whole, or not at all. A batch that an earlier call
	// had committed, whatever it returned, is not counted twice.
	Write(ctx context.Context, b *Batch) error
}

// Reader answers questions.
type Reader interface {
	// Usage returns the sums that a query asks for, sorted by its groups. It
	// is empty when there is none, also without a group.
	Usage(ctx context.Context, q Query) ([]Row, error)
}

// Keeper bounds the size.
type Keeper interface {
	// Trim makes one small step towards holding no record, and no sums by the
	// hour, from before the given time. It reports whether there is more to do.
	Trim(ctx context.Context, before time.Time) (more bool, err error)
	// Close lets go of the store. Nothing else may be called afterwards.
	Close() error
	// String says in a few words where the records go, without any secret.
	String() string
}

// Batch is what is committed together.
type Batch struct {
	ID      string // unique, so that a repeated write is recognised
	Records []Record
}

// refusal marks an error of a store that will not go away: the batch cannot be
// written, however often it is tried.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refused(err error) bool {
	var r refusal
	return errors.As(err, &r)
}
