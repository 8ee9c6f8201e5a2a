package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/llm-gateway/llm-gateway/pkg/client"
)

// maxQuestion bounds what is read from standard input, in bytes.
const maxQuestion = 64 << 20

// askOptions are the flags of ask.
type askOptions struct {
	gatewayFlags
	request    client.Request
	words      []string
	whole, raw bool
}

// ask puts one question and prints the answer as it comes; what it cost and
// the path that it took go to standard error.
func (p program) ask(ctx context.Context, args []string) error {
	o, err := p.askFlags(args)
	if err != nil {
		return err
	}
	if o.request.Prompt, err = p.question(ctx, o.words); err != nil {
		return err
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	defer c.Close()
	a := asking{out: p.stdout, terminal: terminalWidth(p.stdout) > 0, raw: o.raw, began: time.Now()}
	if o.whole {
		err = a.whole(ctx, c, o.request)
	} else {
		err = a.stream(ctx, c, o.request)
	}
	err = errors.Join(a.endLine(), err)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stderr, a.summary())
	return err
}

func (p program) askFlags(args []string) (*askOptions, error) {
	o := &askOptions{}
	r := &o.request
	fs := p.flags("ask")
	fs.Usage = usageOf(fs, `ask [flags] "question"`, "Without a question, or with -, it is read from standard input.")
	fs.StringVar(&r.Model, "model", "", "a route, or provider/model; default: the gateway's")
	fs.StringVar(&r.System, "system", "", "system message")
	fs.Int64Var(&r.MaxTokens, "max-tokens", 0, "longest answer; 0 = the model's own limit")
	fs.Func("temperature", "0 to 2; default: the model's own", func(s string) error {
		t, err := strconv.ParseFloat(s, 64)
		r.Temperature = &t
		return err
	})
	fs.Func("json-schema", "`file` with a JSON schema that the answer shall satisfy", func(file string) (err error) {
		r.ResponseFormat, err = schemaFormat(file)
		return err
	})
	fs.BoolVar(&o.whole, "no-stream", false, "wait for the whole answer")
	fs.BoolVar(&o.raw, "raw", false, "print the gateway's JSON instead of the text; of a stream, one event a line")
	o.register(fs, p.lookupEnv)
	var err error
	o.words, err = parseMixed(fs, args)
	return o, err
}

// question returns the prompt: the words, or standard input.
func (p program) question(ctx context.Context, words []string) (string, error) {
	text := strings.Join(words, " ")
	if len(words) == 0 || text == "-" {
		b, err := readAllOf(ctx, p.stdin)
		if err != nil {
			return "", fmt.Errorf("standard input: %w", err)
		}
		text = strings.TrimRight(string(b), "\n")
	}
	if strings.TrimSpace(text) == "" {
		return "", errors.New(`there is no question: llm-gateway ask "Say hello"`)
	}
	return text, nil
}

// readAllOf reads r until it ends or ctx does. A read from a terminal cannot be
// broken off: when ctx ends first, its goroutine is left to end with the
// process, which does so next.
func readAllOf(ctx context.Context, r io.Reader) ([]byte, error) {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1) // so that a late read does not block
	go func() {
		b, err := io.ReadAll(io.LimitReader(r, maxQuestion+1))
		done <- result{b, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case got := <-done:
		if len(got.b) > maxQuestion {
			return nil, fmt.Errorf("more than %d bytes", maxQuestion)
		}
		return got.b, got.err
	}
}

var notSchemaName = regexp.MustCompile(`[^a-zA-Z0-9_-]+`)

// schemaFormat makes the response format of a schema's file, named for it.
func schemaFormat(file string) (*client.ResponseFormat, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if t := strings.TrimSpace(string(b)); !json.Valid(b) || t[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	name := notSchemaName.ReplaceAllString(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), "_")
	if name == "" {
		name = "answer"
	}
	return &client.ResponseFormat{Type: "json_schema", JSONSchema: &client.JSONSchema{
		Name: name[:min(len(name), 64)], Schema: b, Strict: new(true),
	}}, nil
}

// asking is one answer on its way to the terminal.
type asking struct {
	out           io.Writer
	terminal, raw bool
	began         time.Time

	first    time.Duration // until the first piece of content, 0 = none came
	total    time.Duration
	response *client.Response
	open     bool // a line of text lacks its end
}

func (a *asking) whole(ctx context.Context, c *client.Client, req client.Request) error {
	r, err := c.Generate(ctx, req)
	if err != nil {
		return err
	}
	a.finish(r)
	if a.raw {
		return a.line(r.Raw)
	}
	return a.text(r.Text)
}

func (a *asking) stream(ctx context.Context, c *client.Client, req client.Request) error {
	for ev, err := range c.Stream(ctx, req) {
		if err != nil {
			return err
		}
		if ev.Type == client.EventDone {
			a.finish(ev.Response)
		} else if a.first == 0 {
			a.first = time.Since(a.began)
		}
		switch {
		case a.raw:
			err = a.line(fmt.Appendf(nil, `{"event":%q,"data":%s}`, ev.Type, ev.Raw))
		case ev.Type == client.EventDelta:
			err = a.text(ev.Text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *asking) finish(r *client.Response) {
	a.response, a.total = r, time.Since(a.began)
}

func (a *asking) line(b []byte) error {
	_, err := a.out.Write(append(b[:len(b):len(b)], '\n'))
	return err
}

// text prints a piece of the answer. On a terminal control characters are left
// out: an answer may quote anything, and some of them move the cursor, rename
// the window or worse.
func (a *asking) text(s string) error {
	if a.terminal {
		s = strings.Map(printable, s)
	}
	if s == "" {
		return nil
	}
	a.open = !strings.HasSuffix(s, "\n")
	_, err := io.WriteString(a.out, s)
	return err
}

func printable(r rune) rune {
	if r != '\n' && r != '\t' && unicode.IsControl(r) {
		return -1
	}
	return r
}

// endLine ends the last line of text, so that whatever follows has its own.
func (a *asking) endLine() error {
	if !a.open {
		return nil
	}
	a.open = false
	_, err := io.WriteString(a.out, "\n")
	return err
}

// summary is the line about usage, cost, path and times.
func (a *asking) summary() string {
	r := a.response
	parts := []string{usageText(r.Usage), "cost " + costText(r.Cost), pathText(r)}
	if n := r.Attempts; n == 1 {
		parts = append(parts, "1 attempt")
	} else {
		parts = append(parts, fmt.Sprintf("%d attempts", n))
	}
	if r.Cache == "hit" || r.Cache == "shared" {
		parts = append(parts, "cache "+r.Cache)
	}
	if r.FinishReason != "" && r.FinishReason != "stop" {
		parts = append(parts, "stopped by "+r.FinishReason)
	}
	if a.first > 0 {
		parts = append(parts, "first token "+roundTime(a.first))
	}
	return strings.Join(append(parts, "total "+roundTime(a.total)), " · ")
}

func usageText(u *client.Usage) string {
	if u == nil {
		return "usage unknown"
	}
	s := "usage "
	if u.Estimated {
		s = "estimated usage "
	}
	s += fmt.Sprintf("%d in", u.InputTokens)
	if u.CachedInputTokens > 0 {
		s += fmt.Sprintf(" (%d cached)", u.CachedInputTokens)
	}
	s += fmt.Sprintf(" + %d out", u.OutputTokens)
	if u.ReasoningTokens > 0 {
		s += fmt.Sprintf(" (%d reasoning)", u.ReasoningTokens)
	}
	return s
}

func costText(c *client.Cost) string {
	switch {
	case c == nil:
		return "unknown"
	case c.Currency == "USD":
		return "$" + c.Amount.String()
	}
	return c.Amount.String() + " " + c.Currency
}

func pathText(r *client.Response) string {
	if r.Provider == "" {
		return r.Model
	}
	return r.Provider + "/" + r.Model
}

// roundTime shows about three digits of a time.
func roundTime(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		d = d.Round(100 * time.Millisecond)
	case d >= time.Second:
		d = d.Round(10 * time.Millisecond)
	default:
		d = d.Round(time.Millisecond)
	}
	return d.String()
}

// gatewayFlags say which gateway a command calls, and with which key.
type gatewayFlags struct {
	url, key string
	env      func(string) (string, bool)
}

// register adds the flags. The key's default is never shown.
func (g *gatewayFlags) register(fs *flag.FlagSet, env func(string) (string, bool)) {
	g.env = env
	fs.StringVar(&g.url, "url", "", "the gateway; default $GATEWAY_URL, else "+client.DefaultBaseURL)
	fs.StringVar(&g.key, "key", "", "API key; default $GATEWAY_KEY, which other users of this machine cannot see")
}

func (g *gatewayFlags) client() (*client.Client, error) {
	o := client.Options{BaseURL: g.url, Key: g.key, UserAgent: "llm-gateway/" + version}
	if o.BaseURL == "" {
		o.BaseURL, _ = g.env("GATEWAY_URL")
	}
	if o.Key == "" {
		o.Key, _ = g.env("GATEWAY_KEY")
	}
	return client.New(o)
}

// parseMixed parses flags that may stand before, between and behind the other
// arguments, which it returns. Behind -- nothing is a flag.
func parseMixed(fs *flag.FlagSet, args []string) (others []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		rest := fs.Args()
		if used := len(args) - len(rest); len(rest) == 0 || used > 0 && args[used-1] == "--" {
			return append(others, rest...), nil
		}
		others, args = append(others, rest[0]), rest[1:]
	}
}

// usageOf makes a flag set's help text.
func usageOf(fs *flag.FlagSet, form, more string) func() {
	return func() {
		fmt.Fprintf(fs.Output(), "usage: llm-gateway %s\n%s\n\n", form, more)
		fs.PrintDefaults()
	}
}
