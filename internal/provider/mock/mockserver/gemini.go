package mockserver

import (
	"net/http"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/gemini"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// gemini is the surface of Google's generateContent API, with the paths of the
// Gemini API and those of Vertex AI. What is done stands in the path, behind
// the model and a colon.
func (s *Server) gemini() *surface {
	sf := &surface{
		idPrefix: "",
		codec:    gemini.Codec{},
		errors:   worded{gemini.Codec{}},
		key:      googleKey,
		noKey:    googleNoKey,
		head:     func(h http.Header, _ *meta) { h.Set("Server-Timing", "gfet4t7; dur=1") },
		dress:    dressGemini,
	}
	verbs := map[string]*route{
		"generateContent":       {op: llm.OpChat, check: checkContents, adjust: fromPath(false)},
		"streamGenerateContent": {op: llm.OpChat, check: checkStream, adjust: fromPath(true)},
		"countTokens":           {op: llm.OpCountTokens, check: checkCountContents, adjust: fromPath(false)},
		"batchEmbedContents":    {op: llm.OpEmbed, check: checkEmbeds, adjust: fromPath(false)},
	}
	for _, rt := range verbs {
		rt.surface = sf
	}
	pick := func(hr *http.Request) *route {
		_, verb := modelVerb(hr)
		return verbs[verb]
	}
	sf.routes = []route{
		{pattern: "POST /v1beta/models/{call...}", pick: pick},
		{pattern: "POST /v1/projects/{project}/locations/{location}/publishers/google/models/{call...}", pick: pick},
	}
	return sf
}

// modelVerb splits what stands behind models/ in a path.
func modelVerb(hr *http.Request) (model, verb string) {
	call := hr.PathValue("call")
	i := strings.LastIndexByte(call, ':')
	if i < 0 {
		return call, ""
	}
	return call[:i], call[i+1:]
}

func fromPath(stream bool) func(*http.Request, *llm.Request) {
	return func(hr *http.Request, r *llm.Request) {
		r.Model, _ = modelVerb(hr)
		r.Stream, r.IncludeUsage = stream, stream
	}
}

// googleKey takes an API key, or the token of a service account.
func googleKey(r *http.Request) string {
	if key := r.Header.Get("X-Goog-Api-Key"); key != "" {
		return key
	}
	if key := r.URL.Query().Get("key"); key != "" {
		return key
	}
	return bearer(r)
}

// googleNoKey is a 400 for a wrong key, and a 403 for none, as Google has it.
func googleNoKey(got string) *llm.Error {
	if got == "" {
		return &llm.Error{Kind: llm.KindPermissionDenied, Status: http.StatusForbidden,
			Message: "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API."}
	}
	return bad("API key not valid. Please pass a valid API key.")
}

// dressGemini gives the first function call of an answer the signature that
// must come back with it.
func dressGemini(_ *llm.Request, out *llm.Response) {
	for i := range out.Parts {
		if c := out.Parts[i].ToolCall; c != nil {
			c.Signature = callSeal(c.ID, c.Name)
			return
		}
	}
}

// callSeal is the signature of a call. It does not depend on the arguments:
// clients may format them anew.
func callSeal(id, name string) string { return seal("gemini", id+"\x00"+name) }
