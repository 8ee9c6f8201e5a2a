//go:build !race

package provider

// racing says that the race detector is on: it lets sync.Pool forget at random.
const racing = false
