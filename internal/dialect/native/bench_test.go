package native

import (
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func BenchmarkDecodeRequest(b *testing.B) {
	raw := []byte(`{"model":"chat","system":"be brief","prompt":"` + strings.Repeat("a question of some length ", 40) + `","max_tokens":64,"temperature":0.5,"metadata":{"team":"a"}}`)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Codec{}).DecodeRequest(llm.OpChat, raw); err != nil {
			b.Fatal(err)
		}
	}
}
