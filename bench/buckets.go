package main

import "strings"

// ours begins the name of every function of this module.
const ours = "github.com/llm-gateway/llm-gateway/"

// bucketOf says what a sample's time was spent on. What the runtime does has
// the first say (system calls, memory, scheduler); the rest belongs to the
// innermost package that is one of ours or net/http's: what bytes or strconv do
// is done for it.
func bucketOf(frames []string) string {
	if len(frames) == 0 {
		return "other"
	}
	if b := systemCall(frames); b != "" {
		return b
	}
	for _, f := range frames {
		if hasPrefix(f, memoryFuncs) {
			return "allocation and collection"
		}
	}
	for _, f := range frames { // on the scheduler's own stack there is nobody else's frame
		if hasPrefix(f, schedulerFuncs) {
			return "scheduler and timers"
		}
	}
	for _, f := range frames {
		if room := roomOf(f); room != "" {
			return room
		}
	}
	return "other"
}

var (
	memoryFuncs = []string{
		"runtime.mallocgc", "runtime.newobject", "runtime.makeslice", "runtime.growslice", "runtime.gcBgMarkWorker", "runtime.gcAssist", "runtime.bgsweep", "runtime.bgscavenge",
		"runtime.gcStart", "runtime.gcDrain", "runtime.gcMarkDone", "runtime.gcMarkTermination", "runtime.(*mheap).", "runtime.(*mcache).", "runtime.wbBufFlush", "runtime.sweepone", "runtime.gcWriteBarrier",
	}
	schedulerFuncs = []string{
		"runtime.schedule", "runtime.findRunnable", "runtime.mcall", "runtime.park_m", "runtime.goready", "runtime.ready", "runtime.sysmon", "runtime.mstart", "runtime.futex", "runtime.usleep",
		"runtime.netpoll", "runtime.wakep", "runtime.startm", "runtime.stopm", "runtime.goschedImpl", "runtime.exitsyscall", "runtime.entersyscall", "runtime.reentersyscall", "runtime.lock2", "runtime.unlock2",
		"runtime.newproc", "runtime.selectgo", "runtime.chansend", "runtime.chanrecv", "runtime.gopark", "runtime.(*timer", "runtime.(*timers", "time.(*Timer)", "time.newTimer", "time.resetTimer", "time.stopTimer",
		"runtime.casgstatus", "runtime.execute", "runtime.gogo", "runtime.mPark", "runtime.notewakeup", "runtime.notesleep", "runtime.goexit0", "runtime.osyield", "runtime.procyield", "runtime.systemstack_switch",
	}
)

// systemCall tells the kernel's work apart by who asked for it: time inside a
// system call is charged to the instruction that makes it.
func systemCall(frames []string) string {
	leaf := frames[0]
	if !strings.Contains(leaf, "runtime/syscall") && !strings.HasPrefix(leaf, "syscall.") && leaf != "runtime.futex" && leaf != "runtime.epollwait" && leaf != "runtime.write1" {
		return ""
	}
	for _, f := range frames {
		switch {
		case strings.HasPrefix(f, "syscall.write"), strings.HasPrefix(f, "syscall.Write"), strings.HasPrefix(f, "syscall.writev"), strings.HasPrefix(f, "syscall.sendto"):
			return "system calls: write"
		case strings.HasPrefix(f, "syscall.read"), strings.HasPrefix(f, "syscall.Read"), strings.HasPrefix(f, "syscall.recvfrom"):
			return "system calls: read"
		case strings.Contains(f, "EpollWait"), strings.HasPrefix(f, "runtime.netpoll"):
			return "system calls: epoll"
		case strings.HasPrefix(f, "runtime.futex"):
			return "system calls: futex"
		}
	}
	return "system calls: other"
}

// roomOf names the room of one of our functions, or the package of the
// standard library that counts as one; "" for what works for others.
func roomOf(f string) string {
	if rest, ok := strings.CutPrefix(f, ours); ok {
		path := rest
		if i := strings.LastIndex(rest, "/"); i >= 0 {
			path = rest[:i+1] + before(rest[i+1:], ".")
		} else {
			path = before(rest, ".")
		}
		return path
	}
	switch {
	case strings.HasPrefix(f, "net/http/httputil."):
		return "net/http/httputil"
	case strings.HasPrefix(f, "net/http"):
		return "net/http"
	case strings.HasPrefix(f, "database/sql"), strings.HasPrefix(f, "modernc.org/"):
		return "database"
	case strings.HasPrefix(f, "github.com/prometheus/"):
		return "prometheus"
	}
	return ""
}

func before(s, sep string) string {
	head, _, _ := strings.Cut(s, sep)
	return head
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
