//go:build race

package server

// racing says that the program was built with the race detector, as for tests.
const racing = true
