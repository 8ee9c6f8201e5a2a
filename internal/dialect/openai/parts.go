package openai

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// allowed says which parts a role's content may hold.
type allowed struct {
	types []string
	media bool
}

var (
	textParts      = allowed{types: []string{"text"}}
	userParts      = allowed{types: []string{"text", "image_url", "input_audio", "file"}, media: true}
	assistantParts = allowed{types: []string{"text", "refusal"}}
	// OpenAI's tool messages hold text; images are what other dialects allow.
	toolParts = allowed{types: []string{"text", "image_url"}, media: true}
)

// content reads a message's content: a string, or an array of parts.
func (d *RequestDecoder) content(v []byte, ok allowed) ([]llm.Part, error) {
	if v[0] == '"' {
		s, err := wire.String(v)
		return []llm.Part{{Type: llm.PartText, Text: s}}, err
	}
	if v[0] != '[' {
		return nil, wire.Wrong("expected a string or an array of parts")
	}
	var parts []llm.Part
	err := wire.Array(v, func(j int, v []byte) error {
		p, err := d.part(j, v, ok)
		parts = append(parts, p)
		return err
	})
	if err == nil && len(parts) == 0 {
		err = wire.Wrong("must not be an empty array")
	}
	return parts, err
}

func (d *RequestDecoder) part(j int, v []byte, ok allowed) (llm.Part, error) {
	var p llm.Part
	var typ string
	var body []byte
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			typ, err = wire.OneOf(v, ok.types...)
		case "text", "refusal", "image_url", "input_audio", "file":
			if body == nil || name == typ {
				body = v
			}
		case "cache_control":
			p.CacheControl, err = wire.Raw(v)
		case "prompt_cache_breakpoint":
			p.CacheControl = json.RawMessage(`{"type":"ephemeral"}`)
		default:
			d.later("content["+strconv.Itoa(j)+"]."+name, v)
		}
		return err
	})
	if err != nil {
		return p, err
	}
	if typ == "" {
		return p, wire.At(wire.Wrong("is required"), "type")
	}
	if body == nil {
		return p, wire.At(wire.Wrong("is required"), typ)
	}
	return p, wire.At(fillPart(&p, typ, body), typ)
}

// fillPart reads the member that is named as the part's type.
func fillPart(p *llm.Part, typ string, v []byte) (err error) {
	switch typ {
	case "text":
		p.Type = llm.PartText
		p.Text, err = wire.String(v)
	case "refusal":
		p.Type = llm.PartRefusal
		p.Text, err = wire.String(v)
	case "image_url":
		p.Type = llm.PartImage
		p.Media, err = image(v)
	case "input_audio":
		p.Type = llm.PartAudio
		p.Media, err = audio(v)
	case "file":
		p.Type = llm.PartFile
		p.Media, err = file(v)
	}
	return err
}

// image reads image_url; a bare string in its place is a common slip that
// compatible servers accept.
func image(v []byte) (*llm.Media, error) {
	if v[0] == '"' {
		url, err := wire.Filled(v)
		if err != nil {
			return nil, err
		}
		return MediaURL(url)
	}
	m := &llm.Media{}
	var detail string
	err := wire.Object(v, func(name string, v []byte) error {
		switch name {
		case "url":
			url, err := wire.Filled(v)
			if err == nil {
				m, err = MediaURL(url)
			}
			return err
		case "detail":
			var err error
			detail, err = wire.OneOf(v, "auto", "low", "high", "original")
			return err
		}
		return wire.Refuse("unknown member")
	})
	if err == nil && m.URL == "" && m.Data == "" {
		err = wire.At(wire.Wrong("is required"), "url")
	}
	m.Detail = detail
	return m, err
}

// MediaURL takes a http(s) URL as it is and a data: URL apart.
func MediaURL(url string) (*llm.Media, error) {
	if len(url) >= 5 && strings.EqualFold(url[:5], "data:") {
		mime, data, err := splitDataURL(url)
		return &llm.Media{MIME: mime, Data: data}, err
	}
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return &llm.Media{}, wire.Wrong("must be a http, https or data URL")
	}
	return &llm.Media{URL: url}, nil
}

// splitDataURL reads data:<mime>[;param]*;base64,<data>. The marker may be in
// capitals; white space inside the data is dropped; image/jpg is corrected.
func splitDataURL(url string) (mime, data string, err error) {
	head, body, ok := strings.Cut(url[5:], ",")
	if !ok {
		return "", "", wire.Wrong("a data URL needs a comma before its data")
	}
	fields := strings.Split(head, ";")
	if !strings.EqualFold(strings.TrimSpace(fields[len(fields)-1]), "base64") {
		return "", "", wire.Wrong("a data URL must be base64-encoded")
	}
	mime = strings.ToLower(strings.TrimSpace(fields[0]))
	if mime == "image/jpg" {
		mime = "image/jpeg"
	}
	if len(fields) == 1 || mime == "" {
		return "", "", wire.Wrong("a data URL must name its media type")
	}
	data, err = cleanBase64(body)
	return mime, data, err
}

// cleanBase64 returns s as padded standard base64 without white space.
func cleanBase64(s string) (string, error) {
	if strings.ContainsAny(s, " \t\r\n") {
		s = strings.Join(strings.Fields(s), "")
	}
	if s == "" {
		return "", wire.Wrong("has no data")
	}
	bare := strings.TrimRight(s, "=")
	for i := range len(bare) {
		if c := bare[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '+' && c != '/' {
			return "", wire.Wrong("is not valid base64")
		}
	}
	padding := (4 - len(bare)%4) % 4
	if padding == 3 || len(s)-len(bare) > 2 {
		return "", wire.Wrong("is not valid base64")
	}
	if len(s) == len(bare)+padding {
		return s, nil
	}
	return bare + strings.Repeat("=", padding), nil
}

var audioTypes = map[string]string{"wav": "audio/wav", "mp3": "audio/mp3"}

func audio(v []byte) (*llm.Media, error) {
	m := &llm.Media{}
	err := wire.Object(v, func(name string, v []byte) error {
		s, err := wire.String(v)
		switch {
		case err != nil:
		case name == "data":
			m.Data, err = cleanBase64(s)
		case name == "format" && audioTypes[s] != "":
			m.MIME = audioTypes[s]
		case name == "format":
			err = wire.Wrong("must be wav or mp3")
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	switch {
	case err != nil:
		return m, err
	case m.Data == "":
		return m, wire.At(wire.Wrong("is required"), "data")
	case m.MIME == "":
		return m, wire.At(wire.Wrong("is required"), "format")
	}
	return m, nil
}

func file(v []byte) (*llm.Media, error) {
	m := &llm.Media{}
	err := wire.Object(v, func(name string, v []byte) error {
		s, err := wire.Filled(v)
		switch {
		case err != nil:
		case name == "file_id":
			m.FileID = s
		case name == "filename":
			m.Name = s
		case name == "file_data":
			m.MIME, m.Data, err = FileData(s)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err == nil && m.FileID == "" && m.Data == "" {
		err = wire.Wrong("needs file_id or file_data")
	}
	return m, err
}

// FileData accepts a data URL, and bare base64, which OpenAI takes for PDF.
func FileData(s string) (mime, data string, err error) {
	if len(s) >= 5 && strings.EqualFold(s[:5], "data:") {
		return splitDataURL(s)
	}
	data, err = cleanBase64(s)
	return "application/pdf", data, err
}

// dataURL is the reverse of splitDataURL.
func dataURL(m *llm.Media) string { return "data:" + m.MIME + ";base64," + m.Data }
