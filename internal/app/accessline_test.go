package app

import (
	"io"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/server"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

// TestJSONLogTakesReadyLines: the access log of the JSON format does not go
// through attributes.
func TestJSONLogTakesReadyLines(t *testing.T) {
	log, err := telemetry.NewLogger(io.Discard, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := log.Handler().(server.LineHandler); !ok {
		t.Errorf("%T is no LineHandler", log.Handler())
	}
}
