package main

import (
	"fmt"
	"strings"
)

// settings is what can be switched off in the gateway under test. The zero
// value is what the comparison runs: everything on that production has on, with
// a limit that is too high to be reached.
type settings struct {
	noAuth, noLimits, noLog, ledgerInMemory bool
	allLimits                               bool // the key's own limits too: rate, tokens, concurrency, money

	collector string // base URL of what takes the traces; "" = there are none
	sampled   int    // percent of the traces that are recorded
}

// ablations are the gateway with parts switched off, one at a time and
// together, to show what each costs; and once with every kind of limit on.
// Metrics cannot be switched off; what they cost is in make bench-diff.
func ablations() []struct {
	name string
	settings
} {
	return []struct {
		name string
		settings
	}{
		{"no auth", settings{noAuth: true}},
		{"no limits", settings{noLimits: true}},
		{"no access log", settings{noLog: true}},
		{"ledger in memory", settings{ledgerInMemory: true}},
		{"all of these", settings{noAuth: true, noLimits: true, noLog: true, ledgerInMemory: true}},
		{"every limit on", settings{allLimits: true}},
	}
}

// render writes the configuration file: one provider for each dialect that the
// upstream speaks. "chat" is an OpenAI-compatible server without the Responses
// API.
func (s settings) render(upstream, addr string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server:\n  addr: %s\n  admin: {token: %s}\n", addr, adminToken)
	fmt.Fprintf(&b, "providers:\n"+
		"  openai: {type: openai, base_url: %[1]s/v1, keys: [sk-bench-0000]}\n"+
		"  anthropic: {type: anthropic, base_url: %[1]s, keys: [sk-bench-0000]}\n"+
		"  gemini: {type: gemini, base_url: %[1]s, keys: [sk-bench-0000]}\n"+
		"  chat: {type: vllm, base_url: %[1]s/v1}\n"+
		"default_provider: openai\ndefault_model: openai/bench\n", upstream)
	if !s.noAuth {
		fmt.Fprintf(&b, "auth:\n  keys:\n    - name: bench\n      key: %s\n", gatewayKey)
		if s.allLimits {
			b.WriteString("      limits: {rps: 1000000, tpm: 1000000000000, concurrency: 100000, budget: {day: 1000000, month: 1000000}}\n")
		}
	}
	if s.noLimits {
		b.WriteString("limits: {rps: 0}\n")
	} else {
		b.WriteString("limits: {rps: 1000000}\n")
	}
	if s.ledgerInMemory {
		b.WriteString("usage: {database: memory}\n")
	}
	level := "info"
	if s.noLog {
		level = "error"
	}
	traces := ""
	if s.collector != "" {
		traces = fmt.Sprintf(", traces: {endpoint: %q, sampler: parentbased_traceidratio, ratio: %d%%}", s.collector+"/v1/traces", s.sampled)
	}
	fmt.Fprintf(&b, "telemetry: {log_level: %s, log_format: json%s}\n", level, traces)
	return b.String()
}
