package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuTime returns the user and system time of a process so far.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 13 {
		return 0, errors.New("unexpected form of /proc/PID/stat")
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	const tick = time.Second / 100 // USER_HZ is 100 on every Linux architecture that Go supports
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// residentMemory returns a process's resident memory in kB, 0 when unknown.
func residentMemory(pid int) int64 { return statusKB(pid, "VmRSS:") }

// peakMemory returns the high-water mark of a process's resident memory in kB
// since its start or since resetPeak.
func peakMemory(pid int) int64 { return statusKB(pid, "VmHWM:") }

func statusKB(pid int, field string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), field)
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kb, _ := strconv.ParseInt(f[0], 10, 64)
	return kb
}

// resetPeak lets the high-water mark begin anew (proc(5), clear_refs 5). Where
// that is not allowed the mark stays that of the whole process.
func resetPeak(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200)
}

// raiseFiles makes room for n open files in this process and in those that it
// starts. Root may raise the hard limit too.
func raiseFiles(n uint64) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if l.Cur >= n {
		// Go lifts its own soft limit and gives children the old one back;
		// setting it explicitly is what lets them inherit it.
		return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	}
	want := syscall.Rlimit{Cur: n, Max: max(l.Max, n)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want); err != nil {
		return fmt.Errorf("this case needs %d open files and the limit is %d (hard %d): raise it with `ulimit -Hn %d` as root, or leave the case out", n, l.Cur, l.Max, n)
	}
	return nil
}

// loadAverage returns the machine's load over one minute as the kernel writes
// it, "unknown" elsewhere.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(b)); err == nil && len(f) > 0 {
		return f[0]
	}
	return "unknown"
}
