package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/app"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

// load reads the configuration as serve and check see it.
func (p program) load(file string) (*config.Config, error) {
	return config.Load(config.Source{LookupEnv: p.lookupEnv, Dir: ".", File: file})
}

// serve runs the gateway until ctx ends.
func (p program) serve(ctx context.Context, args []string) error {
	fs := p.flags("serve")
	file := fs.String("config", "", "configuration file; default $GATEWAY_CONFIG")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cfg, err := p.load(*file)
	if err != nil {
		return err
	}
	p.tuneMemory(cgroupLimits...)
	out := telemetry.NewBufferedWriter(p.stderr)
	defer out.Close()
	log, err := telemetry.NewLogger(out, string(cfg.Telemetry.LogLevel), p.logFormat(cfg))
	if err != nil {
		return err
	}
	a, err := app.New(app.Options{Config: cfg, Logger: log, Version: version, Commit: commit})
	if err != nil {
		return err
	}
	if err := a.Listen(ctx); err != nil {
		return err
	}
	p.announce(a.URL(), cfg, log)
	stop := p.reloadOnHangup(ctx, func() error {
		next, err := p.load(*file)
		if err != nil {
			a.ReloadFailed(err)
			return err
		}
		return a.Reload(ctx, next)
	}, log)
	defer stop()
	return a.Run(ctx)
}

// reloadOnHangup reloads at each SIGHUP until the returned function is called.
func (p program) reloadOnHangup(ctx context.Context, reload func() error, log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-hangups:
				if err := reload(); err != nil {
					log.ErrorContext(ctx, "reload failed; the configuration in force stays", slog.Any("error", err))
					continue
				}
				log.InfoContext(ctx, "configuration reloaded")
			}
		}
	})
	return func() {
		signal.Stop(hangups)
		close(done)
		wg.Wait()
	}
}

// announce says where the gateway listens: in the log, and for a person with a
// line that works when it is pasted into a shell.
func (p program) announce(url string, cfg *config.Config, log *slog.Logger) {
	log.Info("listening", slog.String("url", url), slog.String("version", version))
	if cfg.MockFallback {
		log.Warn("no provider is configured: the built-in mock answers every call; set OPENAI_API_KEY or another provider's key to use a real model")
	}
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	if p.logFormat(cfg) == logJSON {
		return
	}
	key := ""
	if cfg.AuthConfigured() {
		key = " -H 'Authorization: Bearer '\"$GATEWAY_KEY\""
	}
	fmt.Fprintf(p.stdout, "llm-gateway listens on %s; try:\n  curl -s %s/v1/generate -H 'Content-Type: application/json'%s -d '{\"prompt\":\"Say hello\"}'\n", url, url, key)
}

const (
	logJSON = "json"
	logText = "text"
)

// logFormat resolves auto: text for a person, JSON in production.
func (p program) logFormat(cfg *config.Config) string {
	if cfg.Telemetry.LogFormat != config.LogAuto {
		return string(cfg.Telemetry.LogFormat)
	}
	if cfg.AppEnv == "production" {
		return logJSON
	}
	return logText
}

// check says whether the configuration is good, and prints it resolved.
func (p program) check(_ context.Context, args []string) error {
	fs := p.flags("check")
	file := fs.String("config", "", "configuration file; default $GATEWAY_CONFIG")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cfg, err := p.load(*file)
	if err != nil {
		return err
	}
	if _, err := app.New(app.Options{Config: cfg, Version: version, Commit: commit}); err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(p.stderr, "warning:", w)
	}
	if _, err := io.WriteString(p.stdout, "# the configuration is good; resolved, with secrets masked:\n"); err != nil {
		return err
	}
	return cfg.Write(p.stdout)
}
