package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/pkg/client"
)

const cliKey = "gw_test_client_000000000000000000"

// serveGateway runs a real gateway that wants a key, over its mock provider.
func serveGateway(t *testing.T, more string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "providers: {mock: {type: mock}}\nserver: {shutdown_grace: 0s}\nauth: {keys: [{name: app, key: " + cliKey + more + "}]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, out, _ := fake(map[string]string{"GATEWAY_ADDR": "127.0.0.1:0", "GATEWAY_CONFIG": file})
	return background(t, p, out, "serve")
}

// serveFake runs a gateway that misbehaves.
func serveFake(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestAskOfARealGateway(t *testing.T) {
	base := serveGateway(t, "")
	schema := filepath.Join(t.TempDir(), "my schema.v1.json")
	if err := os.WriteFile(schema, []byte(`{"type":"object","properties":{"ok":{"const":true}},"required":["ok"],"additionalProperties":false}`), 0o600); err != nil {
		t.Fatal(err)
	}
	summary := `^usage \d+ in \+ \d+ out · cost \$0\.\d+ · mock/\S+ · 1 attempt( · cache miss)?`
	for _, tc := range []struct {
		name  string
		args  []string
		stdin string
		out   string // a pattern of standard output
		errs  string // a pattern of standard error
		err   string
	}{
		{"a stream", []string{"-model", "mock/echo", "Say hello"}, "", `^Say hello\n$`, summary + ` · first token \S+ · total \S+\n$`, ""},
		{"whole", []string{"-no-stream", "Say hello", "-model", "mock/echo"}, "", `^Say hello\n$`, summary + ` · total \S+\n$`, ""},
		{"several words", []string{"Say", "-model", "mock/echo", "hello", "--", "-x"}, "", `^Say hello -x\n$`, summary, ""},
		{"standard input", []string{"-model", "mock/echo"}, "from\nstdin\n\n", `^from\nstdin\n$`, summary, ""},
		{"a dash", []string{"-model", "mock/echo", "-"}, "from stdin", `^from stdin\n$`, summary, ""},
		{"cut by max-tokens", []string{"-model", "mock/echo", "-max-tokens", "2", "one two three"}, "", `^one two\n$`, `stopped by length`, ""},
		{"temperature and system", []string{"-model", "mock/echo", "-temperature", "0", "-system", "be brief", "x"}, "", `^x\n$`, summary, ""},
		{"raw stream", []string{"-raw", "-model", "mock/echo", "ping"}, "", `(?s)^\{"event":"delta","data":\{"text":"ping"\}\}\n\{"event":"done","data":\{"id":.*"text":"ping".*\}\}\n$`, summary, ""},
		{"raw whole", []string{"-raw", "-no-stream", "-model", "mock/echo", "ping"}, "", `^\{"id":.*"text":"ping".*\}\n$`, summary, ""},
		{"a schema", []string{"-json-schema", schema, "-model", "mock/chat", "x"}, "", `^\{"ok":\s*true\}\n$`, summary, ""},
		{"cut half-way", []string{"-model", "mock/lorem-50+cut-after-3", "hi"}, "", `^\S.*\n$`, `^$`, "upstream_error: "},
		{"unknown model", []string{"-model", "mock/nonsense", "hi"}, "", `^$`, `^$`, "not_found: "},
		{"out of range", []string{"-temperature", "9", "hi"}, "", `^$`, `^$`, "param temperature"},
		{"wrong key", []string{"-key", "gw_wrong", "hi"}, "", `^$`, `^$`, "unauthenticated: "},
		{"no question", nil, " \n", `^$`, `^$`, "there is no question"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, out, errs := fake(map[string]string{"GATEWAY_URL": base, "GATEWAY_KEY": cliKey})
			p.stdin = strings.NewReader(tc.stdin)
			err := p.run(t.Context(), append([]string{"ask"}, tc.args...))
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			if err != nil && exitCode(err) != 1 {
				t.Errorf("exit status %d", exitCode(err))
			}
			if !regexp.MustCompile(tc.out).MatchString(out.String()) {
				t.Errorf("printed %q, want %s", out, tc.out)
			}
			if !regexp.MustCompile(tc.errs).MatchString(errs.String()) {
				t.Errorf("standard error %q, want %s", errs, tc.errs)
			}
		})
	}
}

func TestAskFlags(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-json-schema", bad, "x"}, "not a JSON object"},
		{[]string{"-json-schema", filepath.Join(dir, "none"), "x"}, "no such file"},
		{[]string{"-temperature", "warm", "x"}, "warm"},
		{[]string{"-nope", "x"}, "nope"},
		{[]string{"-url", "127.0.0.1:8080", "x"}, "base URL"},
		{[]string{"-url", "http://127.0.0.1:1", "x"}, "connection: the gateway cannot be reached"},
	} {
		p, _, _ := fake(nil)
		if err := p.run(t.Context(), append([]string{"ask"}, tc.args...)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v", tc.args, err)
		}
	}
	p, _, errs := fake(map[string]string{"GATEWAY_KEY": cliKey})
	if err := p.run(t.Context(), []string{"ask", "-h"}); err != nil {
		t.Error(err)
	}
	if s := errs.String(); !strings.Contains(s, "-json-schema file") || strings.Contains(s, cliKey) {
		t.Errorf("help: %s", s)
	}
}

func TestAskMeetsMisbehaviour(t *testing.T) {
	delta := "event: delta\ndata: {\"text\":\"half\"}\n\n"
	for _, tc := range []struct {
		name, body, want, out string
	}{
		{"cut", delta, "connection: the stream ended without its done or error event", "half\n"},
		{"error event", delta + "event: error\ndata: {\"code\":502,\"message\":\"gone\",\"error\":{\"kind\":\"upstream_error\"}}\n\n", "upstream_error: gone", "half\n"},
		{"nothing", "", "connection: ", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base := serveFake(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				io.WriteString(w, tc.body)
			})
			p, out, errs := fake(nil)
			err := p.run(t.Context(), []string{"ask", "-url", base, "x"})
			if err == nil || !strings.Contains(err.Error(), tc.want) || out.String() != tc.out || errs.String() != "" {
				t.Errorf("%v, %q, %q", err, out, errs)
			}
		})
	}
}

func TestAskIsCancelled(t *testing.T) {
	gone := make(chan struct{})
	base := serveFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "event: delta\ndata: {\"text\":\"half\"}\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, out, _ := fake(nil)
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, []string{"ask", "-url", base, "x"}) }()
	await(t, out.String)
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "canceled") || out.String() != "half\n" {
		t.Errorf("%v, %q", err, out)
	}
	<-gone
}

func TestAskWaitsForInputNoLongerThanAllowed(t *testing.T) {
	p, _, _ := fake(nil)
	r, w := io.Pipe()
	p.stdin = r
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.run(ctx, []string{"ask"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.Close() // ends the read that was left behind
}

func TestTerminalGetsNoControlCharacters(t *testing.T) {
	var out bytes.Buffer
	a := asking{out: &out, terminal: true}
	for _, s := range []string{"a\x1b[2J\tb\r", "\u009b31m\x07", "ü\n"} {
		if err := a.text(s); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "a[2J\tb31mü\n" || a.open {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	a.terminal = false
	if err := a.text("a\x1b["); err != nil || out.String() != "a\x1b[" || !a.open {
		t.Errorf("%q", out.String())
	}
}

func TestSummaryLine(t *testing.T) {
	for _, tc := range []struct {
		r    client.Response
		want string
	}{
		{client.Response{Model: "m", Attempts: 1}, "usage unknown · cost unknown · m · 1 attempt · total 12.3s"},
		{client.Response{Model: "m", Provider: "p", Attempts: 0, Cache: "hit", FinishReason: "length",
			Usage: &client.Usage{InputTokens: 9, CachedInputTokens: 3, OutputTokens: 5, ReasoningTokens: 2, Estimated: true},
			Cost:  &client.Cost{Amount: "0.000000000001", Currency: "USD"}},
			"estimated usage 9 in (3 cached) + 5 out (2 reasoning) · cost $0.000000000001 · p/m · 0 attempts · cache hit · stopped by length · total 12.3s"},
		{client.Response{Model: "m", Attempts: 2, Cost: &client.Cost{Amount: "1", Currency: "EUR"}}, "usage unknown · cost 1 EUR · m · 2 attempts · total 12.3s"},
	} {
		a := asking{response: &tc.r, total: 12_345_678_901}
		if got := a.summary(); got != tc.want {
			t.Errorf("%s\nwant %s", got, tc.want)
		}
	}
}

func TestParseMixed(t *testing.T) {
	for _, tc := range []struct {
		args, others []string
		x            string
	}{
		{nil, nil, ""},
		{[]string{"a", "-x", "1", "b"}, []string{"a", "b"}, "1"},
		{[]string{"-x=1", "a", "--", "-x", "2"}, []string{"a", "-x", "2"}, "1"},
		{[]string{"--", "-x"}, []string{"-x"}, ""},
		{[]string{"a", "-", "-x", "1"}, []string{"a", "-"}, "1"},
	} {
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		x := fs.String("x", "", "")
		others, err := parseMixed(fs, tc.args)
		if err != nil || !slices.Equal(others, tc.others) || *x != tc.x {
			t.Errorf("%q: %q, x %q, %v", tc.args, others, *x, err)
		}
	}
}

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{{errors.New("x"), 1}, {fmt.Errorf("y: %w", &exitError{2, errors.New("x")}), 2}, {errors.Join(&exitError{2, io.EOF}, nil), 2}} {
		if got := exitCode(tc.err); got != tc.want {
			t.Errorf("%v: %d", tc.err, got)
		}
	}
	if !errors.Is(&exitError{2, io.EOF}, io.EOF) {
		t.Error("an exit status hides its error")
	}
}
