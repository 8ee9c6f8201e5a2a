// Package app wires the rooms together: a configuration goes in, a running
// gateway comes out. It is the only reader of package config below main, and
// turns it into the plain options that each room declares. What must outlive a
// reload (transport, breakers, metrics) lives in App; what a configuration
// makes (routes, keys, limits) is one snapshot that is swapped whole.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/chain"
	"github.com/llm-gateway/llm-gateway/internal/keystore"
	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/notify"
	"github.com/llm-gateway/llm-gateway/internal/provider"
	"github.com/llm-gateway/llm-gateway/internal/server"
	"github.com/llm-gateway/llm-gateway/internal/service"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
	"github.com/llm-gateway/llm-gateway/internal/telemetry/tracing"
)

// Options makes an App.
type Options struct {
	Config  *config.Config
	Logger  *slog.Logger // nil = none
	Version string
	Commit  string
}

// App is one gateway. Make it with New, listen with Listen, serve with Run.
type App struct {
	o        Options
	log      *slog.Logger
	metrics  *telemetry.Metrics
	limits   limits.Engine
	callers  *limits.Callers
	ledger   *ledger.Recorder
	store    ledger.Store // the ledger's, whose database others share
	keys     *keystore.Keystore
	inForce  inForce
	redis    *limits.Redis   // the same, when it is one
	tracer   *tracing.Tracer // nil = no traces
	client   *http.Client
	notify   *notify.Notifier // nil when a configuration is only checked
	refusals refusals
	drainer  *chain.Drainer // nil when a configuration is only checked
	budgets  budgetAlerts
	connects atomic.Pointer[map[string]time.Duration] // see connectTimeouts
	state    state
	life     context.Context // for log lines that belong to no request
	server   *server.Server
	listener net.Listener
	back     net.Listener // the operators' own; nil = they share the clients'

	credentials credentialUses
	canaries    canaries
	shadowOnce  sync.Once
	shadowed    *telemetry.Shadows // nil until there is a shadow
	ops         operators
	cache       *answers // nil = none can be kept

	certificate        atomic.Pointer[tls.Config] // what new connections are served with; nil = plain HTTP
	certificateExpires func(time.Time)            // nil = plain HTTP

	mu      sync.Mutex // guards what follows
	current *snapshot
	closers []func() error
}

// New makes a gateway. Errors name the part of the configuration at fault.
func New(o Options) (*App, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &App{o: o, log: o.Logger, life: context.Background(), metrics: telemetry.NewMetrics(o.Version, o.Commit)}
	a.ops.start()
	if err := a.newTracing(o.Config.Telemetry.Traces); err != nil {
		return nil, errors.Join(err, a.close())
	}
	a.client = provider.NewClient(provider.NewExchanger(a.transportOptions(o.Config.HTTP)))
	a.openNotifier(o.Config)
	a.budgets.notify = a.notify
	a.metrics.Budgets(a.budgets.spendings)
	if err := a.newLimits(o.Config.Redis); err != nil {
		return nil, errors.Join(err, a.close())
	}
	a.newCallers()
	a.openCache(o.Config)
	if err := a.openLedger(o.Config); err != nil {
		return nil, errors.Join(err, a.close())
	}
	a.openKeys(o.Config)
	a.openDrainer()
	snap, err := a.build(o.Config)
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	a.current = snap
	a.canaries.snap.Store(snap)
	a.budgets.limiter.Store(snap.limiter)
	a.inForce.adopt(a, snap)
	a.restoreBudgets(a.life, o.Config)
	a.watchCanaries()
	a.metrics.Credentials(a.credentials.list)
	a.server = server.New(a.serverOptions(o.Config, snap))
	return a, nil
}

// Listen takes the configured address, so that a port in use is an error now
// and not later.
func (a *App) Listen(ctx context.Context) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", a.o.Config.Server.Addr)
	if err != nil {
		return fmt.Errorf("server.addr %s: %w", a.o.Config.Server.Addr, err)
	}
	if err := a.listenOperators(ctx); err != nil {
		return errors.Join(err, ln.Close())
	}
	a.listener = ln
	return nil
}

// URL returns where the gateway can be reached from this machine. It is empty
// before Listen.
func (a *App) URL() string {
	if a.listener == nil {
		return ""
	}
	return a.urlOf(a.listener)
}

func (a *App) urlOf(ln net.Listener) string {
	host, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return a.scheme() + "://" + net.JoinHostPort(host, port)
}

// Service returns the use case, for programs that embed the gateway. It is that
// of the configuration in force now.
func (a *App) Service() *service.Service {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current.service
}

// Run serves until ctx ends, then drains: not ready, a grace, no new
// connections, requests in flight finish. It returns nil after an orderly end.
func (a *App) Run(ctx context.Context) error {
	ended, listeners := a.serve()
	var failure error
	select {
	case failure = <-ended:
		listeners--
	case <-ctx.Done():
	}
	a.log.Info("draining")
	s := a.o.Config.Server
	limit := s.ShutdownGrace.Std() + s.DrainTimeout.Std() + 5*time.Second
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	err := errors.Join(failure, a.server.Shutdown(drain), collect(ended, listeners), a.close())
	a.log.Info("stopped")
	return err
}

// close ends what New began, last first.
func (a *App) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil {
		a.current.close()
	}
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	if a.client != nil {
		a.client.CloseIdleConnections()
	}
	return errors.Join(errs...)
}

func (a *App) transportOptions(h config.HTTP) provider.TransportOptions {
	return provider.TransportOptions{
		ConnectTimeout: h.ConnectTimeout.Std(), ConnectTimeoutOf: a.connectTimeoutOf, HandshakeTimeout: h.TLSTimeout.Std(), IdleTimeout: h.IdleTimeout.Std(),
		MaxIdle: h.MaxIdle, MaxIdlePerHost: h.MaxIdlePerHost, MaxPerHost: h.MaxPerHost,
	}
}
