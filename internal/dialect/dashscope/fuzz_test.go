package dashscope

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
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
	f.Fuzz(func(t *testing.T, in string) {
		r, err := codec.DecodeRequest(llm.OpChat, []byte(in))
		if err != nil {
			llmError(t, err)
			return
		}
		for _, drop := range []bool{false, true} {
			if _, _, err := dialect.Fit(r, dialect.SupportDashScope(r.Model), drop); err != nil {
				llmError(t, err)
			}
		}
		c := chat(r.Model, r.Stream)
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

// FuzzResponse: what is decoded reads the same after a trip through a client.
func FuzzResponse(f *testing.F) {
	f.Add(wholeAnswer)
	f.Add(`{"output":{"text":"a","finish_reason":"length"}}`)
	f.Add(fail("Throttling", "m"))
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

// FuzzStream: any bytes are read without a panic, and what is read is the same
// answer once it is written again.
func FuzzStream(f *testing.F) {
	for _, s := range streams {
		f.Add(string(stream(s.model, s.events, nil)))
	}
	f.Add("event:error\n:HTTP_STATUS/400\ndata:" + fail("InvalidParameter", "m") + "\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := dialecttest.Decode(codec.NewStreamDecoder(), []byte(in))
		if err != nil {
			llmError(t, err)
			return
		}
		want := dialecttest.Collect(got)
		again, err := dialecttest.Decode(codec.NewStreamDecoder(), stream("qwen-plus", got, nil))
		if err != nil {
			t.Fatal(err)
		}
		have := dialecttest.Collect(again)
		have.Native = want.Native
		for i := range have.Calls {
			if want.Calls[i].ID == "" {
				have.Calls[i].ID = "" // one was made
			}
		}
		if want.Usage.Source == llm.UsageUnknown {
			have.Usage = want.Usage
		}
		if want.ID == "" {
			have.ID = ""
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Error(diff)
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
	r := &llm.Request{Messages: conversation(), Tools: []llm.Tool{weather}, Temperature: ptr(0.5)}
	c := chat("qwen-plus", true)
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
