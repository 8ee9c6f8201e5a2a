//go:build !unix

package main

import "os"

// lockFile does nothing where there is no flock: two runs on one file are the
// user's to avoid.
func lockFile(*os.File) error { return nil }
