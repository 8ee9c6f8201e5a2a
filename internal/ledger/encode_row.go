package ledger

import (
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// appendRows appends records as a JSON array of arrays, whose elements are the
// columns of ledger_records in their order: half the bytes of objects, and what
// a record costs in SQLite is mostly its bytes, which are written twice (log
// and file) and copied as often again. What is empty is 0 or "", at the end of
// a row nothing.
func appendRows(dst []byte, records []Record) []byte {
	var labels sameLabels
	dst = append(dst, '[')
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendRow(dst, &records[i], &labels)
	}
	return append(dst, ']')
}

// sameLabels remembers where the labels of an earlier record of a batch stand:
// all calls of a key have the very same map.
type sameLabels struct {
	of       uintptr
	from, to int // in what has been appended
}

func (l *sameLabels) append(dst []byte, labels map[string]string) []byte {
	if len(labels) == 0 {
		return rowPairs(dst, labels)
	}
	of := reflect.ValueOf(labels).Pointer()
	if of == l.of { // the records hold the map, so no other has its place
		return append(dst, dst[l.from:l.to]...)
	}
	l.of, l.from = of, len(dst)
	dst = rowPairs(dst, labels)
	l.to = len(dst)
	return dst
}

// appendRow appends one record. Each element ends with a comma; those of empty
// ones at the end are taken back.
func appendRow(dst []byte, r *Record, labels *sameLabels) []byte {
	dst = strconv.AppendInt(append(dst, '['), r.Time.UnixMicro(), 10)
	dst = append(dst, ',')
	for _, s := range [...]string{r.RequestID, r.UpstreamID, r.Principal, r.Tenant, r.Route, r.Provider, r.Model, r.Upstream} {
		dst = rowText(dst, s)
	}
	op, dialect, upstream := "", "", ""
	if r.Op != 0 {
		op = r.Op.String()
	}
	if r.Dialect != 0 {
		dialect = r.Dialect.String()
	}
	if r.UpstreamDialect != 0 {
		upstream = r.UpstreamDialect.String()
	}
	dst = rowText(rowText(rowText(dst, op), dialect), upstream)
	dst = rowCount(rowCount(dst, count(r.Stream)), int64(r.Attempt))
	dst = rowText(rowText(dst, r.Outcome), r.Kind)
	u := &r.Usage
	dst = rowText(dst, u.Source.String())
	for _, n := range [...]int64{u.Input, u.CachedInput, u.CacheWrite, u.CacheWrite1h, u.Output, u.Reasoning, int64(r.Cost)} {
		dst = rowCount(dst, n)
	}
	dst = rowCount(rowText(dst, r.Price), count(r.Unpriced))
	dst = rowMillis(rowMillis(rowMillis(dst, r.Answered), r.FirstToken), r.Took)
	end := len(dst)
	if dst = rowText(dst, r.Cache); r.Cache != "" {
		end = len(dst)
	}
	if dst = labels.append(dst, r.Labels); len(r.Labels) > 0 {
		end = len(dst)
	}
	if dst = rowPairs(dst, r.Tags); len(r.Tags) > 0 {
		end = len(dst)
	}
	dst = dst[:end]
	dst[end-1] = ']'
	return dst
}

func rowText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, `"",`...)
	}
	return append(jsonedit.AppendString(dst, clip(s, maxName)), ',')
}

func rowCount(dst []byte, n int64) []byte {
	if n == 0 {
		return append(dst, "0,"...)
	}
	return append(strconv.AppendInt(dst, n, 10), ',')
}

func rowMillis(dst []byte, d time.Duration) []byte {
	if d <= 0 {
		return append(dst, "0,"...)
	}
	return append(appendMillis(dst, "", d), ',')
}

func rowPairs(dst []byte, pairs map[string]string) []byte {
	if len(pairs) == 0 {
		return append(dst, "0,"...)
	}
	return append(appendPairs(dst, "", pairs), ',')
}

// rowColumns are the columns of a row as SQL reads them; what is empty is NULL,
// as it is in the other forms.
func rowColumns() string {
	columns := make([]string, len(recordColumns))
	for i, c := range recordColumns {
		name, kind, _ := strings.Cut(c, " ")
		none := "0"
		if kind == "TEXT" {
			none = "''"
		}
		columns[i] = "NULLIF(json_extract(value, '$[" + strconv.Itoa(i) + "]'), " + none + ") AS " + name
	}
	return strings.Join(columns, ", ")
}
