package mock

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const idAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newRand returns the one source of chance in an answer. Its sequence for a
// seed never changes, so recorded answers stay valid.
func newRand(seed uint64, purpose string) *rand.Rand {
	d := digest{fnv.New64a()}
	d.str(purpose)
	d.num(seed)
	return rand.New(rand.NewPCG(d.h.Sum64(), seed)) //nolint:gosec // repeatability is the point, not secrecy
}

// randomID returns n characters for an id.
func randomID(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = idAlphabet[r.IntN(len(idAlphabet))]
	}
	return string(b)
}

// digest hashes the parts of a request that have a say in the answer.
type digest struct{ h hash.Hash64 }

func (d digest) str(s string) {
	d.num(uint64(len(s)))
	_, _ = d.h.Write([]byte(s))
}

func (d digest) num(n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	_, _ = d.h.Write(b[:])
}

func (d digest) optInt(p *int64) {
	if p == nil {
		d.num(0)
		return
	}
	d.num(1)
	d.num(uint64(*p)) //nolint:gosec // a hash takes any bits
}

func (d digest) optFloat(p *float64) {
	if p == nil {
		d.num(0)
		return
	}
	d.num(1)
	d.num(math.Float64bits(*p))
}

func (d digest) optBool(p *bool) {
	switch {
	case p == nil:
		d.num(0)
	case *p:
		d.num(2)
	default:
		d.num(1)
	}
}

// seeds are the numbers that an answer is made of.
type seeds struct {
	text uint64 // what is said: limits only cut it
	id   uint64 // which answer it is
}

// requestSeeds turns what a request asks into numbers. Streaming or not, who
// asks, and which model is asked make no difference to the answer, so they are
// left out.
func requestSeeds(seed uint64, r *llm.Request) seeds {
	d := digest{fnv.New64a()}
	d.num(seed)
	for i := range r.Messages {
		m := &r.Messages[i]
		d.str(string(m.Role))
		d.str(m.Name)
		d.parts(m.Parts)
	}
	d.sampling(r)
	d.tools(r)
	if f := r.ResponseFormat; f != nil {
		d.str(string(f.Type))
		d.str(f.Name)
		d.str(string(f.Schema))
	}
	if o := r.Reasoning; o != nil {
		d.str(o.Effort)
		d.optInt(o.Budget)
	}
	d.embed(r.Embed)
	s := seeds{text: d.h.Sum64()}
	d.optInt(r.MaxTokens)
	for _, q := range r.Stop {
		d.str(q)
	}
	s.id = d.h.Sum64()
	return s
}

func (d digest) sampling(r *llm.Request) {
	d.optFloat(r.Temperature)
	d.optFloat(r.TopP)
	d.optInt(r.TopK)
	d.optInt(r.Seed)
	d.optFloat(r.PresencePenalty)
	d.optFloat(r.FrequencyPenalty)
	d.str(string(r.LogitBias))
	d.str(r.Verbosity)
}

func (d digest) tools(r *llm.Request) {
	for i := range r.Tools {
		t := &r.Tools[i]
		d.str(t.Name)
		d.str(t.Description)
		d.str(string(t.Parameters))
		d.str(string(t.Raw))
	}
	if c := r.ToolChoice; c != nil {
		d.str(string(c.Mode))
		d.str(c.Name)
		for _, a := range c.Allowed {
			d.str(a)
		}
	}
	d.optBool(r.ParallelToolCalls)
}

func (d digest) parts(parts []llm.Part) {
	d.num(uint64(len(parts)))
	for i := range parts {
		p := &parts[i]
		d.num(uint64(p.Type))
		d.str(p.Text)
		if m := p.Media; m != nil {
			d.str(m.URL)
			d.str(m.Data)
			d.str(m.FileID)
		}
		if c := p.ToolCall; c != nil {
			d.str(c.ID)
			d.str(c.Name)
			d.str(c.Arguments)
		}
		if t := p.ToolResult; t != nil {
			d.str(t.CallID)
			d.parts(t.Parts)
		}
	}
}

func (d digest) embed(e *llm.EmbedRequest) {
	if e == nil {
		return
	}
	for _, s := range e.Input {
		d.str(s)
	}
	for _, ids := range e.Tokens {
		d.num(uint64(len(ids)))
		for _, id := range ids {
			d.num(uint64(id)) //nolint:gosec // a hash takes any bits
		}
	}
	d.optInt(e.Dimensions)
}
