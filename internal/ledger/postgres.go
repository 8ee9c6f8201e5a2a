package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

// recordColumns are the columns of ledger_records, and the members of a record
// in JSON. What a record leaves out is NULL.
var recordColumns = []string{
	"at BIGINT", "request_id TEXT", "upstream_id TEXT", "principal TEXT", "tenant TEXT", "route TEXT", "provider TEXT", "model TEXT",
	"upstream TEXT", "op TEXT", "dialect TEXT", "upstream_dialect TEXT", "stream BOOLEAN", "attempt BIGINT", "outcome TEXT", "kind TEXT", "usage_source TEXT",
	"input BIGINT", "cached_input BIGINT", "cache_write BIGINT", "cache_write_1h BIGINT", "output BIGINT", "reasoning BIGINT",
	"cost BIGINT", "price TEXT", "unpriced BOOLEAN", "answered_ms DOUBLE PRECISION", "first_token_ms DOUBLE PRECISION",
	"took_ms DOUBLE PRECISION", "cache TEXT", "labels JSONB", "tags JSONB",
}

// Postgres is a Store on a PostgreSQL server, which several gateways may
// share. It need not be there when it is opened: the tables are made before
// the first use.
type Postgres struct {
	db     *sql.DB
	name   string
	dsn    string
	f      flavor
	insert string

	prep     sync.Mutex // guards migrated
	migrated bool
	mu       sync.Mutex // guards what follows
	records  []byte
	rollups  []byte
}

// The sizes of the pool: one for the writer, one for retention, one for the store
// of keys to listen with, the rest for questions.
const (
	pgConns    = 7
	pgIdle     = 2
	pgConnLife = 30 * time.Minute
	pgIdleLife = 5 * time.Minute
	pgDial     = "5" // seconds, for connecting
	pgTrimRows = 5000
	pgBatchAge = 24 * time.Hour // how long a batch's name is remembered
)

// OpenPostgres prepares the use of a server, named by a postgres:// URL. It
// does not connect. Errors do not hold the URL, as it may contain a password.
func OpenPostgres(dsn string) (*Postgres, error) {
	dsn = withDefaults(dsn)
	cfg, err := pq.NewConfig(dsn)
	if err != nil {
		return nil, errors.New("not a valid postgres:// URL")
	}
	connector, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, errors.New("not a valid postgres:// URL")
	}
	p := &Postgres{db: sql.OpenDB(connector), dsn: dsn, f: postgresFlavor(), insert: postgresInsert()}
	p.name = fmt.Sprintf("postgres %s/%s", net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port)), cfg.Database)
	p.db.SetMaxOpenConns(pgConns)
	p.db.SetMaxIdleConns(pgIdle)
	p.db.SetConnMaxLifetime(pgConnLife)
	p.db.SetConnMaxIdleTime(pgIdleLife)
	return p, nil
}

// withDefaults adds to a URL, or to a list of key=value, what it does not say:
// TLS when the server offers it, as libpq has it (sslmode=prefer), a bound on
// connecting, and who connects.
func withDefaults(dsn string) string {
	defaults := [...][3]string{
		{"sslmode", "prefer", "PGSSLMODE"}, {"connect_timeout", pgDial, "PGCONNECT_TIMEOUT"}, {"application_name", "llm-gateway", "PGAPPNAME"},
	}
	isURL := strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
	for _, d := range defaults {
		if strings.Contains(dsn, d[0]+"=") || os.Getenv(d[2]) != "" {
			continue
		}
		switch {
		case !isURL:
			dsn += " " + d[0] + "=" + d[1]
		case strings.Contains(dsn, "?"):
			dsn += "&" + d[0] + "=" + d[1]
		default:
			dsn += "?" + d[0] + "=" + d[1]
		}
	}
	return dsn
}

func postgresFlavor() flavor {
	return flavor{
		lock:        "SELECT pg_advisory_xact_lock(7812446270051)", // any number that nobody else takes
		placeholder: func(n int) string { return fmt.Sprintf("$%d", n) },
		migrations: []string{
			"CREATE TABLE ledger_batches (id TEXT PRIMARY KEY, at TIMESTAMPTZ NOT NULL DEFAULT now())",
			"CREATE INDEX ledger_batches_at ON ledger_batches (at)",
			"CREATE TABLE ledger_records (" + strings.Join(recordColumns, ", ") + ")",
			"CREATE INDEX ledger_records_at ON ledger_records (at)",
			"CREATE INDEX ledger_records_request ON ledger_records (request_id)",
			rollupTable("BIGINT"),
			"ALTER TABLE ledger_records ADD COLUMN IF NOT EXISTS upstream_dialect TEXT", // new tables have it
		},
	}
}

// postgresInsert is a whole batch in one statement, hence in one round trip
// and atomic: its name, and if that is new its records and their sums. The
// rows are sorted by the sender, which keeps replicas from deadlocks.
func postgresInsert() string {
	var names, rows []string
	for _, c := range recordColumns {
		name, _, _ := strings.Cut(c, " ")
		names = append(names, name)
	}
	for _, c := range strings.Split(dimColumns, ", ") {
		kind := " TEXT"
		if c == "slot" || c == "span" {
			kind = " BIGINT"
		}
		rows = append(rows, c+kind)
	}
	for _, c := range append(append([]string{}, sumColumns...), "cost") {
		rows = append(rows, c+" BIGINT")
	}
	sums := dimColumns + ", " + strings.Join(sumColumns, ", ") + ", cost"
	return "WITH fresh AS (INSERT INTO ledger_batches (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id), " +
		"stored AS (INSERT INTO ledger_records (" + strings.Join(names, ", ") + ") SELECT x.* FROM fresh, json_to_recordset($2::json) AS x(" +
		strings.Join(recordColumns, ", ") + ")) " +
		"INSERT INTO ledger_rollups (" + sums + ") SELECT x.* FROM fresh, json_to_recordset($3::json) AS x(" + strings.Join(rows, ", ") + ")" +
		addRollup()
}

// String names server and database.
func (p *Postgres) String() string { return p.name }

// prepare makes the tables, once.
func (p *Postgres) prepare(ctx context.Context) error {
	p.prep.Lock()
	defer p.prep.Unlock()
	if p.migrated {
		return nil
	}
	if err := migrate(ctx, p.db, &p.f); err != nil {
		return err
	}
	p.migrated = true
	return nil
}

// Write commits a batch.
func (p *Postgres) Write(ctx context.Context, b *Batch) error {
	if err := p.prepare(ctx); err != nil {
		return classify(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records = appendRecords(p.records[:0], b.Records)
	p.rollups = appendRollups(p.rollups[:0], rollUp(b.Records))
	_, err := p.db.ExecContext(ctx, p.insert, b.ID, string(p.records), string(p.rollups))
	return classify(err)
}

// classify marks errors that say that the server will not have the data: those
// of class 22 (data), 23 (constraints) and 42 (statements, tables, rights); see
// https://www.postgresql.org/docs/15/errcodes-appendix.html. All others,
// a lost connection and a server that starts or stops among them, may pass.
func classify(err error) error {
	var e *pq.Error
	if !errors.As(err, &e) || len(e.Code) < 2 {
		return err
	}
	switch e.Code[:2] {
	case "22", "23", "42":
		return refusal{err}
	}
	return err
}

// Usage answers from the sums.
func (p *Postgres) Usage(ctx context.Context, q Query) ([]Row, error) {
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return p.f.usage(ctx, p.db, q)
}

// Trim deletes some old records, else names of old batches and merges one old
// day.
func (p *Postgres) Trim(ctx context.Context, before time.Time) (bool, error) {
	if err := p.prepare(ctx); err != nil {
		return false, err
	}
	const some = "DELETE FROM ledger_records WHERE ctid = ANY (ARRAY(SELECT ctid FROM ledger_records WHERE at < $1 LIMIT $2))"
	res, err := p.db.ExecContext(ctx, some, before.UnixMicro(), pgTrimRows)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return n > 0, err
	}
	if _, err := p.db.ExecContext(ctx, "DELETE FROM ledger_batches WHERE at < $1", time.Now().Add(-pgBatchAge)); err != nil {
		return false, err
	}
	return p.f.mergeOldest(ctx, p.db, before)
}

// Close closes the connections.
func (p *Postgres) Close() error { return p.db.Close() }
