package gemini

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func isSystem(m *llm.Message) bool { return m.Role == llm.RoleSystem || m.Role == llm.RoleDeveloper }

// appendSystem hoists what system and developer messages say, in order,
// wherever they stand.
func appendSystem(b []byte, messages []llm.Message) []byte {
	open := false
	for i := range messages {
		if !isSystem(&messages[i]) {
			continue
		}
		for _, p := range messages[i].Parts {
			if p.Text == "" {
				continue
			}
			if !open {
				open = true
				b = append(wire.Key(b, "systemInstruction"), `{"parts":[`...)
			}
			b = append(wire.Str(append(wire.Sep(b), '{'), "text", p.Text), '}')
		}
	}
	if open {
		b = append(b, "]}"...)
	}
	return b
}

// contents writes messages so that calls and results stand as Gemini wants.
type contents struct {
	b       []byte
	names   map[string]string // function names by call id
	calls   []string          // ids of the calls of the latest model content
	current int               // index of the first message of the unfinished turn
	signs   bool              // calls of the unfinished turn need a signature
}

// appendContents appends the conversation. Messages of one side that follow
// each other become one content; tool results are a content of their own.
func appendContents(b []byte, c *llm.Call, messages []llm.Message) ([]byte, error) {
	major, _, ok := dialect.Generation(c.Model)
	t := contents{b: append(wire.Key(b, "contents"), '['), current: lastUser(messages), signs: !ok || major >= 3}
	for i := 0; i < len(messages); {
		run, next := run(messages, i)
		if len(run) > 0 {
			if err := t.append(run, i); err != nil {
				return nil, err
			}
		}
		i = next
	}
	return append(t.b, ']'), nil
}

// lastUser returns the index of the last user message: what follows is the
// turn that is not finished.
func lastUser(messages []llm.Message) int {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == llm.RoleUser {
			return i
		}
	}
	return -1
}

// run returns the messages of one content, from i on, and where the next
// begins. System messages and those of which nothing can be sent are left out.
func run(messages []llm.Message, i int) (out []*llm.Message, next int) {
	for next = i; next < len(messages); next++ {
		m := &messages[next]
		if isSystem(m) || !slices.ContainsFunc(m.Parts, sendable) {
			continue
		}
		if len(out) > 0 && m.Role != out[0].Role {
			return out, next
		}
		out = append(out, m)
	}
	return out, next
}

// sendable reports whether a part becomes one of Gemini's: text that is not
// empty, and thinking that Gemini signed.
func sendable(p llm.Part) bool {
	switch p.Type {
	case llm.PartText, llm.PartRefusal:
		return p.Text != ""
	case llm.PartReasoning:
		return p.Reasoning.Origin == llm.DialectGemini && p.Reasoning.Signature != ""
	}
	return true
}

func (t *contents) append(run []*llm.Message, at int) error {
	role := "user"
	if run[0].Role == llm.RoleAssistant {
		role = "model"
		t.calls = t.calls[:0]
	}
	t.b = wire.Str(append(wire.Sep(t.b), '{'), "role", role)
	t.b = append(wire.Key(t.b, "parts"), '[')
	if run[0].Role == llm.RoleTool {
		t.results(run)
	} else if err := t.parts(run, t.signs && at > t.current); err != nil {
		return err
	}
	t.b = append(t.b, "]}"...)
	return nil
}

// parts writes the parts of a user's or model's content. needs says that the
// first call must have a signature.
func (t *contents) parts(run []*llm.Message, needs bool) error {
	for _, m := range run {
		first := true
		for i := range m.Parts {
			p := &m.Parts[i]
			if !sendable(*p) {
				continue
			}
			if p.Type != llm.PartToolCall {
				if err := t.part(p, m.Parts, i); err != nil {
					return err
				}
				continue
			}
			t.call(p.ToolCall, first && needs)
			first = false
		}
	}
	return nil
}

func (t *contents) part(p *llm.Part, parts []llm.Part, i int) (err error) {
	b := t.b
	switch p.Type {
	case llm.PartText, llm.PartRefusal:
		b = wire.Str(append(wire.Sep(b), '{'), "text", p.Text)
		if sig := beside(parts, i); sig != "" {
			b = wire.Str(b, "thoughtSignature", sig)
		}
		b = append(b, '}')
	case llm.PartReasoning:
		b = appendThought(b, p.Reasoning, parts, i)
	case llm.PartImage, llm.PartAudio, llm.PartFile:
		b = append(appendMedia(append(wire.Sep(b), '{'), p), '}')
	default:
		err = llm.Unsupported("messages", "messages: Gemini takes no such content")
	}
	t.b = b
	return err
}

// beside returns the signature that belongs to the text at i: of the mark that
// follows it or, as a client may put thinking before text, of the one before it
// that follows no text.
func beside(parts []llm.Part, i int) string {
	if i+1 < len(parts) && mark(&parts[i+1]) {
		return parts[i+1].Reasoning.Signature
	}
	if i > 0 && mark(&parts[i-1]) && !follows(parts, i-1) {
		return parts[i-1].Reasoning.Signature
	}
	return ""
}

func isText(p *llm.Part) bool { return p.Type == llm.PartText && p.Text != "" }

// follows reports whether the part at i stands behind a text.
func follows(parts []llm.Part, i int) bool { return i > 0 && isText(&parts[i-1]) }

// carried reports whether the signature of the mark at i goes with a text.
func carried(parts []llm.Part, i int) bool {
	if follows(parts, i) {
		return true
	}
	ahead := i+1 < len(parts) && isText(&parts[i+1])
	return ahead && beside(parts, i+1) == parts[i].Reasoning.Signature
}

// mark reports whether a part is only the signature of a text.
func mark(p *llm.Part) bool {
	return p.Type == llm.PartReasoning && p.Reasoning.Text == "" && sendable(*p)
}

// appendThought appends a signed thought. A mark goes with its text; one
// without a text is an empty text part, as in streams.
func appendThought(b []byte, r *llm.Reasoning, parts []llm.Part, i int) []byte {
	if r.Text == "" && carried(parts, i) {
		return b
	}
	b = wire.Str(append(wire.Sep(b), '{'), "text", r.Text)
	if r.Text != "" {
		b = wire.Boolean(b, "thought", true)
	}
	return append(wire.Str(b, "thoughtSignature", r.Signature), '}')
}

func (t *contents) call(c *llm.ToolCall, needs bool) {
	if t.names == nil {
		t.names = map[string]string{}
	}
	t.names[c.ID] = c.Name
	t.calls = append(t.calls, c.ID)
	if needs && c.Signature == "" {
		d := *c
		d.Signature = skipSignature
		c = &d
	}
	t.b = appendCall(t.b, c)
}

// appendID appends the id of a call, unless it was made here.
func appendID(b []byte, id string) []byte {
	if strings.HasPrefix(id, generatedID) {
		return b
	}
	return wire.StrIf(b, "id", id)
}

// results writes the results of a turn in the order of their calls.
func (t *contents) results(run []*llm.Message) {
	var all []*llm.ToolResult
	for _, m := range run {
		for _, p := range m.Parts {
			if p.ToolResult != nil {
				all = append(all, p.ToolResult)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y *llm.ToolResult) int {
		return t.position(x.CallID) - t.position(y.CallID)
	})
	for _, r := range all {
		t.b = t.result(t.b, r)
	}
}

// position returns where a call stands in its content, behind all when it is
// of an earlier one.
func (t *contents) position(id string) int {
	if i := slices.Index(t.calls, id); i >= 0 {
		return i
	}
	return len(t.calls)
}

func (t *contents) result(b []byte, r *llm.ToolResult) []byte {
	name := t.names[r.CallID]
	if name == "" {
		name = r.Name
	}
	b = wire.Str(append(wire.Sep(b), `{"functionResponse":{`...), "name", name)
	b = appendOutcome(wire.Key(b, "response"), r)
	b = appendID(b, r.CallID)
	open := false
	for i := range r.Parts {
		if p := &r.Parts[i]; p.Type == llm.PartImage || p.Type == llm.PartFile {
			if !open {
				open = true
				b = append(wire.Key(b, "parts"), '[')
			}
			b = append(appendMedia(append(wire.Sep(b), '{'), p), '}')
		}
	}
	if open {
		b = append(b, ']')
	}
	return append(b, "}}"...)
}

// appendOutcome appends a result as the object that Gemini wants: itself when
// it is one.
func appendOutcome(b []byte, r *llm.ToolResult) []byte {
	var text strings.Builder
	for _, p := range r.Parts {
		text.WriteString(p.Text)
	}
	s := text.String()
	object := isObject(s)
	switch {
	case r.IsError && object:
		return append(wire.Lit(append(b, '{'), "error", s), '}')
	case r.IsError:
		return append(wire.Str(append(b, '{'), "error", s), '}')
	case object:
		return append(b, s...)
	}
	return append(wire.Str(append(b, '{'), "result", s), '}')
}

func isObject(s string) bool {
	t := strings.TrimSpace(s)
	return t != "" && t[0] == '{' && json.Valid([]byte(t))
}

// appendMedia appends inlineData or fileData, and how finely to look.
func appendMedia(b []byte, p *llm.Part) []byte {
	m := p.Media
	if m.Data != "" {
		b = wire.Str(append(wire.Key(b, "inlineData"), '{'), "mimeType", m.MIME)
		b = append(wire.Str(b, "data", m.Data), '}')
	} else {
		uri := m.URL
		if uri == "" {
			uri = m.FileID
		}
		b = wire.Str(append(wire.Key(b, "fileData"), '{'), "mimeType", mimeType(p.Type, m))
		b = append(wire.Str(b, "fileUri", uri), '}')
	}
	level := ""
	switch m.Detail {
	case "low":
		level = "MEDIA_RESOLUTION_LOW"
	case "high", "original":
		level = "MEDIA_RESOLUTION_HIGH"
	default:
		return b
	}
	return append(wire.Str(append(wire.Key(b, "mediaResolution"), '{'), "level", level), '}')
}

// extensions are the types of files by the ends of their URLs: fileData must
// name one.
var extensions = map[string]string{
	"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "heic": "image/heic",
	"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html", "json": "application/json",
	"mp3": "audio/mp3", "wav": "audio/wav", "mp4": "video/mp4", "mov": "video/mov", "webm": "video/webm",
}

func mimeType(t llm.PartType, m *llm.Media) string {
	if m.MIME != "" {
		return m.MIME
	}
	path, _, _ := strings.Cut(m.URL, "?")
	path, _, _ = strings.Cut(path, "#")
	if typ := extensions[strings.ToLower(path[strings.LastIndexByte(path, '.')+1:])]; typ != "" {
		return typ
	}
	switch t {
	case llm.PartAudio:
		return "audio/mp3"
	case llm.PartFile:
		return "application/pdf"
	}
	return "image/jpeg"
}
