package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// gcPercent trades some megabytes for CPU: the live heap is a few
	// megabytes, and at Go's default of 100 it would be collected many times
	// a second under load.
	gcPercent = 400
	// softShare of a container's memory limit is where the collector starts
	// to work harder; the rest is for stacks, buffers in the kernel's account
	// and the program itself.
	softShare = 0.85
)

// tuneMemory sets the garbage collector for this machine or container, where
// GOGC and GOMEMLIMIT have not said otherwise.
func (p program) tuneMemory(limitFiles ...string) {
	if _, set := p.lookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	if _, set := p.lookupEnv("GOMEMLIMIT"); set {
		return
	}
	if limit := containerLimit(limitFiles); limit > 0 {
		debug.SetMemoryLimit(int64(float64(limit) * softShare))
	}
}

// cgroupLimits are where Linux tells a container its memory limit: version 2,
// then version 1.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// containerLimit returns the memory limit in bytes, 0 when there is none.
func containerLimit(files []string) int64 {
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err != nil || n <= 0 || n > math.MaxInt64/2 { // "max", or version 1's way to say so
			return 0
		}
		return n
	}
	return 0
}
