package limits

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// demand is what a call asks for, in tokens.
type demand struct {
	prompt int64
	output int64 // the most that the call asks for; below 0 = it does not say
}

// reserve returns how many tokens to take from a limit of tpm. A maximum that
// nobody asked for does not make a call too large.
func (d demand) reserve(tpm, defaultOutput int64) int64 {
	if d.output >= 0 {
		return d.prompt + d.output
	}
	return max(d.prompt, min(d.prompt+defaultOutput, tpm))
}

// Estimate returns about how many tokens a call's prompt has and the most that
// it asks for as an answer, below 0 when it does not say.
func Estimate(c *llm.Call) (prompt, output int64) {
	d, err := demandOf(c)
	if err != nil {
		return 0, -1
	}
	return d.prompt, d.output
}

// demandOf estimates a call. Its error is that of decoding a call that has no
// body.
func demandOf(c *llm.Call) (demand, error) {
	d := demand{output: -1}
	switch c.Op {
	case llm.OpCountTokens:
		return demand{}, nil
	case llm.OpEmbed:
		d.output = 0
	}
	if c.Raw != nil {
		d.prompt = textTokens(c.Raw)
		if d.output < 0 && c.Peek.MaxTokens > 0 {
			d.output = min(c.Peek.MaxTokens, maxTokens)
		}
		return d, nil
	}
	if c.Request == nil {
		return d, nil
	}
	req, err := c.Request()
	if err != nil {
		return d, err
	}
	for i := range req.Messages {
		d.prompt += partsTokens(req.Messages[i].Parts)
	}
	for i := range req.Tools {
		t := &req.Tools[i]
		d.prompt += tokensOf(int64(len(t.Description)+len(t.Parameters)+len(t.Raw)), 0)
	}
	if d.output < 0 && req.MaxTokens != nil {
		d.output = min(max(*req.MaxTokens, 0), maxTokens)
	}
	return d, nil
}

func partsTokens(parts []llm.Part) (n int64) {
	for i := range parts {
		p := &parts[i]
		switch {
		case p.Media != nil:
			n += blobTokens
		case p.ToolCall != nil:
			n += wordTokens(p.ToolCall.Arguments)
		case p.ToolResult != nil:
			n += partsTokens(p.ToolResult.Parts)
		case p.Reasoning != nil:
			n += wordTokens(p.Reasoning.Text)
		default:
			n += wordTokens(p.Text)
		}
	}
	return n
}

func wordTokens(s string) int64 { return tokensOf(int64(len(s)), nonASCII([]byte(s))) }

const (
	smallBody  = 8 << 10
	blobString = 4 << 10 // a string of this length without a blank is no text
	blobTokens = 1500    // what an image or a file counts for until its usage is known
)

// textTokens estimates the tokens of a JSON body: a token for four bytes of
// ASCII, or for two and a half bytes of other text. Images and files, which are
// long strings without a blank, count for blobTokens each.
func textTokens(raw []byte) int64 {
	if len(raw) <= smallBody {
		return tokensOf(int64(len(raw)), nonASCII(raw))
	}
	var size, wide, blobs int64
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '"')
		if end < 0 {
			end = len(raw) - 1
		}
		piece := raw[:end+1]
		raw = raw[end+1:]
		if len(piece) > blobString && bytes.IndexByte(piece, ' ') < 0 {
			if n := nonASCII(piece); n == 0 {
				blobs++
				continue
			}
		}
		size += int64(len(piece))
		wide += nonASCII(piece)
	}
	return tokensOf(size, wide) + blobs*blobTokens
}

func tokensOf(size, wide int64) int64 {
	return (5*(size-wide) + 8*wide + 19) / 20
}

// nonASCII counts the bytes above 127, eight at a time.
func nonASCII(b []byte) int64 {
	n := 0
	for ; len(b) >= 8; b = b[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(b) & 0x8080808080808080)
	}
	for _, c := range b {
		n += int(c >> 7)
	}
	return int64(n)
}
