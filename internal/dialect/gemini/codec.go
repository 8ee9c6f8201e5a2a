// Package gemini is Google's generateContent dialect at both ends: as the
// Gemini API and Vertex AI speak it, with token counts and embeddings, and as
// their clients do, so that a mock upstream can be built from it. The wire facts
// are those of Google's SDKs and documentation of 2026 and of recorded traffic.
//
// The dialect is proto3 JSON: default values are left out on the way here,
// names in camelCase and snake_case are both understood, 64-bit numbers may come
// as strings.
//
// # Thought signatures
//
// A signature sits beside the data of a part and goes back on the same part.
// That of a function call is llm.ToolCall.Signature. That of a text part is an
// llm.Reasoning without text that follows the text, that of a thought is the
// thought's own. Gemini 3 and later refuse a call of the unfinished turn without
// its signature; for one that comes from elsewhere the documented placeholder
// is sent.
//
// # Ids of function calls
//
// Older models give none: the ids made here then begin with call_gm_ and are
// not sent back; results stand in the order of their calls.
package gemini

import (
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// EmbedForm is one of the shapes of embedding requests and answers.
type EmbedForm uint8

// The forms, by the method that takes them. The zero value leaves the choice to
// the host and the model.
const (
	EmbedBatch   EmbedForm = iota + 1 // batchEmbedContents
	EmbedContent                      // embedContent, one text
	EmbedPredict                      // predict, older models on Vertex AI
)

// Codec reads and writes the dialect. The zero value speaks to the Gemini API.
// It holds no state.
type Codec struct {
	Vertex bool      // the host is Vertex AI
	Embed  EmbedForm // the form of embeddings, where it is not told by host and model
}

var (
	_ dialect.Client       = Codec{}
	_ dialect.ErrorEncoder = Codec{}
	_ dialect.Provider     = Codec{}
	_ dialect.ErrorDecoder = Codec{}
)

// Method returns what stands behind the colon in the path of a call:
// generateContent and so on. A stream also needs the query alt=sse.
func (k Codec) Method(c *llm.Call) string {
	switch {
	case c.Op == llm.OpCountTokens:
		return "countTokens"
	case c.Op == llm.OpEmbed:
		switch k.form(c.Model) {
		case EmbedContent:
			return "embedContent"
		case EmbedPredict:
			return "predict"
		}
		return "batchEmbedContents"
	case c.Stream:
		return "streamGenerateContent"
	}
	return "generateContent"
}

// form returns the form of embeddings for a model. On Vertex AI predict serves
// the models before gemini-embedding-2.
func (k Codec) form(model string) EmbedForm {
	switch {
	case k.Embed != 0:
		return k.Embed
	case !k.Vertex:
		return EmbedBatch
	case strings.Contains(model, "gemini-embedding") && !strings.Contains(model, "gemini-embedding-001"):
		return EmbedContent
	}
	return EmbedPredict
}

// resource returns a model's name as bodies have it: models/gemini-2.5-pro.
func resource(model string) string {
	if strings.Contains(model, "/") {
		return model
	}
	return "models/" + model
}

// generatedID begins the ids that are made here; Gemini does not know them.
const generatedID = "call_gm_"

// skipSignature is what Gemini takes in place of a signature that is lost.
const skipSignature = "skip_thought_signature_validator"

// finishes maps Gemini's finish reasons to the canonical ones. What stands not
// here ends as stop, with the native word kept.
var finishes = map[string]llm.FinishReason{
	"STOP": llm.FinishStop, "OTHER": llm.FinishStop, "NO_IMAGE": llm.FinishStop, "IMAGE_OTHER": llm.FinishStop,
	"MAX_TOKENS": llm.FinishLength,
	"SAFETY":     llm.FinishContentFilter, "RECITATION": llm.FinishContentFilter, "BLOCKLIST": llm.FinishContentFilter,
	"PROHIBITED_CONTENT": llm.FinishContentFilter, "SPII": llm.FinishContentFilter, "LANGUAGE": llm.FinishContentFilter,
	"IMAGE_SAFETY": llm.FinishContentFilter, "IMAGE_PROHIBITED_CONTENT": llm.FinishContentFilter, "IMAGE_RECITATION": llm.FinishContentFilter,
	"MODEL_ARMOR": llm.FinishContentFilter, "JAILBREAK": llm.FinishContentFilter,
}

// broken are the finish reasons that mean that the model failed, not that it
// stopped: without any content the call is worth another try.
var broken = map[string]bool{
	"MALFORMED_FUNCTION_CALL": true, "UNEXPECTED_TOOL_CALL": true, "TOO_MANY_TOOL_CALLS": true,
	"MISSING_THOUGHT_SIGNATURE": true, "MALFORMED_RESPONSE": true,
}

// finishOf returns the canonical reason of a native word. Gemini has no word
// for having stopped to call a function.
func finishOf(native string, calls bool) llm.FinishReason {
	f, ok := finishes[native]
	if !ok {
		f = llm.FinishStop
	}
	if f == llm.FinishStop && calls {
		f = llm.FinishToolCalls
	}
	return f
}

// finishReason is the reverse of finishOf. A native word of Gemini's own that
// means the same is kept.
func finishReason(f llm.FinishReason, native string) string {
	if known, ok := finishes[native]; ok && known == f {
		return native
	}
	switch f {
	case llm.FinishLength:
		return "MAX_TOKENS"
	case llm.FinishContentFilter:
		return "SAFETY"
	}
	return "STOP"
}

func errCut() *llm.Error {
	return llm.Errorf(llm.KindUpstreamError, "the provider's stream broke off before its end")
}

func errBroken(native string) *llm.Error {
	return llm.Errorf(llm.KindUpstreamError, "the model gave no answer (%s)", native)
}
