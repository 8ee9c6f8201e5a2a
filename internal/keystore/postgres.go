package keystore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// channel is the name under which changes are told.
	channel = "llm_gateway_keys"

	silence   = 15 * time.Second // after which a connection that says nothing is tried
	pingLimit = 5 * time.Second
)

// Postgres is a Store on a PostgreSQL server that tells other replicas of each
// change.
type Postgres struct{ SQL }

// NewPostgres returns the store behind a pool of pgx connections. Watch takes
// one of them for as long as it runs.
func NewPostgres(db *sql.DB) *Postgres {
	return &Postgres{SQL{db: db, f: flavor{
		dollar: true,
		lock:   "SELECT pg_advisory_xact_lock(7812446270052)", // any number that nobody else takes
		notify: "SELECT pg_notify('" + channel + "', '')",     // sent when the transaction commits
	}}}
}

// Watch listens.
func (p *Postgres) Watch(ctx context.Context, changed func()) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it is given up below
	var lost error
	err = conn.Raw(func(c any) error {
		pg, ok := c.(*stdlib.Conn)
		if !ok {
			lost = errors.New("not a connection of pgx")
			return nil
		}
		lost = listen(ctx, pg.Conn(), changed)
		return driver.ErrBadConn // it listens: nobody else shall have it
	})
	if lost != nil {
		return lost
	}
	return err
}

// listen returns only with an error.
func listen(ctx context.Context, c *pgx.Conn, changed func()) error {
	if _, err := c.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	changed() // what happened before is not told
	for {
		err := wait(ctx, c)
		switch {
		case err == nil:
			changed()
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		default:
			// A connection that died without a word looks like one that has
			// nothing to tell.
			if err := ping(ctx, c); err != nil {
				return err
			}
		}
	}
}

func wait(ctx context.Context, c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	_, err := c.WaitForNotification(ctx)
	return err
}

func ping(ctx context.Context, c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	return c.Ping(ctx)
}
