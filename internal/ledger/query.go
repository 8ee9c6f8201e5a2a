package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Group is one name to group usage by.
type Group uint8

// The groups. Days are those of UTC.
const (
	ByKey Group = iota
	ByTenant
	ByRoute
	ByProvider
	ByModel
	ByDay
)

// groupNames are the names in questions, groupColumns the table's columns.
var (
	groupNames   = [...]string{"key", "tenant", "route", "provider", "model", "day"}
	groupColumns = [...]string{"principal", "tenant", "route", "provider", "model", "slot / 86400"}
)

// String returns the group's name in questions.
func (g Group) String() string { return groupNames[g] }

// ParseGroups reads names with commas between them, each at most once.
func ParseGroups(s string) ([]Group, error) {
	if s == "" {
		return nil, nil
	}
	var groups []Group
	for name := range strings.SplitSeq(s, ",") {
		i := slices.Index(groupNames[:], name)
		if i < 0 {
			return nil, fmt.Errorf("%q is not one of %s", name, strings.Join(groupNames[:], ", "))
		}
		if slices.Contains(groups, Group(i)) {
			return nil, fmt.Errorf("%q comes twice", name)
		}
		groups = append(groups, Group(i))
	}
	return groups, nil
}

// Query asks for sums. Time is counted in whole hours: From is taken down and
// To up to the next one. Usage older than the retention is known by whole days,
// each of which counts with its beginning.
type Query struct {
	From, To time.Time // from the one on and before the other; zero = no bound
	GroupBy  []Group
	Only     map[Group]string // only what has these names; not for ByDay
	Limit    int              // rows; 0 = 10,000
}

// maxRows is the greatest number of rows in an answer.
const maxRows = 10_000

// Row is one answer: the names that were asked for, and the sums.
type Row struct {
	Key, Tenant, Route, Provider, Model string
	Day                                 string // YYYY-MM-DD
	Sums
}

// Name returns the row's name of a group.
func (r *Row) Name(g Group) string { return *r.name(g) }

func (r *Row) name(g Group) *string {
	switch g {
	case ByKey:
		return &r.Key
	case ByTenant:
		return &r.Tenant
	case ByRoute:
		return &r.Route
	case ByProvider:
		return &r.Provider
	case ByModel:
		return &r.Model
	}
	return &r.Day
}

// bounds returns the slots of a query, as Unix seconds.
func (q *Query) bounds() (from, to int64) {
	from, to = -1<<62, 1<<62
	if !q.From.IsZero() {
		from = floor(q.From.Unix(), hour)
	}
	if !q.To.IsZero() {
		to = floor(q.To.Add(time.Hour-1).Unix(), hour)
	}
	return from, to
}

func (q *Query) limit() int {
	if q.Limit > 0 {
		return min(q.Limit, maxRows)
	}
	return maxRows
}

// total answers a query from rows in memory.
func (q *Query) total(rows func(yield func(*rollup) bool)) []Row {
	from, to := q.bounds()
	found := map[Row]*Sums{}
	for r := range rows {
		if r.Start < from || r.Start >= to || !q.wants(r) {
			continue
		}
		key := Row{}
		for _, g := range q.GroupBy {
			*key.name(g) = r.slot.name(g)
		}
		if found[key] == nil {
			found[key] = &Sums{}
		}
		found[key].Add(&r.Sums)
	}
	out := make([]Row, 0, len(found))
	for key, s := range found {
		key.Sums = *s
		out = append(out, key)
	}
	slices.SortFunc(out, func(a, b Row) int {
		for _, g := range q.GroupBy {
			if c := cmp.Compare(a.Name(g), b.Name(g)); c != 0 {
				return c
			}
		}
		return 0
	})
	return out[:min(len(out), q.limit())]
}

func (q *Query) wants(r *rollup) bool {
	for g, name := range q.Only {
		if r.slot.name(g) != name {
			return false
		}
	}
	return true
}

func (s *slot) name(g Group) string {
	switch g {
	case ByKey:
		return s.Principal
	case ByTenant:
		return s.Tenant
	case ByRoute:
		return s.Route
	case ByProvider:
		return s.Provider
	case ByModel:
		return s.Model
	}
	return dayOf(s.Start)
}

// Spent returns the cost of a whole answer.
func Spent(rows []Row) llm.Money {
	var sum Sums
	for i := range rows {
		sum.Add(&rows[i].Sums)
	}
	return sum.Cost
}
