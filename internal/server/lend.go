package server

import (
	"sync"
)

const (
	// leastLent is from how many bytes on a body's buffer is worth using again.
	leastLent = 1 << 10
	// lentSizes is how many sizes of buffers there are: two for each doubling,
	// up to firstBuffer and its one byte more.
	lentSizes = 22
)

// bodyPool keeps the buffers of request bodies that have been answered. A body
// has one owner, its exchange: it lends the bytes to one call, and takes them
// back when that has been answered, all that hangs on it is closed, and nobody
// has said llm.Call.Keep.
type bodyPool struct {
	pools [lentSizes]sync.Pool // of *lentBody

	// poison has the bytes of buffers that come back overwritten, so that who
	// still reads them is found out. It is on with the race detector.
	poison bool
}

// poisoned is what overwrites them: no JSON begins or goes on with it.
const poisoned = 0xdb

// lentBody is a buffer of one of the sizes.
type lentBody struct {
	buf   []byte
	class int
}

// lentSize returns the size of a class: 1 KiB, 1.5 KiB, 2 KiB, 3 KiB and so on.
func lentSize(class int) int { return leastLent << (class / 2) * (2 + class%2) / 2 }

// get returns a buffer for n bytes, nil when one is not worth using again.
func (b *bodyPool) get(n int64) *lentBody {
	if n < leastLent {
		return nil
	}
	for class := range lentSizes {
		size := lentSize(class)
		if n > int64(size) {
			continue
		}
		if l, ok := b.pools[class].Get().(*lentBody); ok {
			return l
		}
		return &lentBody{buf: make([]byte, 0, size), class: class}
	}
	return nil
}

// put takes a buffer back.
func (b *bodyPool) put(l *lentBody) {
	if b.poison {
		used := l.buf[:cap(l.buf)]
		for i := range used {
			used[i] = poisoned
		}
	}
	b.pools[l.class].Put(l)
}

// lend tells a call that its bytes are used again afterwards.
func (x *exchange) lend(c *clientCall) {
	if x.lent != nil {
		x.loan, c.Loan = &c.loan, &c.loan
	}
}

// takeBack ends the loan of the body. Nothing may follow that needs its bytes.
func (x *exchange) takeBack() {
	if x.lent != nil && x.loan != nil && !x.loan.Kept() {
		x.srv.bodies.put(x.lent)
	}
	x.lent, x.loan = nil, nil
}
