package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// jsonHandler is a slog.Handler that writes the lines of slog.JSONHandler at a
// third of its cost: floats and strings are appended, not marshalled. One line
// is one Write.
type jsonHandler struct {
	w     *lineWriter
	level slog.Leveler
	pre   []byte // members of WithAttrs and the groups opened by WithGroup, each with a comma before it
	open  int    // groups opened in pre
	empty bool   // the innermost open group has no member yet
}

// lineWriter lets handlers of one family take turns.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func newJSONHandler(w io.Writer, level slog.Leveler) *jsonHandler {
	return &jsonHandler{w: &lineWriter{w: w}, level: level}
}

// lines recycles the buffers that lines are built in.
var lines = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// maxLine is the largest buffer that is kept.
const maxLine = 16 << 10

// Enabled reports whether a level is logged.
func (h *jsonHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// Handle writes one line.
func (h *jsonHandler) Handle(_ context.Context, r slog.Record) error {
	buf := lines.Get().(*[]byte)
	b := h.begin((*buf)[:0], r.Time, r.Level, r.Message)
	first := h.empty
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, a, &first)
		return true
	})
	return h.write(buf, b)
}

// HandleLine writes one line whose members are ready: JSON, each behind a
// comma. A handler with an open group that is empty cannot take them so and
// leaves the first comma out.
func (h *jsonHandler) HandleLine(at time.Time, level slog.Level, msg string, members []byte) error {
	if h.empty && len(members) > 0 {
		members = members[1:]
	}
	buf := lines.Get().(*[]byte)
	return h.write(buf, append(h.begin((*buf)[:0], at, level, msg), members...))
}

// begin appends what stands before a line's own members.
func (h *jsonHandler) begin(b []byte, at time.Time, level slog.Level, msg string) []byte {
	b = append(b, '{')
	if !at.IsZero() {
		b = append(b, `"time":"`...)
		b = append(at.AppendFormat(b, time.RFC3339Nano), `",`...)
	}
	b = append(b, `"level":"`...)
	b = append(append(b, level.String()...), `","msg":`...)
	return append(jsonedit.AppendString(b, msg), h.pre...)
}

// write ends the line b, writes it, and keeps its buffer.
func (h *jsonHandler) write(buf *[]byte, b []byte) error {
	for range h.open {
		b = append(b, '}')
	}
	b = append(b, '}', '\n')
	h.w.mu.Lock()
	_, err := h.w.w.Write(b)
	h.w.mu.Unlock()
	if cap(b) <= maxLine {
		*buf = b
		lines.Put(buf)
	}
	return err
}

// WithAttrs returns a handler whose lines carry attrs.
func (h *jsonHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.pre = append([]byte(nil), h.pre...)
	for _, a := range attrs {
		n.pre = appendAttr(n.pre, a, &n.empty)
	}
	return &n
}

// WithGroup returns a handler that puts what comes later into a group.
func (h *jsonHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.pre = appendKey(append([]byte(nil), h.pre...), name, &n.empty)
	n.pre = append(n.pre, '{')
	n.open++
	n.empty = true
	return &n
}

// appendKey appends a member's name and colon; first is whether it is the first
// of its object.
func appendKey(b []byte, key string, first *bool) []byte {
	if !*first {
		b = append(b, ',')
	}
	*first = false
	return append(jsonedit.AppendString(b, key), ':')
}

func appendAttr(b []byte, a slog.Attr, first *bool) []byte {
	v := a.Value.Resolve()
	if a.Key == "" && v.Kind() != slog.KindGroup {
		if a.Equal(slog.Attr{}) {
			return b
		}
	}
	if v.Kind() != slog.KindGroup {
		return appendValue(appendKey(b, a.Key, first), v)
	}
	members := v.Group()
	if len(members) == 0 {
		return b
	}
	if a.Key == "" { // an inline group
		for _, m := range members {
			b = appendAttr(b, m, first)
		}
		return b
	}
	b = append(appendKey(b, a.Key, first), '{')
	inner := true
	for _, m := range members {
		b = appendAttr(b, m, &inner)
	}
	return append(b, '}')
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return jsonedit.AppendString(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindDuration:
		return strconv.AppendInt(b, int64(v.Duration()), 10)
	case slog.KindFloat64:
		return appendFloat(b, v.Float64())
	case slog.KindTime:
		b = append(b, '"')
		return append(v.Time().AppendFormat(b, time.RFC3339Nano), '"')
	}
	return appendAny(b, v.Any())
}

// appendFloat writes what encoding/json writes, without its reflection.
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return jsonedit.AppendString(b, strconv.FormatFloat(f, 'g', -1, 64))
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

func appendAny(b []byte, v any) []byte {
	if err, ok := v.(error); ok {
		if _, own := v.(json.Marshaler); !own {
			return jsonedit.AppendString(b, err.Error())
		}
	}
	j, err := json.Marshal(v)
	if err != nil {
		return jsonedit.AppendString(b, fmt.Sprintf("!ERROR:%v", err))
	}
	return append(b, j...)
}
