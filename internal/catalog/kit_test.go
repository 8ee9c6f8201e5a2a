package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// builtin loads the catalogue that ships with the gateway.
func builtin(t testing.TB) *Catalog {
	t.Helper()
	raw, err := os.ReadFile(filepath.FromSlash("../../config/prices.json"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// load makes a catalogue of families and models alone.
func load(t testing.TB, families, models string) *Catalog {
	t.Helper()
	c, err := Load(text(families, models))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func text(families, models string) []byte {
	return []byte(`{"schema":"llm-gateway-prices/1","as_of":"2026-01-02","sells":{"vertex":["gemini","anthropic"]},"families":[` +
		families + `],"models":[` + strings.TrimSpace(models) + `]}`)
}

func day(s string) time.Time {
	at, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return at
}
