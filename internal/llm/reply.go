package llm

import (
	"errors"
	"io"
	"time"
)

// Reply is a provider's answer. Exactly one of Stream, Raw and Response is
// set: Stream for a streaming call; Raw for a whole answer in the dialect that
// the client speaks, to be passed on as it is; Response for one that was
// translated. Usage and Finish are set with Raw and Response alike.
type Reply struct {
	Dialect  Dialect // of Raw, or of the EventRaw bytes of Stream; 0 when canonical
	Raw      []byte
	Response *Response
	Stream   Stream

	Usage  Usage
	Finish FinishReason

	Provider string        // who answered
	Model    string        // the upstream's model that was asked
	Attempts int           // upstream attempts made, by all targets
	Upstream time.Duration // time spent waiting for upstreams and back-off, until this reply came
	Dropped  []string      // request members left out on the client's wish
	Cache    string        // hit, miss, shared, bypass; "" when no cache was asked
	ID       string        // the upstream's request id, for logs
	Price    Pricer        // what the target charges; nil when that is unknown
}

// Pricer computes what a call cost. ok is false when there is no price.
type Pricer interface {
	Cost(u Usage) (cost Money, ok bool)
}

// Close ends a streaming reply; closing a whole one does nothing.
func (r *Reply) Close() error {
	if r == nil || r.Stream == nil {
		return nil
	}
	return r.Stream.Close()
}

// Done is how a call ended. It is reported once, by OnDone.
type Done struct {
	Err     *Error // nil when the answer was complete
	Gone    bool   // the stream was closed before its end: the client left
	Started bool   // part of the answer had been delivered when the call ended
	Stream  bool   // the reply was a stream

	Usage     Usage
	Finish    FinishReason
	FirstAt   time.Time // when the first piece of a stream's answer came; zero when none did
	Events    int       // content events received
	TextBytes int64     // bytes of answer text received
}

// HedgeLost is the code of the error that ends a call which another target has
// answered sooner, and the outcome of such a call.
const HedgeLost = "hedge_lost"

// Outcome returns the one word that the ledger, logs and metrics use: complete,
// client_gone, upstream_cut, hedge_lost, or the error's kind.
func (d Done) Outcome() string {
	switch {
	case d.Err != nil && d.Err.Code == HedgeLost:
		return HedgeLost
	case d.Gone || (d.Err != nil && d.Err.Kind == KindCanceled):
		return "client_gone"
	case d.Err == nil:
		return "complete"
	case d.Started && d.Err.Kind == KindUpstreamError:
		return "upstream_cut"
	}
	return d.Err.Kind.String()
}

// OnDone calls fn exactly once, when the call has really ended: now, for an
// error, a whole answer or a stream that is over; else at the end, error or
// Close of the stream. Functions registered on one reply run in the order of
// their registration, so the innermost decorator is told first.
func OnDone(r *Reply, err error, fn func(Done)) {
	if d, over := Settled(r, err); over {
		fn(d)
		return
	}
	t := track(r)
	if t.ended {
		fn(t.sum)
		return
	}
	t.done = append(t.done, fn)
}

// Settled returns how a call ended that was over when Do returned: with an
// error or a whole answer. For a stream over is false. A decorator asks it
// before OnDone, which costs a closure.
func Settled(r *Reply, err error) (d Done, over bool) {
	switch {
	case err != nil:
		return Done{Err: AsError(err)}, true
	case r.Stream == nil:
		return Done{Usage: r.Usage, Finish: r.Finish}, true
	}
	return Done{}, false
}

// Wrap puts a stream of a decorator's own around the provider's, if the reply
// has one. It goes below what OnDone and Prime keep, so that all decorators
// are told the same outcome, whatever their order.
func Wrap(r *Reply, wrap func(Stream) Stream) {
	if t, ok := r.Stream.(*tracked); ok {
		t.inner = wrap(t.inner)
	} else if r.Stream != nil {
		r.Stream = wrap(r.Stream)
	}
}

// Prime reads a streaming reply up to its first piece of content and keeps
// what it read for the next Recv. It returns the stream's error, if that comes
// first; a stream that ends without content is an upstream error. After Prime
// the reply is still whole. Priming a reply again, or one that is no stream,
// does nothing.
func Prime(r *Reply) error {
	if r.Stream == nil {
		return nil
	}
	t := track(r)
	for t.sum.Events == 0 {
		ev, err := t.pull()
		if err == io.EOF {
			t.fail = Errorf(KindUpstreamError, "the provider sent an empty stream")
			t.end(Done{Err: AsError(t.fail)})
		}
		if err != nil {
			return t.fail
		}
		if ev.Kind != EventPing {
			t.held = append(t.held, *ev)
		}
	}
	return nil
}

func track(r *Reply) *tracked {
	if t, ok := r.Stream.(*tracked); ok {
		return t
	}
	t := &tracked{inner: r.Stream}
	t.done = t.few[:0]
	r.Stream = t
	return t
}

// tracked watches a stream on behalf of every decorator at once.
type tracked struct {
	inner Stream
	done  []func(Done)
	few   [6]func(Done) // room for those of the usual chain
	held  []Event       // read by Prime, not yet delivered
	next  int           // index into held
	sum   Done          // what has been seen so far; once ended, how it ended
	fail  error         // what ended the inner stream; repeated, never asked for again
	ended bool

	leave func(Left) bool // see OnLeave
	left  bool            // someone else has the stream
}

// Recv returns the held events, then those of the inner stream.
func (t *tracked) Recv() (*Event, error) {
	if t.left {
		return nil, Errorf(KindCanceled, "the stream was closed")
	}
	if t.next < len(t.held) {
		ev := &t.held[t.next]
		t.next++
		if t.next == len(t.held) {
			t.held, t.next = nil, 0
		}
		t.sum.Started = t.sum.Started || ev.Content()
		return ev, nil
	}
	ev, err := t.pull()
	if err == nil {
		t.sum.Started = t.sum.Started || ev.Content()
	}
	if err == io.EOF {
		t.end(Done{})
	}
	return ev, err
}

// pull receives from the inner stream and keeps the sums. A failure ends the
// stream here; io.EOF does not, as its meaning depends on who asked.
func (t *tracked) pull() (*Event, error) {
	if t.fail != nil {
		return nil, t.fail
	}
	ev, err := t.inner.Recv()
	if err != nil {
		if t.fail = err; err != io.EOF {
			e := cutError(err)
			t.fail = e
			if !t.left { // else the client's leaving was the end
				t.end(Done{Err: e})
			}
		}
		return nil, t.fail
	}
	if ev.Usage != nil {
		t.sum.Usage = *ev.Usage
	}
	if ev.Finish != "" {
		t.sum.Finish = ev.Finish
	}
	if ev.Content() {
		t.sum.Events++
		if t.sum.FirstAt.IsZero() {
			t.sum.FirstAt = time.Now()
		}
		if ev.Kind == EventRaw {
			t.sum.TextBytes += int64(ev.TextBytes)
		} else {
			t.sum.TextBytes += int64(len(ev.Text))
		}
	}
	return ev, nil
}

// cutError returns what ended a stream as an *Error that no reader can take
// for the normal end: a connection that broke often has io.EOF as its cause,
// and errors.Is would find it.
func cutError(err error) *Error {
	e := AsError(err)
	if !errors.Is(e, io.EOF) {
		return e
	}
	c := *e
	c.Err = errors.New(e.Err.Error())
	return &c
}

// Close closes the inner stream and, if it had not ended, reports that the
// client left.
func (t *tracked) Close() error {
	if t.left || t.handOver() {
		return nil
	}
	err := t.inner.Close()
	t.end(Done{Gone: true})
	return err
}

// Abandon closes a reply that nobody will read, for a reason of the gateway's
// own: what OnDone has registered is told e, and not that the client left.
func Abandon(r *Reply, e *Error) {
	if r == nil || r.Stream == nil {
		return
	}
	t := track(r)
	_ = t.inner.Close() // nobody is left to tell
	t.end(Done{Err: e})
}

func (t *tracked) end(how Done) {
	if t.ended {
		return
	}
	t.ended = true
	t.sum.Stream = true
	t.sum.Err, t.sum.Gone = how.Err, how.Gone
	for _, fn := range t.done {
		fn(t.sum)
	}
}
