package main

import (
	"context"
	"slices"
	"strings"
)

// testCase is one kind of load. A closed loop keeps conns callers busy; an
// open loop sends rate requests a second whatever the answers do, and counts
// latency from the moment a request was due, so that a stalled server cannot
// hide its stall (coordinated omission).
type testCase struct {
	name   string
	client client // what the callers speak; the zero value is OpenAI Chat Completions
	model  string // what the upstream is to do
	via    string // provider of the gateway whose dialect is not the client's: the case translates
	prompt int    // bytes of prompt text
	conns  int
	rate   int // requests a second; 0 = closed loop
	stream int // chunks expected; 0 = unary
	// run measures the case where the usual rounds of load do not.
	run func(context.Context, *kit, testCase) (*caseResult, error)
	// explicit: only when -cases is its whole name.
	explicit bool
}

func allCases() []testCase {
	return []testCase{
		{name: "unary-200B-c1", model: "bench", prompt: 80, conns: 1},
		{name: "unary-200B-c16", model: "bench", prompt: 80, conns: 16},
		{name: "unary-200B-c64", model: "bench", prompt: 80, conns: 64},
		{name: "unary-200B-c256", model: "bench", prompt: 80, conns: 256},
		{name: "unary-10KB-c16", model: "bench", prompt: 10_000, conns: 16},
		{name: "unary-100KB-c16", model: "bench", prompt: 100_000, conns: 16},
		{name: "open-2000rps-50ms", model: "bench-delay-50", prompt: 80, conns: 500, rate: 2000},
		{name: "stream-100-c200", model: "bench-stream-100", prompt: 80, conns: 200, stream: 100},
		{name: "stream-20x20ms-c200", model: "bench-stream-20-gap-20", prompt: 80, conns: 200, stream: 20},
		{name: "inflight-500-50ms", model: "bench-delay-50", prompt: 80, conns: 500},
		{name: "open-2000rps-250ms", model: "bench-delay-250", prompt: 80, conns: 1000, rate: 2000},
		{name: "translate-chat-anthropic-2KB-c16", via: "anthropic", model: "bench", prompt: 1800, conns: 16},
		{name: "translate-chat-anthropic-stream-100-c200", via: "anthropic", model: "bench-stream-100", prompt: 1800, conns: 200, stream: 100},
		{name: "translate-anthropic-chat-2KB-c16", client: messages, via: "openai", model: "bench", prompt: 1800, conns: 16},
		{name: "translate-anthropic-chat-stream-100-c200", client: messages, via: "openai", model: "bench-stream-100", prompt: 1800, conns: 200, stream: 100},
		{name: "translate-chat-gemini-2KB-c16", via: "gemini", model: "bench", prompt: 1800, conns: 16},
		{name: "translate-chat-gemini-stream-100-c200", via: "gemini", model: "bench-stream-100", prompt: 1800, conns: 200, stream: 100},
		{name: "translate-responses-chat-2KB-c16", client: responses, via: "chat", model: "bench", prompt: 1800, conns: 16},
		{name: "translate-responses-chat-stream-100-c200", client: responses, via: "chat", model: "bench-stream-100", prompt: 1800, conns: 200, stream: 100},
		{name: "slow-5000", model: "bench-stream-12-gap-1000", prompt: 80, conns: 5000, stream: 12, run: runHold},
		{name: "start", model: "bench", prompt: 80, conns: 1, run: runStart},
		{name: "transport", model: "bench-delay-10", prompt: 80, conns: 64, run: runTransport},
		{name: "million", model: "bench-stream-4-gap-1", prompt: 80, conns: 200, stream: 4, run: runMillion, explicit: true},
	}
}

// selected returns the cases whose name contains only, or those of that very
// name.
func selected(only string) []testCase {
	cases := allCases()
	if c, ok := caseByName(only); ok {
		return []testCase{c}
	}
	return slices.DeleteFunc(cases, func(c testCase) bool { return c.explicit || !strings.Contains(c.name, only) })
}

func caseNames() []string {
	var names []string
	for _, c := range allCases() {
		names = append(names, c.name)
	}
	return names
}

func caseByName(name string) (testCase, bool) {
	cases := allCases()
	i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })
	if i < 0 {
		return testCase{}, false
	}
	return cases[i], true
}

// translates says whether the gateway has to turn one dialect into another.
func (c testCase) translates() bool { return c.via != "" }

// as is the case as a contender sees it: who cannot translate is asked in the
// client's own dialect.
func (c testCase) as(k contender) testCase {
	switch {
	case c.translates() && k.gateway && !k.own:
		c.model = c.via + "/" + c.model
	case k.gateway && c.client.provider() != "":
		c.model = c.client.provider() + "/" + c.model
	}
	return c
}
