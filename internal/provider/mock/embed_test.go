package mock_test

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"reflect"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

func embed(t *testing.T, model string, e *llm.EmbedRequest) *llm.Response {
	t.Helper()
	c := call(model, false, &llm.Request{Embed: e})
	c.Op = llm.OpEmbed
	reply, err := mock.New(mock.Options{}).Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Response
}

func cosine(a, b []float32) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestEmbeddings(t *testing.T) {
	texts := []string{"the cat sat on the mat", "a cat is sitting on a mat", "quarterly revenue grew by nine percent", "", "   "}
	for _, tc := range []struct {
		model string
		dims  *int64
		want  int
	}{{"embed", nil, 1536}, {"embed", ptr(int64(256)), 256}, {"dim-64", nil, 64}, {"dim-64", ptr(int64(32)), 32}, {"embed", ptr(int64(1)), 1}} {
		a := embed(t, tc.model, &llm.EmbedRequest{Input: texts, Dimensions: tc.dims})
		if !reflect.DeepEqual(a, embed(t, tc.model, &llm.EmbedRequest{Input: texts, Dimensions: tc.dims})) {
			t.Error("the same texts have other vectors")
		}
		for i, e := range a.Embeddings {
			if e.Index != i || len(e.Vector) != tc.want || math.Abs(cosine(e.Vector, e.Vector)-1) > 1e-5 {
				t.Errorf("vector %d: index %d, %d dimensions, length² %f", i, e.Index, len(e.Vector), cosine(e.Vector, e.Vector))
			}
		}
		if want := mock.CountTokens(texts[0]) + mock.CountTokens(texts[1]) + mock.CountTokens(texts[2]) + 1; a.Usage.Input != want || a.Usage.Output != 0 {
			t.Errorf("usage = %+v, want %d", a.Usage, want)
		}
	}
}

// TestSimilarTextsAreNear: more in common, nearer; and texts without anything
// in common are nearly at a right angle.
func TestSimilarTextsAreNear(t *testing.T) {
	for _, dims := range []int64{128, 256, 1536} {
		v := embed(t, "embed", &llm.EmbedRequest{Dimensions: &dims, Input: []string{
			"how do I reset my password", "How do I reset my password?", "resetting a forgotten password", "grilled salmon with lemon butter",
		}}).Embeddings
		same, near, far := cosine(v[0].Vector, v[1].Vector), cosine(v[0].Vector, v[2].Vector), cosine(v[0].Vector, v[3].Vector)
		if !(same > 0.9 && same > near+0.2 && near > far+0.2 && math.Abs(far) < 0.3) {
			t.Errorf("%d dimensions: same %.2f, near %.2f, far %.2f", dims, same, near, far)
		}
	}
}

func TestEmbedTokensAndBase64(t *testing.T) {
	dims := int64(8)
	plain := embed(t, "embed", &llm.EmbedRequest{Tokens: [][]int64{{1, 2, 3}, {4}}, Dimensions: &dims})
	packed := embed(t, "embed", &llm.EmbedRequest{Tokens: [][]int64{{1, 2, 3}, {4}}, Dimensions: &dims, Base64: true})
	if len(plain.Embeddings) != 2 || plain.Usage.Input != 4 {
		t.Fatalf("embeddings = %+v", plain)
	}
	for i := range plain.Embeddings {
		raw, err := base64.StdEncoding.DecodeString(packed.Embeddings[i].Base64)
		if err != nil || len(raw) != 4*int(dims) || packed.Embeddings[i].Vector != nil {
			t.Fatalf("base64 = %+v, %v", packed.Embeddings[i], err)
		}
		for j, x := range plain.Embeddings[i].Vector {
			if math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:])) != x {
				t.Errorf("vector %d differs at %d", i, j)
			}
		}
	}
}

func TestEmbedErrors(t *testing.T) {
	p := mock.New(mock.Options{})
	for name, e := range map[string]*llm.EmbedRequest{
		"nothing": nil, "no input": {}, "zero": {Input: []string{"x"}, Dimensions: ptr(int64(0))}, "too many": {Input: []string{"x"}, Dimensions: ptr(int64(1 << 40))},
	} {
		_, err := p.Plan(llm.OpEmbed, "embed", &llm.Request{Embed: e})
		if got := llm.AsError(err); got == nil || got.Kind != llm.KindInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := call("status-429", false, &llm.Request{Embed: &llm.EmbedRequest{Input: []string{"x"}}})
	c.Op = llm.OpEmbed
	if _, err := p.Do(t.Context(), c); llm.AsError(err).Status != 429 {
		t.Errorf("error = %v", err)
	}
}

func BenchmarkEmbed(b *testing.B) {
	p := mock.New(mock.Options{})
	r := &llm.Request{Embed: &llm.EmbedRequest{Input: []string{"the quick brown fox jumps over the lazy dog"}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Plan(llm.OpEmbed, "embed", r); err != nil {
			b.Fatal(err)
		}
	}
}
