package gemini

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

func (k Codec) appendEmbed(b []byte, c *llm.Call, r *llm.Request) ([]byte, error) {
	e := r.Embed
	form := k.form(c.Model)
	switch {
	case len(e.Input) == 0:
		return nil, llm.Invalid("input", "input: Gemini takes text, not token ids")
	case form == EmbedContent && len(e.Input) > 1:
		return nil, llm.Unsupported("input", "input: this model embeds one text at a time")
	}
	switch form {
	case EmbedContent:
		b = appendText(append(b, '{'), e.Input[0])
		b = wire.NumPtr(b, "outputDimensionality", e.Dimensions)
	case EmbedPredict:
		b = append(b, `{"instances":[`...)
		for _, s := range e.Input {
			b = append(wire.Str(append(wire.Sep(b), '{'), "content", s), '}')
		}
		b = append(b, ']')
		if e.Dimensions != nil {
			b = append(wire.Num(append(wire.Key(b, "parameters"), '{'), "outputDimensionality", *e.Dimensions), '}')
		}
	default:
		b = append(b, `{"requests":[`...)
		for _, s := range e.Input {
			b = wire.Str(append(wire.Sep(b), '{'), "model", resource(c.Model))
			b = wire.NumPtr(appendText(b, s), "outputDimensionality", e.Dimensions)
			var err error
			if b, err = appendExtra(b, r.Extra); err != nil {
				return nil, err
			}
		}
		return append(b, "]}"...), nil
	}
	return appendExtra(b, r.Extra)
}

func appendText(b []byte, s string) []byte {
	return append(wire.Str(append(wire.Key(b, "content"), `{"parts":[{`...), "text", s), "}]}"...)
}

var vectorNames = jsonedit.NewNames("embedding", "embeddings", "predictions", "usageMetadata", "error")

const (
	vecOne = iota
	vecMany
	vecPredictions
	vecUsage
	vecError
	vecCount
)

var errNoVectors = errors.New("the answer has no embeddings")

// decodeEmbed reads an answer of any of the forms.
func (k Codec) decodeEmbed(body []byte) (*llm.Response, error) {
	var at [vecCount]jsonedit.Span
	if err := lenient.Find(body, vectorNames, at[:]); err != nil {
		return nil, lenient.Malformed("answer", err)
	}
	if lenient.Present(body, at[vecError]) != nil {
		return nil, k.DecodeError(0, body)
	}
	r := &llm.Response{Usage: usageOf(lenient.Present(body, at[vecUsage]))}
	var err error
	add := func(v []byte) {
		var vec []float32
		if vec, err = values(v, err); err == nil {
			r.Embeddings = append(r.Embeddings, llm.Embedding{Index: len(r.Embeddings), Vector: vec})
		}
	}
	if one := lenient.Present(body, at[vecOne]); one != nil {
		add(one)
	}
	lenient.Elems(lenient.Present(body, at[vecMany]), add)
	lenient.Elems(lenient.Present(body, at[vecPredictions]), func(v []byte) {
		inner, tokens := prediction(v)
		add(inner)
		if tokens > 0 {
			r.Usage.Input += tokens
			r.Usage.Source = llm.UsageReported
		}
	})
	if err == nil && len(r.Embeddings) == 0 {
		err = errNoVectors
	}
	if err != nil {
		return nil, lenient.Malformed("answer", err)
	}
	return r, nil
}

var (
	predictionNames = jsonedit.NewNames("embeddings")
	valueNames      = jsonedit.NewNames("values", "statistics")
	statisticNames  = jsonedit.NewNames("token_count")
)

// prediction returns the embedding of one of Vertex AI's predictions and the
// tokens that it counted.
func prediction(v []byte) (inner []byte, tokens int64) {
	var at [1]jsonedit.Span
	lenient.Members(v, predictionNames, at[:])
	inner = lenient.Present(v, at[0])
	var in [2]jsonedit.Span
	lenient.Members(inner, valueNames, in[:])
	stats := lenient.Present(inner, in[1])
	lenient.Members(stats, statisticNames, at[:])
	return inner, lenient.Count(stats, at[0])
}

func values(v []byte, failed error) ([]float32, error) {
	if failed != nil {
		return nil, failed
	}
	var at [2]jsonedit.Span
	lenient.Members(v, valueNames, at[:])
	var vec []float32
	err := errNoVectors
	lenient.Elems(lenient.Present(v, at[0]), func(v []byte) {
		if vec == nil {
			err = nil
		}
		f, ferr := strconv.ParseFloat(string(v), 32)
		if ferr != nil {
			err = errors.New("an embedding holds something other than numbers")
		}
		vec = append(vec, float32(f))
	})
	return vec, err
}

// appendVectors appends an answer in the form of the request.
func (k Codec) appendVectors(b []byte, r *llm.Response) []byte {
	switch k.form(r.Model) {
	case EmbedContent:
		one := llm.Embedding{}
		if len(r.Embeddings) > 0 {
			one = r.Embeddings[0]
		}
		b = appendValues(append(b, `{"embedding":`...), &one)
	case EmbedPredict:
		b = append(b, `{"predictions":[`...)
		for i := range r.Embeddings {
			b = append(wire.Sep(b), `{"embeddings":`...)
			b = appendValues(b, &r.Embeddings[i])
			b = b[:len(b)-1]
			tokens := int64(0)
			if i == 0 {
				tokens = r.Usage.Input // Vertex AI counts each text; here all stand with the first
			}
			b = wire.Num(append(wire.Key(b, "statistics"), `{"truncated":false`...), "token_count", tokens)
			b = append(b, "}}}"...)
		}
		return append(b, "]}"...)
	default:
		b = append(b, `{"embeddings":[`...)
		for i := range r.Embeddings {
			b = appendValues(wire.Sep(b), &r.Embeddings[i])
		}
		b = append(b, ']')
	}
	if r.Usage.Source == llm.UsageUnknown {
		return append(b, '}')
	}
	return append(wire.Num(append(wire.Key(b, "usageMetadata"), '{'), "promptTokenCount", r.Usage.Input), "}}"...)
}

func appendValues(b []byte, e *llm.Embedding) []byte {
	b = append(b, `{"values":[`...)
	for _, f := range vector(e) {
		b = strconv.AppendFloat(wire.Sep(b), float64(f), 'g', -1, 32)
	}
	return append(b, "]}"...)
}

// vector returns an embedding as numbers, whatever form it came in.
func vector(e *llm.Embedding) []float32 {
	raw, err := base64.StdEncoding.DecodeString(e.Base64)
	if e.Vector != nil || err != nil {
		return e.Vector
	}
	vec := make([]float32, len(raw)/4)
	for i := range vec {
		vec[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return vec
}
