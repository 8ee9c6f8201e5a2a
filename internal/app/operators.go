package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/admin"
)

// operators is the operators' API; nil without a token.
func (a *App) operators(cfg *config.Config) http.Handler {
	token := cfg.Server.Admin.Token
	if token.IsZero() {
		return nil
	}
	return admin.New(admin.Options{Token: token.Reveal(), Usage: a.ledger, Logger: a.log})
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
		return urlOf(a.back)
	}
	return a.URL()
}
