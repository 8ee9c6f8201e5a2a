//go:build !linux

package main

import (
	"io"
	"os"
)

// terminalWidth returns the customary width when w writes to a character
// device, 0 otherwise.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return 0
	}
	return defaultWidth
}
