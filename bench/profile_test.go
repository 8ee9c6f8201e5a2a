package main

import (
	"bytes"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// spin is what the profile below must show.
//
//go:noinline
func spin(until time.Time) int {
	n := 0
	for time.Now().Before(until) {
		for i := range 1000 {
			n += i * i
		}
	}
	return n
}

func ownProfile(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		t.Skip("skipped: a profile is being taken:", err)
	}
	spin(time.Now().Add(200 * time.Millisecond))
	pprof.StopCPUProfile()
	return b.Bytes()
}

func TestReadProfile(t *testing.T) {
	stacks, err := readProfile(ownProfile(t))
	if err != nil {
		t.Fatal(err)
	}
	var all, spun int64
	for _, s := range stacks {
		all += s.ns
		if strings.Contains(strings.Join(s.frames, " "), "bench.spin") || strings.Contains(strings.Join(s.frames, " "), "main.spin") {
			spun += s.ns
		}
	}
	if all <= 0 || spun*2 < all {
		t.Errorf("%v of %v in spin", time.Duration(spun), time.Duration(all))
	}
}

func FuzzReadProfile(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x12\x04\x0a\x02\x01\x02"))
	f.Add([]byte("\x22\x06\x08\x01\x22\x02\x08\x01\x2a\x04\x08\x01\x10\x01\x32\x00\x32\x01x"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = readProfile(raw)
		p := profileData{locations: map[uint64][]uint64{}, functions: map[uint64]uint64{}}
		if fields(raw, p.member) == nil {
			p.stacks()
		}
	})
}

func TestProfileRefuses(t *testing.T) {
	if _, err := readProfile([]byte("no profile")); err == nil {
		t.Error("text was read as a profile")
	}
	for _, bad := range []string{"\x80", "\x0a", "\x0a\x05x", "\x0d\x01", "\x12\x02\x0a\x05"} {
		p := profileData{}
		if err := fields([]byte(bad), p.member); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestBuckets(t *testing.T) {
	for stack, want := range map[string]string{
		"": "other",
		"internal/runtime/syscall/linux.Syscall6 syscall.RawSyscall6 syscall.write internal/poll.(*FD).Write net/http.x":       "system calls: write",
		"internal/runtime/syscall/linux.Syscall6 syscall.read internal/poll.(*FD).Read":                                        "system calls: read",
		"internal/runtime/syscall/linux.Syscall6 internal/runtime/syscall/linux.EpollWait runtime.netpoll runtime.schedule":    "system calls: epoll",
		"runtime.futex runtime.futexsleep runtime.schedule":                                                                    "system calls: futex",
		"runtime.memclr runtime.mallocgc runtime.newobject " + ours + "internal/server.(*handler).x":                           "allocation and collection",
		"runtime.findRunnable runtime.schedule runtime.park_m runtime.mcall":                                                   "scheduler and timers",
		"runtime.memmove bytes.Clone " + ours + "internal/dialect/openai.Codec.Rewrite " + ours + "internal/server.x net/http": "internal/dialect/openai",
		"net/http.(*Header).x " + ours + "internal/server.y":                                                                   "net/http",
		"net/textproto.x net/http.readRequest net/http.(*conn).serve":                                                          "net/http",
		"strings.x net/http/httputil.(*ReverseProxy).ServeHTTP net/http.y":                                                     "net/http/httputil",
		ours + "pkg/h1.(*Transport).RoundTrip":                                                                                 "pkg/h1",
		"runtime.memmove x.y":                                                                                                  "other",
	} {
		if got := bucketOf(strings.Fields(stack)); got != want {
			t.Errorf("%q: %q, want %q", stack, got, want)
		}
	}
}

func TestShareTable(t *testing.T) {
	text := shareTable([]share{
		{"proxy", map[string]int64{"net/http": 3e6, "a": 1e6}, 1000},
		{"gateway", map[string]int64{"net/http": 1e6, "pkg/h1": 3e6}, 1000},
	}).markdown()
	for _, want := range []string{"| net/http | 75.0 % | 3.00 | 25.0 % | 1.00 |", "| pkg/h1 | 0.0 % | 0.00 | 75.0 % | 3.00 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Index(text, "pkg/h1") > strings.Index(text, "net/http") {
		t.Error("the largest is not first")
	}
}
