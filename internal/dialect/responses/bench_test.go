package responses

import (
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func BenchmarkAppendResponse(b *testing.B) {
	r, f := whole(), &dialect.Facts{RequestID: "r1"}
	raw, err := Codec{}.AppendResponse(nil, llm.OpChat, r, f)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if raw, err = (Codec{}).AppendResponse(raw[:0], llm.OpChat, r, f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeResponse(b *testing.B) {
	raw, err := Codec{}.AppendResponse(nil, llm.OpChat, whole(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Codec{}).DecodeResponse(llm.OpChat, raw); err != nil {
			b.Fatal(err)
		}
	}
}
