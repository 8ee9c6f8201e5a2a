package mock

import (
	"net/http"
	"time"
)

// style is what kind of text a model answers with.
type style uint8

const (
	styleChat style = iota
	styleEcho
	styleLorem
	styleBytes
	styleJSON
	styleRefuse
	styleFilter
	styleBlocked
	styleEmpty
	styleBench
)

// behaviour is what a model name asks for.
type behaviour struct {
	style   style
	styled  bool // a word has set style
	size    int  // words or bytes of the answer
	tools   []string
	think   int // reasoning tokens; -1 = as the request asks
	broken  bool
	unique  bool
	noUsage bool
	strict  bool // refuses what reasoning models refuse

	first time.Duration
	pace  time.Duration
	chunk int // tokens per event

	fault     Fault
	flaky     int // percent; 0 = no
	failFirst int

	cached     int64
	cacheWrite int64
	window     int64 // context window in tokens; 0 = no limit
	dimensions int
}

const defaultDimensions = 1536

func newBehaviour() behaviour {
	return behaviour{think: -1, chunk: 1, dimensions: defaultDimensions}
}

// finish completes what the words left open: when a failure is conditional,
// or says when to come back, and no word says what it is.
func (b *behaviour) finish() {
	if b.fault.Kind != FaultNone {
		return
	}
	switch {
	case b.flaky > 0 || b.failFirst > 0:
		b.fault.Status = http.StatusServiceUnavailable
	case b.fault.RetryAfter > 0:
		b.fault.Status = http.StatusTooManyRequests
	default:
		return
	}
	b.fault.Kind, b.fault.After = FaultStatus, -1
}
