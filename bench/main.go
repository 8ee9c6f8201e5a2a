// Command bench measures what the gateway costs beside a bare reverse proxy.
//
//	bench compare   start everything, run the cases in interleaved rounds, print a table
//	bench upstream  a mock upstream that is too cheap to be the bottleneck
//	bench proxy     the yardstick: httputil.ReverseProxy with a tuned pool
//	bench profile   CPU profiles of gateway and proxy under one case, by buckets
//	bench load      one load run against a URL
//
// CPU per request comes first, from the operating system's own account of each
// server process; latency percentiles come second. README.md says how to read
// the figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("say compare, profile, upstream, proxy or load")
	}
	switch args[0] {
	case "compare":
		return runCompare(ctx, args[1:], out)
	case "upstream":
		return runUpstream(ctx, args[1:], out)
	case "proxy":
		return runProxy(ctx, args[1:], out)
	case "profile":
		return runProfile(ctx, args[1:], out)
	case "load":
		return runLoad(ctx, args[1:], out)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

// serve runs h on addr until ctx ends and prints the address it got.
func serve(ctx context.Context, addr string, h http.Handler, out io.Writer) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\n", ln.Addr())
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.Serve(ln); err != http.ErrServerClosed {
		return err
	}
	<-stopped
	return nil
}

func runUpstream(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("upstream", flag.ContinueOnError)
	addr := fs.String("listen", "127.0.0.1:0", "address")
	if err := fs.Parse(args); err != nil {
		return err
	}
	return serve(ctx, *addr, newUpstream(), out)
}

func runProxy(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("proxy", flag.ContinueOnError)
	addr := fs.String("listen", "127.0.0.1:0", "address")
	to := fs.String("upstream", "", "base URL of the upstream")
	if err := fs.Parse(args); err != nil {
		return err
	}
	h, err := newYardstick(*to)
	if err != nil {
		return err
	}
	return serve(ctx, *addr, profiled{h}, out)
}

// profilePath is where the proxy answers with its CPU profile.
const profilePath = "/debug/pprof/profile"

// profiled is a handler that can be profiled. What it adds to a call is one
// comparison of the method, which the length decides.
type profiled struct{ http.Handler }

func (p profiled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == profilePath {
		pprof.Profile(w, r)
		return
	}
	p.Handler.ServeHTTP(w, r)
}

func runLoad(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("load", flag.ContinueOnError)
	base := fs.String("url", "", "base URL, without /v1")
	name := fs.String("case", "unary-200B-c16", "one of: "+strings.Join(caseNames(), ", "))
	key := fs.String("key", "", "API key")
	d := fs.Duration("d", 5*time.Second, "how long")
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, ok := caseByName(*name)
	if !ok {
		return fmt.Errorf("unknown case %q", *name)
	}
	r, err := runCase(ctx, target{name: "load", base: *base, key: *key}, c, *d)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d good, %d bad, %.0f/s, p50 %v, p99 %v\n", c.name, r.good, r.bad, r.rate(), r.quantile(.5), r.quantile(.99))
	return nil
}
