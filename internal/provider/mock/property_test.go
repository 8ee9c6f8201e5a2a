package mock_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden files anew")

// dice makes random requests.
type dice struct{ *rand.Rand }

func (d dice) chance(n int) bool { return d.IntN(n) == 0 }

func (d dice) text() string {
	words := []string{"weather", "the time in Oslo", "get_weather", "getTime", "json", "日本語", "a\nb", "\"quoted\"", "", "x", "stop here please"}
	var s []string
	for range d.IntN(6) {
		s = append(s, words[d.IntN(len(words))])
	}
	return strings.Join(s, " ")
}

func (d dice) request() *llm.Request {
	r := &llm.Request{}
	if d.chance(3) {
		r.Messages = append(r.Messages, llm.Message{Role: llm.RoleSystem, Parts: []llm.Part{{Type: llm.PartText, Text: d.text()}}})
	}
	r.Messages = append(r.Messages, user(d.text()))
	if d.chance(3) {
		r.Messages = append(r.Messages,
			llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "c", Name: "getTime", Arguments: "{}"}}}},
			result("c", d.text(), d.chance(2)))
	}
	if !d.chance(3) {
		r.Tools = []llm.Tool{weather(), clock()}[:1+d.IntN(2)]
		d.choice(r)
	}
	if d.chance(3) {
		r.MaxTokens = ptr(int64(d.IntN(60)))
	}
	if d.chance(3) {
		r.Stop = []string{"a", "the", "weather", "}"}[:1+d.IntN(3)]
	}
	if d.chance(4) {
		r.Reasoning = &llm.ReasoningOptions{Effort: []string{"none", "low", "high", ""}[d.IntN(4)]}
	}
	if d.chance(3) {
		r.ResponseFormat = []*llm.ResponseFormat{
			{Type: llm.FormatText}, {Type: llm.FormatJSONObject}, {Type: llm.FormatJSONSchema, Schema: weather().Parameters},
		}[d.IntN(3)]
	}
	return r
}

func (d dice) choice(r *llm.Request) {
	if d.chance(3) {
		r.ParallelToolCalls = ptr(d.chance(2))
	}
	switch d.IntN(6) {
	case 0:
		r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolNone}
	case 1:
		r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolRequired}
	case 2:
		r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolNamed, Name: "get_weather"}
	case 3:
		r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolAuto, Allowed: []string{"get_weather"}}
	}
}

func (d dice) model() string {
	words := []string{[]string{"chat", "echo", "lorem-30", "json", "bytes-200", "refuse", "filter", "empty"}[d.IntN(8)]}
	for _, w := range []string{"think-7", "chunk-3", "cached-5", "no-usage", "tool-getTime", "broken-json"} {
		if d.chance(6) {
			words = append(words, w)
		}
	}
	return strings.Join(words, "+")
}

// invariants are what every answer holds to, whatever was asked.
func invariants(model string, r *llm.Request, a *llm.Response) error {
	var out, reasoning int64
	for _, p := range a.Parts {
		switch {
		case p.ToolCall != nil:
			out += mock.CountTokens(p.ToolCall.Name) + mock.CountTokens(p.ToolCall.Arguments)
		case p.Reasoning != nil:
			reasoning += mock.CountTokens(p.Reasoning.Text)
		default:
			out += mock.CountTokens(p.Text)
		}
	}
	out += reasoning
	calls := a.ToolCalls()
	cut := a.Finish == llm.FinishLength
	broken := strings.Contains(model, "broken-json")
	switch u := a.Usage; {
	case strings.Contains(model, "no-usage") != (u.Source == llm.UsageUnknown):
		return errors.New("usage is there, or missing, against the name")
	case u.Source == llm.UsageReported && (u.Output != out || u.Reasoning != reasoning || u.CachedInput > u.Input):
		return fmt.Errorf("usage %+v for %d tokens", u, out)
	case r.MaxTokens != nil && out > *r.MaxTokens:
		return fmt.Errorf("%d tokens of %d", out, *r.MaxTokens)
	case cut && r.MaxTokens == nil:
		return errors.New("cut without a limit")
	case len(calls) > 0 && a.Text() != "":
		return errors.New("calls and text at once")
	case len(calls) > 0 && !cut && a.Finish != llm.FinishToolCalls:
		return fmt.Errorf("calls with finish %s", a.Finish)
	case len(calls) > 1 && r.ParallelToolCalls != nil && !*r.ParallelToolCalls:
		return errors.New("parallel calls against the client's wish")
	case len(calls) > 0 && r.ToolChoice != nil && r.ToolChoice.Mode == llm.ToolNone:
		return errors.New("calls against the client's wish")
	}
	for _, s := range r.Stop {
		if strings.Contains(a.Text(), s) {
			return fmt.Errorf("%q is in the answer", s)
		}
	}
	if i := slices.IndexFunc(r.Tools, func(t llm.Tool) bool { return len(calls) > 0 && t.Name == calls[0].Name }); i >= 0 && !cut && !broken {
		if ok, err := schema.Valid(r.Tools[i].Parameters, []byte(calls[0].Arguments)); err != nil || !ok {
			return fmt.Errorf("arguments %s", calls[0].Arguments)
		}
	}
	if c := r.ToolChoice; c != nil && len(r.Tools) > 0 && (c.Mode == llm.ToolRequired || c.Mode == llm.ToolNamed) &&
		len(calls) == 0 && !cut && !strings.Contains(model, "refuse") && !strings.Contains(model, "filter") && !strings.Contains(model, "empty") {
		return errors.New("no call, though one was required")
	}
	return nil
}

func checkRandom(t *testing.T, seed uint64) {
	t.Helper()
	d := dice{rand.New(rand.NewPCG(seed, 11))}
	model, r := d.model(), d.request()
	before := fmt.Sprintf("%+v", *r)
	p := mock.New(mock.Options{})
	plan, err := p.Plan(llm.OpChat, model, r)
	if err != nil {
		t.Fatalf("%d %s: %v", seed, model, err)
	}
	a := plan.Response
	if err := invariants(model, r, a); err != nil {
		t.Errorf("%d %s: %v\n%+v", seed, model, err, a)
	}
	if after := fmt.Sprintf("%+v", *r); after != before {
		t.Errorf("%d %s: the request was written to", seed, model)
	}
	again, err := mock.New(mock.Options{}).Plan(llm.OpChat, model, r)
	if err != nil || !reflect.DeepEqual(again.Response, a) {
		t.Errorf("%d %s: another answer the second time", seed, model)
	}
	var evs []llm.Event
	stream := plan.Stream(t.Context())
	for ev, err := stream.Recv(); err == nil; ev, err = stream.Recv() {
		evs = append(evs, *ev)
	}
	s := gather(evs)
	s.Created = a.Created
	if !reflect.DeepEqual(s, a) {
		t.Errorf("%d %s: streamed\n%+v, whole\n%+v", seed, model, s, a)
	}
}

func TestRandomRequests(t *testing.T) {
	for seed := range uint64(3000) {
		checkRandom(t, seed)
	}
}

func FuzzRequests(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(checkRandom)
}

// TestManyAtOnce: streams of every pace, some abandoned, some cancelled, all in
// one provider; each ends, and none leaves anything behind.
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mock.New(mock.Options{})
		var wg sync.WaitGroup
		models := []string{"lorem-20+pace-10ms", "flaky-50+echo", "fail-first-1", "stall-after-2", "hang", "tool-x+slow-1s", "unique", "cut-after-3"}
		for i := range 400 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%90)*30*time.Millisecond)
				defer cancel()
				reply, err := p.Do(ctx, call(models[i%len(models)], i%3 > 0, ask(fmt.Sprint(i%7))))
				if err != nil {
					return
				}
				if i%5 == 0 {
					_ = reply.Close()
					return
				}
				for err == nil && reply.Stream != nil {
					_, err = reply.Stream.Recv()
				}
				_ = reply.Close()
			})
		}
		wg.Wait()
	})
}

// TestGolden: answers stay what they are from one release to the next, since
// people keep them in their own tests.
func TestGolden(t *testing.T) {
	type golden struct {
		Model, Prompt       string
		Tools               bool `json:",omitempty"`
		ID, Text, Reasoning string
		Calls               []llm.ToolCall `json:",omitempty"`
		Input, Output       int64
		Vector              []float32 `json:",omitempty"`
	}
	var list []golden
	for _, g := range []golden{
		{Model: "chat", Prompt: "Hello there"}, {Model: "lorem-25", Prompt: "Hello there"}, {Model: "bytes-40", Prompt: "Hello there"},
		{Model: "json", Prompt: "Hello there"}, {Model: "think-9", Prompt: "Hello there"}, {Model: "refuse", Prompt: "Hello there"},
		{Model: "filter", Prompt: "Hello there"}, {Model: "bench-stream-3", Prompt: "Hello there"}, {Model: "chat", Prompt: "get_weather and getTime", Tools: true},
	} {
		r := ask(g.Prompt)
		if g.Tools {
			r.Tools = []llm.Tool{weather(), clock()}
		}
		a := whole(t, mock.New(mock.Options{}), g.Model, r)
		g.ID, g.Text, g.Reasoning, g.Input, g.Output = a.ID, a.Text(), a.ReasoningText(), a.Usage.Input, a.Usage.Output
		for _, c := range a.ToolCalls() {
			g.Calls = append(g.Calls, *c)
		}
		list = append(list, g)
	}
	e := embed(t, "dim-4", &llm.EmbedRequest{Input: []string{"Hello there"}})
	list = append(list, golden{Model: "dim-4", Prompt: "Hello there", ID: e.ID, Input: e.Usage.Input, Vector: e.Embeddings[0].Vector})
	got, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "answers.json")
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != string(got) {
		t.Errorf("answers have changed (write them anew with -run Golden -update, and say so in the release notes):\n%s", got)
	}
}
