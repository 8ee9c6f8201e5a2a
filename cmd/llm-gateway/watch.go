package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
)

const (
	// settle is how long the files must stay the same before a change counts:
	// an editor or a rotation may write several, one after the other.
	settle = 250 * time.Millisecond
	// maxSettle bounds the wait for files that change all the time.
	maxSettle = 20
	// maxWatched is how much of a file is compared.
	maxWatched = 8 << 20
)

// sum is what a file looked like; the zero sum is that of no file.
type sum [sha256.Size]byte

// watcher compares files with what they were. It looks at their content, as
// modification times say nothing of a mounted secret, whose folder is swapped
// by a symbolic link.
type watcher struct{ sums map[string]sum }

// watch starts to watch files; what was watched before keeps what it was, so
// that a change during a reload is not missed.
func (w *watcher) watch(files []string) {
	old := w.sums
	w.sums = make(map[string]sum, len(files))
	for _, f := range files {
		s, known := old[f]
		if !known {
			s = sumOf(f)
		}
		w.sums[f] = s
	}
}

// changed reports whether a file is another than at the last call.
func (w *watcher) changed() bool {
	now := make(map[string]sum, len(w.sums))
	for f := range w.sums {
		now[f] = sumOf(f)
	}
	same := maps.Equal(now, w.sums)
	w.sums = now
	return !same
}

// sumOf returns the zero sum for a file that is not there. One that is there
// but cannot be read differs from that.
func sumOf(path string) (s sum) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return sum{}
	}
	if err != nil {
		return sum{1}
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxWatched)); err != nil {
		return sum{2}
	}
	h.Sum(s[:0])
	return s
}

// gateway is what a reload acts on; see app.App.
type gateway interface {
	Reload(ctx context.Context, cfg *config.Config) error
	ReloadFailed(err error)
}

// reloader reloads the configuration at a signal and when a file has changed.
// All of it happens on one goroutine, so reloads never overlap.
type reloader struct {
	load     func() (*config.Config, error)
	gateway  gateway
	log      *slog.Logger
	watcher  watcher
	interval time.Duration // between two looks at the files; 0 = never
	broken   string        // why the configuration could not be read; "" = it could
	asks     chan ask      // from operators, who wait for the outcome
}

// ask is an operator's wish to reload.
type ask chan error

// now reloads and returns the outcome. It fails when ctx ends, or when nobody
// runs the reloads any more.
func (r *reloader) now(ctx context.Context) error {
	a := make(ask, 1) // the answer waits for nobody
	select {
	case r.asks <- a:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-a:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// start reloads until the returned function is called. cfg is in force now.
func (r *reloader) start(ctx context.Context, cfg *config.Config) (stop func()) {
	r.follow(cfg)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { r.run(ctx, hangups) })
	return func() {
		signal.Stop(hangups)
		cancel()
		wg.Wait()
	}
}

// follow watches the files that a configuration was made of.
func (r *reloader) follow(cfg *config.Config) {
	r.watcher.watch(cfg.Files)
	r.interval = cfg.Server.WatchInterval.Std()
}

func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	for {
		var look <-chan time.Time
		if r.interval > 0 {
			look = time.After(r.interval)
		}
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			r.broken = ""
			_ = r.reload(ctx) // it is logged
		case a := <-r.asks:
			r.broken = ""
			a <- r.reload(ctx)
		case <-look:
			r.look(ctx)
		}
	}
}

// look reloads when a file has changed. A configuration that could not be read
// is tried again in any case: what it lacked need not be a file that is known.
func (r *reloader) look(ctx context.Context) {
	if !r.watcher.changed() && r.broken == "" {
		return
	}
	for range maxSettle {
		if !pause(ctx, settle) {
			return
		}
		if !r.watcher.changed() {
			break
		}
	}
	_ = r.reload(ctx) // it is logged
}

// reload reads the configuration and puts it into force. A failure leaves the
// one in force; the same failure again is not logged again.
func (r *reloader) reload(ctx context.Context) error {
	cfg, err := r.load()
	if err != nil {
		if err.Error() == r.broken {
			return err
		}
		r.broken = err.Error()
		r.gateway.ReloadFailed(err)
	} else {
		r.broken = ""
		if err = r.gateway.Reload(ctx, cfg); err == nil {
			r.follow(cfg)
		}
	}
	if err != nil {
		r.log.ErrorContext(ctx, "reload failed; the configuration in force stays", slog.Any("error", err))
	}
	return err
}

// pause waits for d; it returns false when ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
