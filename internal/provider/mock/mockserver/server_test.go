package mockserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

const testKey = "sk-test-0000"

// upstream starts a server on loopback.
func upstream(t *testing.T, o mockserver.Options) (*mockserver.Server, *httptest.Server) {
	t.Helper()
	s := mockserver.New(o)
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	return s, ts
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body
}

func send(t *testing.T, ts *httptest.Server, method, path, body string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, ts.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	return ts.Client().Do(req)
}

func do(t *testing.T, ts *httptest.Server, method, path, body string) answer {
	t.Helper()
	resp, err := send(t, ts, method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b, err}
}

func post(t *testing.T, ts *httptest.Server, body string) answer {
	t.Helper()
	return do(t, ts, http.MethodPost, "/v1/chat/completions", body)
}

// chat is the body of a request of one user message; extra follows it.
func chat(model, text, extra string) string {
	b, _ := json.Marshal(text)
	return `{"model":"` + model + `","messages":[{"role":"user","content":` + string(b) + `}]` + extra + `}`
}

type usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	PromptPart struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionPart struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

type toolCall struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type said struct {
	Role      *string    `json:"role"`
	Content   *string    `json:"content"`
	Refusal   *string    `json:"refusal"`
	ToolCalls []toolCall `json:"tool_calls"`
}

// completion is a chat.completion or one of its chunks.
type completion struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
	Choices []struct {
		Index   int     `json:"index"`
		Message said    `json:"message"`
		Delta   said    `json:"delta"`
		Finish  *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *usage `json:"usage"`
	Error *struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	} `json:"error"`
}

func parse(t *testing.T, b []byte) completion {
	t.Helper()
	var c completion
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return c
}

// chunks splits a stream, and reports whether it ended with [DONE].
func chunks(t *testing.T, body []byte) (list []completion, done bool) {
	t.Helper()
	r := sse.NewReader(bytes.NewReader(body), sse.Options{})
	defer r.Release()
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return list, done
		}
		if err != nil {
			t.Fatal(err)
		}
		if string(ev.Data) == "[DONE]" {
			done = true
			continue
		}
		if done {
			t.Errorf("after [DONE] came %s", ev.Data)
		}
		list = append(list, parse(t, ev.Data))
	}
}

func TestWholeAnswer(t *testing.T) {
	s, ts := upstream(t, mockserver.Options{Key: testKey})
	a := post(t, ts, chat("mock/echo", "Hello there, world", ""))
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	c := parse(t, a.body)
	if c.Object != "chat.completion" || !strings.HasPrefix(c.ID, "chatcmpl-") || c.Model != "mock/echo" || c.Created == 0 {
		t.Errorf("answer = %s", a.body)
	}
	if got := *c.Choices[0].Message.Content; got != "Hello there, world" || *c.Choices[0].Finish != "stop" {
		t.Errorf("content = %q, finish %q", got, *c.Choices[0].Finish)
	}
	if want := mock.CountTokens("Hello there, world"); c.Usage.Completion != want || c.Usage.Total != c.Usage.Prompt+want {
		t.Errorf("usage = %+v, want %d completion tokens", c.Usage, want)
	}
	if st := s.Stats().Models["mock/echo"]; st.Requests != 1 || st.OK != 1 || st.OutputTokens != c.Usage.Completion || st.InputTokens != c.Usage.Prompt {
		t.Errorf("stats = %+v, usage %+v", st, c.Usage)
	}
}
