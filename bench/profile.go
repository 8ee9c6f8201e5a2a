package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// runProfile takes a CPU profile of the gateway and of the proxy while they
// are under one case, and prints how their time divides.
func runProfile(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("profile", flag.ContinueOnError)
	gateway := fs.String("gateway", "bin/llm-gateway", "the gateway's binary")
	name := fs.String("case", "unary-200B-c16", "one of the cases of load")
	d := fs.Duration("d", 10*time.Second, "how long, in whole seconds")
	dir := fs.String("out", "bench/out", "folder for the profiles, to look into with go tool pprof")
	if err := fs.Parse(args); err != nil {
		return err
	}
	c, ok := caseByName(*name)
	if !ok || c.run != nil {
		return fmt.Errorf("%q is no case of load; there are %s", *name, strings.Join(caseNames(), ", "))
	}
	if *d < time.Second {
		return fmt.Errorf("-d must be at least a second")
	}
	k, err := newKit(compareOptions{gateway: *gateway, rounds: 1, d: *d}, out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	under := conditions(ctx, k.o)
	shares, err := k.profiles(ctx, c, *dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n### %s\n\n%s", under, c.name, shareTable(shares).markdown())
	return nil
}

// share is how one contender's CPU time divides into buckets.
type share struct {
	name string
	ns   map[string]int64
	good int // answers under the profile
}

func (k *kit) profiles(ctx context.Context, c testCase, dir string) ([]share, error) {
	if err := raiseFiles(uint64(2*c.conns + 500)); err != nil {
		return nil, err
	}
	up, err := upstreamContender(k.self).start(ctx, "")
	if err != nil {
		return nil, err
	}
	defer up.stop()
	var all []share
	for _, contender := range k.contenders {
		s, err := k.profile(ctx, contender, c, up.base, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", contender.name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func (k *kit) profile(ctx context.Context, who contender, c testCase, upstream, dir string) (share, error) {
	s, err := who.start(ctx, upstream)
	if err != nil {
		return share{}, err
	}
	defer s.stop()
	c = c.as(who)
	if _, err := runCase(ctx, s.target, c, time.Second/2); err != nil {
		return share{}, err
	}
	type fetched struct {
		raw []byte
		err error
	}
	got := make(chan fetched, 1)
	go func() {
		raw, err := fetchProfile(ctx, s.base+who.pprof, k.o.d)
		got <- fetched{raw, err}
	}()
	res, err := runCase(ctx, s.target, c, k.o.d)
	f := <-got
	if err != nil {
		return share{}, err
	}
	if f.err != nil {
		return share{}, f.err
	}
	if res.bad > 0 {
		fmt.Fprintf(k.log, "%s: %d bad answers, first: %v\n", who.name, res.bad, res.firstBad)
	}
	if err := os.WriteFile(filepath.Join(dir, who.name+"-"+c.name+".pprof"), f.raw, 0o644); err != nil {
		return share{}, err
	}
	stacks, err := readProfile(f.raw)
	return share{who.name, divide(stacks), res.good}, err
}

// fetchProfile asks a server for its CPU profile over d.
func fetchProfile(ctx context.Context, url string, d time.Duration) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?seconds=%d", url, int(d.Seconds())), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxProfile))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("no profile: %s: %.200s", resp.Status, raw)
	}
	return raw, err
}

func divide(stacks []callStack) map[string]int64 {
	ns := map[string]int64{}
	for _, s := range stacks {
		ns[bucketOf(s.frames)] += s.ns
	}
	return ns
}

// shareTable has a row for each bucket, the largest of the last contender
// first, with the share and the time for each answer.
func shareTable(all []share) table {
	head := []string{"share of CPU"}
	names := map[string]bool{}
	for _, s := range all {
		head = append(head, s.name, "µs / answer")
		for b := range s.ns {
			names[b] = true
		}
	}
	last := all[len(all)-1]
	rows := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		if last.ns[a] != last.ns[b] {
			return int(min(max(last.ns[b]-last.ns[a], -1), 1))
		}
		return strings.Compare(a, b)
	})
	t := table{head}
	for _, b := range rows {
		cells := []string{b}
		for _, s := range all {
			total := int64(0)
			for _, v := range s.ns {
				total += v
			}
			cells = append(cells, fmt.Sprintf("%.1f %%", 100*float64(s.ns[b])/float64(max(total, 1))), fmt.Sprintf("%.2f", float64(s.ns[b])/1000/float64(max(s.good, 1))))
		}
		t = append(t, cells)
	}
	return t
}
