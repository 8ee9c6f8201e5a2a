package dialect

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// PackEmbeddings brings the vectors of r into the form that the client asked
// for (llm.EmbedRequest.Base64): base64 of little-endian float32, as OpenAI's
// SDKs want them, or numbers. Codecs read and write a vector in the form that
// it has, so whoever translates calls this in between. The error is an
// *llm.Error of KindUpstreamError.
func PackEmbeddings(r *llm.Response, asBase64 bool) error {
	for i := range r.Embeddings {
		e := &r.Embeddings[i]
		switch {
		case asBase64 && e.Base64 == "":
			e.Base64, e.Vector = packVector(e.Vector), nil
		case !asBase64 && e.Base64 != "":
			vec, err := unpackVector(e.Base64)
			if err != nil {
				return &llm.Error{Kind: llm.KindUpstreamError, Message: "the provider sent a malformed embedding", Err: err}
			}
			e.Base64, e.Vector = "", vec
		}
	}
	return nil
}

func packVector(vec []float32) string {
	raw := make([]byte, 0, 4*len(vec))
	for _, f := range vec {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

var errVector = errors.New("not base64 of finite float32 values")

func unpackVector(s string) ([]float32, error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw)%4 != 0 {
		return nil, errVector
	}
	vec := make([]float32, 0, len(raw)/4)
	for ; len(raw) > 0; raw = raw[4:] {
		f := math.Float32frombits(binary.LittleEndian.Uint32(raw))
		if f != f || math.IsInf(float64(f), 0) { // JSON has no such numbers
			return nil, errVector
		}
		vec = append(vec, f)
	}
	return vec, nil
}
