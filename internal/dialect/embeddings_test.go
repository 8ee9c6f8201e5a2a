package dialect

import (
	"slices"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestPackEmbeddings(t *testing.T) {
	r := &llm.Response{Embeddings: []llm.Embedding{{Vector: []float32{0.5, -1}}, {Index: 1, Base64: "AAAAPwAAgL8="}, {Index: 2, Vector: []float32{}}}}
	if err := PackEmbeddings(r, true); err != nil {
		t.Fatal(err)
	}
	for i, e := range r.Embeddings[:2] {
		if e.Index != i || e.Base64 != "AAAAPwAAgL8=" || e.Vector != nil {
			t.Errorf("%d: %+v", i, e)
		}
	}
	r.Embeddings = r.Embeddings[:2]
	for range 2 { // the second time there is nothing to do
		if err := PackEmbeddings(r, false); err != nil {
			t.Fatal(err)
		}
		for i, e := range r.Embeddings {
			if e.Base64 != "" || !slices.Equal(e.Vector, []float32{0.5, -1}) {
				t.Errorf("%d: %+v", i, e)
			}
		}
	}
	for _, bad := range []string{"AAA=", "?", "AADAfw==", "AACAfw=="} { // three bytes, no base64, NaN, infinity
		err := PackEmbeddings(&llm.Response{Embeddings: []llm.Embedding{{Base64: bad}}}, false)
		if e := llm.AsError(err); err == nil || e.Kind != llm.KindUpstreamError {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
