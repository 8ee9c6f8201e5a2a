package monitor

import (
	"strings"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	// Kept is how many calls are remembered one by one.
	Kept = 500
	// maxSeries bounds the pairs of route and provider that are told apart.
	maxSeries = 64
	// Other is what the pairs beyond that are called.
	Other = "other"
)

// Call is what there is to tell of a call to a model that has ended. It holds
// nothing of its content.
type Call struct {
	Time       time.Time // of the request's head
	RequestID  string
	Key        string
	Tenant     string
	Route      string // as asked for when it led nowhere
	Provider   string
	Model      string
	Path       string // the way through the route, when it was not the straight one
	Cache      string // hit, miss or nothing
	Kind       string // of the error; "" = none
	Routed     bool   // Route is a configured name, or one of a bounded set
	Stream     bool
	Priced     bool // Cost is known
	Status     int
	Attempts   int
	Took       time.Duration
	FirstToken time.Duration // of a stream; 0 = none came
	Usage      llm.Usage
	Cost       llm.Money
}

// failed reports whether a call counts as an error: whatever failed that was
// not the caller's own doing.
func (c *Call) failed() bool { return c.Status >= 500 || c.Status == 429 }

// fellBack reports whether more than one target was asked.
func (c *Call) fellBack() bool { return strings.IndexByte(c.Path, '>') >= 0 }

// Monitor remembers calls. It is safe for concurrent use.
type Monitor struct {
	now func() time.Time

	last struct {
		sync.Mutex
		calls [Kept]Call
		n     uint64 // ever remembered
	}

	mu     sync.RWMutex
	series map[pair]*series
}

// pair names a series.
type pair struct{ route, provider string }

// New makes a Monitor. now is the clock; nil = time.Now.
func New(now func() time.Time) *Monitor {
	if now == nil {
		now = time.Now
	}
	return &Monitor{now: now, series: map[pair]*series{}}
}

// Ended takes in a call that has ended now.
func (m *Monitor) Ended(c *Call) {
	m.last.Lock()
	m.last.calls[m.last.n%Kept] = *c
	m.last.n++
	m.last.Unlock()

	p := pair{c.Route, c.Provider}
	if !c.Routed {
		p.route = ""
	}
	m.find(p).add(c, m.now().Unix())
}

// find returns the series of a pair, a new one if there is room.
func (m *Monitor) find(p pair) *series {
	m.mu.RLock()
	s, ok := m.series[p]
	m.mu.RUnlock()
	if ok {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.series) >= maxSeries {
		p = pair{Other, Other}
	}
	if s, ok = m.series[p]; !ok {
		s = &series{}
		m.series[p] = s
	}
	return s
}

// Recent returns the latest calls, the newest first, at most limit.
func (m *Monitor) Recent(limit int) []Call {
	m.last.Lock()
	defer m.last.Unlock()
	n := int(min(m.last.n, Kept, uint64(max(limit, 0))))
	out := make([]Call, n)
	for i := range out {
		out[i] = m.last.calls[(m.last.n-1-uint64(i))%Kept]
	}
	return out
}
