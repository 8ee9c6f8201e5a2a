package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestConstantPages(t *testing.T) {
	const maps = `00400000-00ed5000 r-xp 00000000 fe:00 10600973                           /opt/llm-gateway
00ed5000-01a06000 r--p 00ad5000 fe:00 10600973                           /opt/llm-gateway
01a06000-01aa4000 rw-p 01606000 fe:00 10600973                           /opt/llm-gateway
01aa4000-03aef000 rw-p 00000000 00:00 0
c000000000-c000800000 rw-p 00000000 00:00 0                              [anon: Go: heap]
7f0000000000-7f0000100000 r-xp 00000000 fe:00 10600974                   /opt/another/llm-gateway
7f0000100000-7f0000200000 r--s 00000000 fe:00 10600973                   /opt/llm-gateway
nonsense
`
	want := []pages{{0x400000, 0xed5000}, {0xed5000, 0x1a06000}}
	if got := constantPages(strings.NewReader(maps), "/opt/llm-gateway"); !slices.Equal(got, want) {
		t.Errorf("%x", got)
	}
}

// TestDropStartPages: the program goes on, and the kernel says that the pages
// have gone.
func TestDropStartPages(t *testing.T) {
	before := resident(t)
	dropStartPages()
	if after := resident(t); after >= before {
		t.Errorf("%d kB of files were resident, now %d", before, after)
	}
}

// resident is how much of mapped files is resident, in kB.
func resident(t *testing.T) (kb int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here:", err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssFile:"); ok {
			for _, c := range rest {
				if '0' <= c && c <= '9' {
					kb = 10*kb + int(c-'0')
				}
			}
		}
	}
	return kb
}
