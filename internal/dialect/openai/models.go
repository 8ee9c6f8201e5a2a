package openai

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
)

// Model is an entry of GET /v1/models. OpenAI's own members are id, object,
// created and owned_by; the others are left out when they are not known.
type Model struct {
	ID            string
	OwnedBy       string
	Created       int64 // Unix seconds
	ContextWindow int64 // tokens
	MaxOutput     int64 // tokens
	Capabilities  []string
}

// AppendModels appends the answer of GET /v1/models.
func AppendModels(dst []byte, models []Model) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i := range models {
		dst = AppendModel(wire.Sep(dst), &models[i])
	}
	return append(dst, `]}`...)
}

// AppendModel appends the answer of GET /v1/models/{id}.
func AppendModel(dst []byte, m *Model) []byte {
	dst = wire.Str(append(dst, '{'), "id", m.ID)
	dst = wire.Str(dst, "object", "model")
	dst = wire.Num(dst, "created", m.Created)
	dst = wire.Str(dst, "owned_by", m.OwnedBy)
	if m.ContextWindow > 0 {
		dst = wire.Num(dst, "context_window", m.ContextWindow)
	}
	if m.MaxOutput > 0 {
		dst = wire.Num(dst, "max_output_tokens", m.MaxOutput)
	}
	if len(m.Capabilities) > 0 {
		dst = append(wire.Key(dst, "capabilities"), '[')
		for _, c := range m.Capabilities {
			dst = wire.StrElem(dst, c)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
