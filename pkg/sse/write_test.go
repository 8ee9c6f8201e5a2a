package sse

import (
	"bytes"
	"strings"
	"testing"
)

func TestAppendData(t *testing.T) {
	for in, want := range map[string]string{
		"":             "data: \n\n",
		"{}":           "data: {}\n\n",
		" {}":          "data:  {}\n\n",
		"a\nb":         "data: a\ndata: b\n\n",
		"a\r\nb\rc":    "data: a\ndata: b\ndata: c\n\n",
		"a\n":          "data: a\ndata: \n\n",
		"\n":           "data: \ndata: \n\n",
		"a\r":          "data: a\ndata: \n\n",
		"a\n\nevent:x": "data: a\ndata: \ndata: event:x\n\n",
	} {
		if got := string(AppendData([]byte("x"), []byte(in))); got != "x"+want {
			t.Errorf("AppendData(%q) = %q, want %q", in, got, "x"+want)
		}
	}
	if got := string(AppendData(nil, nil)); got != "data: \n\n" {
		t.Errorf("AppendData(nil) = %q", got)
	}
}

func TestAppendEvent(t *testing.T) {
	for name, want := range map[string]string{
		"done":             "event: done\ndata: {}\n\n",
		"":                 "data: {}\n\n",
		"a\ndata: forged":  "event: a\ndata: {}\n\n",
		"\r\ndata: forged": "data: {}\n\n",
	} {
		if got := string(AppendEvent(nil, name, []byte("{}"))); got != want {
			t.Errorf("AppendEvent(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestAppendAllocs(t *testing.T) {
	buf := make([]byte, 0, 4096)
	data := []byte(strings.TrimSuffix(strings.TrimPrefix(openAIChunk, "data: "), "\n\n"))
	if n := testing.AllocsPerRun(100, func() { AppendEvent(buf, "delta", data) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := AppendData(buf, data); !bytes.Equal(got, []byte(openAIChunk)) {
		t.Errorf("%q", got)
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	buf := make([]byte, 0, 4096)
	data := []byte(strings.TrimSuffix(strings.TrimPrefix(openAIChunk, "data: "), "\n\n"))
	b.ReportAllocs()
	for b.Loop() {
		AppendEvent(buf, "delta", data)
	}
}
