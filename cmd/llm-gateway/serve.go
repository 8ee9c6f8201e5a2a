package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

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
	dropStartPages()
	p.announce(a.URL(), cfg, log)
	if u := a.OperatorsURL(); u != "" {
		log.Info("operators: /dashboard and /admin/v1, with the admin token", slog.String("url", u))
	}
	r := &reloader{load: func() (*config.Config, error) { return p.load(*file) }, gateway: a, log: log, asks: make(chan ask)}
	a.OnReload(r.now)
	defer r.start(ctx, cfg)()
	return a.Run(ctx)
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

// check says whether the configuration is good, and prints it resolved, or what
// another one would change.
func (p program) check(_ context.Context, args []string) error {
	fs := p.flags("check")
	file := fs.String("config", "", "configuration file; default $GATEWAY_CONFIG")
	other := fs.String("diff", "", "another configuration file: print what a reload with it would change")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cfg, err := p.checked(*file)
	if err != nil {
		return err
	}
	if *other != "" {
		return p.diff(cfg, *other)
	}
	if _, err := io.WriteString(p.stdout, "# the configuration is good; resolved, with secrets masked:\n"); err != nil {
		return err
	}
	return cfg.Write(p.stdout)
}

// checked reads a configuration and tries whether a gateway can be made of it.
func (p program) checked(file string) (*config.Config, error) {
	cfg, err := p.load(file)
	if err != nil {
		return nil, err
	}
	if err := app.Check(app.Options{Config: cfg, Version: version, Commit: commit}); err != nil {
		return nil, err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(p.stderr, "warning:", w)
	}
	return cfg, nil
}

// diff prints what changes from a configuration to that of another file, one
// setting a line. Secrets are shown as fingerprints.
func (p program) diff(from *config.Config, other string) error {
	to, err := p.checked(other)
	if err != nil {
		return err
	}
	changes := config.Diff(from, to)
	if len(changes) == 0 {
		_, err = fmt.Fprintln(p.stdout, "# both are good; nothing changes")
		return err
	}
	fmt.Fprintf(p.stdout, "# both are good; changes: %d\n", len(changes))
	for _, c := range changes {
		if _, err := fmt.Fprintln(p.stdout, c); err != nil {
			return err
		}
	}
	return nil
}
