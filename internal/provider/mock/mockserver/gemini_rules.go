package mockserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// gemBody is every member that generateContent takes.
type gemBody struct {
	Contents          []gemContent    `json:"contents"`
	SystemInstruction *gemContent     `json:"systemInstruction"`
	Tools             []gemTool       `json:"tools"`
	ToolConfig        *gemToolConfig  `json:"toolConfig"`
	GenerationConfig  *gemConfig      `json:"generationConfig"`
	SafetySettings    json.RawMessage `json:"safetySettings"`
	CachedContent     string          `json:"cachedContent"`
	Labels            json.RawMessage `json:"labels"`
	ServiceTier       string          `json:"serviceTier"`
}

type gemContent struct {
	Role  string    `json:"role"`
	Parts []gemPart `json:"parts"`
}

// gemPart has exactly one of its data members.
type gemPart struct {
	Text             *string          `json:"text"`
	Thought          bool             `json:"thought"`
	Signature        string           `json:"thoughtSignature"`
	InlineData       *gemBlob         `json:"inlineData"`
	FileData         *gemFile         `json:"fileData"`
	FunctionCall     *gemCall         `json:"functionCall"`
	FunctionResponse *gemResponse     `json:"functionResponse"`
	MediaResolution  *json.RawMessage `json:"mediaResolution"`
}

type gemBlob struct {
	MIME string `json:"mimeType"`
	Data []byte `json:"data"`
	Name string `json:"displayName"`
}

type gemFile struct {
	MIME string `json:"mimeType"`
	URI  string `json:"fileUri"`
	Name string `json:"displayName"`
}

type gemCall struct {
	ID   string                      `json:"id"`
	Name string                      `json:"name"`
	Args map[string]*json.RawMessage `json:"args"`
}

type gemResponse struct {
	ID       string                      `json:"id"`
	Name     string                      `json:"name"`
	Response map[string]*json.RawMessage `json:"response"`
	Parts    []gemPart                   `json:"parts"`
}

type gemTool struct {
	Functions     []gemFunction    `json:"functionDeclarations"`
	GoogleSearch  *json.RawMessage `json:"googleSearch"`
	CodeExecution *json.RawMessage `json:"codeExecution"`
	URLContext    *json.RawMessage `json:"urlContext"`
}

type gemFunction struct {
	Name             string           `json:"name"`
	Description      string           `json:"description"`
	Parameters       *json.RawMessage `json:"parameters"`
	ParametersSchema *json.RawMessage `json:"parametersJsonSchema"`
	Response         *json.RawMessage `json:"response"`
	ResponseSchema   *json.RawMessage `json:"responseJsonSchema"`
}

type gemToolConfig struct {
	Calling *struct {
		Mode    string   `json:"mode"`
		Allowed []string `json:"allowedFunctionNames"`
	} `json:"functionCallingConfig"`
}

type gemConfig struct {
	Temperature     *float64         `json:"temperature"`
	TopP            *float64         `json:"topP"`
	TopK            *float64         `json:"topK"`
	CandidateCount  *int             `json:"candidateCount"`
	MaxOutput       *int64           `json:"maxOutputTokens"`
	Stop            []string         `json:"stopSequences"`
	Presence        *float64         `json:"presencePenalty"`
	Frequency       *float64         `json:"frequencyPenalty"`
	Seed            *int32           `json:"seed"`
	Logprobs        *int             `json:"logprobs"`
	WithLogprobs    bool             `json:"responseLogprobs"`
	MIME            string           `json:"responseMimeType"`
	Schema          *json.RawMessage `json:"responseSchema"`
	JSONSchema      *json.RawMessage `json:"responseJsonSchema"`
	Modalities      []string         `json:"responseModalities"`
	MediaResolution string           `json:"mediaResolution"`
	Thinking        *struct {
		Include bool   `json:"includeThoughts"`
		Budget  *int64 `json:"thinkingBudget"`
		Level   string `json:"thinkingLevel"`
	} `json:"thinkingConfig"`
}

// checkStream also demands the query that makes events of the answer: without
// it the real API sends one long JSON array.
func checkStream(hr *http.Request, body []byte) *llm.Error {
	if hr.URL.Query().Get("alt") != "sse" {
		return bad("the mock streams server-sent events only: alt=sse is missing")
	}
	return checkContents(hr, body)
}

// checkContents refuses what generateContent refuses.
func checkContents(_ *http.Request, body []byte) *llm.Error {
	var b gemBody
	if err := readGoogle(body, &b); err != nil {
		return err
	}
	return b.check()
}

// checkCountContents is checkContents for the two forms of countTokens.
func checkCountContents(_ *http.Request, body []byte) *llm.Error {
	var c struct {
		Contents []gemContent `json:"contents"`
		Whole    *struct {
			Model string `json:"model"`
			gemBody
		} `json:"generateContentRequest"`
	}
	if err := readGoogle(body, &c); err != nil {
		return err
	}
	switch {
	case c.Whole == nil:
		return (&gemBody{Contents: c.Contents}).check()
	case !strings.HasPrefix(c.Whole.Model, "models/") || c.Contents != nil:
		return bad("generateContentRequest.model: unexpected model name format")
	}
	return c.Whole.check()
}

func checkEmbeds(hr *http.Request, body []byte) *llm.Error {
	var b struct {
		Requests []struct {
			Model   string     `json:"model"`
			Content gemContent `json:"content"`
			Task    string     `json:"taskType"`
			Title   string     `json:"title"`
			Size    *int64     `json:"outputDimensionality"`
		} `json:"requests"`
	}
	if err := readGoogle(body, &b); err != nil {
		return err
	}
	const most = 100
	model, _ := modelVerb(hr)
	switch n := len(b.Requests); {
	case n == 0:
		return bad("* BatchEmbedContentsRequest.requests: at least one request is required")
	case n > most:
		return bad("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch")
	}
	for i, r := range b.Requests {
		switch {
		case r.Model != "models/"+model && r.Model != model:
			return bad("* BatchEmbedContentsRequest.requests[%d].model: expected to match the batch's own", i)
		case len(r.Content.Parts) == 0 || r.Content.Parts[0].Text == nil || *r.Content.Parts[0].Text == "":
			return bad("* BatchEmbedContentsRequest.requests[%d].content: contents is required and cannot be empty", i)
		}
	}
	return nil
}

func readGoogle(body []byte, v any) *llm.Error {
	unknown, err := exactly(body, v)
	switch {
	case unknown != "":
		return bad("Invalid JSON payload received. Unknown name %q: Cannot find field.", unknown)
	case err != nil:
		return bad("Invalid JSON payload received. %v", err)
	}
	return nil
}

func (b *gemBody) check() *llm.Error {
	if len(b.Contents) == 0 {
		return bad("* GenerateContentRequest.contents: contents is not specified")
	}
	for _, rule := range []func(*gemBody) *llm.Error{gemConfigRule, gemToolRule, gemPartRule, gemTurnRule, gemSignatureRule} {
		if err := rule(b); err != nil {
			return err
		}
	}
	return nil
}

func gemConfigRule(b *gemBody) *llm.Error {
	c := b.GenerationConfig
	if c == nil {
		return nil
	}
	const stops = 5
	beyond := func(v *float64, low, high float64) bool { return v != nil && (*v < low || *v > high) }
	switch {
	case beyond(c.Temperature, 0, 2):
		return bad("* GenerateContentRequest.generation_config.temperature: temperature must be in the range [0.0, 2.0].")
	case beyond(c.TopP, 0, 1):
		return bad("* GenerateContentRequest.generation_config.top_p: top_p must be in the range [0.0, 1.0].")
	case beyond(c.Presence, -2, 1.9999), beyond(c.Frequency, -2, 1.9999):
		return bad("Penalties must be in the range [-2.0, 2.0).")
	case c.MaxOutput != nil && *c.MaxOutput < 1:
		return bad("max_output_tokens must be positive.")
	case len(c.Stop) > stops:
		return bad("* GenerateContentRequest.generation_config.stop_sequences: at most 5 stop sequences")
	case c.Schema != nil && c.JSONSchema != nil:
		return bad("Only one of response_schema and response_json_schema may be set.")
	case (c.Schema != nil || c.JSONSchema != nil) && c.MIME != "application/json":
		return bad("* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is application/json")
	case c.MIME != "" && !slices.Contains([]string{"text/plain", "application/json", "text/x.enum"}, c.MIME):
		return bad("* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json` and `text/x.enum`.")
	}
	if t := c.Thinking; t != nil {
		if t.Budget != nil && t.Level != "" {
			return bad("You can only set only one of thinking budget and thinking level.")
		}
		if t.Level != "" && !slices.Contains([]string{"MINIMAL", "LOW", "MEDIUM", "HIGH"}, t.Level) {
			return bad("Invalid value at 'generation_config.thinking_config.thinking_level'")
		}
	}
	return nil
}

var gemName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$`)

func gemToolRule(b *gemBody) *llm.Error {
	var names []string
	for i := range b.Tools {
		for j := range b.Tools[i].Functions {
			f := &b.Tools[i].Functions[j]
			switch {
			case !gemName.MatchString(f.Name):
				return bad("* GenerateContentRequest.tools[%d].function_declarations[%d].name: Invalid function name.", i, j)
			case slices.Contains(names, f.Name):
				return bad("Duplicate function declaration found: %s", f.Name)
			case f.Parameters != nil && f.ParametersSchema != nil:
				return bad("Only one of parameters and parameters_json_schema may be set.")
			}
			names = append(names, f.Name)
		}
	}
	if b.ToolConfig == nil || b.ToolConfig.Calling == nil {
		return nil
	}
	c := b.ToolConfig.Calling
	switch {
	case !slices.Contains([]string{"", "AUTO", "ANY", "NONE", "VALIDATED"}, c.Mode):
		return bad("Invalid value at 'tool_config.function_calling_config.mode'")
	case len(c.Allowed) > 0 && c.Mode != "ANY" && c.Mode != "VALIDATED":
		return bad("allowed_function_names should only be set when the Function calling mode is ANY or VALIDATED.")
	}
	for _, n := range c.Allowed {
		if !slices.Contains(names, n) {
			return bad("allowed_function_names: %s is not declared", n)
		}
	}
	return nil
}

func gemPartRule(b *gemBody) *llm.Error {
	for i := range b.Contents {
		c := &b.Contents[i]
		if c.Role != "" && c.Role != "user" && c.Role != "model" {
			return bad("Please use a valid role: user, model.")
		}
		if len(c.Parts) == 0 {
			return bad("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i)
		}
		for j := range c.Parts {
			if err := c.Parts[j].check(fmt.Sprintf("contents[%d].parts[%d]", i, j), c.Role); err != nil {
				return err
			}
		}
	}
	if s := b.SystemInstruction; s != nil {
		for i := range s.Parts {
			if s.Parts[i].Text == nil {
				return bad("* GenerateContentRequest.system_instruction.parts[%d]: only text", i)
			}
		}
	}
	return nil
}

func (p *gemPart) check(at, role string) *llm.Error {
	n := 0
	for _, set := range []bool{p.Text != nil, p.InlineData != nil, p.FileData != nil, p.FunctionCall != nil, p.FunctionResponse != nil} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		return bad("* GenerateContentRequest.%s.data: required oneof field 'data' must have one initialized field", at)
	case p.Text != nil && *p.Text == "" && p.Signature == "":
		return bad("Unable to submit request because it must have a text parameter.")
	case p.FunctionCall != nil && (role != "model" || p.FunctionCall.Name == ""):
		return bad("* GenerateContentRequest.%s.function_call: a name is required, in a turn of the model", at)
	case p.FunctionResponse != nil && (role == "model" || p.FunctionResponse.Name == ""):
		return bad("* GenerateContentRequest.%s.function_response.name: Name cannot be empty.", at)
	case p.FunctionResponse != nil && p.FunctionResponse.Response == nil:
		return bad("* GenerateContentRequest.%s.function_response.response: required", at)
	case p.InlineData != nil && (p.InlineData.MIME == "" || len(p.InlineData.Data) == 0):
		return bad("* GenerateContentRequest.%s.inline_data: mime_type and data are required", at)
	case p.FileData != nil && p.FileData.URI == "":
		return bad("* GenerateContentRequest.%s.file_data.file_uri: required", at)
	}
	return nil
}

// gemTurnRule demands that the last turn is the user's, and that each turn of
// calls is followed by as many responses, of the same functions.
func gemTurnRule(b *gemBody) *llm.Error {
	if b.Contents[len(b.Contents)-1].Role == "model" {
		return bad("Please ensure that the last turn is the user's.")
	}
	var open []string
	for i := range b.Contents {
		var calls, answers []string
		for _, p := range b.Contents[i].Parts {
			if p.FunctionCall != nil {
				calls = append(calls, p.FunctionCall.Name)
			}
			if p.FunctionResponse != nil {
				answers = append(answers, p.FunctionResponse.Name)
			}
		}
		switch {
		case len(answers) != len(open):
			return bad("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		case !slices.Equal(slices.Sorted(slices.Values(answers)), slices.Sorted(slices.Values(open))):
			return bad("Please ensure that function response parts answer the functions that were called.")
		case len(calls) > 0 && (i == 0 || b.Contents[i-1].Role == "model"):
			return bad("Please ensure that function call turn comes immediately after a user turn or after a function response turn.")
		}
		open = calls
	}
	return nil
}

// gemSkip is what the API takes for a call that comes from elsewhere.
const gemSkip = "skip_thought_signature_validator"

// gemSignatureRule demands the signatures of the turn that is being answered:
// the first call of each step must have its own. The placeholder is taken for
// calls that were made elsewhere alone; the real API takes it always, but then
// whoever loses signatures would not notice it here.
func gemSignatureRule(b *gemBody) *llm.Error {
	from := 0
	for i := range b.Contents {
		if c := &b.Contents[i]; c.Role != "model" && !slices.ContainsFunc(c.Parts, func(p gemPart) bool { return p.FunctionResponse != nil }) {
			from = i
		}
	}
	for i := from; i < len(b.Contents); i++ {
		parts := b.Contents[i].Parts
		first := slices.IndexFunc(parts, func(p gemPart) bool { return p.FunctionCall != nil })
		if first < 0 {
			continue
		}
		c, got := parts[first].FunctionCall, parts[first].Signature
		made := strings.HasPrefix(c.ID, "call_")
		switch {
		case got == "":
			return bad("Function call is missing a thought_signature in functionCall parts. Additional data, function call `%s`, position %d.", c.Name, first)
		case got == gemSkip && !made, got == callSeal(c.ID, c.Name):
		case got == gemSkip:
			return bad("the thought signature of the mock's own call `%s` was lost on the way: a placeholder came back", c.Name)
		default:
			return bad("Corrupted thought signature.")
		}
	}
	return nil
}
