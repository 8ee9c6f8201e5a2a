package ledger

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// The bounds of Memory.
const (
	memoryRecords = 10_000
	memoryRows    = 20_000
)

// Memory is a Store that keeps the last records and sums of this process, in
// bounded memory. The zero value is ready.
type Memory struct {
	mu      sync.Mutex
	records []Record // a ring
	next    int
	rows    map[slot]*Sums
}

// String says that nothing outlives the process.
func (m *Memory) String() string { return "memory" }

// Write adds a batch. It never fails.
func (m *Memory) Write(_ context.Context, b *Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range b.Records {
		m.push(&b.Records[i])
	}
	if m.rows == nil {
		m.rows = map[slot]*Sums{}
	}
	for _, r := range rollUp(b.Records) {
		m.add(r.slot, &r.Sums)
	}
	for len(m.rows) > memoryRows {
		m.shrink()
	}
	return nil
}

func (m *Memory) push(r *Record) {
	if len(m.records) < memoryRecords {
		m.records = append(m.records, *r)
		return
	}
	m.records[m.next] = *r
	m.next = (m.next + 1) % memoryRecords
}

func (m *Memory) add(k slot, s *Sums) {
	if m.rows[k] == nil {
		m.rows[k] = &Sums{}
	}
	m.rows[k].Add(s)
}

// shrink makes room: the oldest day with sums by the hour becomes sums by the
// day, or else the oldest day is forgotten.
func (m *Memory) shrink() {
	if m.mergeDay(1 << 62) {
		return
	}
	first := m.oldest(day, 1<<62)
	maps.DeleteFunc(m.rows, func(k slot, _ *Sums) bool { return k.Start == first })
}

// oldest returns the start of the oldest row of a span before a time.
func (m *Memory) oldest(span, before int64) int64 {
	first := before
	for k := range m.rows {
		if k.Span == span {
			first = min(first, k.Start)
		}
	}
	return first
}

// mergeDay merges the oldest day with sums by the hour before a time.
func (m *Memory) mergeDay(before int64) bool {
	first := m.oldest(hour, before)
	if first == before {
		return false
	}
	first = floor(first, day)
	for k, s := range m.rows {
		if k.Span == hour && floor(k.Start, day) == first {
			delete(m.rows, k)
			k.Start, k.Span = first, day
			m.add(k, s)
		}
	}
	return true
}

// Usage answers from the sums.
func (m *Memory) Usage(_ context.Context, q Query) ([]Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return q.total(func(yield func(*rollup) bool) {
		for k, s := range m.rows {
			if !yield(&rollup{k, *s}) {
				return
			}
		}
	}), nil
}

// Trim forgets old records and merges one old day.
func (m *Memory) Trim(_ context.Context, before time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records = slices.DeleteFunc(m.inOrder(), func(r Record) bool { return r.Time.Before(before) })
	m.next = 0
	return m.mergeDay(floor(before.Unix(), day)), nil
}

// inOrder returns the records, oldest first.
func (m *Memory) inOrder() []Record {
	return append(slices.Clone(m.records[m.next:]), m.records[:m.next]...)
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
