package main

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
)

// client is what the callers of a case speak.
type client int

const (
	chat      client = iota // OpenAI Chat Completions
	messages                // Anthropic Messages
	responses               // OpenAI Responses
)

// provider is the gateway's provider that speaks the same as the client; "" is
// the default one.
func (c client) provider() string {
	if c == messages {
		return "anthropic"
	}
	return ""
}

func (c client) path() string {
	return [...]string{"/v1/chat/completions", "/v1/messages", "/v1/responses"}[c]
}

// request renders the bytes that every caller sends.
func (c testCase) request(t target) ([]byte, error) {
	u, err := url.Parse(t.base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no base URL", t.base)
	}
	body := c.body()
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", c.client.path(), u.Host, len(body))
	if c.client == messages {
		b.WriteString("Anthropic-Version: 2023-06-01\r\n")
	}
	if t.key != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", t.key)
	}
	b.WriteString("\r\n" + body)
	return b.Bytes(), nil
}

func (c testCase) body() string {
	text := prompt(c.prompt)
	var b strings.Builder
	switch c.client {
	case responses:
		fmt.Fprintf(&b, `{"model":%q,"input":%q`, c.model, text)
	case messages:
		fmt.Fprintf(&b, `{"model":%q,"max_tokens":1024,"messages":[{"role":"user","content":%q}]`, c.model, text)
	default:
		fmt.Fprintf(&b, `{"model":%q,"messages":[{"role":"user","content":%q}]`, c.model, text)
	}
	if !c.translates() { // not every dialect has it, and the gateway refuses what it cannot pass on
		b.WriteString(`,"temperature":0.2`)
	}
	if c.stream > 0 {
		b.WriteString(`,"stream":true`)
		if c.client == chat {
			b.WriteString(`,"stream_options":{"include_usage":true}`)
		}
	}
	return b.String() + "}"
}

func prompt(n int) string {
	const s = "What is the answer to life, the universe and everything? "
	return strings.Repeat(s, n/len(s)+1)[:n]
}

// check says whether an answer is whole: the text or every chunk of it, the
// usage and the end.
func (c testCase) check(answer []byte) error {
	if c.stream > 0 {
		return c.checkStream(answer)
	}
	usage := `"total_tokens":35`
	if c.client == messages {
		usage = `"output_tokens":14`
	}
	if !bytes.Contains(answer, []byte(answerText)) || !bytes.Contains(answer, []byte(usage)) || !bytes.HasSuffix(bytes.TrimSpace(answer), []byte("}")) {
		return fmt.Errorf("answer is not whole: %.200s", answer)
	}
	return nil
}

func (c testCase) checkStream(answer []byte) error {
	if n := bytes.Count(answer, []byte(`" token"`)); n != c.stream {
		return fmt.Errorf("stream has %d of %d chunks", n, c.stream)
	}
	last, usage := "data: [DONE]\n\n", fmt.Sprintf(`"total_tokens":%d`, promptTokens+c.stream)
	switch c.client {
	case messages:
		last, usage = "event: message_stop\ndata: ", fmt.Sprintf(`"output_tokens":%d`, c.stream)
	case responses:
		last = "event: response.completed\ndata: "
	}
	at := bytes.LastIndex(answer, []byte(last))
	// The last event reaches to the end: one blank line, and it is the end.
	if at < 0 || !bytes.HasSuffix(answer, []byte("\n\n")) || bytes.Index(answer[at:], []byte("\n\n")) != len(answer)-at-2 {
		return fmt.Errorf("stream does not end as it should: …%.120q", answer[max(0, len(answer)-120):])
	}
	if !bytes.Contains(answer, []byte(usage)) {
		return fmt.Errorf("stream does not tell %s", usage)
	}
	return nil
}
