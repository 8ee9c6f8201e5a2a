package ledger

import "database/sql"

// DB returns the pool, for another room that keeps tables of its own in the same
// database. It is closed with the store.
func (p *Postgres) DB() *sql.DB { return p.db }

// DSN returns what to connect to, with its password, for those who need a
// connection of their own. It must not be shown.
func (p *Postgres) DSN() string { return p.dsn }

// DB returns the one connection that writes; its transactions begin IMMEDIATE.
// What another room does with it keeps the ledger's writer waiting, so it should
// be short. It is closed with the store.
func (s *SQLite) DB() *sql.DB { return s.write }
