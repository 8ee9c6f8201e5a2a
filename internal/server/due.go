package server

import (
	"sync"
	"time"
)

// maxDue is from how many bytes on events leave although others are there to
// leave with them.
const maxDue = 32 << 10

// dues holds the buffers of events that wait for more. It is shared by all
// streams: one that waits for its upstream has nothing due and holds none.
var dues = sync.Pool{New: func() any { return new([]byte) }}

// room returns what is due, to be appended to.
func (x *exchange) room() []byte {
	if x.dueBuf == nil {
		x.dueBuf = dues.Get().(*[]byte)
		x.due = (*x.dueBuf)[:0]
	}
	return x.due
}

// sendDue sends what is due of the answer.
func (x *exchange) sendDue() error {
	if !x.begun || x.dueBuf == nil {
		return x.writeErr
	}
	err := x.push(x.due)
	x.noneDue()
	return err
}

// sendLast sends what is due together with the end of the answer: net/http
// writes a short piece with the end of the body when the handler returns.
func (x *exchange) sendLast() error {
	if len(x.due) >= corkFrom {
		return x.sendDue()
	}
	if x.streaming {
		x.extend(time.Now())
	} else {
		x.startStream()
	}
	x.send(x.due)
	x.noneDue()
	return x.writeErr
}

// noneDue gives the buffer back.
func (x *exchange) noneDue() {
	if b := x.dueBuf; b != nil && cap(x.due) <= 2*maxDue {
		*b = x.due[:0]
		dues.Put(b)
	}
	x.due, x.dueBuf = nil, nil
}
