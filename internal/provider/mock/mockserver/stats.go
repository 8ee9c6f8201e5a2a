package mockserver

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// maxModels is how many models have a row of their own; the rest share one.
const maxModels = 1000

// otherModels is the name of the row that they share.
const otherModels = "other"

// stats counts what the server did, by model. A request ends as exactly one of
// ok, failed (by the model's name or by its own fault) and canceled (the client
// left), so requests = ok + failed + canceled + open once nothing is between.
type stats struct {
	mu      sync.Mutex
	models  map[string]*entry
	refusal map[int]int64
}

// entry is the row of one model.
type entry struct {
	requests, ok, fail, cancel atomic.Int64
	streams, open, openStreams atomic.Int64
	input, output              atomic.Int64
}

// ModelStats is a model's row in the answer of GET /mock/stats.
type ModelStats struct {
	Requests     int64 `json:"requests"`
	OK           int64 `json:"ok"`
	Failed       int64 `json:"failed"`
	Canceled     int64 `json:"canceled"`
	Open         int64 `json:"open"`
	Streams      int64 `json:"streams"`
	OpenStreams  int64 `json:"open_streams"`
	InputTokens  int64 `json:"input_tokens"`  // of answers that were begun
	OutputTokens int64 `json:"output_tokens"` // that were written
}

// Stats is the answer of GET /mock/stats.
type Stats struct {
	Models  map[string]ModelStats `json:"models"`
	Refused map[string]int64      `json:"refused"` // by status; also those that reached no model
	Total   ModelStats            `json:"total"`
}

// row returns the row of a model.
func (s *stats) row(model string) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.models == nil {
		s.models = make(map[string]*entry)
	}
	e := s.models[model]
	if e == nil && len(s.models) >= maxModels {
		model = otherModels
		e = s.models[model]
	}
	if e == nil {
		e = &entry{}
		s.models[model] = e
	}
	return e
}

// begin counts a request for a model.
func (s *stats) begin(model string, stream bool) *entry {
	e := s.row(model)
	e.begin(stream)
	return e
}

func (e *entry) begin(stream bool) {
	e.requests.Add(1)
	e.open.Add(1)
	if stream {
		e.streams.Add(1)
		e.openStreams.Add(1)
	}
}

func (e *entry) end(stream bool) {
	e.open.Add(-1)
	if stream {
		e.openStreams.Add(-1)
	}
}

func (e *entry) done()     { e.ok.Add(1) }
func (e *entry) failed()   { e.fail.Add(1) }
func (e *entry) canceled() { e.cancel.Add(1) }

// undone takes back done: the client did not get the end after all.
func (e *entry) undone() {
	e.ok.Add(-1)
	e.cancel.Add(1)
}

func (e *entry) tokens(in, out int64) {
	e.input.Add(in)
	e.output.Add(out)
}

// refused counts an error answer; e is nil when it reached no model.
func (s *stats) refused(e *entry, status int) {
	if e != nil {
		e.failed()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal == nil {
		s.refusal = make(map[int]int64)
	}
	s.refusal[status]++
}

// Stats returns what the server has done since it was made, or reset.
func (s *Server) Stats() Stats {
	out := Stats{Models: map[string]ModelStats{}, Refused: map[string]int64{}}
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	for name, e := range s.stats.models {
		row := e.snapshot()
		if row == (ModelStats{}) {
			continue
		}
		out.Models[name] = row
		out.Total.add(row)
	}
	for status, n := range s.stats.refusal {
		out.Refused[strconv.Itoa(status)] = n
	}
	return out
}

func (e *entry) snapshot() ModelStats {
	return ModelStats{
		Requests: e.requests.Load(), OK: e.ok.Load(), Failed: e.fail.Load(), Canceled: e.cancel.Load(),
		Open: e.open.Load(), Streams: e.streams.Load(), OpenStreams: e.openStreams.Load(),
		InputTokens: e.input.Load(), OutputTokens: e.output.Load(),
	}
}

func (m *ModelStats) add(n ModelStats) {
	m.Requests += n.Requests
	m.OK += n.OK
	m.Failed += n.Failed
	m.Canceled += n.Canceled
	m.Open += n.Open
	m.Streams += n.Streams
	m.OpenStreams += n.OpenStreams
	m.InputTokens += n.InputTokens
	m.OutputTokens += n.OutputTokens
}

// Reset sets all counts to zero and lets the engine forget what it counted.
// What is open stays open, and is counted out as it ends.
func (s *Server) Reset() {
	s.stats.mu.Lock()
	for _, e := range s.stats.models {
		for _, c := range []*atomic.Int64{&e.requests, &e.ok, &e.fail, &e.cancel, &e.streams, &e.input, &e.output} {
			c.Store(0)
		}
		e.requests.Add(e.open.Load())
		e.streams.Add(e.openStreams.Load())
	}
	s.stats.refusal = nil
	s.stats.mu.Unlock()
	s.o.Engine.Reset()
}

func (s *Server) serveStats(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.Stats())
}

func (s *Server) serveReset(w http.ResponseWriter, _ *http.Request) {
	s.Reset()
	w.WriteHeader(http.StatusNoContent)
}
