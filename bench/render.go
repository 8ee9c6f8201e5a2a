package main

import (
	"bytes"
	"fmt"
	"strings"
)

// What the upstream says in every dialect. It is told as used: promptTokens
// and, for the whole answer, 14; for a stream one for each chunk.
const (
	answerText   = "Forty-two, said Deep Thought, with infinite majesty and calm."
	promptTokens = 21
	answerTokens = 14
)

// rendering is an answer in one dialect, made beforehand.
type rendering struct {
	unary             []byte
	start, chunk, end []byte // of a stream
	all               []byte // the stream in one piece
}

// dialects are the wire formats of the upstream, by path.
var dialects = map[string]func(model string, chunks int) rendering{
	"/v1/chat/completions": renderChat,
	"/v1/messages":         renderMessages,
	"/v1/responses":        renderResponses,
	"gemini":               renderGemini,
}

func (r rendering) joined(chunks int) rendering {
	r.all = append(bytes.Clone(r.start), bytes.Repeat(r.chunk, chunks)...)
	r.all = append(r.all, r.end...)
	return r
}

func renderChat(model string, chunks int) rendering {
	const head = `{"id":"chatcmpl-bench0000","object":"chat.completion%s","created":1769093756,"model":"%s",`
	chunk := "data: " + fmt.Sprintf(head, ".chunk", model)
	return rendering{
		unary: fmt.Appendf(nil, head+`"choices":[{"index":0,"message":{"role":"assistant","content":"%s","refusal":null},"logprobs":null,"finish_reason":"stop"}],`+
			`"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default"}`,
			"", model, answerText, promptTokens, answerTokens, promptTokens+answerTokens),
		chunk: []byte(chunk + `"choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}],"usage":null}` + "\n\n"),
		end: fmt.Appendf(nil, "%s"+`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`+"\n\n"+
			"%[1]s"+`"choices":[],"usage":{"prompt_tokens":%[2]d,"completion_tokens":%[3]d,"total_tokens":%[4]d}}`+"\n\ndata: [DONE]\n\n",
			chunk, promptTokens, chunks, promptTokens+chunks),
	}.joined(chunks)
}

func renderMessages(model string, chunks int) rendering {
	const head = `{"id":"msg_bench0000","type":"message","role":"assistant","model":"%s",`
	return rendering{
		unary: fmt.Appendf(nil, head+`"content":[{"type":"text","text":"%s"}],"stop_reason":"end_turn","stop_sequence":null,`+
			`"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":%d}}`, model, answerText, promptTokens, answerTokens),
		start: events(
			"message_start", fmt.Sprintf(`{"type":"message_start","message":`+head+`"content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":%d,"output_tokens":1}}}`, model, promptTokens),
			"content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`),
		chunk: events("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" token"}}`),
		end: events(
			"content_block_stop", `{"type":"content_block_stop","index":0}`,
			"message_delta", fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}}`, chunks),
			"message_stop", `{"type":"message_stop"}`),
	}.joined(chunks)
}

func renderResponses(model string, chunks int) rendering {
	const head = `{"id":"resp_bench0000","object":"response","created_at":1769093756,"status":"%s","model":"%s",`
	const item = `{"type":"message","id":"msg_bench0000","status":"%s","role":"assistant","content":[%s]}`
	part := func(text string) string {
		return fmt.Sprintf(`{"type":"output_text","text":"%s","annotations":[]}`, text)
	}
	whole := func(text string, tokens int) string {
		return fmt.Sprintf(head+`"output":[`+item+`],"usage":{"input_tokens":%d,"input_tokens_details":{"cached_tokens":0},"output_tokens":%d,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":%d}}`,
			"completed", model, "completed", part(text), promptTokens, tokens, promptTokens+tokens)
	}
	const at = `"item_id":"msg_bench0000","output_index":0,"content_index":0`
	text := strings.Repeat(" token", chunks)
	return rendering{
		unary: []byte(whole(answerText, answerTokens)),
		start: events(
			"response.created", fmt.Sprintf(`{"type":"response.created","sequence_number":0,"response":`+head+`"output":[],"usage":null}}`, "in_progress", model),
			"response.output_item.added", fmt.Sprintf(`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":`+item+`}`, "in_progress", ""),
			"response.content_part.added", `{"type":"response.content_part.added","sequence_number":2,`+at+`,"part":`+part("")+`}`),
		chunk: events("response.output_text.delta", `{"type":"response.output_text.delta","sequence_number":3,`+at+`,"delta":" token"}`),
		end: events(
			"response.output_text.done", `{"type":"response.output_text.done","sequence_number":4,`+at+`,"text":"`+text+`"}`,
			"response.content_part.done", `{"type":"response.content_part.done","sequence_number":5,`+at+`,"part":`+part(text)+`}`,
			"response.output_item.done", fmt.Sprintf(`{"type":"response.output_item.done","sequence_number":6,"output_index":0,"item":`+item+`}`, "completed", part(text)),
			"response.completed", `{"type":"response.completed","sequence_number":7,"response":`+whole(text, chunks)+`}`),
	}.joined(chunks)
}

func renderGemini(model string, chunks int) rendering {
	const form = `{"candidates":[{"content":{"parts":[{"text":"%s"}],"role":"model"}%s,"index":0}],"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d},"modelVersion":"%s","responseId":"bench0000"}`
	stop := `,"finishReason":"STOP"`
	return rendering{
		unary: fmt.Appendf(nil, form, answerText, stop, promptTokens, answerTokens, promptTokens+answerTokens, model),
		chunk: fmt.Appendf(nil, "data: "+form+"\r\n\r\n", " token", "", promptTokens, 1, promptTokens+1, model),
		end:   fmt.Appendf(nil, "data: "+form+"\r\n\r\n", "", stop, promptTokens, chunks, promptTokens+chunks, model),
	}.joined(chunks)
}

// events renders pairs of event name and data.
func events(pairs ...string) []byte {
	var b bytes.Buffer
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", pairs[i], pairs[i+1])
	}
	return b.Bytes()
}
