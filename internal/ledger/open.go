package ledger

import (
	"context"
	"strings"
)

// InMemory is the name of the store that keeps nothing beyond the process.
const InMemory = "memory"

// Open opens the store that a name stands for: a postgres:// or postgresql://
// URL, "memory", or the path of a file. Errors do not hold the URL.
func Open(ctx context.Context, name string) (Store, error) {
	switch {
	case name == InMemory:
		return &Memory{}, nil
	case strings.HasPrefix(name, "postgres://"), strings.HasPrefix(name, "postgresql://"):
		p, err := OpenPostgres(name)
		if err != nil {
			return nil, err
		}
		return p, nil
	}
	s, err := OpenSQLite(ctx, strings.TrimPrefix(name, "file:"))
	if err != nil {
		return nil, err
	}
	return s, nil
}
