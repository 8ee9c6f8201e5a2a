package openai

import "bytes"

const (
	// maxHoles is how many strings of a chunk may differ from the one before:
	// the text, and the padding that OpenAI adds against eavesdroppers.
	maxHoles = 2
	// maxPattern is the longest chunk that is worth remembering, in bytes.
	maxPattern = 1 << 10
	// maxVain is how many patterns in a row may turn out to be of no use, as
	// when each chunk has an id of its own, before none is made any more.
	maxVain = 4
)

// keyObfuscation is OpenAI's padding, which makes all chunks equally long
// (stream_options.include_obfuscation).
var keyObfuscation = []byte(`"obfuscation"`)

// pattern is a plain text chunk with its text left out. Nearly every chunk of a
// stream is the one before with another text, and comparing tells so for a
// fraction of what looking for keys costs.
type pattern struct {
	chunk []byte // the bytes around the holes, one behind the other
	fixed [maxHoles + 1]int
	holes int // the first one is the text; 0 = there is no pattern
	used  bool
	vain  int
}

// match reports whether data is the pattern with other strings in its holes,
// and how long the text is.
func (p *pattern) match(data []byte) (textBytes int, ok bool) {
	if p.holes == 0 {
		return 0, false
	}
	chunk := p.chunk
	for h := 0; ; h++ {
		n := p.fixed[h]
		if len(data) < n || string(data[:n]) != string(chunk[:n]) {
			return 0, false
		}
		data, chunk = data[n:], chunk[n:]
		if h == p.holes {
			break
		}
		if n = closing(data); n < 0 {
			return 0, false
		}
		if h == 0 {
			textBytes = n
		}
		data = data[n:]
	}
	ok = len(data) == 0 && textBytes > 0
	p.used = p.used || ok
	return textBytes, ok
}

// closing returns the offset of the quote that ends a string whose opening
// quote stands before s, -1 when there is none.
func closing(s []byte) int {
	for i := 0; ; i++ {
		j := bytes.IndexByte(s[i:], '"')
		if j < 0 {
			return -1
		}
		i += j
		slashes := 0
		for i-slashes > 0 && s[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
}

// learn remembers a chunk that is plain text, of textBytes.
func (p *pattern) learn(data []byte, textBytes int) {
	if p.holes > 0 && !p.used {
		p.vain++
	}
	p.holes = 0
	if p.vain >= maxVain || len(data) > maxPattern || textBytes == 0 {
		return
	}
	p.chunk, p.used = p.chunk[:0], false
	for _, key := range textKeys {
		if rest, ok := p.cut(data, key); ok && len(data)-len(rest)-p.fixed[0] == textBytes {
			if more, ok := p.cut(rest, keyObfuscation); ok {
				rest = more
			}
			p.fixed[p.holes] = len(rest)
			p.chunk = append(p.chunk, rest...)
			return
		}
		p.chunk, p.holes = p.chunk[:0], 0
	}
}

// cut makes a hole of the string that is key's value and returns what follows
// it, from the closing quote on.
func (p *pattern) cut(data, key []byte) (rest []byte, ok bool) {
	v := after(data, key)
	if len(v) == 0 || v[0] != '"' {
		return nil, false
	}
	n := closing(v[1:])
	if n < 0 {
		return nil, false
	}
	open := len(data) - len(v) + 1 // behind the opening quote
	p.chunk = append(p.chunk, data[:open]...)
	p.fixed[p.holes] = open
	p.holes++
	return v[1+n:], true
}
