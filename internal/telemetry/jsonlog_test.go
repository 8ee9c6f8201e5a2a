package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

type masked string

func (masked) LogValue() slog.Value { return slog.StringValue("***") }

// TestJSONHandlerWritesWhatSlogWrites compares with slog.JSONHandler, value by
// value.
func TestJSONHandlerWritesWhatSlogWrites(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	for name, log := range map[string]func(*slog.Logger){
		"plain": func(l *slog.Logger) { l.Info("hello") },
		"kinds": func(l *slog.Logger) {
			l.Warn("k", "s", "a\"b\n\u2028é\xff", "i", -3, "u", uint64(7), "b", true, "d", time.Second, "f", 1.5, "t", at, "nil", nil,
				"e", errors.New("boom"), "any", map[string]int{"x": 1}, "secret", masked("pw"), "zero", 0.0, "small", 1e-9, "big", 1e22, "money", 7.2e-05)
		},
		"groups": func(l *slog.Logger) {
			l.Info("g", slog.Group("a", "x", 1, slog.Group("b", "y", 2)), slog.Group("none"), slog.Group("", "inline", 1))
		},
		"with":        func(l *slog.Logger) { l.With("a", 1, "b", "x").Info("w", "c", 2) },
		"with group":  func(l *slog.Logger) { l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("w", "c", 3) },
		"group first": func(l *slog.Logger) { l.WithGroup("g").Info("w", "c", 3) },
		"empty attr": func(l *slog.Logger) {
			l.LogAttrs(context.Background(), slog.LevelInfo, "x", slog.Attr{}, slog.Int("a", 1))
		},
		"custom level": func(l *slog.Logger) { l.Log(context.Background(), slog.LevelInfo+2, "x") },
		"unmarshalled": func(l *slog.Logger) { l.Info("x", "ch", make(chan int)) },
	} {
		var ours, theirs bytes.Buffer
		log(slog.New(newJSONHandler(&ours, slog.LevelInfo)))
		log(slog.New(slog.NewJSONHandler(&theirs, nil)))
		var a, b map[string]any
		if err := json.Unmarshal(ours.Bytes(), &a); err != nil {
			t.Errorf("%s: %v: %s", name, err, ours.String())
			continue
		}
		if err := json.Unmarshal(theirs.Bytes(), &b); err != nil {
			t.Fatal(err)
		}
		delete(a, "time")
		delete(b, "time")
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\n ours   %s theirs %s", name, ours.String(), theirs.String())
		}
	}
}

func TestJSONHandlerOddities(t *testing.T) {
	var b bytes.Buffer
	l := slog.New(newJSONHandler(&b, slog.LevelWarn))
	l.Info("quiet")
	l.Error("loud", "nan", math.NaN(), "inf", math.Inf(-1))
	if s := b.String(); strings.Contains(s, "quiet") || !strings.Contains(s, `"nan":"NaN","inf":"-Inf"`) || !json.Valid([]byte(s)) {
		t.Error(s)
	}
	if l.Handler().WithGroup("") != l.Handler() {
		t.Error("an empty group makes a new handler")
	}
	if err := newJSONHandler(failing{}, slog.LevelInfo).Handle(t.Context(), slog.Record{}); err == nil {
		t.Error("a failed write goes unnoticed")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func BenchmarkAccessLine(b *testing.B) {
	for name, h := range map[string]slog.Handler{"ours": newJSONHandler(io.Discard, slog.LevelInfo), "slog": slog.NewJSONHandler(io.Discard, nil)} {
		l := slog.New(h)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.LogAttrs(b.Context(), slog.LevelInfo, "POST /v1/chat/completions", slog.String("request_id", "req_0123456789"), slog.String("key", "app"),
					slog.String("route", "chat"), slog.Int("status", 200), slog.Float64("latency_ms", 12.345), slog.Float64("overhead_ms", .045),
					slog.Group("usage", slog.Int64("input_tokens", 9), slog.Int64("output_tokens", 12)), slog.Float64("cost", 4.25e-05))
			}
		})
	}
}

// TestHandleLine: members that are ready make the line that attributes make.
func TestHandleLine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for name, with := range map[string]func(slog.Handler) slog.Handler{
		"plain": func(h slog.Handler) slog.Handler { return h },
		"with":  func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.Int("a", 1)}) },
		"group": func(h slog.Handler) slog.Handler { return h.WithGroup("g") },
		"group with": func(h slog.Handler) slog.Handler {
			return h.WithGroup("g").WithAttrs([]slog.Attr{slog.Int("a", 1)})
		},
	} {
		for _, members := range []string{"", `,"x":1`, `,"x":1,"y":"z"`} {
			var ready, attrs bytes.Buffer
			h := with(newJSONHandler(&ready, slog.LevelInfo)).(*jsonHandler)
			if err := h.HandleLine(at, slog.LevelInfo, "m", []byte(members)); err != nil {
				t.Fatal(err)
			}
			r := slog.NewRecord(at, slog.LevelInfo, "m", 0)
			if len(members) > 0 {
				r.AddAttrs(slog.Int("x", 1))
			}
			if len(members) > 6 {
				r.AddAttrs(slog.String("y", "z"))
			}
			if err := with(newJSONHandler(&attrs, slog.LevelInfo)).Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if ready.String() != attrs.String() || !json.Valid(ready.Bytes()) {
				t.Errorf("%s, %q:\n%s%s", name, members, ready.String(), attrs.String())
			}
		}
	}
}
