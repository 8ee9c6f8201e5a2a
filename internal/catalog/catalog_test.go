package catalog

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestLoadEntry(t *testing.T) {
	c := load(t, `{"provider":"p","prefixes":["m"],"capabilities":["chat","tools"],"sampling":"one","stream_only":true}`,
		`{"id":"m","provider":"p","kind":"chat","status":"legacy","aliases":["n"],"context_window":100,"max_output":10,"dimensions":3,
		"unconfirmed":true,"note":"hm","stream_only":false,"capabilities":["chat"],"thinking":{"efforts":["low"],"budget":[1,2],"adaptive":true,"off":true},
		"prices":[{"input":"1","output":"2"},{"from":"2026-01-01","input":"3","output":"4"}]}, {"id":"m2","provider":"other"}, {"id":"e","provider":"p","kind":"embed"}`)
	one := func(in, out llm.Money) Rates {
		in, out = in*million, out*million
		return Rates{in, in, in, in, out, out}
	}
	want := []*Entry{
		{
			ID: "m", Provider: "p", Kind: KindChat, Status: StatusLegacy, Aliases: []string{"n"},
			ContextWindow: 100, MaxOutput: 10, Dimensions: 3, Unconfirmed: true, Note: "hm",
			Traits: Traits{
				Capabilities: CanChat, Sampling: SamplingOne,
				Thinking: Thinking{Efforts: []string{"low"}, Budget: true, BudgetMin: 1, BudgetMax: 2, Adaptive: true, Off: true},
			},
			Prices: []Price{{Rates: one(1, 2)}, {From: day("2026-01-01"), Rates: one(3, 4)}},
		},
		// A family of another provider says nothing; without one, the kind does.
		{ID: "m2", Provider: "other", Kind: KindChat, Status: StatusCurrent, Traits: Traits{Capabilities: CanChat, Sampling: SamplingAll}, Prices: []Price{}},
		{ID: "e", Provider: "p", Kind: KindEmbed, Status: StatusCurrent, Traits: Traits{Capabilities: CanEmbed, Sampling: SamplingAll}, Prices: []Price{}},
	}
	var got []*Entry
	for e := range c.All() {
		got = append(got, e)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if c.AsOf() != "2026-01-02" {
		t.Error(c.AsOf())
	}
}

// Each fault is an error that says where it is.
func TestLoadErrors(t *testing.T) {
	model := func(s string) []byte { return text("", `{"id":"ok","provider":"p"},{"id":"bad","provider":"p",`+s+`}`) }
	price := func(s string) []byte {
		return model(`"prices":[{"input":"1","output":"2"},{"from":"2026-01-01",` + s + `}]`)
	}
	for _, tc := range []struct {
		in   []byte
		want string
	}{
		{nil, "EOF"},
		{[]byte("{\n\"schema\":\n1}"), "line 3"},
		{[]byte("{\n\"schema\" 1}"), "line 2"},
		{[]byte(`{"schema":"llm-gateway-prices/2"}`), `schema is "llm-gateway-prices/2"`},
		{[]byte(`{"schema":"llm-gateway-prices/1","as_of":"yesterday"}`), `as_of: "yesterday"`},
		{[]byte(`{"schema":"llm-gateway-prices/1","modles":[]}`), `"modles"`},
		{append(text("", ""), '{'), "unexpected text"},
		{model(`"contextwindow":1`), `models[1] (bad): json: unknown field "contextwindow"`},
		{model(`"context_window":"1"`), "models[1] (bad)"},
		{model(`"context_window":-1`), `model "bad" of provider "p": a size is below zero`},
		{model(`"kind":"voice"`), `kind: "voice"`},
		{model(`"status":"old"`), `status: "old"`},
		{model(`"capabilities":["fly"]`), `capabilities: "fly"`},
		{model(`"sampling":"some"`), `sampling: "some"`},
		{model(`"thinking":{"budget":[5,3]}`), "budget [5 3] is no range"},
		{model(`"thinking":{"budgets":[5,3]}`), `unknown field "budgets"`},
		{model(`"aliases":["OK"]`), `another one is named "ok"`},
		{model(`"aliases":[""]`), "an alias is empty"},
		{model(`"aliases":["x","X"]`), `another one is named "x"`},
		{text("", `{"id":"ok","provider":"p"},{"id":"Ok","provider":"p"}`), `another one is named "ok"`},
		{text("", `{"id":"","provider":"p"}`), "id and provider must be given"},
		{text("", `{"id":"x"}`), "id and provider must be given"},
		{price(`"input":"1"`), "prices[1]: a price needs input and output"},
		{price(`"output":"1"`), "prices[1]: a price needs input and output"},
		{price(`"input":"1","output":"-2"`), "price -2 is below zero"},
		{price(`"input":"1","output":"0.0000001"`), "price 0.0000001 has more than six decimals"},
		{price(`"input":"1","output":1e3`), `"1e3" is not a decimal number`},
		{price(`"input":"1","output":"free"`), `"free" is not a decimal number`},
		{price(`"input":"1","output":true`), `"true" is not a decimal number`},
		{price(`"input":"1","output":"2","cached":"1"`), `unknown field "cached"`},
		{model(`"prices":[{"from":"soon","input":"1","output":"2"}]`), `from: "soon" is no day`},
		{model(`"prices":[{"from":"2026-01-01","input":"1","output":"2"},{"from":"2026-01-01","input":"1","output":"2"}]`), "prices[1]: from must be later"},
		{model(`"prices":[{"input":"1","output":"2"},{"input":"1","output":"2"}]`), "prices[1]: from must be later"},
		{price(`"input":"1","output":"2","tiers":[{"above":5,"input":"1"}]`), "prices[1]: tiers[0]: a price needs"},
		{price(`"input":"1","output":"2","tiers":[{"input":"1","output":"2"}]`), "tiers[0]: above must be greater than 0"},
		{price(`"input":"1","output":"2","tiers":[{"above":5,"input":"1","output":"2"},{"above":5,"input":"1","output":"2"}]`), "tiers[1]: above must be greater than 5"},
		{text(`{"provider":"p"}`, ""), "families[0]: a family needs provider and prefixes"},
		{text(`{"prefixes":["a"]}`, ""), "families[0]: a family needs provider and prefixes"},
		{text(`{"provider":"p","prefixes":["a"]},{"provider":"p","prefixes":["b","a"]}`, ""), `families[1]: prefix "a"`},
		{text(`{"provider":"p","prefixes":["A"]}`, ""), `prefix "A"`},
		{text(`{"provider":"p","prefixes":[""]}`, ""), `prefix ""`},
		{text(`{"provider":"p","prefixes":["a"],"sampling":"x"}`, ""), `families[0]: a: sampling: "x"`},
		{text(`{"provider":"p","prefixes":["a"],"prices":[]}`, ""), `families[0]: json: unknown field "prices"`},
	} {
		c, err := Load(tc.in)
		if err == nil || c != nil || !strings.HasPrefix(err.Error(), "price catalogue: ") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s:\n got %v\nwant %s", tc.in, err, tc.want)
		}
	}
}

func TestMerge(t *testing.T) {
	base := load(t, `{"provider":"p","prefixes":["m-"],"sampling":"one"},{"provider":"p","prefixes":["n-"],"sampling":"one"}`,
		`{"id":"m-1","provider":"p","aliases":["one","uno"],"context_window":100,"max_output":10,"note":"old","unconfirmed":true,"prices":[{"input":"1","output":"2"}]},
		{"id":"m-2","provider":"p","prices":[{"input":"1","output":"2"}]},{"id":"m-3","provider":"p","status":"legacy","capabilities":["chat","audio"]}`)
	over, err := Load([]byte(`{"schema":"llm-gateway-prices/1","sells":{"vertex":["p"],"mine":["p"]},
		"families":[{"provider":"q","prefixes":["n-"],"sampling":"none"}],
		"models":[{"id":"M-1","provider":"p","max_output":20,"prices":[{"input":"9","output":"9"}]},{"id":"m-2","provider":"p","prices":[]},
		{"id":"uno","provider":"p","context_window":7},{"id":"m-3","provider":"p","status":"retired","stream_only":true},{"id":"m-1","provider":"q","context_window":1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	before := len(base.specs)
	c, err := base.Merge(over)
	if err != nil {
		t.Fatal(err)
	}
	if base.Find("p", "uno").ID != "m-1" || len(base.specs) != before || base.Find("q", "m-1") != nil {
		t.Error("the base was changed")
	}
	m1 := c.Find("p", "m-1")
	if m1.ContextWindow != 100 || m1.MaxOutput != 20 || m1.Prices[0].Input != 9*million || m1.Note != "" || m1.Unconfirmed || c.Find("p", "one") != m1 {
		t.Errorf("m-1: %+v", m1)
	}
	if m2 := c.Find("p", "m-2"); m2.Pricer(time.Now()) != nil || m2.Sampling != SamplingOne {
		t.Errorf("m-2: %+v", m2)
	}
	if uno := c.Find("p", "uno"); uno.ID != "uno" || uno.ContextWindow != 7 {
		t.Errorf("uno: %+v", uno)
	}
	if m3 := c.Find("p", "m-3"); m3.Status != StatusRetired || !m3.Capabilities.Has(CanAudio) || !m3.StreamOnly {
		t.Errorf("m-3: %+v", m3)
	}
	if q := c.Find("q", "m-1"); q == nil || q.ContextWindow != 1 {
		t.Errorf("a new provider's model: %+v", q)
	}
	if f, _ := c.Family("n-7"); f != "q" {
		t.Errorf("the family belongs to %q", f)
	}
	if !c.Sells("vertex", "p") || c.Sells("vertex", "gemini") || !c.Sells("mine", "p") || base.Sells("mine", "p") {
		t.Error("sells")
	}
	if c.AsOf() != "2026-01-02" {
		t.Errorf("as of %q", c.AsOf())
	}
	clash, err := Load(text("", `{"id":"new","provider":"p","aliases":["m-2"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := base.Merge(clash); err == nil || !strings.Contains(err.Error(), `model "new" of provider "p": another one is named "m-2"`) {
		t.Errorf("a clash of names: %v", err)
	}
}

// Every model of the built-in file is found under each of its names, sits in
// a family of its provider, and has a price on the file's day.
func TestBuiltin(t *testing.T) {
	c := builtin(t)
	asOf := day(c.AsOf())
	n := 0
	for e := range c.All() {
		n++
		if e.Pricer(asOf) == nil {
			t.Errorf("%s has no price", e.ID)
		}
		if e.Pattern() {
			continue
		}
		for _, name := range append([]string{e.ID}, e.Aliases...) {
			if c.Find(e.Provider, name) != e || !c.Known(e.Provider, name) {
				t.Errorf("%s is not found as %s", e.ID, name)
			}
			if f, ok := c.familyOf(name); !ok || f.provider != e.Provider {
				t.Errorf("%s: its family belongs to %q", name, f.provider)
			}
		}
		if e.Capabilities.Has(CanEmbed) != (e.Kind == KindEmbed) || e.Capabilities.Has(CanChat) != (e.Kind == KindChat) {
			t.Errorf("%s is a %s model that can %v", e.ID, e.Kind, e.Capabilities.Names())
		}
		th := e.Thinking
		if asks := th.Budget || th.Adaptive || th.Efforts != nil; asks && !e.Capabilities.Has(CanReason) {
			t.Errorf("%s cannot reason but takes %+v", e.ID, th)
		}
		for _, p := range e.Prices {
			for _, r := range append([]Rates{p.Rates}, p.For(math.MaxInt64)) {
				if r.CachedInput > r.Input || r.Input > r.CacheWrite || r.CacheWrite > r.CacheWrite1h || e.Kind == KindChat && r.Output < r.Input {
					t.Errorf("%s: odd rates %+v", e.ID, r)
				}
			}
		}
	}
	if n < 90 {
		t.Errorf("only %d models", n)
	}
}

// sheet is the part of the research sheet that the built-in file was made of.
type sheet struct {
	Models []struct {
		ID, Provider, Kind string
		Aliases            []string
		ContextWindow      int64 `json:"context_window"`
		MaxOutput          int64 `json:"max_output"`
		Price              sheetRates
		Tiers              []struct {
			Above int64 `json:"above_input_tokens"`
			sheetRates
		}
		OutputThinking *float64 `json:"output_thinking"`
	}
}

type sheetRates struct {
	Input, Output *float64
	CachedInput   *float64 `json:"cached_input"`
	CacheWrite5m  *float64 `json:"cache_write_5m"`
	CacheWrite1h  *float64 `json:"cache_write_1h"`
}

func (s sheetRates) rates(thinking *float64) Rates {
	token := func(p *float64, def llm.Money) llm.Money {
		if p == nil {
			return def
		}
		return llm.Money(math.Round(*p * million))
	}
	in, out := token(s.Input, 0), token(s.Output, 0)
	w := token(s.CacheWrite5m, in)
	return Rates{in, token(s.CachedInput, in), w, token(s.CacheWrite1h, w), out, token(thinking, out)}
}

// The built-in file says what the research sheet says.
func TestBuiltinAgainstSheet(t *testing.T) {
	raw, err := os.ReadFile("../../../shared/providers/prices.json")
	if err != nil {
		t.Skip("SKIPPED: the research sheet is not here: ", err)
	}
	var s sheet
	if err := json.Unmarshal(raw, &s); err != nil || len(s.Models) == 0 {
		t.Fatalf("%d models, %v", len(s.Models), err)
	}
	c := builtin(t)
	kinds := map[string]string{"google": "gemini", "qwen": "dashscope", "openai": "openai", "anthropic": "anthropic"}
	for _, m := range s.Models {
		e := c.Find(kinds[m.Provider], m.ID)
		if e == nil || e.ID != m.ID || e.ContextWindow != m.ContextWindow || e.MaxOutput != m.MaxOutput || (e.Kind == KindEmbed) != (m.Kind == "embedding") {
			t.Errorf("%s: %+v", m.ID, e)
			continue
		}
		for _, a := range m.Aliases {
			if c.Find(kinds[m.Provider], a) != e {
				t.Errorf("%s is no alias of %s", a, m.ID)
			}
		}
		p := e.Pricer(day(c.AsOf())).(*Price)
		if d := cmp.Diff(m.Price.rates(m.OutputThinking), p.Rates); d != "" || len(p.Tiers) != len(m.Tiers) {
			t.Errorf("%s: %s", m.ID, d)
			continue
		}
		for i, tier := range m.Tiers {
			if d := cmp.Diff(Tier{tier.Above, tier.rates(nil)}, p.Tiers[i]); d != "" {
				t.Errorf("%s: %s", m.ID, d)
			}
		}
	}
}

// FuzzLoad gives Load anything: it must not panic, and what it accepts can be
// used and merged.
func FuzzLoad(f *testing.F) {
	f.Add(text(`{"provider":"p","prefixes":["m"],"thinking":{"budget":[1,2]}}`, priced+`,{"id":"x-*","provider":"p"}`))
	f.Add(text("", `{"id":"m","provider":"p","aliases":["n"],"prices":[{"from":"2026-01-01","input":1,"output":"2","tiers":[{"above":1,"input":"1","output":"0"}]}]}`))
	f.Add([]byte(`{"schema":"llm-gateway-prices/1"}`))
	f.Add([]byte(`{`))
	other := load(f, "", priced)
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := Load(raw)
		if err != nil {
			if c != nil {
				t.Fatal("a catalogue beside an error")
			}
			return
		}
		for e := range c.All() {
			if got := c.Find(e.Provider, e.ID); got == nil || !e.Pattern() && got != e {
				t.Fatalf("%q of %q is found as %+v", e.ID, e.Provider, got)
			}
			if p := e.Pricer(time.Unix(1<<40, 0)); p != nil {
				if cost, ok := p.Cost(llm.Usage{Input: 10, CachedInput: 3, Output: 10}); cost < 0 || !ok {
					t.Fatalf("cost %v, %v", cost, ok)
				}
			}
		}
		if m, err := c.Merge(c); err != nil || len(m.entries) != len(c.entries) {
			t.Fatalf("merged with itself: %v", err)
		}
		if m, err := other.Merge(c); err == nil && m.Find("p", "m") == nil {
			t.Fatal("an entry was lost")
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	raw, err := os.ReadFile("../../config/prices.json")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(raw); err != nil {
			b.Fatal(err)
		}
	}
}
