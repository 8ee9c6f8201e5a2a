package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/admin"
	"github.com/llm-gateway/llm-gateway/internal/monitor"
	"github.com/llm-gateway/llm-gateway/internal/server"
)

// operators is what the App keeps for operators to look at, and for them to
// act through.
type operators struct {
	started  time.Time
	monitor  *monitor.Monitor
	sessions *admin.Sessions

	mu      sync.Mutex
	reload  func(context.Context) error // see OnReload
	changes []string                    // of the latest reload
}

func (o *operators) start() {
	o.started, o.monitor, o.sessions = time.Now(), monitor.New(nil), admin.NewSessions()
}

// OnReload says what reads the configuration anew and puts it into force, for
// operators to call. Until then, and with nil, they cannot.
func (a *App) OnReload(reload func(context.Context) error) {
	a.ops.mu.Lock()
	defer a.ops.mu.Unlock()
	a.ops.reload = reload
}

// operatorsSee notes what a reload has changed.
func (a *App) operatorsSee(changes []string) {
	a.ops.mu.Lock()
	defer a.ops.mu.Unlock()
	a.ops.changes = changes
}

// withOperators gives a snapshot the operators' API, if there is a token for
// it. Without one nothing is kept of any call.
func (a *App) withOperators(e *server.Snapshot, cfg *config.Config) {
	token := cfg.Server.Admin.Token
	if token.IsZero() {
		return
	}
	e.Watch = func(r *server.CallRecord) { a.ops.monitor.Ended((*monitor.Call)(r)) }
	view, keys := inspector{a}, keyKeeper{a, cfg}
	e.Admin = admin.New(admin.Options{
		Token: token.Reveal(), Logger: a.log, Usage: a.ledger,
		Gateway: view, Credentials: view, Limits: view, Settings: view, Traffic: a.ops.monitor, Canaries: a, Shadows: a,
		Sessions: a.ops.sessions,
		Keys:     keys, Tenants: keys,
	})
}

// listenOperators takes the operators' own address, if they have one.
func (a *App) listenOperators(ctx context.Context) error {
	addr := a.o.Config.Server.Admin.Addr
	if addr == "" {
		return nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("server.admin.addr %s: %w", addr, err)
	}
	a.back = ln
	return nil
}

// serve answers on every listener until the server is shut down, or until one
// fails. The channel tells how each of them ended.
func (a *App) serve() (ended chan error, listeners int) {
	ended = make(chan error, 2)
	go func() { ended <- a.server.Serve(a.listener) }()
	if a.back == nil {
		return ended, 1
	}
	go func() { ended <- a.server.ServeOperators(a.back) }()
	return ended, 2
}

// collect waits for the ends of n listeners.
func collect(ended <-chan error, n int) error {
	var errs []error
	for range n {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

// OperatorsURL returns where the operators' API can be reached from this
// machine: at its own listener, else at the clients'. It is empty without a
// token in the configuration at the start, and before Listen.
func (a *App) OperatorsURL() string {
	switch {
	case a.o.Config.Server.Admin.Token.IsZero():
		return ""
	case a.back != nil:
		return a.urlOf(a.back)
	}
	return a.URL()
}
