package telemetry

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type lockedBuffer struct {
	mu     sync.Mutex
	b      bytes.Buffer
	writes int
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	return l.b.Write(p)
}

func (l *lockedBuffer) get() (string, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String(), l.writes
}

func TestNewLogger(t *testing.T) {
	for _, tc := range []struct{ level, format, want string }{
		{"info", "json", `"msg":"hello"`},
		{"info", "text", "msg=hello"},
		{"loud", "json", ""},
		{"info", "xml", ""},
	} {
		var b bytes.Buffer
		l, err := NewLogger(&b, tc.level, tc.format)
		if (err != nil) != (tc.want == "") {
			t.Fatalf("%s/%s: %v", tc.level, tc.format, err)
		}
		if err != nil {
			continue
		}
		l.Debug("quiet")
		l.Info("hello", slog.Int("n", 1))
		if s := b.String(); !strings.Contains(s, tc.want) || strings.Contains(s, "quiet") {
			t.Errorf("%s/%s wrote %q", tc.level, tc.format, s)
		}
	}
}

func TestBufferedWriterFlushesAfterDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		b := NewBufferedWriter(&out)
		defer b.Close()
		for range 10 {
			if n, err := b.Write([]byte("line\n")); n != 5 || err != nil {
				t.Fatal(n, err)
			}
		}
		if s, _ := out.get(); s != "" {
			t.Fatalf("written at once: %q", s)
		}
		time.Sleep(logDelay)
		synctest.Wait()
		if s, n := out.get(); s != strings.Repeat("line\n", 10) || n != 1 {
			t.Fatalf("%d writes, %q", n, s)
		}
	})
}

func TestBufferedWriterKeepsOrderAndLosesNothing(t *testing.T) {
	var out lockedBuffer
	b := NewBufferedWriter(&out)
	big := bytes.Repeat([]byte("x"), logBuffer+1)
	_, _ = b.Write([]byte("a"))
	_, _ = b.Write(big)
	_, _ = b.Write([]byte("b"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = b.Write([]byte("after"))
	if s, _ := out.get(); s != "a"+string(big)+"bafter" {
		t.Fatalf("got %d bytes", len(s))
	}
}
