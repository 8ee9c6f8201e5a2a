package monitor

import (
	"cmp"
	"slices"
	"time"
)

// Figures are sums with the quantiles that belong to them. Durations are those
// of calls that succeeded; 0 = there was none.
type Figures struct {
	Sums
	P50, P95           time.Duration // of the whole answer
	FirstP50, FirstP95 time.Duration // to a stream's first token
}

// Point is a stretch of time.
type Point struct {
	Start time.Time
	Figures
}

// Group are the figures of a route or of a provider.
type Group struct {
	Name     string
	Total    Figures
	Requests []int64         // of each stretch, the oldest first
	Errors   []int64         // likewise
	P95      []time.Duration // likewise
	FirstP95 []time.Duration // likewise
}

// Overview is the last while at a glance. Groups come in the order of their
// names.
type Overview struct {
	Step      time.Duration // of each point
	Total     Figures
	Points    []Point // the oldest first; the last is still being filled
	Routes    []Group
	Providers []Group
}

// Window says how far back an Overview looks.
type Window uint8

// The windows.
const (
	TenMinutes Window = iota // by ten seconds
	Hour                     // by minutes
)

// sheet gathers the figures of one group.
type sheet struct {
	total  bucket
	points [ringSize]bucket // by age
}

func (t *sheet) add(age int64, b *bucket) {
	for _, into := range [...]*bucket{&t.total, &t.points[age]} {
		into.sums.add(&b.sums)
		into.took.merge(&b.took)
		into.first.merge(&b.first)
	}
}

func (b *bucket) figures() Figures {
	return Figures{b.sums, b.took.quantile(0.5), b.took.quantile(0.95), b.first.quantile(0.5), b.first.quantile(0.95)}
}

// Overview sums up the last while.
func (m *Monitor) Overview(w Window) Overview {
	m.mu.RLock()
	all := make(map[pair]*series, len(m.series))
	for p, s := range m.series {
		all[p] = s
	}
	m.mu.RUnlock()

	sec, ring := m.now().Unix(), int(min(w, Hour))
	total, routes, providers := &sheet{}, map[string]*sheet{}, map[string]*sheet{}
	for p, s := range all {
		s.each(ring, sec, func(age int64, b *bucket) {
			total.add(age, b)
			in(routes, p.route).add(age, b)
			in(providers, p.provider).add(age, b)
		})
	}
	step := spans[ring].Step
	o := Overview{Step: time.Duration(step) * time.Second, Total: total.total.figures(), Routes: groups(routes), Providers: groups(providers)}
	for age := int64(ringSize - 1); age >= 0; age-- {
		o.Points = append(o.Points, Point{time.Unix((sec/step-age)*step, 0).UTC(), total.points[age].figures()})
	}
	return o
}

func in(sheets map[string]*sheet, name string) *sheet {
	if sheets[name] == nil {
		sheets[name] = &sheet{}
	}
	return sheets[name]
}

func groups(sheets map[string]*sheet) []Group {
	out := make([]Group, 0, len(sheets))
	for name, t := range sheets {
		if name == "" {
			continue // refused before anything was asked: the total has it
		}
		g := Group{Name: name, Total: t.total.figures()}
		for age := ringSize - 1; age >= 0; age-- {
			b := &t.points[age]
			g.Requests = append(g.Requests, b.sums.Requests)
			g.Errors = append(g.Errors, b.sums.Errors)
			g.P95 = append(g.P95, b.took.quantile(0.95))
			g.FirstP95 = append(g.FirstP95, b.first.quantile(0.95))
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
