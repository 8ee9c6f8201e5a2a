//go:build !race

package dialect

import (
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestFitAllocations guards the price of the check for the usual request, of
// which nothing needs changing.
func TestFitAllocations(t *testing.T) {
	r := say(text(llm.RoleSystem, "s"), text(llm.RoleUser, "u"), calls("a"), results("a"))
	r.MaxTokens, r.Temperature = ptr(int64(100)), ptr(0.5)
	s := claude()
	if n := testing.AllocsPerRun(100, func() { _, _, _ = Fit(r, s, false) }); n > 5 {
		t.Errorf("Fit of a request that fits allocates %v times, want at most 5", n)
	}
}
