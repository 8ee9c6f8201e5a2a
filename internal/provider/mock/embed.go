package mock

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// featureDims is how many dimensions one feature of a text touches.
const featureDims = 32

// embed answers an embedding request. A text's vector is the sum of what its
// words and their three-letter pieces add (a sparse random projection), scaled
// to length 1: texts that share words lie near each other.
func embed(b *behaviour, r *llm.Request, out *llm.Response) error {
	e := r.Embed
	if e == nil || len(e.Input)+len(e.Tokens) == 0 {
		return llm.Invalid("input", "there is nothing to embed")
	}
	dims := b.dimensions
	if e.Dimensions != nil {
		if *e.Dimensions < 1 || *e.Dimensions > maxDim {
			return llm.Invalid("dimensions", "the mock has 1 to %d dimensions", maxDim)
		}
		dims = int(*e.Dimensions)
	}
	for _, s := range e.Input {
		out.Embeddings = append(out.Embeddings, embedding(len(out.Embeddings), features(s), dims, e.Base64))
	}
	for _, ids := range e.Tokens {
		f := make([]string, len(ids))
		for i, id := range ids {
			f[i] = strconv.FormatInt(id, 10)
		}
		out.Embeddings = append(out.Embeddings, embedding(len(out.Embeddings), f, dims, e.Base64))
	}
	if !b.noUsage {
		out.Usage = llm.Usage{Input: embedTokens(e), Source: llm.UsageReported}
	}
	return nil
}

// features are a text's words, in lower case, and their three-letter pieces.
func features(s string) []string {
	var out []string
	for s = strings.ToLower(s); s != ""; {
		n := nextToken(s)
		w := strings.TrimSpace(s[:n])
		s = s[n:]
		out = append(out, w)
		padded := []rune("^" + w + "$")
		for i := 0; i+3 <= len(padded); i++ {
			out = append(out, string(padded[i:i+3]))
		}
	}
	return out
}

func embedding(index int, features []string, dims int, asBase64 bool) llm.Embedding {
	sum := make([]float64, dims)
	for _, f := range features {
		project(sum, f)
	}
	v := unit(sum)
	if !asBase64 {
		return llm.Embedding{Index: index, Vector: v}
	}
	b := make([]byte, 0, 4*dims)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return llm.Embedding{Index: index, Base64: base64.StdEncoding.EncodeToString(b)}
}

// project adds what one feature says.
func project(sum []float64, feature string) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(feature))
	rng := rand.New(rand.NewPCG(h.Sum64(), uint64(len(sum)))) //nolint:gosec // repeatability is the point
	for range featureDims {
		sum[rng.IntN(len(sum))] += 2*rng.Float64() - 1
	}
}

// unit scales v to length 1. What has no direction points along the first axis.
func unit(v []float64) []float32 {
	var length float64
	for _, x := range v {
		length += x * x
	}
	length = math.Sqrt(length)
	out := make([]float32, len(v))
	if length == 0 {
		out[0] = 1
		return out
	}
	for i, x := range v {
		out[i] = float32(x / length)
	}
	return out
}
