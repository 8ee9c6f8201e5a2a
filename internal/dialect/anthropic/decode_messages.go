package anthropic

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// allowed are the types of blocks that may stand in a place.
type allowed []string

var (
	onlyText        = allowed{"text"}
	userBlocks      = allowed{"text", "image", "document", "tool_result"}
	assistantBlocks = allowed{"text", "thinking", "redacted_thinking", "tool_use"}
	resultBlocks    = allowed{"text", "image", "document"}
)

func (d *requestDecoder) messages(v []byte) error {
	return wire.Array(v, func(i int, v []byte) error {
		if err := d.message(v); err != nil {
			return err
		}
		if len(d.pending) > 0 {
			d.place("messages[" + strconv.Itoa(i) + "]")
		}
		return nil
	})
}

var turnNames = jsonedit.NewNames("role", "content")

func (d *requestDecoder) message(v []byte) error {
	var at [2]jsonedit.Span
	n, err := members(v, turnNames, at[:])
	if err != nil {
		return err
	}
	role, content := lenient.Present(v, at[0]), lenient.Present(v, at[1])
	switch {
	case role == nil:
		return wire.At(wire.Wrong("is required"), "role")
	case content == nil:
		return wire.At(wire.Wrong("is required"), "content")
	}
	who, err := wire.OneOf(role, "user", "assistant", "system")
	if err != nil {
		return wire.At(err, "role")
	}
	if n > len(at) {
		d.strangers(v, func(name string, _ []byte) bool { return name == "role" || name == "content" })
	}
	return wire.At(d.turn(who, content), "content")
}

// members finds members of a client's object; of these none may appear twice.
func members(v []byte, names *jsonedit.Names, at []jsonedit.Span) (n int, err error) {
	if len(v) == 0 || v[0] != '{' {
		return 0, wire.Wrong("expected an object")
	}
	_, n, err = jsonedit.Find(v, names, at)
	if err != nil {
		return 0, wire.Wrong("%v", err)
	}
	return n, nil
}

// strangers keeps the members that the canonical form has no place for, in
// their order.
func (d *requestDecoder) strangers(v []byte, known func(name string, v []byte) bool) {
	_ = wire.Object(v, func(name string, v []byte) error {
		if !known(name, v) {
			d.later(name, v)
		}
		return nil
	})
}

func (d *requestDecoder) turn(role string, v []byte) error {
	if v[0] == '"' {
		s, err := wire.String(v)
		d.Messages = append(d.Messages, llm.Message{Role: llm.Role(role), Parts: []llm.Part{{Type: llm.PartText, Text: s}}})
		return err
	}
	ok := userBlocks
	switch role {
	case "assistant":
		ok = assistantBlocks
	case "system":
		ok = onlyText
	}
	parts, err := d.content(v, ok, "content")
	if err != nil {
		return err
	}
	if role == "assistant" {
		parts = reattach(parts)
	}
	d.split(llm.Role(role), parts)
	return nil
}

// split files a user's turn: tool results are a message of their own, before
// what the user says.
func (d *requestDecoder) split(role llm.Role, parts []llm.Part) {
	var results, rest []llm.Part
	for _, p := range parts {
		if p.Type == llm.PartToolResult {
			results = append(results, p)
		} else {
			rest = append(rest, p)
		}
	}
	if results != nil {
		d.Messages = append(d.Messages, llm.Message{Role: llm.RoleTool, Parts: results})
	}
	if rest != nil || results == nil {
		d.Messages = append(d.Messages, llm.Message{Role: role, Parts: rest})
	}
}

// reattach gives the state of tool calls, which a thinking block carried, back
// to the calls.
func reattach(parts []llm.Part) []llm.Part {
	out := parts[:0]
	states := map[string]string(nil)
	for _, p := range parts {
		if p.Type == llm.PartReasoning {
			if state, id, ok := toolState(p.Reasoning.Signature); ok {
				if states == nil {
					states = map[string]string{}
				}
				states[id] = state
				continue
			}
			r := p.Reasoning
			if r.Redacted != "" {
				r.Origin, r.ID, r.Redacted = unpacked(r.Redacted)
			} else {
				r.Origin, r.ID, r.Signature = unpacked(r.Signature)
			}
		}
		out = append(out, p)
	}
	for _, p := range out {
		if p.Type == llm.PartToolCall {
			p.ToolCall.Signature = states[p.ToolCall.ID]
		}
	}
	return out
}

// content reads a string or an array of blocks. Members without a canonical
// place are kept under under and the index of their block.
func (d *requestDecoder) content(v []byte, ok allowed, under string) ([]llm.Part, error) {
	if v[0] == '"' {
		s, err := wire.String(v)
		return []llm.Part{{Type: llm.PartText, Text: s}}, err
	}
	if v[0] != '[' {
		return nil, wire.Wrong("expected a string or an array of blocks")
	}
	parts := []llm.Part(nil)
	err := wire.Array(v, func(j int, v []byte) error {
		kept := len(d.pending)
		p, err := d.block(v, ok)
		for k := kept; k < len(d.pending); k++ {
			d.pending[k].Name = under + "[" + strconv.Itoa(j) + "]." + d.pending[k].Name
		}
		parts = append(parts, p)
		return err
	})
	return parts, err
}

var memberNames = jsonedit.NewNames("type", "cache_control", "text", "source", "title", "thinking", "signature", "data",
	"id", "name", "input", "tool_use_id", "content", "is_error")

const (
	memType = iota
	memCache
	memText
	memSource
	memTitle
	memThinking
	memSignature
	memData
	memID
	memName
	memInput
	memCallID
	memContent
	memIsError
	memCount
)

// rawBlock is a block as it stands.
type rawBlock struct {
	v   []byte
	typ string
	at  [memCount]jsonedit.Span
}

// value returns the bytes of a member, nil when it is absent or null.
func (b *rawBlock) value(member int) []byte { return lenient.Present(b.v, b.at[member]) }

// shape says which members blocks of a type have beside type and
// cache_control: the first so many are required.
type shape struct {
	members  []int
	required int
}

var shapes = map[string]shape{
	"text":              {[]int{memText}, 1},
	"image":             {[]int{memSource}, 1},
	"document":          {[]int{memSource, memTitle}, 1},
	"thinking":          {[]int{memThinking, memSignature}, 1},
	"redacted_thinking": {[]int{memData}, 1},
	"tool_use":          {[]int{memID, memName, memInput}, 2},
	"tool_result":       {[]int{memCallID, memContent, memIsError}, 1},
}

func (d *requestDecoder) block(v []byte, ok allowed) (p llm.Part, err error) {
	b := rawBlock{v: v}
	n, err := members(v, memberNames, b.at[:])
	if err != nil {
		return p, err
	}
	s, err := b.shape(ok)
	if err != nil {
		return p, err
	}
	if n > b.known(&s) {
		d.strangers(v, func(name string, v []byte) bool { return s.has(name) || harmless(b.typ, name, v) })
	}
	if p, err = d.part(&b); err != nil {
		return p, err
	}
	if mark := b.value(memCache); mark != nil {
		p.CacheControl, err = wire.Raw(mark)
		err = wire.At(err, "cache_control")
	}
	return p, err
}

// shape returns what a block of this type has, if it may stand here and is
// whole.
func (b *rawBlock) shape(ok allowed) (shape, error) {
	if b.value(memType) == nil {
		return shape{}, wire.At(wire.Wrong("is required"), "type")
	}
	var err error
	if b.typ, err = wire.String(b.value(memType)); err != nil {
		return shape{}, wire.At(err, "type")
	}
	s, known := shapes[b.typ]
	switch {
	case !known:
		return s, wire.At(wire.Refuse("a %.64q block is for the Anthropic API alone and cannot be translated", b.typ), "type")
	case !slices.Contains(ok, b.typ):
		return s, wire.At(wire.Wrong("a %s block cannot stand here", b.typ), "type")
	}
	for _, m := range s.members[:s.required] {
		if b.value(m) == nil {
			return s, wire.At(wire.Wrong("is required"), memberNames.Name(m))
		}
	}
	return s, nil
}

// known counts the members of a block that its shape has.
func (b *rawBlock) known(s *shape) int {
	n := 0
	for _, m := range [...]int{memType, memCache} {
		if b.at[m].Present() {
			n++
		}
	}
	for _, m := range s.members {
		if b.at[m].Present() {
			n++
		}
	}
	return n
}

func (s *shape) has(name string) bool {
	if name == "type" || name == "cache_control" {
		return true
	}
	return slices.ContainsFunc(s.members, func(m int) bool { return memberNames.Name(m) == name })
}

// harmless reports whether a member says nothing that a target must know. What
// an answer's text cites is history.
func harmless(typ, name string, v []byte) bool {
	switch name {
	case "citations":
		return typ == "text" || strings.Contains(string(v), "false")
	case "caller": // who made a call: the model itself, unless it says otherwise
		return strings.Contains(string(v), `"direct"`)
	}
	return false
}

func (d *requestDecoder) part(b *rawBlock) (p llm.Part, err error) {
	switch b.typ {
	case "text":
		p.Type = llm.PartText
		p.Text, err = b.text(memText)
	case "image":
		p.Type = llm.PartImage
		p.Media, err = source(b.value(memSource))
		err = wire.At(err, "source")
	case "document":
		p.Type = llm.PartFile
		p.Media, err = document(b)
	case "thinking", "redacted_thinking":
		p.Type = llm.PartReasoning
		p.Reasoning, err = thought(b)
	case "tool_use":
		p.Type = llm.PartToolCall
		p.ToolCall, err = toolUse(b)
	case "tool_result":
		p.Type = llm.PartToolResult
		p.ToolResult, err = d.toolResult(b)
	}
	return p, err
}

// text decodes a member that is a string; an absent one is "".
func (b *rawBlock) text(member int) (string, error) {
	v := b.value(member)
	if v == nil {
		return "", nil
	}
	s, err := wire.String(v)
	return s, wire.At(err, memberNames.Name(member))
}

// thought reads a thinking block; whose state it carries is seen when the
// whole message has been read.
func thought(b *rawBlock) (*llm.Reasoning, error) {
	r := &llm.Reasoning{}
	var err error
	if b.typ == "redacted_thinking" {
		r.Redacted, err = b.text(memData)
		return r, err
	}
	if r.Text, err = b.text(memThinking); err == nil {
		r.Signature, err = b.text(memSignature)
	}
	return r, err
}

func toolUse(b *rawBlock) (*llm.ToolCall, error) {
	c := &llm.ToolCall{Arguments: "{}"}
	var err error
	if c.ID, err = b.text(memID); err != nil {
		return c, err
	}
	if c.Name, err = b.text(memName); err != nil {
		return c, err
	}
	if v := b.value(memInput); v != nil {
		if v[0] != '{' {
			return c, wire.At(wire.Wrong("expected an object"), "input")
		}
		c.Arguments = string(v)
	}
	return c, nil
}

func (d *requestDecoder) toolResult(b *rawBlock) (*llm.ToolResult, error) {
	r := &llm.ToolResult{}
	var err error
	if r.CallID, err = b.text(memCallID); err != nil {
		return r, err
	}
	if v := b.value(memContent); v != nil {
		if r.Parts, err = d.content(v, resultBlocks, "content"); err != nil {
			return r, wire.At(err, "content")
		}
	}
	if v := b.value(memIsError); v != nil {
		r.IsError, err = wire.Bool(v)
		err = wire.At(err, "is_error")
	}
	return r, err
}

func document(b *rawBlock) (*llm.Media, error) {
	m, err := source(b.value(memSource))
	if err != nil {
		return m, wire.At(err, "source")
	}
	m.Name, err = b.text(memTitle)
	return m, err
}

// source reads where an image or a document comes from.
func source(v []byte) (*llm.Media, error) {
	f := map[string]string{}
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type", "media_type", "data", "url", "file_id":
			f[name], err = wire.Filled(v)
		case "content":
			err = wire.Refuse("a source of blocks cannot be translated")
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return media(f)
}

func media(f map[string]string) (*llm.Media, error) {
	need := func(name string) error {
		if f[name] == "" {
			return wire.At(wire.Wrong("is required"), name)
		}
		return nil
	}
	switch f["type"] {
	case "base64":
		if err := need("data"); err != nil {
			return nil, err
		}
		if _, err := base64.StdEncoding.DecodeString(f["data"]); err != nil {
			return nil, wire.At(wire.Wrong("is not valid base64"), "data")
		}
		return &llm.Media{MIME: f["media_type"], Data: f["data"]}, need("media_type")
	case "text":
		return &llm.Media{MIME: "text/plain", Data: base64.StdEncoding.EncodeToString([]byte(f["data"]))}, need("data")
	case "url":
		return &llm.Media{URL: f["url"]}, need("url")
	case "file":
		return &llm.Media{FileID: f["file_id"]}, need("file_id")
	case "":
		return nil, need("type")
	}
	return nil, wire.At(wire.Refuse("unknown kind of source"), "type")
}
