package llm

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for want, got := range map[string]string{
		"chat": OpChat.String(), "embeddings": OpEmbed.String(), "count_tokens": OpCountTokens.String(), "unknown": Op(0).String(),
		"native": DialectNative.String(), "openai": DialectOpenAI.String(), "responses": DialectResponses.String(),
		"anthropic": DialectAnthropic.String(), "gemini": DialectGemini.String(), "dashscope": DialectDashScope.String(), "none": Dialect(0).String(),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSpanPresent(t *testing.T) {
	if (Span{}).Present() || !(Span{0, 1}).Present() || !(Span{5, 9}).Present() {
		t.Error("wrong")
	}
}

func TestMay(t *testing.T) {
	only := func(models ...string) *Caller { return &Caller{Models: models} }
	for _, tc := range []struct {
		c     *Caller
		model string
		want  bool
	}{
		{nil, "x", true},
		{&Caller{}, "x", true},
		{&Caller{Models: []string{}}, "x", false},
		{only("chat"), "chat", true},
		{only("chat"), "chats", false},
		{only("chat"), "cha", false},
		{only("chat"), "Chat", false},
		{only("a", "b"), "b", true},
		{only("openai/*"), "openai/gpt-4o", true},
		{only("openai/*"), "openai/", true},
		{only("openai/*"), "openai", false},
		{only("openai/*"), "azure/openai/x", false},
		{only("*"), "anything", true},
		{only("a*b"), "axb", false},
		{only("a*b"), "a*b", true},
		{only(""), "x", false},
	} {
		if got := tc.c.May(tc.model); got != tc.want {
			t.Errorf("%+v may call %q: %v", tc.c, tc.model, got)
		}
	}
}

func TestWithModelCopies(t *testing.T) {
	c := &Call{Op: OpChat, Model: "a", Stream: true, Raw: []byte("{}"), Meta: &Meta{Route: "r"}, Deadline: time.Unix(9, 0)}
	d := c.WithModel("b")
	if c.Model != "a" || d.Model != "b" || d == c {
		t.Fatalf("got %+v and %+v", c, d)
	}
	d.Model = "a"
	if !reflect.DeepEqual(c, d) {
		t.Errorf("more than the model differs: %+v", d)
	}
	if d.Meta != c.Meta || !slices.Equal(d.Raw, c.Raw) {
		t.Error("the body or the meta was copied")
	}
}

func TestProviderFunc(t *testing.T) {
	want, asked := &Reply{}, &Call{}
	var p Provider = ProviderFunc(func(_ context.Context, c *Call) (*Reply, error) {
		if c != asked {
			t.Error("another call")
		}
		return want, nil
	})
	if got, err := p.Do(t.Context(), asked); got != want || err != nil {
		t.Fatal(got, err)
	}
}
