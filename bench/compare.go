package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

type compareOptions struct {
	gateway string
	rounds  int
	d       time.Duration
	only    string
	others  []string
	ablate  bool
	traces  bool
	dir     string
	streams int
}

// kit is one comparison: its settings and who takes part.
type kit struct {
	o          compareOptions
	self       string
	contenders []contender
	out        io.Writer
	log        io.Writer // progress
}

func runCompare(ctx context.Context, args []string, out io.Writer) error {
	var o compareOptions
	fs := flag.NewFlagSet("compare", flag.ContinueOnError)
	fs.StringVar(&o.gateway, "gateway", "bin/llm-gateway", "the gateway's binary")
	fs.IntVar(&o.rounds, "rounds", 5, "interleaved rounds")
	fs.DurationVar(&o.d, "d", 3*time.Second, "length of one run")
	fs.StringVar(&o.only, "cases", "", "only the cases whose name contains this: "+strings.Join(caseNames(), ", "))
	fs.Func("other", "another gateway as name=URL=PID; may be repeated", func(s string) error { o.others = append(o.others, s); return nil })
	fs.BoolVar(&o.ablate, "ablate", false, "also the gateway with parts switched off, to show what each costs")
	fs.BoolVar(&o.traces, "traces", false, "instead of the proxy the gateway with traces at several ratios, beside the gateway without")
	fs.IntVar(&o.streams, "streams", 1_000_000, "streams for each contender in -cases million")
	fs.StringVar(&o.dir, "out", "bench/out", "folder for results.json, results.md and chart.svg; empty = none")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cases := selected(o.only)
	if len(cases) == 0 {
		return fmt.Errorf("no case is named like %q; there are %s", o.only, strings.Join(caseNames(), ", "))
	}
	if o.rounds < 1 || o.d <= 0 || o.streams < 1 {
		return fmt.Errorf("-rounds, -d and -streams must be above 0")
	}
	k, err := newKit(o, out)
	if err != nil {
		return err
	}
	if o.traces {
		collector, stop, err := startCollector(ctx)
		if err != nil {
			return err
		}
		defer stop()
		k.contenders = tracedGateways(o.gateway, collector)
	}
	return k.compare(ctx, cases)
}

func newKit(o compareOptions, out io.Writer) (*kit, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	k := &kit{o: o, self: self, out: out, log: os.Stderr}
	k.contenders = []contender{proxyContender(self), gatewayContender("gateway", o.gateway, settings{})}
	if o.ablate {
		for _, a := range ablations() {
			k.contenders = append(k.contenders, gatewayContender(a.name, o.gateway, a.settings))
		}
	}
	for _, s := range o.others {
		c, err := parseOther(s)
		if err != nil {
			return nil, err
		}
		k.contenders = append(k.contenders, c)
	}
	return k, nil
}

func (k *kit) compare(ctx context.Context, cases []testCase) error {
	all := outcome{Conditions: conditions(ctx, k.o), Yardstick: yardstick}
	fmt.Fprintln(k.out, all.Conditions)
	for _, c := range cases {
		run := c.run
		if run == nil {
			run = runRounds
		}
		res, err := run(ctx, k, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Fprintln(k.out, res.markdown())
		all.Cases = append(all.Cases, res)
		if k.o.dir == "" {
			continue
		}
		if err := all.save(k.o.dir); err != nil {
			return err
		}
	}
	return nil
}

// runRounds measures a case of load: every contender once in each round.
func runRounds(ctx context.Context, k *kit, c testCase) (*caseResult, error) {
	if err := raiseFiles(uint64(2*c.conns + 500)); err != nil {
		return nil, err
	}
	up, err := upstreamContender(k.self).start(ctx, "")
	if err != nil {
		return nil, err
	}
	defer up.stop()
	res := newCaseResult(c, "load")
	if k.o.traces {
		res.Yardstick = k.contenders[0].name
	}
	field := append([]contender{{name: "direct", running: &up.target}}, k.contenders...)
	if c.translates() {
		own := gatewayContender("own dialect", k.o.gateway, settings{})
		own.own = true
		field = append(field, own)
	}
	rows := res.rowsFor(field)
	servers, stop, err := k.startAll(ctx, field, up.base)
	defer stop()
	if err != nil {
		return nil, err
	}
	for i, s := range servers { // warm up: pools, code, heap
		if _, err := runCase(ctx, s.target, c.as(field[i]), k.o.d/4); err != nil {
			return nil, err
		}
	}
	for round := range k.o.rounds {
		for _, i := range order(len(rows), round) {
			if err := measure(ctx, servers[i].target, c.as(field[i]), k.o.d, rows[i]); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

// startAll starts the field; stop ends it, also after an error.
func (k *kit) startAll(ctx context.Context, field []contender, upstream string) (servers []*server, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			s.stop()
		}
	}
	for _, c := range field {
		s, err := c.start(ctx, upstream)
		if err != nil {
			return nil, stop, err
		}
		servers = append(servers, s)
	}
	return servers, stop, nil
}

// measure runs one case against one server and takes its account of CPU and
// memory over that time.
func measure(ctx context.Context, t target, c testCase, d time.Duration, r *row) error {
	resetPeak(t.pid)
	before, err := cpuTime(t.pid)
	if err != nil {
		return err
	}
	res, err := runCase(ctx, t, c, d)
	if err != nil {
		return err
	}
	after, err := cpuTime(t.pid)
	if err != nil {
		return err
	}
	r.add(res, after-before, peakMemory(t.pid))
	return nil
}
