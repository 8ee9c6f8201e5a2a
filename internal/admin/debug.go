package admin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Profiles of the running process, in the form that `go tool pprof` and `go
// tool trace` read. net/http/pprof is not used: it registers itself on a mux
// that belongs to nobody, and shows the command line.

const (
	defaultSeconds = 30
	maxSeconds     = 120
)

// sampling rates for the profiles that are off unless someone asks: a mutex
// event in so many, a blocking of at least so many nanoseconds.
const (
	mutexFraction = 5
	blockRate     = 10_000
)

// profile answers with one profile: profile (CPU) and trace over some seconds;
// block and mutex collected over some seconds; heap, allocs, goroutine and
// threadcreate at once. With debug=1 or 2 the last four are text.
func (a *API) profile(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	seconds, err := number(r, "seconds", defaultSeconds, maxSeconds)
	if err != nil {
		return err
	}
	debug, err := number(r, "debug", 0, 2)
	if err != nil {
		return err
	}
	var body bytes.Buffer // whole before the head goes out: what fails is an error answer
	span := time.Duration(seconds) * time.Second
	switch name {
	case "profile":
		err = during(r.Context(), span, func() error { return pprof.StartCPUProfile(&body) }, pprof.StopCPUProfile)
	case "trace":
		err = during(r.Context(), span, func() error { return trace.Start(&body) }, trace.Stop)
	case "block", "mutex", "heap", "allocs", "goroutine", "threadcreate":
		if err = a.collect(r.Context(), name, span); err == nil {
			err = pprof.Lookup(name).WriteTo(&body, debug)
		}
	default:
		err = llm.Errorf(llm.KindNotFound, "there is no such profile; there are allocs, block, goroutine, heap, mutex, profile, threadcreate, trace")
	}
	if err != nil {
		return err
	}
	a.o.Logger.InfoContext(r.Context(), "an operator took a profile", slog.String("profile", name), slog.String("request_id", requestID(w)))
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	if debug > 0 {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = w.Write(body.Bytes()) // an operator who left needs no answer
	return nil
}

// number reads a whole number from 0 to most out of the query.
func number(r *http.Request, name string, def, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, llm.Invalid(name, "%s must be a whole number from 0 to %d", name, most)
	}
	return n, nil
}

// errProfiling: the runtime makes one CPU profile and one trace at a time.
var errProfiling = errors.New("a profile of this kind is being taken")

// during runs what begin starts for a time, or until the operator leaves.
func during(ctx context.Context, d time.Duration, begin func() error, end func()) error {
	if err := begin(); err != nil {
		return &llm.Error{Kind: llm.KindOverloaded, Message: errProfiling.Error(), RetryAfter: d, Err: err}
	}
	defer end()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return llm.ContextError(ctx)
	}
}

// collect switches on, for a time, what is off because it costs.
func (a *API) collect(ctx context.Context, name string, d time.Duration) error {
	switch name {
	case "block":
		return a.alone(ctx, d, func() { runtime.SetBlockProfileRate(blockRate) }, func() { runtime.SetBlockProfileRate(0) })
	case "mutex":
		return a.alone(ctx, d, func() { runtime.SetMutexProfileFraction(mutexFraction) }, func() { runtime.SetMutexProfileFraction(0) })
	}
	return nil
}

// alone lets one operator at a time switch a rate, so that the end of one
// profile does not cut another off.
func (a *API) alone(ctx context.Context, d time.Duration, on, off func()) error {
	return during(ctx, d, func() error {
		if !a.profiling.CompareAndSwap(false, true) {
			return errProfiling
		}
		on()
		return nil
	}, func() { off(); a.profiling.Store(false) })
}
