package openai

import (
	"math"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
)

// maxInputs is how many texts, or tokens of one text, an embedding request may
// hold.
const maxInputs = 2048

var embedMembers = map[string]member{
	"model": chatMembers["model"],
	"user":  chatMembers["user"],
	"input": (*RequestDecoder).embedInput,
	"dimensions": func(d *RequestDecoder, v []byte) error {
		return integer(&d.Request.Embed.Dimensions, 1, math.MaxInt32)(v)
	},
	"encoding_format": (*RequestDecoder).embedFormat,
}

func (d *RequestDecoder) embedFormat(v []byte) error {
	s, err := wire.OneOf(v, "float", "base64")
	d.Request.Embed.Base64 = s == "base64"
	return err
}

// embedInput reads a text, an array of texts, an array of token ids (one
// text), or an array of such arrays.
func (d *RequestDecoder) embedInput(v []byte) error {
	e := d.Request.Embed
	if v[0] == '"' {
		s, err := wire.Filled(v)
		e.Input = []string{s}
		return err
	}
	if v[0] != '[' {
		return wire.Wrong("expected a string or an array")
	}
	var first byte
	var flat []int64
	err := wire.Array(v, func(i int, v []byte) error {
		if i >= maxInputs {
			return wire.Wrong("at most %d elements", maxInputs)
		}
		if i == 0 {
			first = v[0]
		}
		switch first {
		case '"':
			s, err := wire.Filled(v)
			e.Input = append(e.Input, s)
			return err
		case '[':
			ids, err := tokens(v)
			e.Tokens = append(e.Tokens, ids)
			return err
		}
		n, err := wire.Int(v, 0, math.MaxInt64)
		flat = append(flat, n)
		return err
	})
	if flat != nil {
		e.Tokens = [][]int64{flat}
	}
	return err
}

func tokens(v []byte) ([]int64, error) {
	var ids []int64
	err := wire.Array(v, func(_ int, v []byte) error {
		n, err := wire.Int(v, 0, math.MaxInt64)
		ids = append(ids, n)
		return err
	})
	if err == nil && (len(ids) == 0 || len(ids) > maxInputs) {
		err = wire.Wrong("must hold 1 to %d tokens, got %d", maxInputs, len(ids))
	}
	return ids, err
}

func (d *RequestDecoder) finishEmbed() error {
	if e := d.Request.Embed; len(e.Input) == 0 && len(e.Tokens) == 0 {
		return wire.At(wire.Wrong("at least one text is required"), "input")
	}
	return nil
}
