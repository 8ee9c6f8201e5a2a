package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// conditions says under which the figures hold: a figure without them is a
// rumour.
func conditions(ctx context.Context, o compareOptions) string {
	return fmt.Sprintf("%s, %s/%s, %s, %d CPUs (%s), load average %s at the start; kit built with %s; %s; %d rounds of %v, order alternated; medians over the rounds.\n"+
		"CPU is user and system time of the server's process; x proxy and what is added are taken round by round. "+
		"The gateway runs with authentication, limit, ledger in its file, metrics and access log to a file.\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.GOOS, runtime.GOARCH, kernel(), runtime.NumCPU(), cpuModel(), loadAverage(),
		runtime.Version(), versionOf(ctx, o.gateway), o.rounds, o.d)
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "kernel unknown"
	}
	return string(bytes.TrimSpace(b))
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.Trim(name, "\t :\n")
		}
	}
	return "model unknown"
}

// versionOf asks a gateway's binary which version and commit it is, and reads
// with which Go it was built.
func versionOf(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	said, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return path + " of unknown version"
	}
	version := string(bytes.TrimSpace(said))
	if info, err := buildinfo.ReadFile(path); err == nil {
		version += " built with " + info.GoVersion
	}
	return version
}
