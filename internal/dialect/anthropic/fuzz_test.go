package anthropic

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// FuzzRequest: any body is decoded or refused; what is decoded encodes to JSON
// that decodes again and encodes to the same bytes.
func FuzzRequest(f *testing.F) {
	f.Add(everything)
	files, err := filepath.Glob("testdata/request/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add(`{"max_tokens":0,"messages":[{"role":"system","content":"x"},{"role":"user","content":[{"type":"tool_result","tool_use_id":"","content":[]}]}]}`)
	f.Fuzz(func(t *testing.T, in string) {
		r, err := codec.DecodeRequest(llm.OpChat, []byte(in))
		if err != nil {
			llmError(t, err)
			return
		}
		for _, drop := range []bool{false, true} {
			if _, _, err := dialect.Fit(r, dialect.SupportAnthropic(r.Model), drop); err != nil {
				llmError(t, err)
			}
		}
		c := &llm.Call{Op: llm.OpChat, Model: r.Model, Stream: r.Stream}
		first, err := codec.AppendRequest(nil, c, r)
		if err != nil {
			return
		}
		if !json.Valid(first) {
			t.Fatalf("not JSON: %s", first)
		}
		again, err := codec.DecodeRequest(llm.OpCountTokens, first)
		if err != nil {
			if bytes.Contains(first, []byte(`"messages":[]`)) {
				return // nothing in it could be sent
			}
			t.Fatalf("%v\n%s", err, first)
		}
		second, err := codec.AppendRequest(nil, c, again)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%v\n%s\nbecame\n%s", err, first, second)
		}
	})
}

// FuzzResponse: what is decoded reads the same after a trip through a client.
func FuzzResponse(f *testing.F) {
	f.Add(wholeAnswer)
	f.Add(answer(`"stop_reason":"refusal","stop_details":{"explanation":"x"}`))
	f.Fuzz(func(t *testing.T, in string) {
		first, err := codec.DecodeResponse(llm.OpChat, []byte(in))
		if err != nil {
			llmError(t, err)
			return
		}
		out, err := codec.AppendResponse(nil, llm.OpChat, first, nil)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%v\n%s", err, out)
		}
		second, err := codec.DecodeResponse(llm.OpChat, out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		third, err := codec.AppendResponse(nil, llm.OpChat, second, nil)
		if diff := cmp.Diff(string(out), string(third)); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func BenchmarkDecodeRequest(b *testing.B) {
	raw := []byte(everything)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.DecodeRequest(llm.OpChat, raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeRequest(b *testing.B) {
	r := decode(b, everything)
	c := chat("m")
	buf := make([]byte, 0, 8192)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.AppendRequest(buf, c, r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeResponse(b *testing.B) {
	raw := []byte(wholeAnswer)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.DecodeResponse(llm.OpChat, raw); err != nil {
			b.Fatal(err)
		}
	}
}
