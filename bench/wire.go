package main

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
)

// client is what the callers of a case speak.
type client int

// provider is the one of the gateway that speaks the same; "" is the default.
func (c client) provider() string { return "" }

// request renders the bytes that every caller sends.
func (c testCase) request(t target) ([]byte, error) {
	u, err := url.Parse(t.base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no base URL", t.base)
	}
	body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}],"temperature":0.2`, c.model, prompt(c.prompt))
	if c.stream > 0 {
		body += `,"stream":true,"stream_options":{"include_usage":true}`
	}
	body += "}"
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", u.Host, len(body))
	if t.key != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", t.key)
	}
	b.WriteString("\r\n" + body)
	return b.Bytes(), nil
}

func prompt(n int) string {
	const s = "What is the answer to life, the universe and everything? "
	return strings.Repeat(s, n/len(s)+1)[:n]
}

// check says whether an answer is whole: every chunk, the usage and the end.
func (c testCase) check(answer []byte) error {
	if c.stream == 0 {
		if !bytes.Contains(answer, []byte(`"total_tokens":35`)) {
			return fmt.Errorf("answer is not whole: %.200s", answer)
		}
		return nil
	}
	if n := bytes.Count(answer, []byte(`" token"`)); n != c.stream {
		return fmt.Errorf("stream has %d of %d chunks", n, c.stream)
	}
	if !bytes.HasSuffix(answer, []byte("data: [DONE]\n\n")) || !bytes.Contains(answer, []byte(`"total_tokens":`)) {
		return fmt.Errorf("stream has no end or no usage")
	}
	return nil
}
