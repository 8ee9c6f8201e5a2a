package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// gatewayKey is the API key that the gateway under test expects. It protects
// nothing.
const gatewayKey = "gw_bench_0000000000000000000000000000"

type compareOptions struct {
	gateway string
	rounds  int
	d       time.Duration
	only    string
	others  []string
}

func runCompare(ctx context.Context, args []string, out io.Writer) error {
	var o compareOptions
	fs := flag.NewFlagSet("compare", flag.ContinueOnError)
	fs.StringVar(&o.gateway, "gateway", "bin/llm-gateway", "the gateway's binary")
	fs.IntVar(&o.rounds, "rounds", 5, "interleaved rounds")
	fs.DurationVar(&o.d, "d", 3*time.Second, "length of one run")
	fs.StringVar(&o.only, "cases", "", "only the cases whose name contains this")
	fs.Func("other", "another gateway as name=URL=PID; may be repeated", func(s string) error { o.others = append(o.others, s); return nil })
	if err := fs.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	targets, stop, err := startAll(ctx, o)
	defer stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s %s/%s, %d CPUs, %s; %d rounds of %v, interleaved; medians; CPU is user+system time of the server's process\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), o.rounds, o.d)
	for _, c := range cases {
		if !strings.Contains(c.name, o.only) {
			continue
		}
		rows, err := measure(ctx, targets, c, o)
		if err != nil {
			return err
		}
		printRows(out, c, rows)
	}
	return nil
}

// row gathers one target's runs of one case.
type row struct {
	t        target
	cpu      []float64 // ms per good request
	rate     []float64
	p50, p99 []float64 // ms
	bad      int
	firstBad error
	peak     int64 // kB
}

func measure(ctx context.Context, targets []target, c testCase, o compareOptions) ([]*row, error) {
	var rows []*row
	for _, t := range targets {
		rows = append(rows, &row{t: t})
		if _, err := runCase(ctx, t, c, o.d/4); err != nil { // warm up: pools, code, heap
			return nil, err
		}
	}
	for range o.rounds {
		for _, r := range rows {
			before, err := cpuTime(r.t.pid)
			if err != nil {
				return nil, err
			}
			res, err := runCase(ctx, r.t, c, o.d)
			if err != nil {
				return nil, err
			}
			after, err := cpuTime(r.t.pid)
			if err != nil {
				return nil, err
			}
			r.add(res, after-before)
		}
	}
	return rows, nil
}

func (r *row) add(res *result, cpu time.Duration) {
	r.bad += res.bad
	if r.firstBad == nil {
		r.firstBad = res.firstBad
	}
	if res.good == 0 {
		return
	}
	r.cpu = append(r.cpu, ms(cpu)/float64(res.good))
	r.rate = append(r.rate, res.rate())
	r.p50 = append(r.p50, ms(res.quantile(.5)))
	r.p99 = append(r.p99, ms(res.quantile(.99)))
	r.peak = max(r.peak, peakMemory(r.t.pid))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func spread(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4f–%.4f", slices.Min(v), slices.Max(v))
}

func printRows(out io.Writer, c testCase, rows []*row) {
	var yard float64
	for _, r := range rows {
		if r.t.name == "proxy" {
			yard = median(r.cpu)
		}
	}
	fmt.Fprintf(out, "%s\n  %-10s %10s %8s %19s %9s %9s %9s %9s %5s\n", c.name, "", "CPU ms/req", "x proxy", "spread", "req/s", "p50 ms", "p99 ms", "peak MB", "bad")
	for _, r := range rows {
		ratio := "-"
		if yard > 0 && r.t.name != "direct" {
			ratio = fmt.Sprintf("%.2f", median(r.cpu)/yard)
		}
		fmt.Fprintf(out, "  %-10s %10.4f %8s %19s %9.0f %9.2f %9.2f %9.1f %5d\n", r.t.name, median(r.cpu), ratio, spread(r.cpu),
			median(r.rate), median(r.p50), median(r.p99), float64(r.peak)/1024, r.bad)
		if r.firstBad != nil {
			fmt.Fprintf(out, "  %-10s first bad answer: %v\n", r.t.name, r.firstBad)
		}
	}
	fmt.Fprintln(out)
}

// startAll starts the upstream, the yardstick and the gateway as processes of
// their own. stop ends them, also after an error.
func startAll(ctx context.Context, o compareOptions) (targets []target, stop func(), err error) {
	var procs []*exec.Cmd
	stop = func() {
		for _, p := range procs {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, stop, err
	}
	start := func(name string, env []string, path string, args ...string) (target, error) {
		t, cmd, err := startServer(ctx, env, path, args...)
		if cmd != nil {
			procs = append(procs, cmd)
		}
		t.name = name
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return t, err
	}
	up, err := start("direct", nil, self, "upstream")
	if err != nil {
		return nil, stop, err
	}
	proxy, err := start("proxy", nil, self, "proxy", "-upstream", up.base)
	if err != nil {
		return nil, stop, err
	}
	gw, err := start("gateway", gatewayEnv(up.base), o.gateway, "serve")
	if err != nil {
		return nil, stop, err
	}
	gw.key = gatewayKey
	targets = []target{up, proxy, gw}
	for _, s := range o.others {
		t, err := parseOther(s)
		if err != nil {
			return nil, stop, err
		}
		targets = append(targets, t)
	}
	return targets, stop, nil
}

// gatewayEnv switches everything on that production has on: authentication, a
// limit (too high to be reached), metrics, the access log.
func gatewayEnv(upstream string) []string {
	return []string{
		"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_API_KEYS=bench=" + gatewayKey, "GATEWAY_RPS=1000000", "GATEWAY_LOG_FORMAT=json",
		"OPENAI_API_KEY=sk-bench-0000", "BASE_URL=" + upstream + "/v1", "MODEL_NAME=bench",
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "GOMAXPROCS=" + os.Getenv("GOMAXPROCS"),
	}
}

func parseOther(s string) (target, error) {
	p := strings.Split(s, "=")
	if len(p) != 3 {
		return target{}, fmt.Errorf("-other %q is not name=URL=PID", s)
	}
	pid, err := strconv.Atoi(p[2])
	return target{name: p[0], base: p[1], pid: pid, key: gatewayKey}, err
}

// startServer starts a process and waits for the address that it prints. Its
// further output, the access log above all, goes to a file in the temporary
// folder, as it would in production.
func startServer(ctx context.Context, env []string, path string, args ...string) (target, *exec.Cmd, error) {
	log, err := os.CreateTemp("", "bench-*.log")
	if err != nil {
		return target{}, nil, err
	}
	defer os.Remove(log.Name())
	abs, err := filepath.Abs(path)
	if err != nil {
		return target{}, nil, err
	}
	cmd := exec.CommandContext(ctx, abs, args...)
	cmd.Env, cmd.Dir = env, os.TempDir()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return target{}, nil, err
	}
	base, err := awaitAddress(ctx, log.Name())
	return target{base: base, pid: cmd.Process.Pid}, cmd, err
}

// awaitAddress looks for the first http:// URL in a log file, for at most 10 s.
func awaitAddress(ctx context.Context, file string) (string, error) {
	for range 200 {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		base := firstURL(f)
		_ = f.Close()
		if base != "" {
			return base, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	text, _ := os.ReadFile(file)
	return "", fmt.Errorf("it printed no address within 10 s: %s", text)
}

func firstURL(r io.Reader) string {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		_, rest, ok := strings.Cut(sc.Text(), "http://127.0.0.1:")
		if !ok {
			continue
		}
		port := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' })
		if port < 0 {
			port = len(rest)
		}
		return "http://127.0.0.1:" + rest[:port]
	}
	return ""
}

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

// peakMemory returns the high-water mark of a process's resident memory in kB.
func peakMemory(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kb, _ := strconv.ParseInt(f[0], 10, 64)
	return kb
}
