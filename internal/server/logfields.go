package server

import (
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// LineHandler is a slog.Handler that takes the members of a JSON line as they
// are to be written, which spares the access log an attribute for each of them.
type LineHandler interface {
	// HandleLine writes one line. members are JSON members, each behind a
	// comma; they are only read, and not after HandleLine has returned.
	HandleLine(at time.Time, level slog.Level, msg string, members []byte) error
}

// fields collects the members of an access log line. Empty texts are left out.
type fields interface {
	text(key, value string)
	whole(key string, value int64)
	number(key string, value float64)
	usage(u *llm.Usage)
	tags(tags map[string]string)
}

// attrFields collects attributes, for any slog.Handler.
type attrFields struct{ attrs []slog.Attr }

func (f *attrFields) text(key, value string) {
	if value != "" {
		f.attrs = append(f.attrs, slog.String(key, value))
	}
}

func (f *attrFields) whole(key string, value int64) {
	f.attrs = append(f.attrs, slog.Int64(key, value))
}

func (f *attrFields) number(key string, value float64) {
	f.attrs = append(f.attrs, slog.Float64(key, value))
}

func (f *attrFields) usage(u *llm.Usage) {
	f.attrs = append(f.attrs, slog.GroupAttrs("usage",
		slog.Int64("input_tokens", u.Input),
		slog.Int64("cached_input_tokens", u.CachedInput),
		slog.Int64("output_tokens", u.Output),
		slog.Int64("reasoning_tokens", u.Reasoning),
		slog.String("source", u.Source.String()),
	))
}

func (f *attrFields) tags(tags map[string]string) {
	attrs := make([]slog.Attr, 0, len(tags))
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		attrs = append(attrs, slog.String(name, tags[name]))
	}
	f.attrs = append(f.attrs, slog.GroupAttrs("metadata", attrs...))
}

// jsonFields appends JSON members, each behind a comma, for a LineHandler. Keys
// are plain words.
type jsonFields struct{ b []byte }

func (f *jsonFields) key(key string) {
	f.b = append(append(append(f.b, ",\""...), key...), "\":"...)
}

func (f *jsonFields) text(key, value string) {
	if value != "" {
		f.key(key)
		f.b = jsonedit.AppendString(f.b, value)
	}
}

func (f *jsonFields) whole(key string, value int64) {
	f.key(key)
	f.b = strconv.AppendInt(f.b, value, 10)
}

// number takes what no access log line lacks: a finite number that needs no
// exponent, a time in milliseconds or a cost.
func (f *jsonFields) number(key string, value float64) {
	f.key(key)
	f.b = strconv.AppendFloat(f.b, value, 'f', -1, 64)
}

func (f *jsonFields) usage(u *llm.Usage) {
	f.b = strconv.AppendInt(append(f.b, `,"usage":{"input_tokens":`...), u.Input, 10)
	f.b = strconv.AppendInt(append(f.b, `,"cached_input_tokens":`...), u.CachedInput, 10)
	f.b = strconv.AppendInt(append(f.b, `,"output_tokens":`...), u.Output, 10)
	f.b = strconv.AppendInt(append(f.b, `,"reasoning_tokens":`...), u.Reasoning, 10)
	f.b = jsonedit.AppendString(append(f.b, `,"source":`...), u.Source.String())
	f.b = append(f.b, '}')
}

func (f *jsonFields) tags(tags map[string]string) {
	f.key("metadata")
	sep := byte('{')
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		f.b = jsonedit.AppendString(append(f.b, sep), name)
		f.b = jsonedit.AppendString(append(f.b, ':'), tags[name])
		sep = ','
	}
	f.b = append(f.b, '}')
}
