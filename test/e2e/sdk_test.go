package e2e

import "testing"

func TestOpenAISDK(t *testing.T) {
	p := startPair(t)
	node(t, "openai.mjs", "GATEWAY="+p.gw.base, "MOCK="+p.mock.base, "KEY="+clientKey)
}
