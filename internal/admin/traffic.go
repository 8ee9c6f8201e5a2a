package admin

import (
	"net/http"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/monitor"
)

// TrafficReader tells of the calls of late; see monitor.Monitor.
type TrafficReader interface {
	Recent(limit int) []monitor.Call
	Overview(w monitor.Window) monitor.Overview
}

// defaultRecent is how many calls are shown when nobody says.
const defaultRecent = 50

// callView is one call of late.
type callView struct {
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	Key       string    `json:"key"`
	Tenant    string    `json:"tenant"`
	Route     string    `json:"route"`
	Provider  string    `json:"provider"`
	Model     string    `json:"model"`
	Status    int       `json:"status"`
	Kind      string    `json:"kind,omitempty"`
	Attempts  int       `json:"attempts"`
	Path      string    `json:"path,omitempty"`
	MS        float64   `json:"ms"`
	TTFT      *float64  `json:"ttft_ms"` // null: not a stream, or nothing came
	Tokens    tokens    `json:"tokens"`
	Cost      *float64  `json:"cost"` // dollars; null = unknown
	Cache     string    `json:"cache,omitempty"`
	Stream    bool      `json:"stream"`
}

type tokens struct {
	Input     int64 `json:"input"`
	Cached    int64 `json:"cached_input"`
	Output    int64 `json:"output"`
	Reasoning int64 `json:"reasoning"`
	Estimated bool  `json:"estimated"`
}

func (a *API) requests(w http.ResponseWriter, r *http.Request) error {
	limit := defaultRecent
	if s := r.URL.Query().Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > monitor.Kept {
			return llm.Invalid("limit", "limit must be a number from 1 to %d", monitor.Kept)
		}
		limit = n
	}
	calls := a.o.Traffic.Recent(limit)
	views := make([]callView, len(calls))
	for i := range calls {
		views[i] = viewOf(&calls[i])
	}
	return answer(w, struct {
		Requests []callView `json:"requests"`
	}{views})
}

func viewOf(c *monitor.Call) callView {
	v := callView{
		Time: c.Time.UTC(), RequestID: c.RequestID, Key: c.Key, Tenant: c.Tenant, Route: c.Route, Provider: c.Provider, Model: c.Model,
		Status: c.Status, Kind: c.Kind, Attempts: c.Attempts, Path: c.Path, MS: ms(c.Took), Cache: c.Cache, Stream: c.Stream,
		Tokens: tokens{c.Usage.Input, c.Usage.CachedInput, c.Usage.Output, c.Usage.Reasoning, c.Usage.Source == llm.UsageEstimated},
	}
	if c.FirstToken > 0 {
		d := ms(c.FirstToken)
		v.TTFT = &d
	}
	if c.Priced {
		d := c.Cost.Dollars()
		v.Cost = &d
	}
	return v
}

// ms is a duration in milliseconds with three decimals.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// overview is the last while at a glance.
type overview struct {
	Step      int64       `json:"step_seconds"`
	Total     figures     `json:"total"`
	Points    []point     `json:"points"`
	Routes    []groupView `json:"routes"`
	Providers []groupView `json:"providers"`
}

// figures are the sums of a stretch of time. Latencies are those of calls that
// succeeded, right within an eighth; null = there was none.
type figures struct {
	Requests  int64    `json:"requests"`
	Errors    int64    `json:"errors"`
	Refused   int64    `json:"refused"`
	Gone      int64    `json:"gone"`
	Fallbacks int64    `json:"fallbacks"`
	Retries   int64    `json:"retries"`
	Cached    int64    `json:"cache_hits"`
	Asked     int64    `json:"cache_lookups"`
	Input     int64    `json:"input_tokens"`
	Output    int64    `json:"output_tokens"`
	Cost      float64  `json:"cost"`
	Unpriced  int64    `json:"unpriced"`
	P50       *float64 `json:"p50_ms"`
	P95       *float64 `json:"p95_ms"`
	FirstP50  *float64 `json:"ttft_p50_ms"`
	FirstP95  *float64 `json:"ttft_p95_ms"`
}

type point struct {
	Start time.Time `json:"start"`
	figures
}

// groupView is a route or a provider; its series are in step with the points.
type groupView struct {
	Name     string     `json:"name"`
	Total    figures    `json:"total"`
	Requests []int64    `json:"requests"`
	Errors   []int64    `json:"errors"`
	P95      []*float64 `json:"p95_ms"`
	FirstP95 []*float64 `json:"ttft_p95_ms"`
}

func (a *API) overview(w http.ResponseWriter, r *http.Request) error {
	window := monitor.TenMinutes
	switch s := r.URL.Query().Get("window"); s {
	case "", "10m":
	case "60m":
		window = monitor.Hour
	default:
		return llm.Invalid("window", "window must be 10m or 60m")
	}
	o := a.o.Traffic.Overview(window)
	v := overview{Step: int64(o.Step / time.Second), Total: figuresOf(&o.Total), Routes: groupsOf(o.Routes), Providers: groupsOf(o.Providers)}
	for i := range o.Points {
		v.Points = append(v.Points, point{o.Points[i].Start, figuresOf(&o.Points[i].Figures)})
	}
	return answer(w, v)
}

func figuresOf(f *monitor.Figures) figures {
	return figures{
		Requests: f.Requests, Errors: f.Errors, Refused: f.Refused, Gone: f.Gone, Fallbacks: f.Fallbacks, Retries: f.Retries,
		Cached: f.Cached, Asked: f.CacheAsked, Input: f.InputTokens, Output: f.OutputTokens, Cost: f.Cost.Dollars(), Unpriced: f.Unpriced,
		P50: known(f.P50), P95: known(f.P95), FirstP50: known(f.FirstP50), FirstP95: known(f.FirstP95),
	}
}

// known is a duration in milliseconds, null when there is none.
func known(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	v := ms(d)
	return &v
}

func allKnown(ds []time.Duration) []*float64 {
	out := make([]*float64, len(ds))
	for i, d := range ds {
		out[i] = known(d)
	}
	return out
}

func groupsOf(gs []monitor.Group) []groupView {
	out := make([]groupView, len(gs))
	for i := range gs {
		g := &gs[i]
		out[i] = groupView{g.Name, figuresOf(&g.Total), g.Requests, g.Errors, allKnown(g.P95), allKnown(g.FirstP95)}
	}
	return out
}
