// Command llm-gateway is one small service between a company's applications and
// the large language models they call.
//
//	llm-gateway [serve]       start the gateway
//	llm-gateway check         say whether the configuration is good, and print it resolved
//	llm-gateway ask           put a question to a running gateway
//	llm-gateway batch         send a file of requests to a running gateway
//	llm-gateway migrate       convert another gateway's configuration
//	llm-gateway keygen        make an API key and its hash
//	llm-gateway mock          serve the built-in mock as an OpenAI-dialect upstream
//	llm-gateway healthcheck   ask a running gateway whether it is alive
//	llm-gateway version       print the version
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version and commit are set by the linker.
var (
	version = "dev"
	commit  = "none"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := program{lookupEnv: os.LookupEnv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	err := p.run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "llm-gateway:", err)
		os.Exit(exitCode(err))
	}
}

// program is the world as the program sees it, so that tests can make one up.
type program struct {
	lookupEnv      func(string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
}

const usage = `usage: llm-gateway [command]

  serve        start the gateway (the default)
  check        say whether the configuration is good, and print it resolved
  ask          put a question to a running gateway
  batch        send a file of requests to a running gateway
  migrate      convert another gateway's configuration
  keygen       make an API key and its hash
  mock         serve the built-in mock as an OpenAI-dialect upstream
  healthcheck  ask a running gateway whether it is alive
  version      print the version
`

// run performs one command. Flags follow the command's name.
func (p program) run(ctx context.Context, args []string) error {
	name := "serve"
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	command, ok := map[string]func(context.Context, []string) error{
		"serve": p.serve, "check": p.check, "ask": p.ask, "batch": p.batch, "migrate": p.migrate, "keygen": p.keygen, "mock": p.mock, "healthcheck": p.healthcheck, "version": p.version,
	}[name]
	switch {
	case ok:
		err := command(ctx, args)
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	case name == "help" || name == "-h" || name == "--help":
		_, err := io.WriteString(p.stdout, usage)
		return err
	}
	return fmt.Errorf("unknown command %q\n\n%s", name, usage)
}

func (p program) version(context.Context, []string) error {
	_, err := fmt.Fprintf(p.stdout, "llm-gateway %s (%s)\n", version, commit)
	return err
}

// flags makes a flag set that reports errors instead of exiting.
func (p program) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(p.stderr)
	return fs
}
