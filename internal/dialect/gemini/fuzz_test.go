package gemini

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// FuzzRequest: any body is decoded or refused; what fits encodes to JSON that
// decodes again and encodes to the same bytes.
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
	c := chat("gemini-3-pro")
	s := dialect.SupportVertex(c.Model)
	s.Same = true
	f.Fuzz(func(t *testing.T, in string) {
		r, err := codec.DecodeRequest(llm.OpChat, []byte(in))
		if err != nil {
			llmError(t, err)
			return
		}
		if r, _, err = dialect.Fit(r, s, true); err != nil {
			llmError(t, err)
			return
		}
		first, err := codec.AppendRequest(nil, c, r)
		if err != nil {
			llmError(t, err)
			return
		}
		if !json.Valid(first) {
			t.Fatalf("not JSON: %s", first)
		}
		again, err := codec.DecodeRequest(llm.OpChat, first)
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		second, err := codec.AppendRequest(nil, c, again)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%v\n%s\nbecame\n%s", err, first, second)
		}
	})
}

// FuzzResponse: what is written for a client reads the same.
func FuzzResponse(f *testing.F) {
	f.Add(wholeAnswer)
	f.Add(`{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"no"}}`)
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
		if err != nil || !bytes.Equal(out, third) {
			t.Errorf("%v\n%s\nbecame\n%s", err, out, third)
		}
	})
}

// FuzzEmbed: no answer panics, and numbers survive.
func FuzzEmbed(f *testing.F) {
	f.Add(`{"embeddings":[{"values":[0.5,-1]}]}`)
	f.Add(`{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":4}}}]}`)
	f.Fuzz(func(t *testing.T, in string) {
		r, err := codec.DecodeResponse(llm.OpEmbed, []byte(in))
		if err != nil {
			llmError(t, err)
			return
		}
		out, err := codec.AppendResponse(nil, llm.OpEmbed, r, nil)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%v\n%s", err, out)
		}
		again, err := codec.DecodeResponse(llm.OpEmbed, out)
		if err != nil || len(again.Embeddings) != len(r.Embeddings) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func BenchmarkEncodeRequest(b *testing.B) {
	r := decode(b, llm.OpChat, everything)
	c := chat("gemini-2.5-pro")
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
