package keystore

import (
	"context"
	"database/sql"
	"time"

	"github.com/lib/pq"
)

const (
	// channel is the name under which changes are told.
	channel = "llm_gateway_keys"

	silence   = 15 * time.Second // after which a connection that says nothing is tried
	pingLimit = 5 * time.Second
)

// Postgres is a Store on a PostgreSQL server that tells other replicas of each
// change.
type Postgres struct {
	SQL
	dsn string
}

// NewPostgres returns the store behind a pool of connections. Watch makes one
// of its own to dsn, which holds for as long as it runs.
func NewPostgres(db *sql.DB, dsn string) *Postgres {
	return &Postgres{dsn: dsn, SQL: SQL{db: db, f: flavor{
		dollar: true,
		lock:   "SELECT pg_advisory_xact_lock(7812446270052)", // any number that nobody else takes
		notify: "SELECT pg_notify('" + channel + "', '')",     // sent when the transaction commits
	}}}
}

// Watch listens. It returns only with an error.
func (p *Postgres) Watch(ctx context.Context, changed func()) error {
	told := make(chan *pq.Notification, 16)
	conn, err := pq.NewListenerConn(p.dsn, told)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close() // which closes told
		for range told { // the library's goroutine ends with it
			continue
		}
	}()
	if _, err := conn.Listen(channel); err != nil {
		return err
	}
	changed() // what happened before is not told
	for {
		ok, err := wait(ctx, conn, told)
		if err != nil {
			return err
		}
		if ok {
			changed()
		}
	}
}

// wait returns true when there was a change, and false when there was none for
// a while and the connection is good all the same: one that died without a word
// looks like one that has nothing to tell.
func wait(ctx context.Context, conn *pq.ListenerConn, told <-chan *pq.Notification) (bool, error) {
	t := time.NewTimer(silence)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case _, ok := <-told:
		if !ok {
			return false, conn.Err()
		}
		return true, nil
	case <-t.C:
	}
	limit := time.AfterFunc(pingLimit, func() { _ = conn.Close() })
	defer limit.Stop()
	return false, conn.Ping()
}
