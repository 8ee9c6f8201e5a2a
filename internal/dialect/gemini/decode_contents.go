package gemini

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// systemInstruction reads the system's words; its role says nothing.
func (d *requestDecoder) systemInstruction(v []byte) (err error) {
	d.system, err = d.textParts(v)
	return err
}

// textParts reads a content of texts alone.
func (d *requestDecoder) textParts(v []byte) ([]llm.Part, error) {
	var parts []llm.Part
	err := object(v, func(name string, v []byte) error {
		if name != "parts" {
			return nil
		}
		return wire.Array(v, func(_ int, v []byte) error {
			p, err := d.part(v)
			if err == nil && (len(p) != 1 || p[0].Type != llm.PartText) {
				err = wire.Wrong("only text can stand here")
			}
			parts = append(parts, p...)
			return err
		})
	})
	return parts, err
}

func (d *requestDecoder) content(v []byte) error {
	role := "user"
	var parts []llm.Part
	err := object(v, func(name string, v []byte) (err error) {
		switch name {
		case "role":
			role, err = wire.OneOf(v, "user", "model", "function")
		case "parts":
			err = wire.Array(v, func(_ int, v []byte) error {
				p, err := d.part(v)
				parts = append(parts, p...)
				return err
			})
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err != nil {
		return err
	}
	if role == "model" {
		d.Messages = append(d.Messages, llm.Message{Role: llm.RoleAssistant, Parts: d.calls(parts)})
		return nil
	}
	return wire.At(d.userTurn(parts), "parts")
}

// calls gives the calls of a model's content their ids, where they have none,
// and remembers them for their results.
func (d *requestDecoder) calls(parts []llm.Part) []llm.Part {
	d.open = d.open[:0]
	for _, p := range parts {
		if c := p.ToolCall; c != nil {
			if c.ID == "" {
				c.ID = generatedID + strconv.Itoa(d.made)
			}
			d.made++
			d.open = append(d.open, openCall{c.ID, c.Name})
		}
	}
	return parts
}

// userTurn files a user's content: results are a message of their own, before
// what the user says.
func (d *requestDecoder) userTurn(parts []llm.Part) error {
	var results, rest []llm.Part
	for _, p := range parts {
		if p.ToolResult == nil {
			rest = append(rest, p)
			continue
		}
		if err := d.match(p.ToolResult); err != nil {
			return err
		}
		results = append(results, p)
	}
	if results != nil {
		d.Messages = append(d.Messages, llm.Message{Role: llm.RoleTool, Parts: results})
	}
	if rest != nil || results == nil {
		d.Messages = append(d.Messages, llm.Message{Role: llm.RoleUser, Parts: rest})
	}
	return nil
}

// match finds the call that a result answers: by id, else the first of its
// name that has no result yet.
func (d *requestDecoder) match(r *llm.ToolResult) error {
	i := slices.IndexFunc(d.open, func(c openCall) bool {
		return r.CallID != "" && c.id == r.CallID || r.CallID == "" && c.name == r.Name
	})
	if i < 0 {
		return wire.Wrong("the function response %.64q answers no call of the content before", r.Name)
	}
	r.CallID = d.open[i].id
	d.open = slices.Delete(d.open, i, i+1)
	return nil
}

// rawPart is a part as it stands; its members may come in any order.
type rawPart struct {
	text      *string
	thought   bool
	signature string
	detail    string   // how finely to look at an image
	data      llm.Part // what the data field is, if not text
	fields    int      // data fields
}

// part reads one part, which may become a text and its signature.
func (d *requestDecoder) part(v []byte) ([]llm.Part, error) {
	var p rawPart
	err := object(v, func(name string, v []byte) error { return d.partMember(&p, name, v) })
	switch {
	case err != nil:
		return nil, err
	case p.fields != 1:
		return nil, wire.Wrong("must have exactly one data field, has %d", p.fields)
	case p.text == nil:
		if p.data.ToolCall != nil {
			p.data.ToolCall.Signature = p.signature
		}
		if p.data.Media != nil {
			p.data.Media.Detail = p.detail
		}
		return []llm.Part{p.data}, nil
	case p.thought:
		return []llm.Part{{Type: llm.PartReasoning, Reasoning: signed(*p.text, p.signature)}}, nil
	}
	var parts []llm.Part
	if *p.text != "" || p.signature == "" {
		parts = append(parts, llm.Part{Type: llm.PartText, Text: *p.text})
	}
	if p.signature != "" {
		parts = append(parts, llm.Part{Type: llm.PartReasoning, Reasoning: signed("", p.signature)})
	}
	return parts, nil
}

func (d *requestDecoder) partMember(p *rawPart, name string, v []byte) (err error) {
	switch name {
	case "text":
		p.fields++
		p.text, err = pointer(wire.String(v))
	case "thought":
		p.thought, err = wire.Bool(v)
	case "thoughtSignature":
		if p.signature, err = wire.String(v); p.signature == skipSignature {
			p.signature = ""
		}
	case "inlineData", "fileData":
		p.fields++
		p.data, err = media(name, v)
	case "functionCall":
		p.fields++
		p.data.Type = llm.PartToolCall
		p.data.ToolCall, err = functionCall(v)
	case "functionResponse":
		p.fields++
		p.data.Type = llm.PartToolResult
		p.data.ToolResult, err = functionResponse(v)
	case "mediaResolution":
		err = object(v, func(_ string, v []byte) error { return resolution(p, v) })
	default:
		err = wire.Refuse("unknown kind of part")
	}
	return err
}

// resolution reads how finely to look at an image, in OpenAI's words.
func resolution(p *rawPart, v []byte) error {
	level, err := wire.String(v)
	switch level {
	case "MEDIA_RESOLUTION_LOW":
		p.detail = "low"
	case "MEDIA_RESOLUTION_HIGH":
		p.detail = "high"
	}
	return err
}

func functionCall(v []byte) (*llm.ToolCall, error) {
	c := &llm.ToolCall{Arguments: "{}"}
	err := object(v, func(name string, v []byte) (err error) {
		switch name {
		case "name":
			c.Name, err = wire.Filled(v)
		case "args":
			var raw json.RawMessage
			raw, err = wire.Raw(v)
			c.Arguments = string(raw)
		case "id":
			c.ID, err = wire.String(v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err == nil && c.Name == "" {
		err = wire.At(wire.Wrong("is required"), "name")
	}
	return c, err
}

func functionResponse(v []byte) (*llm.ToolResult, error) {
	r := &llm.ToolResult{}
	var response []byte
	var files []llm.Part
	err := object(v, func(name string, v []byte) (err error) {
		switch name {
		case "name":
			r.Name, err = wire.Filled(v)
		case "id":
			r.CallID, err = wire.String(v)
		case "response":
			response, err = wire.Raw(v)
		case "parts":
			files, err = responseFiles(v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	switch {
	case err != nil:
		return r, err
	case r.Name == "":
		return r, wire.At(wire.Wrong("is required"), "name")
	case response == nil:
		return r, wire.At(wire.Wrong("is required"), "response")
	}
	text, failed := outcome(response)
	r.IsError = failed
	if text != "" {
		r.Parts = []llm.Part{{Type: llm.PartText, Text: text}}
	}
	r.Parts = append(r.Parts, files...)
	return r, nil
}

// responseFiles reads the images and files of a result.
func responseFiles(v []byte) ([]llm.Part, error) {
	var files []llm.Part
	err := wire.Array(v, func(_ int, v []byte) error {
		return object(v, func(name string, v []byte) error {
			if name != "inlineData" && name != "fileData" {
				return wire.Refuse("unknown kind of part")
			}
			p, err := media(name, v)
			files = append(files, p)
			return err
		})
	})
	return files, err
}

// outcome is the reverse of appendOutcome: {"result": "text"} is the text,
// {"error": …} a failure, any other object itself.
func outcome(v []byte) (text string, failed bool) {
	n := 0
	key, value := "", []byte(nil)
	_ = wire.Object(v, func(name string, v []byte) error {
		n++
		key, value = name, v
		return nil
	})
	if n != 1 || key != "result" && key != "error" {
		return string(v), false
	}
	if s, err := wire.String(value); err == nil {
		return s, key == "error"
	}
	if key == "error" && value[0] == '{' {
		return string(value), true
	}
	return string(v), false
}

// media reads inlineData or fileData; its type says what it is.
func media(kind string, v []byte) (llm.Part, error) {
	m := &llm.Media{}
	err := object(v, func(name string, v []byte) (err error) {
		switch name {
		case "mimeType":
			m.MIME, err = wire.Filled(v)
		case "data":
			if m.Data, err = wire.Filled(v); err == nil {
				m.Data, err = standardBase64(m.Data)
			}
		case "fileUri":
			m.URL, err = wire.Filled(v)
		case "displayName":
			m.Name, err = wire.String(v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	switch {
	case err != nil:
	case kind == "inlineData" && m.Data == "":
		err = wire.At(wire.Wrong("is required"), "data")
	case kind == "fileData" && m.URL == "":
		err = wire.At(wire.Wrong("is required"), "fileUri")
	case m.MIME == "":
		err = wire.At(wire.Wrong("is required"), "mimeType")
	}
	if m.URL != "" && !strings.HasPrefix(m.URL, "https://") && !strings.HasPrefix(m.URL, "http://") {
		m.FileID, m.URL = m.URL, "" // files/… and gs://… are Google's own
	}
	t := llm.PartFile
	switch {
	case strings.HasPrefix(m.MIME, "image/"):
		t = llm.PartImage
	case strings.HasPrefix(m.MIME, "audio/"):
		t = llm.PartAudio
	}
	return llm.Part{Type: t, Media: m}, err
}

// standardBase64 accepts both alphabets, as proto3 JSON does.
func standardBase64(s string) (string, error) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "=")
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return "", wire.Wrong("is not valid base64")
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// lowerTypes turns the types of Google's schemas (OBJECT) into those of JSON
// Schema (object).
func lowerTypes(raw json.RawMessage) json.RawMessage {
	for _, t := range []string{"OBJECT", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "NULL"} {
		for _, sep := range []string{`"type":"`, `"type": "`} {
			raw = bytes.ReplaceAll(raw, []byte(sep+t+`"`), []byte(sep+strings.ToLower(t)+`"`))
		}
	}
	return raw
}
