package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/client"
)

func TestBar(t *testing.T) {
	half := progress{total: 1000, before: tally{succeeded: 250}, elapsed: 20 * time.Second,
		now: tally{succeeded: 247, failed: 3, cost: 123 * llm.Dollar / 10_000}}
	for _, tc := range []struct {
		name  string
		p     progress
		width int
		want  string
	}{
		{"at the start", progress{total: 10}, 80, "[------------------------------] 0/10   0%  0.00/s  $0.0000"},
		{"half-way", half, 80, "[#############--------------] 500/1000  50%  12/s  $0.0123  3 failed  0:40 left"},
		{"a wide terminal", half, 200, "[###############---------------] 500/1000  50%  12/s  $0.0123  3 failed  0:40 left"},
		{"no room for the bar", half, 55, "500/1000  50%  12/s  $0.0123  3 failed  0:40 left"},
		{"a narrow terminal", half, 20, "500/1000  50%  12/s"},
		{"one column", half, 1, ""},
		{"all done", progress{total: 2, now: tally{succeeded: 2}, elapsed: time.Second}, 80, "[##############################] 2/2 100%  2.00/s  $0.0000  0:00 left"},
		{"a price unknown", progress{total: 2, now: tally{succeeded: 1, unpriced: 1}, elapsed: 2 * time.Hour}, 80,
			"[###############---------------] 1/2  50%  0.00/s  $0.0000+?  2:00:00 left"},
		{"done before", progress{total: 2, before: tally{succeeded: 1}}, 80, "[###############---------------] 1/2  50%  0.00/s  $0.0000"},
		{"nothing to do", progress{}, 80, "[------------------------------] 0/0   0%  0.00/s  $0.0000"},
	} {
		got := tc.p.bar(tc.width)
		if got != tc.want {
			t.Errorf("%s:\n%q, want\n%q", tc.name, got, tc.want)
		}
		if len(got) >= tc.width {
			t.Errorf("%s: %d columns of %d", tc.name, len(got), tc.width)
		}
	}
}

func TestBarNeverWraps(t *testing.T) {
	p := progress{total: 1 << 40, now: tally{succeeded: 1 << 39, failed: 1 << 38, unpriced: 1, cost: 1 << 62}, elapsed: 1 << 60}
	for width := range 200 {
		if s := p.bar(width); len(s) >= max(width, 1) || strings.ContainsAny(s, "\n\r\x1b") {
			t.Fatalf("width %d: %q", width, s)
		}
	}
}

func TestTally(t *testing.T) {
	var a tally
	a.addAnswer(&client.Usage{InputTokens: 1, OutputTokens: 2}, &client.Cost{Amount: "0.1", Currency: "USD"})
	a.addAnswer(&client.Usage{InputTokens: 1, OutputTokens: 2, Estimated: true}, &client.Cost{Amount: "0.2", Currency: "USD"})
	a.addAnswer(nil, nil)
	a.addAnswer(nil, &client.Cost{Amount: "1e3"}) // no gateway writes this; it is not guessed at
	a.addRead(&resultLine{}, false)
	sum := a.plus(a)
	want := tally{succeeded: 8, failed: 2, input: 4, output: 8, estimated: 6, cost: 6 * llm.Dollar / 10, unpriced: 4}
	if sum != want || sum.done() != 10 {
		t.Errorf("%+v", sum)
	}
	p := progress{total: 11, before: a, now: a, elapsed: 1500 * time.Millisecond}
	if got, want := p.summary(), "10 of 11 requests done: 8 succeeded, 2 failed (5 of them before)\n"+
		"usage 4 in + 8 out (estimated or unknown for 6) · cost $0.6 and 4 without a known price\nthis run: 5 in 1.5s, 3.33/s\n"; got != want {
		t.Errorf("%q, want\n%q", got, want)
	}
}

func TestDisplay(t *testing.T) {
	var w bytes.Buffer
	width := 0
	d := display{w: &w, width: func() int { return width }}
	p := progress{total: 1}
	d.show(&p)
	d.say("plain\n")
	if w.String() != "plain\n" {
		t.Errorf("not a terminal: %q", w.String())
	}
	w.Reset()
	width = 40
	d.show(&p)
	d.say("text\n")
	d.say("more\n")
	if got := w.String(); got != "\r\x1b[K"+p.bar(40)+"\r\x1b[Ktext\nmore\n" {
		t.Errorf("a terminal: %q", got)
	}
}

func TestTerminalWidth(t *testing.T) {
	if terminalWidth(&bytes.Buffer{}) != 0 {
		t.Error("a buffer is no terminal")
	}
	f := newBatchFiles(t)
	out, err := openOutput(f.out, f.in, false)
	if err != nil {
		t.Fatal(err)
	}
	defer out.close()
	if terminalWidth(out.f) != 0 {
		t.Error("a file is no terminal")
	}
}
