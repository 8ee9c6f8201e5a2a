package llm

// EventKind says what an Event carries.
type EventKind uint8

// The events of a stream, in the order in which they can come: EventStart at
// most once and first; then text, reasoning and tool events in any order;
// EventFinish at most once; EventUsage any number of times, each replacing the
// one before. A stream that passes through consists of EventRaw alone.
const (
	EventStart     EventKind = iota + 1 // ID, Model
	EventText                           // Text
	EventRefusal                        // Text
	EventReasoning                      // Text, Block; Signature or Redacted close a block, Origin says whose
	EventToolCall                       // Index; ID and Name on its first event; Text = a piece of the arguments; Signature
	EventFinish                         // Finish, Native, StopSequence
	EventUsage                          // Usage
	EventRaw                            // Raw: verbatim bytes of whole events; Usage and Finish when these bytes said so
	EventPing                           // nothing: the upstream is alive
)

// Event is one step of a stream. Strings, and what Usage points at, are the
// receiver's to keep; the Event itself and Raw are valid only until the next
// Recv.
type Event struct {
	Kind  EventKind
	Index int // running number of the tool call, from 0
	Block int // running number of the reasoning block, from 0

	ID    string
	Model string
	Name  string
	Text  string

	Signature string
	Redacted  string
	Origin    Dialect

	Finish       FinishReason
	Native       string
	StopSequence string

	Usage *Usage
	Raw   []byte

	// TextBytes is how many bytes of answer text an EventRaw carries, as far
	// as a cheap scan can tell; the estimate for a cancelled stream uses it.
	TextBytes int

	// More says that the next Recv will not wait: another event is there, or
	// the end. What this event becomes can then leave together with the next.
	More bool
}

// Content reports whether the event is part of the answer: after the first one
// the caller is committed to this stream. A provider whose stream passes
// through joins its preamble to the first piece of content, so an EventRaw
// always commits.
func (e *Event) Content() bool {
	return e.Kind != EventStart && e.Kind != EventPing && e.Kind != EventUsage
}

// Stream is an answer that arrives in pieces, pulled by the goroutine that
// writes to the client. Recv returns io.EOF when the answer is complete and an
// *Error when it is not, and no event with either. The event belongs to the
// stream, which may use it again for the next one: by value it would be copied
// on every layer's stack, and a stream that waits keeps its stack. Close ends the upstream exchange and may be called more
// than once. Both belong to one goroutine; to interrupt a Recv from elsewhere,
// cancel the context that the stream was made with.
type Stream interface {
	Recv() (*Event, error)
	Close() error
}
