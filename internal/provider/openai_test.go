package provider

import (
	"net/url"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestOpenAIEndpoints(t *testing.T) {
	for base, want := range map[string]string{
		"":                                     "https://api.openai.com/v1",
		"https://host":                         "https://host",
		" https://host/ ":                      "https://host",
		"https://host/v1/":                     "https://host/v1",
		"http://host:8000/v1":                  "http://host:8000/v1",
		"https://host/v1/chat/completions":     "https://host/v1",
		"https://host/v1/chat/completions/":    "https://host/v1",
		"https://host/v1/embeddings":           "https://host/v1",
		"https://host/a%2Fb/v1":                "https://host/a%2Fb/v1",
		"https://host/chat/completions?k=v#x":  "https://host",
		"HTTPS://[::1]:8443/openai/v1":         "https://[::1]:8443/openai/v1",
		"https://host/v1/chat/completions/v1":  "https://host/v1/chat/completions/v1",
		"https://open.bigmodel.cn/api/paas/v4": "https://open.bigmodel.cn/api/paas/v4",
	} {
		w, err := newOpenAIWire(or(base, openAIBase))
		if err != nil {
			t.Errorf("%q: %v", base, err)
			continue
		}
		query := ""
		if strings.Contains(base, "?k=v") {
			query = "?k=v"
		}
		for suffix, c := range map[string]llm.Call{
			"/chat/completions": {Op: llm.OpChat, Dialect: llm.DialectOpenAI},
			"/embeddings":       {Op: llm.OpEmbed, Dialect: llm.DialectOpenAI},
			"/responses":        {Op: llm.OpChat, Dialect: llm.DialectResponses},
		} {
			u, err := w.Endpoint(&c)
			if err != nil || u.String() != want+suffix+query {
				t.Errorf("%q: %v, %v, want %s", base, u, err, want+suffix+query)
			}
			if !strings.HasPrefix(u.RequestURI(), "/") {
				t.Errorf("%q: asks for %q", base, u.RequestURI())
			}
		}
	}
}

func TestBaseURLsThatAreNone(t *testing.T) {
	for _, base := range []string{"host/v1", "/v1", "ftp://host", "https://", "https://:80", "https://user:hunter2@host/v1", "https://host/%zzhunter2", "://hunter2", "https://ho st/hunter2"} {
		_, err := NewOpenAI(OpenAIOptions{Name: "n", BaseURL: base, Codec: fakeCodec{}, Client: NewClient(tripFunc(nil))})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestOperationsThatOpenAIHasNot(t *testing.T) {
	p := answering(t, OpenAIOptions{}, nil)
	_, err := p.Do(t.Context(), &llm.Call{Op: llm.OpCountTokens, Dialect: llm.DialectOpenAI, Raw: []byte("{}")})
	if kindOf(t, err) != llm.KindUnsupported || llm.AsError(err).Attempts != 0 {
		t.Errorf("got %v", err)
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	for _, o := range []Options{
		{},
		{Name: "n"},
		{Name: "n", Codec: fakeCodec{}, Wire: &openAIWire{}},
		{Name: "n", Codec: fakeCodec{}, Client: NewClient(tripFunc(nil))},
		{Name: "n", Wire: &openAIWire{}, Client: NewClient(tripFunc(nil))},
		{Name: "n", Codec: fakeCodec{}, Wire: &openAIWire{}, Client: NewClient(nil)},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("made from %+v", o)
		}
	}
}

func TestSupportByHost(t *testing.T) {
	for host, want := range map[string]string{
		"https://api.openai.com/v1":        "OpenAI",
		"https://eu.api.openai.com/v1":     "OpenAI",
		"http://localhost:11434/v1":        "the OpenAI-compatible server",
		"https://api.openai.com.evil.test": "the OpenAI-compatible server",
		"https://notopenai.com":            "the OpenAI-compatible server",
	} {
		u, err := url.Parse(host)
		if err != nil {
			t.Fatal(err)
		}
		if got := supportOf(u)("gpt-4o").Target; got != want {
			t.Errorf("%s: %q", host, got)
		}
	}
}

func TestFit(t *testing.T) {
	seed := int64(1)
	r := &llm.Request{Model: "m", Messages: fakeRequest.Messages, Seed: &seed}
	var asked string
	support := func(model string) dialect.Support {
		asked = model
		s := dialect.SupportCompatible()
		s.Seed = dialect.Range{}
		return s
	}
	c := fakeCall(false)
	c.Raw, c.Dialect, c.Request = nil, llm.DialectAnthropic, func() (*llm.Request, error) { return r, nil }
	p := answering(t, OpenAIOptions{Support: support}, answerGood)
	if _, err := p.Do(t.Context(), c); kindOf(t, err) != llm.KindUnsupported || llm.AsError(err).Param != "seed" || asked != "m" {
		t.Errorf("got %v for model %q", err, asked)
	}
	c.Drop = true
	reply, err := p.Do(t.Context(), c)
	if err != nil || len(reply.Dropped) != 1 || reply.Dropped[0] != "seed" {
		t.Errorf("got %+v, %v", reply, err)
	}
	if r.Seed == nil {
		t.Error("the shared request was changed")
	}
}
