package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// NewLogger returns a logger that writes to w in a format of json or text, from
// a level of debug, info, warn or error on.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q is none of debug, info, warn, error", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "json":
		return slog.New(newJSONHandler(w, l)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q is neither json nor text", format)
}

const (
	logBuffer = 64 << 10
	logDelay  = 100 * time.Millisecond
)

// BufferedWriter gathers small writes, as log lines are, into large ones. What
// has been written reaches the underlying writer when the buffer is full, at
// the latest after 100 ms, and at Close. It is safe for concurrent use.
type BufferedWriter struct {
	mu     sync.Mutex
	w      io.Writer
	buf    []byte
	timer  *time.Timer
	armed  bool
	closed bool
}

// NewBufferedWriter wraps w.
func NewBufferedWriter(w io.Writer) *BufferedWriter {
	b := &BufferedWriter{w: w, buf: make([]byte, 0, logBuffer)}
	b.timer = time.AfterFunc(time.Hour, b.tick)
	b.timer.Stop()
	return b
}

// Write buffers p. After Close it writes through. Errors of the underlying
// writer are not reported: there is nowhere to log that logging fails.
func (b *BufferedWriter) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf)+len(p) > logBuffer || b.closed {
		b.flush()
	}
	if len(p) > logBuffer || b.closed {
		_, _ = b.w.Write(p)
		return len(p), nil
	}
	b.buf = append(b.buf, p...)
	if !b.armed {
		b.armed = true
		b.timer.Reset(logDelay)
	}
	return len(p), nil
}

func (b *BufferedWriter) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = false
	b.flush()
}

func (b *BufferedWriter) flush() {
	if len(b.buf) > 0 {
		_, _ = b.w.Write(b.buf)
		b.buf = b.buf[:0]
	}
}

// Close writes out what is buffered and stops buffering.
func (b *BufferedWriter) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.timer.Stop()
	b.flush()
	return nil
}
