package model

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
)

// The shape of the tiny model: small enough to be made in no time, large enough
// for a server to take it for a model. Its answers are noise; its tokens, usage
// and streaming are real.
const (
	dim, hidden, layers = 64, 172, 4
	heads, kvHeads      = 8, 4
	vocabulary, window  = 512, 512
)

// gguf writes a model file (GGUF version 3: a head, key-value pairs, the list of
// tensors, then their data at 32-byte borders).
type gguf struct {
	pairs   bytes.Buffer
	n       uint64
	tensors []tensor
}

type tensor struct {
	name  string
	shape []uint64
	data  []float32
}

// The value types of the format.
const (
	typeU32    uint32 = 4
	typeI32    uint32 = 5
	typeF32    uint32 = 6
	typeBool   uint32 = 7
	typeString uint32 = 8
	typeArray  uint32 = 9
)

func put(b *bytes.Buffer, v any) { _ = binary.Write(b, binary.LittleEndian, v) }

func putString(b *bytes.Buffer, s string) {
	put(b, uint64(len(s)))
	b.WriteString(s)
}

func (g *gguf) key(name string, t uint32) {
	g.n++
	putString(&g.pairs, name)
	put(&g.pairs, t)
}

func (g *gguf) u32(name string, v uint32)    { g.key(name, typeU32); put(&g.pairs, v) }
func (g *gguf) f32(name string, v float32)   { g.key(name, typeF32); put(&g.pairs, v) }
func (g *gguf) bool(name string, v bool)     { g.key(name, typeBool); put(&g.pairs, v) }
func (g *gguf) string(name string, v string) { g.key(name, typeString); putString(&g.pairs, v) }
func (g *gguf) array(name string, t uint32, n int, each func(i int)) {
	g.key(name, typeArray)
	put(&g.pairs, t)
	put(&g.pairs, uint64(n))
	for i := range n {
		each(i)
	}
}

// add adds a tensor of random numbers around zero, or of ones.
func (g *gguf) add(rnd *rand.Rand, name string, spread float32, shape ...uint64) {
	n := uint64(1)
	for _, s := range shape {
		n *= s
	}
	data := make([]float32, n)
	for i := range data {
		if data[i] = 1; spread > 0 {
			data[i] = spread * (rnd.Float32() - .5)
		}
	}
	g.tensors = append(g.tensors, tensor{name, shape, data})
}

func (g *gguf) bytes() []byte {
	var head, body bytes.Buffer
	head.WriteString("GGUF")
	put(&head, uint32(3))
	put(&head, uint64(len(g.tensors)))
	put(&head, g.n)
	head.Write(g.pairs.Bytes())
	for _, t := range g.tensors {
		putString(&head, t.name)
		put(&head, uint32(len(t.shape)))
		put(&head, t.shape)
		put(&head, uint32(0)) // float32
		put(&head, uint64(body.Len()))
		put(&body, t.data)
		pad(&body)
	}
	pad(&head)
	return append(head.Bytes(), body.Bytes()...)
}

func pad(b *bytes.Buffer) { b.Write(make([]byte, (32-b.Len()%32)%32)) }

// writeTinyModel writes a llama of random weights, the same each time.
func writeTinyModel(path string) error {
	rnd := rand.New(rand.NewPCG(1, 2))
	g := &gguf{}
	g.string("general.architecture", "llama")
	g.string("general.name", "tiny")
	g.u32("general.file_type", 0)
	g.u32("llama.context_length", window)
	g.u32("llama.embedding_length", dim)
	g.u32("llama.block_count", layers)
	g.u32("llama.feed_forward_length", hidden)
	g.u32("llama.attention.head_count", heads)
	g.u32("llama.attention.head_count_kv", kvHeads)
	g.f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
	g.u32("llama.rope.dimension_count", dim/heads)
	g.f32("llama.rope.freq_base", 10000)
	g.u32("llama.vocab_size", vocabulary)
	writeTokenizer(g)
	g.add(rnd, "token_embd.weight", 1, dim, vocabulary)
	g.add(rnd, "output_norm.weight", 0, dim)
	g.add(rnd, "output.weight", 1, dim, vocabulary)
	const kv = dim / heads * kvHeads
	for l := range layers {
		at := fmt.Sprintf("blk.%d.", l)
		g.add(rnd, at+"attn_norm.weight", 0, dim)
		g.add(rnd, at+"attn_q.weight", .3, dim, dim)
		g.add(rnd, at+"attn_k.weight", .3, dim, kv)
		g.add(rnd, at+"attn_v.weight", .3, dim, kv)
		g.add(rnd, at+"attn_output.weight", .3, dim, dim)
		g.add(rnd, at+"ffn_norm.weight", 0, dim)
		g.add(rnd, at+"ffn_gate.weight", .3, dim, hidden)
		g.add(rnd, at+"ffn_up.weight", .3, dim, hidden)
		g.add(rnd, at+"ffn_down.weight", .3, hidden, dim)
	}
	return os.WriteFile(path, g.bytes(), 0o600)
}

// writeTokenizer makes a SentencePiece vocabulary: three special tokens, one
// for each byte, the printable letters, and made-up words.
func writeTokenizer(g *gguf) {
	const unknown, control, normal, byteToken int32 = 2, 3, 1, 6
	tokens, types := []string{"<unk>", "<s>", "</s>"}, []int32{unknown, control, control}
	for i := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", i)), append(types, byteToken)
	}
	for c := byte('a'); c <= 'z'; c++ {
		tokens, types = append(tokens, string(c)), append(types, normal)
	}
	for i := 0; len(tokens) < vocabulary; i++ {
		tokens, types = append(tokens, fmt.Sprintf("\u2581w%d", i)), append(types, normal)
	}
	g.string("tokenizer.ggml.model", "llama")
	g.array("tokenizer.ggml.tokens", typeString, len(tokens), func(i int) { putString(&g.pairs, tokens[i]) })
	g.array("tokenizer.ggml.scores", typeF32, len(tokens), func(i int) { put(&g.pairs, -float32(i)) })
	g.array("tokenizer.ggml.token_type", typeI32, len(types), func(i int) { put(&g.pairs, types[i]) })
	g.u32("tokenizer.ggml.bos_token_id", 1)
	g.u32("tokenizer.ggml.eos_token_id", 2)
	g.u32("tokenizer.ggml.unknown_token_id", 0)
	g.bool("tokenizer.ggml.add_bos_token", true)
}
