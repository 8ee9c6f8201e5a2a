package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/llm-gateway/llm-gateway/internal/migrate"
)

// exitPartly is the status when a configuration was converted, but not all of it.
const exitPartly = 2

// migrate converts another gateway's configuration. The configuration goes to
// standard output, what it lacks to standard error.
func (p program) migrate(_ context.Context, args []string) error {
	fs := p.flags("migrate")
	from := fs.String("from", "", "what the configuration is for: litellm, one-api, new-api or gomodel")
	secrets := fs.Bool("secrets", false, "copy secrets as they are; default: ${NAME} in their place")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *from == "" || fs.NArg() > 1 {
		return errors.New("usage: llm-gateway migrate -from litellm|one-api|new-api|gomodel [-secrets] [FILE]")
	}
	input, err := p.migrateInput(fs.Arg(0))
	if err != nil {
		return err
	}
	r, err := migrate.Convert(migrate.Format(*from), input, migrate.Options{CopySecrets: *secrets})
	if err != nil {
		return err
	}
	if _, err := p.stdout.Write(r.YAML); err != nil {
		return err
	}
	for _, n := range r.Need {
		fmt.Fprintf(p.stderr, "set: %s\n", n)
	}
	for _, l := range r.Left {
		fmt.Fprintf(p.stderr, "not carried over: %s\n", l)
	}
	if len(r.Left) > 0 {
		return &exitError{exitPartly, fmt.Errorf("%d settings were not carried over", len(r.Left))}
	}
	return nil
}

// migrateInput reads the file, or standard input where none is named.
func (p program) migrateInput(name string) ([]byte, error) {
	in := p.stdin
	if name != "" && name != "-" {
		f, err := os.Open(name) //nolint:gosec // the user names it
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, migrate.MaxInput+1))
}
