package openai

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// reasoningFields gathers the members that hold a message's reasoning.
type reasoningFields struct {
	text   string // reasoning_content or reasoning
	blocks []detail
}

// detail is one entry of reasoning_details: a block, or in a stream a piece of
// one.
type detail struct {
	index     int // -1 when the provider gives none
	encrypted bool
	llm.Reasoning
	joined []byte // the text with the pieces that followed it; nil when none did
}

func (f *reasoningFields) member(name string, v []byte) error {
	if name == "reasoning_details" {
		return wire.Array(v, func(_ int, v []byte) error {
			d, err := readDetail(v)
			if err == nil {
				f.add(d)
			}
			return err
		})
	}
	s, err := wire.String(v)
	if f.text == "" {
		f.text = s
	}
	return err
}

// add appends a block, or joins a piece to the block that it continues: one of
// the same index that has not been closed by its signature.
func (f *reasoningFields) add(d detail) {
	if n := len(f.blocks); n > 0 && d.index >= 0 && !d.encrypted {
		last := &f.blocks[n-1]
		if last.index == d.index && !last.encrypted && last.Signature == "" {
			if last.joined == nil {
				last.joined = []byte(last.Text)
			}
			last.joined = append(last.joined, d.Text...)
			last.Signature = d.Signature
			if d.Origin != 0 {
				last.Origin = d.Origin
			}
			return
		}
	}
	f.blocks = append(f.blocks, d)
}

// whole returns the blocks, each with all of its text.
func (f *reasoningFields) whole() []detail {
	for i := range f.blocks {
		if b := &f.blocks[i]; b.joined != nil {
			b.Text, b.joined = string(b.joined), nil
		}
	}
	return f.blocks
}

// parts returns the blocks, or the text as one block when there are none.
func (f *reasoningFields) parts() []llm.Part {
	var parts []llm.Part
	for _, b := range f.whole() {
		r := b.Reasoning
		if r.Text != "" || r.Signature != "" || r.Redacted != "" {
			parts = append(parts, llm.Part{Type: llm.PartReasoning, Reasoning: &r})
		}
	}
	if parts == nil && f.text != "" {
		parts = append(parts, llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: f.text}})
	}
	return parts
}

// readDetail reads one entry of reasoning_details. Types that it does not know
// yield an empty block.
func readDetail(v []byte) (detail, error) {
	d := detail{index: -1}
	var typ, data string
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			typ, err = wire.String(v)
		case "text", "summary":
			d.Text, err = wire.String(v)
		case "signature":
			d.Signature, err = wire.String(v)
		case "data":
			data, err = wire.String(v)
		case "id":
			d.ID, err = wire.String(v)
		case "format":
			var f string
			f, err = wire.String(v)
			d.Origin = originOf(f)
		case "index":
			var n int64
			n, err = wire.Int(v, 0, 1<<20)
			d.index = int(n)
		}
		return err
	})
	if typ == "reasoning.encrypted" {
		d.encrypted = true
		d.Text = ""
		if d.Origin == llm.DialectAnthropic {
			d.Redacted = data
		} else {
			d.Signature = data
		}
	}
	return d, err
}

// appendDetail appends one entry of reasoning_details.
func appendDetail(b []byte, r *llm.Reasoning, index int) []byte {
	b = append(wire.Sep(b), '{')
	switch {
	case r.Redacted != "":
		b = wire.Str(b, "type", "reasoning.encrypted")
		b = wire.Str(b, "data", r.Redacted)
	case r.Text == "" && r.Signature != "" && r.Origin != llm.DialectAnthropic && r.Origin != llm.DialectGemini:
		b = wire.Str(b, "type", "reasoning.encrypted")
		b = wire.Str(b, "data", r.Signature)
	default:
		b = wire.Str(b, "type", "reasoning.text")
		b = wire.Str(b, "text", r.Text)
		b = wire.StrIf(b, "signature", r.Signature)
	}
	b = wire.StrIf(b, "id", r.ID)
	b = wire.StrIf(b, "format", formatOf(r.Origin))
	b = wire.Num(b, "index", int64(index))
	return append(b, '}')
}
