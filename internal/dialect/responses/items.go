package responses

import (
	"encoding/json"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// itemReader turns the flat list of input items into turns: what a model made
// in one go (reasoning, words, calls) is one assistant message, the outputs
// that follow are one tool message.
type itemReader struct {
	messages []llm.Message
	extra    []llm.Member
	calls    map[string]*call
	states   map[string]string // signatures by call_id
	index    int               // of the item being read
}

// call is a function call in the history.
type call struct {
	item     int
	tool     *llm.ToolCall
	answered bool
}

func (d *decoder) input(v []byte) error {
	r := &d.items
	if v[0] == '"' {
		s, err := wire.Filled(v)
		r.messages = append(r.messages, llm.Message{Role: llm.RoleUser, Parts: words(s)})
		return err
	}
	if v[0] != '[' {
		return wire.Wrong("expected a string or an array of items")
	}
	r.calls, r.states = map[string]*call{}, map[string]string{}
	return wire.Array(v, func(i int, v []byte) error {
		r.index = i
		return r.item(v)
	})
}

// item is an input item as it stands on the wire; members may come in any
// order.
type item struct {
	typ, role      string
	id, callID     string
	name           string
	arguments      string
	content        []byte
	output         []byte
	summary        []byte
	encrypted      string
	argumentsGiven bool
}

func (r *itemReader) item(v []byte) error {
	var it item
	if err := wire.Object(v, func(name string, v []byte) error { return r.member(&it, name, v) }); err != nil {
		return err
	}
	switch it.typ {
	case "", "message":
		return r.message(&it)
	case "function_call":
		return r.call(&it)
	case "function_call_output":
		return r.result(&it)
	case "reasoning":
		return r.reasoning(&it)
	case "item_reference":
		return wire.At(wire.Refuse("the gateway stores no items: send the item itself"), "type")
	}
	return wire.At(wire.Refuse("items of type %q can only go to a provider that has this API", it.typ), "type")
}

func (r *itemReader) member(it *item, name string, v []byte) (err error) {
	switch name {
	case "type":
		it.typ, err = wire.String(v)
	case "role":
		it.role, err = wire.OneOf(v, "user", "assistant", "system", "developer")
	case "id":
		it.id, err = wire.String(v)
	case "call_id":
		it.callID, err = wire.Filled(v)
	case "name":
		it.name, err = wire.Filled(v)
	case "arguments":
		it.argumentsGiven = true
		it.arguments, err = wire.String(v)
	case "content":
		it.content = v
	case "output":
		it.output = v
	case "summary":
		it.summary = v
	case "encrypted_content":
		it.encrypted, err = wire.String(v)
	case "status", "phase", "created_by": // what an answer's item says of itself
	default:
		r.keep(name, v)
	}
	return err
}

// keep keeps a member that has no canonical place, under its path.
func (r *itemReader) keep(path string, v []byte) {
	r.extra = append(r.extra, llm.Member{Name: "input[" + strconv.Itoa(r.index) + "]." + path, Value: json.RawMessage(v)})
}

// turn returns the message of a role that the item belongs to: the last one
// when it has that role, otherwise a new one.
func (r *itemReader) turn(role llm.Role) *llm.Message {
	if n := len(r.messages); n == 0 || r.messages[n-1].Role != role {
		r.messages = append(r.messages, llm.Message{Role: role})
	}
	return &r.messages[len(r.messages)-1]
}

func (r *itemReader) message(it *item) error {
	switch {
	case it.role == "":
		return wire.At(wire.Wrong("is required"), "role")
	case it.content == nil:
		return wire.At(wire.Wrong("is required"), "content")
	}
	role := llm.Role(it.role)
	parts, err := r.content(it.content, role)
	if err != nil {
		return wire.At(err, "content")
	}
	if role == llm.RoleAssistant {
		m := r.turn(role)
		m.Parts = append(m.Parts, parts...)
		return nil
	}
	r.messages = append(r.messages, llm.Message{Role: role, Parts: parts})
	return nil
}

func (r *itemReader) call(it *item) error {
	switch {
	case it.callID == "":
		return wire.At(wire.Wrong("is required"), "call_id")
	case it.name == "":
		return wire.At(wire.Wrong("is required"), "name")
	case !it.argumentsGiven:
		return wire.At(wire.Wrong("is required"), "arguments")
	case r.calls[it.callID] != nil && !r.calls[it.callID].answered:
		return wire.At(wire.Wrong("another call has the same id: %s", strconv.Quote(it.callID)), "call_id")
	}
	tool := &llm.ToolCall{ID: it.callID, Name: it.name, Arguments: it.arguments}
	r.calls[it.callID] = &call{item: r.index, tool: tool}
	m := r.turn(llm.RoleAssistant)
	m.Parts = append(m.Parts, llm.Part{Type: llm.PartToolCall, ToolCall: tool})
	return nil
}

func (r *itemReader) result(it *item) error {
	switch c := r.calls[it.callID]; {
	case it.callID == "":
		return wire.At(wire.Wrong("is required"), "call_id")
	case it.output == nil:
		return wire.At(wire.Wrong("is required"), "output")
	case c == nil || c.answered:
		return wire.At(wire.Wrong("answers no function call before it: %s", strconv.Quote(it.callID)), "call_id")
	default:
		c.answered = true
	}
	parts, err := r.content(it.output, llm.RoleTool)
	if err != nil {
		return wire.At(err, "output")
	}
	m := r.turn(llm.RoleTool)
	m.Parts = append(m.Parts, llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: it.callID, Parts: parts}})
	return nil
}

// reasoning takes the text from the summary, or from the content where a
// server shows the thinking itself.
func (r *itemReader) reasoning(it *item) error {
	if signature, id, ok := unpackToolState(it.encrypted); ok {
		r.states[id] = signature
		return nil
	}
	b := &llm.Reasoning{ID: it.id}
	for _, list := range []struct {
		name string
		v    []byte
	}{{"summary", it.summary}, {"content", it.content}} {
		s, err := texts(list.v)
		if err != nil {
			return wire.At(err, list.name)
		}
		if b.Text == "" {
			b.Text = s
		}
	}
	if it.encrypted != "" {
		unpackState(b, it.encrypted)
		if b.Origin != llm.DialectResponses {
			b.ID = "" // the gateway made it
		}
	}
	if b.Text == "" && b.Signature == "" && b.Redacted == "" {
		return nil
	}
	m := r.turn(llm.RoleAssistant)
	m.Parts = append(m.Parts, llm.Part{Type: llm.PartReasoning, Reasoning: b})
	return nil
}

// texts joins the texts of summary_text and reasoning_text parts.
func texts(v []byte) (string, error) {
	if v == nil {
		return "", nil
	}
	var all string
	err := wire.Array(v, func(_ int, v []byte) error {
		return wire.Object(v, func(name string, v []byte) error {
			if name != "text" {
				return nil
			}
			s, err := wire.String(v)
			if all != "" && s != "" {
				all += "\n\n"
			}
			all += s
			return err
		})
	})
	return all, err
}

// finish checks that every call is answered and returns the turns.
func (r *itemReader) finish() ([]llm.Message, error) {
	first := -1
	for _, c := range r.calls {
		if !c.answered && (first < 0 || c.item < first) {
			first = c.item
		}
	}
	if first >= 0 {
		return nil, wire.AtIndex(wire.At(wire.Wrong("no function_call_output answers this call"), "call_id"), first)
	}
	for id, signature := range r.states {
		if c := r.calls[id]; c != nil {
			c.tool.Signature = signature
		}
	}
	return r.messages, nil
}

// content reads a string, or an array of parts.
func (r *itemReader) content(v []byte, role llm.Role) ([]llm.Part, error) {
	if v[0] == '"' {
		s, err := wire.String(v)
		return words(s), err
	}
	if v[0] != '[' {
		return nil, wire.Wrong("expected a string or an array of parts")
	}
	var parts []llm.Part
	err := wire.Array(v, func(_ int, v []byte) error {
		p, err := part(v, role)
		parts = append(parts, p)
		return err
	})
	if err == nil && len(parts) == 0 && role != llm.RoleAssistant {
		err = wire.Wrong("must not be an empty array")
	}
	return parts, err
}

// partTypes are the parts that a role's content may hold.
func partTypes(role llm.Role) []string {
	switch role {
	case llm.RoleAssistant:
		return []string{"output_text", "refusal", "input_text"}
	case llm.RoleSystem, llm.RoleDeveloper:
		return []string{"input_text"}
	}
	return []string{"input_text", "input_image", "input_file", "output_text"}
}

// partMembers are the members of any part.
type partMembers struct {
	typ, text, detail string
	url, fileID, name string
	fileData, fileURL string
	textGiven         bool
}

func part(v []byte, role llm.Role) (llm.Part, error) {
	var m partMembers
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			m.typ, err = wire.OneOf(v, partTypes(role)...)
		case "text", "refusal":
			m.textGiven = true
			m.text, err = wire.String(v)
		case "image_url":
			m.url, err = wire.Filled(v)
		case "detail":
			m.detail, err = wire.OneOf(v, "auto", "low", "high", "original")
		case "file_id":
			m.fileID, err = wire.Filled(v)
		case "file_data":
			m.fileData, err = wire.Filled(v)
		case "file_url":
			m.fileURL, err = wire.Filled(v)
		case "filename":
			m.name, err = wire.String(v)
		case "annotations", "logprobs": // what an answer's part says of itself
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err != nil {
		return llm.Part{}, err
	}
	return m.part()
}

func (m *partMembers) part() (llm.Part, error) {
	switch m.typ {
	case "":
		return llm.Part{}, wire.At(wire.Wrong("is required"), "type")
	case "input_image":
		return m.image()
	case "input_file":
		return m.file()
	}
	p := llm.Part{Type: llm.PartText, Text: m.text}
	name := "text"
	if m.typ == "refusal" {
		p.Type, name = llm.PartRefusal, "refusal"
	}
	if !m.textGiven {
		return p, wire.At(wire.Wrong("is required"), name)
	}
	return p, nil
}

func (m *partMembers) image() (llm.Part, error) {
	p := llm.Part{Type: llm.PartImage, Media: &llm.Media{FileID: m.fileID}}
	if m.url == "" && m.fileID == "" {
		return p, wire.At(wire.Wrong("is required"), "image_url")
	}
	if m.url != "" {
		media, err := openai.MediaURL(m.url)
		if err != nil {
			return p, wire.At(err, "image_url")
		}
		p.Media = media
	}
	p.Media.Detail = m.detail
	return p, nil
}

func (m *partMembers) file() (llm.Part, error) {
	p := llm.Part{Type: llm.PartFile, Media: &llm.Media{FileID: m.fileID, Name: m.name}}
	switch {
	case m.fileData != "":
		var err error
		p.Media.MIME, p.Media.Data, err = openai.FileData(m.fileData)
		return p, wire.At(err, "file_data")
	case m.fileURL != "":
		media, err := openai.MediaURL(m.fileURL)
		media.Name = m.name
		p.Media = media
		return p, wire.At(err, "file_url")
	case m.fileID == "":
		return p, wire.Wrong("needs file_id, file_data or file_url")
	}
	return p, nil
}
