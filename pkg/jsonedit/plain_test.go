package jsonedit

import (
	"bytes"
	"testing"
)

// TestPlainBytesOfLongTexts: each byte that ends plain text is found at each offset,
// wherever the text begins; no other byte is.
func TestPlainBytesOfLongTexts(t *testing.T) {
	const longest = 300
	for c := range 256 {
		ends := c < ' ' || c == '"' || c == '\\'
		text := bytes.Repeat([]byte("\x80a\xff ~]!#["), longest/9+1)[:longest]
		for at := range longest {
			was := text[at]
			text[at] = byte(c)
			for _, from := range []int{0, 1, 15, 64, 65, at} {
				want := longest
				if ends && at >= from {
					want = at
				}
				if got := plainBytes(text, from); got != want {
					t.Fatalf("%#x at %d, from %d: %d", c, at, from, got)
				}
			}
			text[at] = was
		}
	}
	for n := range longest {
		if got := plainBytes(bytes.Repeat([]byte{'x'}, n), 0); got != n {
			t.Errorf("%d plain bytes: %d", n, got)
		}
	}
}

// TestPlainBlocks: it steps over whole blocks only, and past nothing special.
func TestPlainBlocks(t *testing.T) {
	for n := range 400 {
		for _, from := range []int{0, 7, 130} {
			if from > n {
				continue
			}
			text := bytes.Repeat([]byte{'x'}, n)
			if got := plainBlocks(text, from); got < from || got > n || (got-from)%64 != 0 {
				t.Fatalf("%d bytes from %d: %d", n, from, got)
			}
			if from < n {
				text[n-1] = '"'
				if got := plainBlocks(text, from); got > n-1 {
					t.Fatalf("%d bytes from %d: past the quote at %d", n, from, got)
				}
			}
		}
	}
}
