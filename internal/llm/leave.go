package llm

// Left is a stream whose client has left before its end. Whoever took it over
// reads on and calls End exactly once; nobody else touches it any more.
type Left struct{ t *tracked }

// Recv returns the next event, io.EOF at the stream's end.
func (l Left) Recv() (*Event, error) { return l.t.pull() }

// End closes the stream. Only now are those told whom OnDone has registered:
// that the client left, with the usage that was seen until here.
func (l Left) End() {
	_ = l.t.inner.Close() // nobody is left to tell
	l.t.end(Done{Gone: true})
}

// OnLeave lets take have a stream that is closed before its end, instead of
// ending the call there and then. take says whether it does; it must not block.
// A whole answer is never left.
func OnLeave(r *Reply, take func(Left) bool) {
	if r.Stream != nil {
		track(r).leave = take
	}
}

// handOver gives the stream to whoever wants those that were left. From then on
// the caller's side does nothing but read t.left.
func (t *tracked) handOver() bool {
	if t.leave == nil || t.ended || t.fail != nil {
		return false
	}
	t.left = true
	if !t.leave(Left{t}) {
		t.left = false
	}
	return t.left
}
