// Package notify tells operators of what they must know: a log line, a metric
// and the webhooks of the configuration, for each event. The rooms that notice
// something declare a function of their own; the wiring joins it to a Notifier,
// which owns the one goroutine that delivers.
package notify

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/backoff"
)

// The kinds of events. They are values of a metric's label and names in the
// configuration: stable.
const (
	CanaryRolledBack  = "canary_rolled_back"
	CanaryCompleted   = "canary_completed"
	CircuitOpened     = "circuit_opened"
	CircuitClosed     = "circuit_closed"
	BudgetAlert       = "budget_alert"
	BudgetExceeded    = "budget_exceeded"
	ReloadFailed      = "reload_failed"
	RedisLost         = "redis_lost"
	RedisRestored     = "redis_restored"
	CredentialRefused = "credential_refused" //nolint:gosec // the name of an event
)

// Kinds returns all kinds.
func Kinds() []string {
	return []string{
		CanaryRolledBack, CanaryCompleted, CircuitOpened, CircuitClosed, BudgetAlert, BudgetExceeded, ReloadFailed, RedisLost,
		RedisRestored, CredentialRefused,
	}
}

// Fact is one detail of an event. It must hold no secret.
type Fact struct{ Name, Value string }

// Event is something that operators must know. Subject names what it is about,
// as a route or a target; Message says it in a sentence.
type Event struct {
	Kind, Subject, Message string
	Time                   time.Time // zero = now
	Facts                  []Fact
}

// Observer counts for the metrics. Its methods must not block.
type Observer interface {
	Alerted(kind string)     // an event
	Delivered(result string) // one event at one webhook: delivered, failed or dropped
}

// The results of a delivery.
const (
	Delivered = "delivered"
	Failed    = "failed"  // refused, or no answer after all tries
	Dropped   = "dropped" // the queue was full, or the gateway stopped
)

// Hook is one address that is told.
type Hook struct {
	URL     string        // may hold a credential: only its host is ever shown
	Secret  string        // signs the body; "" = not signed
	Events  []string      // kinds; none = all
	Timeout time.Duration // of one try; 0 = 5 s
}

// Options makes a Notifier.
type Options struct {
	Gateway   string // names this gateway to the receiver
	Hooks     []Hook
	Logger    *slog.Logger      // nil = none
	Observer  Observer          // nil = nobody
	Transport http.RoundTripper // nil = one of its own
	Queue     int               // deliveries that wait at most; 0 = 256
	Tries     int               // of one delivery at most; 0 = 5
	Backoff   backoff.Backoff   // between tries; zero = 1 s, doubling, at most 1 min
}

// Notifier tells of events. A nil Notifier tells nobody. It is safe for
// concurrent use and must be closed.
type Notifier struct {
	o      Options
	client *http.Client
	wake   chan struct{}   // one element: something has changed
	done   chan struct{}   // closed when the worker has ended
	life   context.Context // for the log lines and the tries; abort ends it
	abort  context.CancelFunc

	mu      sync.Mutex
	hooks   []Hook
	queue   []delivery // not in order; the worker takes the earliest
	counts  map[string]int64
	closing bool
}

// New makes a Notifier and starts its worker.
func New(o Options) *Notifier {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Queue <= 0 {
		o.Queue = 256
	}
	if o.Tries <= 0 {
		o.Tries = 5
	}
	if o.Backoff.Base == 0 {
		o.Backoff = backoff.Backoff{Base: time.Second, Cap: time.Minute, Rand: o.Backoff.Rand}
	}
	n := &Notifier{
		o: o, hooks: o.Hooks, counts: map[string]int64{}, client: newClient(o.Transport), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	n.life, n.abort = context.WithCancel(context.Background()) // an event belongs to no request
	go n.work()
	return n
}

// SetHooks puts other webhooks into force. What waits goes where it was meant
// to go.
func (n *Notifier) SetHooks(hooks []Hook) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hooks = hooks
}

// Notify tells of an event. It never blocks: what the queue cannot take is
// dropped and counted.
func (n *Notifier) Notify(e Event) {
	if n == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	n.log(e)
	if n.o.Observer != nil {
		n.o.Observer.Alerted(e.Kind)
	}
	if dropped := n.enqueue(e); dropped > 0 {
		n.o.Logger.Warn("webhooks are not told: too many deliveries wait", slog.String("kind", e.Kind), slog.Int("deliveries", dropped))
		n.count(Dropped, dropped)
	}
}

// Counts returns how many events of each kind were told since the Notifier was
// made. Every kind is there, at zero when there was none.
func (n *Notifier) Counts() map[string]int64 {
	out := make(map[string]int64, len(Kinds()))
	for _, k := range Kinds() {
		out[k] = 0
	}
	if n == nil {
		return out
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(out, n.counts)
	return out
}

// enqueue counts an event, adds a delivery for each hook that wants the event, and returns how
// many found no room.
func (n *Notifier) enqueue(e Event) (dropped int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[e.Kind]++
	var body []byte
	for _, h := range n.hooks {
		if len(h.Events) > 0 && !slices.Contains(h.Events, e.Kind) {
			continue
		}
		if n.closing || len(n.queue) >= n.o.Queue {
			dropped++
			continue
		}
		if body == nil {
			body = encode(e, n.o.Gateway)
		}
		n.queue = append(n.queue, delivery{hook: h, kind: e.Kind, id: newID(), body: body, due: time.Now()})
	}
	n.nudge()
	return dropped
}

func (n *Notifier) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *Notifier) log(e Event) {
	level := slog.LevelWarn
	switch e.Kind {
	case CircuitClosed, RedisRestored, CanaryCompleted: // good news
		level = slog.LevelInfo
	}
	attrs := make([]slog.Attr, 0, 2+len(e.Facts))
	attrs = append(attrs, slog.String("alert", e.Kind), slog.String("subject", e.Subject))
	for _, f := range e.Facts {
		attrs = append(attrs, slog.String(f.Name, f.Value))
	}
	n.o.Logger.LogAttrs(n.life, level, e.Message, attrs...)
}

func (n *Notifier) count(result string, times int) {
	for range times {
		if n.o.Observer != nil {
			n.o.Observer.Delivered(result)
		}
	}
}
