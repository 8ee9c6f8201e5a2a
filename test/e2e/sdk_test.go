package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestOpenAISDK(t *testing.T) {
	p := startPair(t)
	node(t, "openai.mjs", "GATEWAY="+conformed(t, p.gw.base), "MOCK="+p.mock.base, "KEY="+clientKey)
}

// everyDialect is a gateway with a target of each provider dialect, all of them
// the mock behind real HTTP.
const everyDialect = `
providers:
  oai: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
  ant: {type: anthropic, base_url: "%[1]s", keys: ["` + upstreamKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
  gem: {type: gemini, base_url: "%[1]s", keys: ["` + upstreamKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
  dash: {type: dashscope, base_url: "%[1]s/api/v1", keys: ["` + upstreamKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
limits: {rps: 0}
`

// TestSDKsAgainstEveryDialect drives the clients that people use through every
// translation. The strict mock refuses what the real providers refuse, and what
// they want back of their state.
func TestSDKsAgainstEveryDialect(t *testing.T) {
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, everyDialect, mock.base), 0o600); err != nil {
		t.Fatal(err)
	}
	gw := startIn(t, dir, []string{"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_API_KEYS=app=" + clientKey, "GATEWAY_CONFIG=" + file}, "serve")
	for _, script := range []string{"chat.mjs", "anthropic.mjs", "responses.mjs", "aisdk.mjs", "langchain.mjs"} {
		t.Run(script, func(t *testing.T) {
			node(t, script, "GATEWAY="+conformed(t, gw.base), "MOCK="+mock.base, "KEY="+clientKey, "TARGETS=oai,ant,gem,dash")
		})
	}
}
