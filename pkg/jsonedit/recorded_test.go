package jsonedit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Bodies that real clients and providers sent are walked as encoding/json does,
// cut and damaged as well as whole.
func TestRecordedBodies(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/providers/fixtures/*/*.json")
	if len(files) == 0 {
		t.Skip("SKIPPED: the recorded bodies are not here")
	}
	out := make([]Span, testNames.Len())
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range variants(raw) {
			_, n, err := Find(text, testNames, out)
			if valid := json.Valid(text) && isObject(text); valid != (err == nil) {
				t.Fatalf("%s (%d bytes): valid %v, error %v", f, len(text), valid, err)
			}
			if err != nil {
				continue
			}
			members := decodeMembers(t, text)
			if n != len(members) {
				t.Fatalf("%s: %d members instead of %d", f, n, len(members))
			}
			checkEach(t, text, members)
		}
	}
}

// variants are a text whole, cut at some places, with a byte changed, and
// without white space.
func variants(raw []byte) [][]byte {
	texts := [][]byte{raw}
	for i := range 16 {
		at := len(raw) * i / 16
		changed := bytes.Clone(raw)
		changed[at] ^= byte(1 << (i % 8))
		texts = append(texts, raw[:at], changed)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) == nil {
		texts = append(texts, compact.Bytes())
	}
	return texts
}
