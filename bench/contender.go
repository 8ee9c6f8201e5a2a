package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// gatewayKey is the API key that the gateway under test expects. It protects
// nothing; nor does adminToken.
const (
	gatewayKey = "gw_bench_0000000000000000000000000000"
	adminToken = "bench-admin-0000000000000000000000000"
)

// contender is one of those that are compared: a command that is started anew
// for each case, or something that runs already.
type contender struct {
	name    string
	key     string
	running *target // already there, and left alone
	path    string
	args    func(upstream, addr string) []string
	config  func(upstream, addr string) string // the gateway's configuration file; nil = none
	own     bool                               // asks the gateway in the client's own dialect where the case translates
	gateway bool
	pprof   string // path of its CPU profile
}

// server is a contender that runs.
type server struct {
	target
	cmd     *exec.Cmd
	dir     string
	started time.Time
}

func (s *server) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

func proxyContender(self string) contender {
	return contender{name: "proxy", path: self, pprof: profilePath, args: func(up, addr string) []string {
		return []string{"proxy", "-listen", addr, "-upstream", up}
	}}
}

func upstreamContender(self string, args ...string) contender {
	return contender{name: "direct", path: self, args: func(_, addr string) []string {
		return append([]string{"upstream", "-listen", addr}, args...)
	}}
}

func gatewayContender(name, path string, s settings) contender {
	return contender{name: name, key: gatewayKey, path: path, gateway: true, pprof: "/admin/v1/debug/pprof/profile", config: s.render, args: func(_, _ string) []string { return []string{"serve"} }}
}

func parseOther(s string) (contender, error) {
	p := strings.Split(s, "=")
	if len(p) != 3 {
		return contender{}, fmt.Errorf("-other %q is not name=URL=PID", s)
	}
	pid, err := strconv.Atoi(p[2])
	return contender{name: p[0], running: &target{name: p[0], base: p[1], pid: pid, key: gatewayKey}, gateway: true}, err
}

// start starts the contender in a folder of its own, so that it begins with no
// ledger, and waits until it listens.
func (c contender) start(ctx context.Context, upstream string) (*server, error) {
	if c.running != nil {
		resetPeak(c.running.pid)
		return &server{target: *c.running}, nil
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	s := &server{target: target{name: c.name, key: c.key}, dir: dir}
	if err := s.launch(ctx, c, upstream); err != nil {
		s.stop()
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return s, nil
}

func (s *server) launch(ctx context.Context, c contender, upstream string) error {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir} // nothing else: GOGC or a key of this shell would be an unseen setting
	if n := os.Getenv("GOMAXPROCS"); n != "" {
		env = append(env, "GOMAXPROCS="+n)
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	if c.config != nil {
		file := filepath.Join(s.dir, "gateway.yaml")
		if err := os.WriteFile(file, []byte(c.config(upstream, addr)), 0o600); err != nil {
			return err
		}
		env = append(env, "GATEWAY_CONFIG="+file)
	}
	path, err := filepath.Abs(c.path)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close() // the process has it
	cmd := exec.CommandContext(ctx, path, c.args(upstream, addr)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, s.dir, log, log // the access log goes to a file, as in production
	s.started = time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.pid, s.base = cmd, cmd.Process.Pid, "http://"+addr
	if err := awaitListener(ctx, addr); err != nil {
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%w; it said: %.2000s", err, text)
	}
	return nil
}

// freeAddr finds a loopback address that nobody listens on. Choosing it here,
// not in the server, needs no log line that tells it.
func freeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// awaitListener waits until something listens on addr, for at most 10 s.
func awaitListener(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s: %w", addr, err)
		case <-time.After(500 * time.Microsecond):
		}
	}
}
