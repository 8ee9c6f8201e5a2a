package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// version is the first byte of an entry. Entries of another one are misses.
const version = 1

// kind says what the body of an entry is.
type kind byte

const (
	kindRaw      kind = iota + 1 // a whole answer's bytes in a client's dialect
	kindStream                   // a stream's bytes in a client's dialect
	kindResponse                 // a canonical answer as JSON
)

// entry is an answer as it is kept.
type entry struct {
	kind     kind
	dialect  llm.Dialect // of the bytes; 0 when canonical
	provider string
	model    string
	finish   llm.FinishReason
	dropped  []string
	usage    llm.Usage
	pieces   []int // lengths of the pieces of a stream; each is whole events
	body     []byte
}

// errEntry says that bytes are no entry.
var errEntry = errors.New("not a cache entry")

// about starts an entry with what a reply tells beside its content.
func about(r *llm.Reply) entry {
	return entry{dialect: r.Dialect, provider: r.Provider, model: r.Model, finish: r.Finish, dropped: r.Dropped, usage: r.Usage}
}

// append appends the entry's bytes to dst.
func (e *entry) append(dst []byte) []byte {
	dst = append(dst, version, byte(e.kind), byte(e.dialect), byte(e.usage.Source))
	for _, n := range e.counts() {
		dst = binary.AppendVarint(dst, *n)
	}
	for _, s := range [...]string{e.provider, e.model, string(e.finish)} {
		dst = appendText(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.dropped)))
	for _, s := range e.dropped {
		dst = appendText(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.pieces)))
	for _, n := range e.pieces {
		dst = binary.AppendUvarint(dst, uint64(n)) //nolint:gosec // a length
	}
	return append(dst, e.body...)
}

func (e *entry) counts() [6]*int64 {
	u := &e.usage
	return [...]*int64{&u.Input, &u.CachedInput, &u.CacheWrite, &u.CacheWrite1h, &u.Output, &u.Reasoning}
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// parse reads an entry, whose body then shares b.
func parse(b []byte) (entry, error) {
	p := parser{b: b}
	var e entry
	if p.byte() != version {
		return entry{}, errEntry
	}
	e.kind, e.dialect, e.usage.Source = kind(p.byte()), llm.Dialect(p.byte()), llm.UsageSource(p.byte())
	for _, n := range e.counts() {
		*n = p.varint()
	}
	e.provider, e.model, e.finish = p.text(), p.text(), llm.FinishReason(p.text())
	for range p.length() {
		e.dropped = append(e.dropped, p.text())
	}
	left := 0
	for range p.length() {
		n := p.length()
		e.pieces = append(e.pieces, n)
		left += n
	}
	e.body = p.b
	known := e.kind == kindRaw || e.kind == kindResponse || e.kind == kindStream && left == len(e.body) && left > 0
	if p.bad || !known {
		return entry{}, errEntry
	}
	return e, nil
}

// parser takes an entry's head apart. After a fault everything is zero.
type parser struct {
	b   []byte
	bad bool
}

func (p *parser) fail() { p.b, p.bad = nil, true }

func (p *parser) byte() byte {
	if len(p.b) == 0 {
		p.fail()
		return 0
	}
	b := p.b[0]
	p.b = p.b[1:]
	return b
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.b)
	if n <= 0 {
		p.fail()
		return 0
	}
	p.b = p.b[n:]
	return v
}

// length reads a number of things that take at least a byte each.
func (p *parser) length() int {
	v, n := binary.Uvarint(p.b)
	if n <= 0 || v > uint64(len(p.b)) {
		p.fail()
		return 0
	}
	p.b = p.b[n:]
	return int(v) //nolint:gosec // not above len(p.b)
}

func (p *parser) text() string {
	n := p.length()
	if n > len(p.b) {
		p.fail()
		return ""
	}
	s := string(p.b[:n])
	p.b = p.b[n:]
	return s
}

// Free is the price of an answer that no provider was asked for.
type Free struct{}

// Cost returns zero.
func (Free) Cost(llm.Usage) (llm.Money, bool) { return 0, true }

// reply makes the entry an answer to a call.
func (e *entry) reply(stream bool) (*llm.Reply, error) {
	r := &llm.Reply{
		Dialect: e.dialect, Usage: e.usage, Finish: e.finish, Provider: e.provider, Model: e.model, Dropped: e.dropped, Price: Free{},
	}
	switch {
	case e.kind == kindRaw && !stream:
		r.Raw = e.body
		return r, nil
	case e.kind == kindStream && stream:
		r.Stream = &rawReplay{e: e, body: e.body}
		return r, nil
	case e.kind != kindResponse:
		return nil, errEntry
	}
	resp := new(llm.Response)
	if err := json.Unmarshal(e.body, resp); err != nil {
		return nil, errEntry
	}
	for i := range resp.Parts {
		if p := &resp.Parts[i]; string(p.CacheControl) == "null" {
			p.CacheControl = nil // it was: JSON has no other word for it
		}
		if !sound(&resp.Parts[i]) {
			return nil, errEntry
		}
	}
	if stream {
		r.Stream = &replay{events: eventsOf(resp)}
		return r, nil
	}
	r.Response = resp
	return r, nil
}

// sound reports whether a part has what its type says.
func sound(p *llm.Part) bool {
	return (p.Type != llm.PartReasoning || p.Reasoning != nil) && (p.Type != llm.PartToolCall || p.ToolCall != nil)
}

// whole returns the bytes of the entry of a whole answer, nil when there is none
// to be made.
func whole(r *llm.Reply) []byte {
	e := about(r)
	switch {
	case r.Raw != nil:
		e.kind, e.body = kindRaw, r.Raw
	case r.Response != nil:
		b, err := json.Marshal(r.Response)
		if err != nil {
			return nil
		}
		e.kind, e.body, e.dialect = kindResponse, b, 0
	default:
		return nil
	}
	return e.append(make([]byte, 0, len(e.body)+headRoom))
}

// headRoom is about what the head of an entry takes.
const headRoom = 128

// worth reports whether an answer that ended this way may be given again: one
// that the provider called finished, and that no filter has cut.
func worth(c *llm.Call, f llm.FinishReason) bool {
	if c.Op == llm.OpEmbed {
		return true
	}
	return f != "" && f != llm.FinishContentFilter
}
