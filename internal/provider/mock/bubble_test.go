package mock_test

import (
	"testing"
	"testing/synctest"
)

// bubble runs f with a clock of its own: waits cost no time, and goroutines
// that f leaves behind fail the test.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
