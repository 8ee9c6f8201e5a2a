package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// flavor is where the two SQL engines differ in what they share.
type flavor struct {
	lock        string   // serialises migrations within a transaction; "" = the transaction does
	migrations  []string // in order; the number of those that were applied is kept
	placeholder func(n int) string
}

// migrate brings the tables up to date. Several processes may do it at once.
func migrate(ctx context.Context, db *sql.DB, f *flavor) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if f.lock != "" {
		if _, err := tx.ExecContext(ctx, f.lock); err != nil {
			return err
		}
	}
	const table = "CREATE TABLE IF NOT EXISTS ledger_schema (version INTEGER NOT NULL)"
	if _, err := tx.ExecContext(ctx, table); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM ledger_schema").Scan(&version); err != nil {
		return err
	}
	if version > len(f.migrations) {
		return refusal{fmt.Errorf("the database was made by a newer version of the program (schema %d, known %d)", version, len(f.migrations))}
	}
	for i, m := range f.migrations[version:] {
		if _, err := tx.ExecContext(ctx, m); err != nil {
			return fmt.Errorf("migration %d: %w", version+i+1, err)
		}
		insert := "INSERT INTO ledger_schema (version) VALUES (" + f.placeholder(1) + ")" //nolint:gosec // a placeholder, $1 or ?
		if _, err := tx.ExecContext(ctx, insert, version+i+1); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// rollupTable is the same in both engines. INTEGER is 64 bits wide in SQLite.
func rollupTable(integer string) string {
	var b strings.Builder
	b.WriteString("CREATE TABLE ledger_rollups (slot " + integer + " NOT NULL, span " + integer + " NOT NULL, " +
		"tenant TEXT NOT NULL, principal TEXT NOT NULL, route TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, ")
	for _, c := range sumColumns {
		b.WriteString(c + " " + integer + " NOT NULL, ")
	}
	b.WriteString("cost " + integer + " NOT NULL, PRIMARY KEY (slot, span, tenant, principal, route, provider, model))")
	return b.String()
}

const dimColumns = "slot, span, tenant, principal, route, provider, model"

// addRollup is what follows an INSERT into ledger_rollups when the row is
// there: the sums are added up, and cost stays at the greatest amount.
func addRollup() string {
	var b strings.Builder
	b.WriteString(" ON CONFLICT (" + dimColumns + ") DO UPDATE SET ")
	for _, c := range sumColumns {
		fmt.Fprintf(&b, "%[1]s = ledger_rollups.%[1]s + excluded.%[1]s, ", c)
	}
	fmt.Fprintf(&b, "cost = CASE WHEN ledger_rollups.cost > %[1]d - excluded.cost THEN %[1]d ELSE ledger_rollups.cost + excluded.cost END", math.MaxInt64)
	return b.String()
}

// costPart is where the sum of costs is split: SUM itself must not overflow.
const costPart = 1_000_000

// totals are the sums of sumColumns, then the two parts of cost.
func totals() string {
	var b strings.Builder
	for _, c := range sumColumns {
		b.WriteString("CAST(SUM(" + c + ") AS BIGINT), ")
	}
	fmt.Fprintf(&b, "CAST(SUM(cost / %[1]d) AS BIGINT), CAST(SUM(cost %% %[1]d) AS BIGINT)", costPart)
	return b.String()
}

// mergeDay moves the sums by the hour of one day into sums by the day.
func (f *flavor) mergeDay(ctx context.Context, tx *sql.Tx, start int64) error {
	var sums strings.Builder
	for _, c := range sumColumns {
		sums.WriteString("CAST(SUM(" + c + ") AS BIGINT), ")
	}
	fmt.Fprintf(&sums, "CASE WHEN SUM(cost / %[1]d) >= %[2]d THEN %[3]d ELSE CAST(SUM(cost / %[1]d) * %[1]d + SUM(cost %% %[1]d) AS BIGINT) END",
		costPart, (math.MaxInt64/costPart)-costPart, math.MaxInt64)
	old := fmt.Sprintf(" FROM ledger_rollups WHERE span = %d AND slot >= %d AND slot < %d", hour, start, start+day)
	insert := fmt.Sprintf("INSERT INTO ledger_rollups (%s, %s, cost) SELECT CAST(%d AS BIGINT), %d, tenant, principal, route, provider, model, %s%s"+ //nolint:gosec // names of columns and numbers of ours
		" GROUP BY tenant, principal, route, provider, model ORDER BY tenant, principal, route, provider, model%s",
		dimColumns, strings.Join(sumColumns, ", "), start, day, &sums, old, addRollup())
	if _, err := tx.ExecContext(ctx, insert); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE"+old)
	return err
}

// mergeOldest merges the oldest day that lies before a time and still has sums
// by the hour. lock makes others wait who do the same.
func (f *flavor) mergeOldest(ctx context.Context, db *sql.DB, before time.Time) (merged bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if f.lock != "" {
		if _, err := tx.ExecContext(ctx, f.lock); err != nil {
			return false, err
		}
	}
	var oldest sql.NullInt64
	find := fmt.Sprintf("SELECT MIN(slot) FROM ledger_rollups WHERE span = %d AND slot < %d", hour, floor(before.Unix(), day))
	if err := tx.QueryRowContext(ctx, find).Scan(&oldest); err != nil || !oldest.Valid {
		return false, err
	}
	if err := f.mergeDay(ctx, tx, floor(oldest.Int64, day)); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// usage answers a query from ledger_rollups.
func (f *flavor) usage(ctx context.Context, db *sql.DB, q Query) (out []Row, err error) {
	text, args := f.question(&q)
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanRow(rows, q.GroupBy)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func (f *flavor) question(q *Query) (text string, args []any) {
	from, to := q.bounds()
	var groups []string
	for _, g := range q.GroupBy {
		groups = append(groups, groupColumns[g])
	}
	by := strings.Join(groups, ", ")
	var b strings.Builder
	b.WriteString("SELECT ")
	if by != "" {
		b.WriteString(by + ", ")
	}
	fmt.Fprintf(&b, "%s FROM ledger_rollups WHERE slot >= %d AND slot < %d", totals(), from, to)
	for _, g := range []Group{ByKey, ByTenant, ByRoute, ByProvider, ByModel} {
		if name, ok := q.Only[g]; ok {
			args = append(args, name)
			b.WriteString(" AND " + groupColumns[g] + " = " + f.placeholder(len(args)))
		}
	}
	if by != "" {
		b.WriteString(" GROUP BY " + by + " ORDER BY " + by)
	}
	fmt.Fprintf(&b, "%s LIMIT %d", havingSome(by), q.limit())
	return b.String(), args
}

// havingSome keeps an ungrouped question about nothing from having an answer of
// NULLs.
func havingSome(by string) string {
	if by == "" {
		return " HAVING COUNT(*) > 0"
	}
	return ""
}

func scanRow(rows *sql.Rows, groups []Group) (r Row, err error) {
	var days, high, low int64
	var into []any
	for _, g := range groups {
		if g == ByDay {
			into = append(into, &days)
		} else {
			into = append(into, r.name(g))
		}
	}
	for _, n := range r.fields() {
		into = append(into, n)
	}
	if err := rows.Scan(append(into, &high, &low)...); err != nil {
		return r, err
	}
	for _, g := range groups {
		if g == ByDay {
			r.Day = dayOf(days * day)
		}
	}
	r.Cost = joinCost(high, low)
	return r, nil
}

// joinCost puts the two parts of a sum of costs together.
func joinCost(high, low int64) llm.Money {
	high = addUp(high, low/costPart)
	if high > math.MaxInt64/costPart-1 {
		return math.MaxInt64
	}
	return llm.Money(high*costPart + low%costPart)
}
