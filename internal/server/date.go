package server

import (
	"net/http"
	"sync/atomic"
	"time"
)

// dateline keeps the value of the Date header for the second that it is right.
// net/http would write it anew into each answer.
type dateline struct{ now atomic.Pointer[dateValue] }

type dateValue struct {
	second int64
	value  []string // shared by answers; nobody writes to it
}

// at returns the header's value for t (RFC 9110 §6.6.1).
func (d *dateline) at(t time.Time) []string {
	second := t.Unix()
	if v := d.now.Load(); v != nil && v.second == second {
		return v.value
	}
	v := &dateValue{second: second, value: []string{t.UTC().Format(http.TimeFormat)}}
	d.now.Store(v)
	return v.value
}
