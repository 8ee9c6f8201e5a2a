// Package sse reads and writes server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html), one event
// at a time, in constant memory and without a limit on line length but the one
// that the caller sets.
package sse

// Event is one server-sent event. All slices are valid until the next call of
// Reader.Next. A block of comments alone has neither Name nor Data: it says
// that the sender is alive.
type Event struct {
	Name []byte // the event field, nil when there is none
	Data []byte // the data lines, joined with \n; nil when there is none
	Raw  []byte // the event's verbatim bytes, its closing blank line included
}
