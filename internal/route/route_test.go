package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

type fakeCatalog struct{}

func (fakeCatalog) Known(provider, model string) bool {
	return provider == "openai" && model == "gpt-4o" || provider == "anthropic" && model == "claude-x"
}

func (fakeCatalog) Family(model string) (string, bool) {
	switch {
	case strings.HasPrefix(model, "gpt-"):
		return "openai", true
	case strings.HasPrefix(model, "claude-"):
		return "anthropic", true
	}
	return "", false
}

func table(change func(*Options)) *Table {
	o := Options{
		Providers:    map[string]string{"openai": "openai", "eu": "openai", "claude": "anthropic", "another": "anthropic"},
		DefaultModel: "chat",
		Catalog:      fakeCatalog{},
		Routes: []Spec{{Name: "chat", Aliases: []string{"talk"}, Timeout: time.Second, Targets: []TargetSpec{
			{Provider: "openai", Model: "gpt-4o"}, {Provider: "claude", Model: "claude-x"},
		}}},
		Target: func(s TargetSpec) *Target {
			return &Target{Provider: s.Provider, Model: s.Model, Label: s.Provider + "/" + s.Label}
		},
	}
	if change != nil {
		change(&o)
	}
	return New(o)
}

func TestResolve(t *testing.T) {
	for _, tc := range []struct {
		ask, name string
		want      string // targets by provider/model
		labels    string
		change    func(*Options)
	}{
		{ask: "chat", name: "chat", want: "openai/gpt-4o claude/claude-x"},
		{ask: "talk", name: "chat", want: "openai/gpt-4o claude/claude-x"},
		{ask: "", name: "chat", want: "openai/gpt-4o claude/claude-x"},
		{ask: "eu/gpt-4o", name: "gpt-4o", want: "eu/gpt-4o", labels: "eu/gpt-4o"},
		{ask: "eu/private", name: "other", want: "eu/private", labels: "eu/other"},
		{ask: "gpt-4o", name: "gpt-4o", want: "openai/gpt-4o"},
		{ask: "gpt-9", name: "other", want: "openai/gpt-9", labels: "openai/other"},
		{ask: "claude-x", name: "claude-x", want: "another/claude-x"},
		{ask: "gpt-4o", name: "gpt-4o", want: "eu/gpt-4o", change: func(o *Options) { o.DefaultProvider = "eu" }},
		{ask: "mystery", name: "other", want: "eu/mystery", change: func(o *Options) { o.DefaultProvider = "eu" }},
		{ask: "", name: "mystery", want: "eu/mystery", change: func(o *Options) { o.DefaultProvider, o.DefaultModel = "eu", "mystery" }},
		{ask: "meta/llama", name: "other", want: "eu/meta/llama", change: func(o *Options) { o.DefaultProvider = "eu" }},
	} {
		r, err := table(tc.change).Resolve(tc.ask)
		if err != nil {
			t.Errorf("%s: %v", tc.ask, err)
			continue
		}
		var got, labels []string
		for _, tg := range r.Targets {
			got, labels = append(got, tg.Provider+"/"+tg.Model), append(labels, tg.Label)
		}
		if strings.Join(got, " ") != tc.want || r.Name != tc.name {
			t.Errorf("%s: route %s to %v, want %s to %s", tc.ask, r.Name, got, tc.name, tc.want)
		}
		if tc.labels != "" && strings.Join(labels, " ") != tc.labels {
			t.Errorf("%s: labels %v, want %s", tc.ask, labels, tc.labels)
		}
	}
}

func TestResolveErrors(t *testing.T) {
	long := strings.Repeat("é", 5000)
	for _, tc := range []struct {
		ask    string
		kind   llm.Kind
		change func(*Options)
	}{
		{"", llm.KindInvalidRequest, func(o *Options) { o.DefaultModel = "" }},
		{"mystery", llm.KindNotFound, nil},
		{"gpt-4o", llm.KindNotFound, func(o *Options) { o.Providers = map[string]string{"claude": "anthropic"} }},
		{"openai/", llm.KindNotFound, nil},
		{long, llm.KindNotFound, nil},
	} {
		_, err := table(tc.change).Resolve(tc.ask)
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != tc.kind || e.Param != "model" {
			t.Errorf("%.20q: %v", tc.ask, err)
		}
		if len(err.Error()) > 400 {
			t.Errorf("%.20q: the message has %d bytes", tc.ask, len(err.Error()))
		}
	}
}

func TestTimeouts(t *testing.T) {
	tb := table(nil)
	r, _ := tb.Resolve("chat")
	if r.Timeout != time.Second || r.StreamTimeout != 600*time.Second {
		t.Errorf("chat: %v, %v", r.Timeout, r.StreamTimeout)
	}
	r, _ = tb.Resolve("gpt-4o")
	if r.Timeout != 120*time.Second || r.StreamTimeout != 600*time.Second {
		t.Errorf("ad hoc: %v, %v", r.Timeout, r.StreamTimeout)
	}
}

func TestAdHocMemoryIsBounded(t *testing.T) {
	tb := table(nil)
	for i := range maxAdHoc + 100 {
		if _, err := tb.Resolve(fmt.Sprintf("gpt-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(tb.adHoc); n != maxAdHoc {
		t.Errorf("%d names remembered", n)
	}
	a, _ := tb.Resolve("gpt-1")
	b, _ := tb.Resolve("gpt-1")
	if a != b {
		t.Error("a remembered name was resolved twice")
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = tb.Resolve("gpt-1") }); n != 0 {
		t.Errorf("resolving a known name allocates %v times", n)
	}
}

func TestResolveConcurrently(t *testing.T) {
	tb := table(func(o *Options) {
		o.Target = func(TargetSpec) *Target {
			return &Target{Chain: llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, nil })}
		}
	})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				if _, err := tb.Resolve(fmt.Sprintf("gpt-%d", (g+i)%50)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
