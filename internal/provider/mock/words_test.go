package mock_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

// TestEveryWord asks each word of the language, as the model list shows it, and
// says in one table what each must do to a whole answer.
func TestEveryWord(t *testing.T) {
	ok := func(check func(r *llm.Response) bool) func(*llm.Response, error) bool {
		return func(r *llm.Response, err error) bool { return err == nil && check(r) }
	}
	kind := func(k llm.Kind, status int) func(*llm.Response, error) bool {
		return func(_ *llm.Response, err error) bool {
			var e *llm.Error
			return errors.As(err, &e) && e.Kind == k && e.Status == status && e.Provider == "mock"
		}
	}
	fault := func(k mock.FaultKind) func(*llm.Response, error) bool {
		return func(_ *llm.Response, err error) bool {
			var e *llm.Error
			var f *mock.Fault
			return errors.As(err, &e) && e.Kind == llm.KindUpstreamError && e.Retryable() && errors.As(err, &f) && f.Kind == k
		}
	}
	text := func(r *llm.Response) bool { return r.Text() != "" && r.Finish == llm.FinishStop }
	want := map[string]func(*llm.Response, error) bool{
		"chat":       ok(text),
		"embed":      ok(text),
		"echo":       ok(func(r *llm.Response) bool { return r.Text() == "hello" }),
		"lorem-50":   ok(func(r *llm.Response) bool { return len(strings.Fields(r.Text())) == 50 }),
		"bytes-1000": ok(func(r *llm.Response) bool { return len(r.Text()) == 1000 }),
		"json":       ok(func(r *llm.Response) bool { return json.Valid([]byte(r.Text())) && r.Text()[0] == '{' }),
		"empty": ok(func(r *llm.Response) bool {
			return len(r.Parts) == 0 && r.Finish == llm.FinishStop && r.Usage.Output == 0
		}),
		"refuse":  ok(func(r *llm.Response) bool { return len(r.Parts) == 1 && r.Parts[0].Type == llm.PartRefusal }),
		"filter":  ok(func(r *llm.Response) bool { return r.Finish == llm.FinishContentFilter && r.Text() != "" }),
		"blocked": kind(llm.KindContentFiltered, 400),
		"tool-get_weather": ok(func(r *llm.Response) bool {
			c := r.ToolCalls()
			return len(c) == 1 && c[0].Name == "get_weather" && c[0].Arguments == "{}" && r.Finish == llm.FinishToolCalls
		}),
		"think-32":          ok(func(r *llm.Response) bool { return r.Usage.Reasoning == 32 && text(r) }),
		"broken-json":       ok(text),
		"unique":            ok(text),
		"reasoner":          ok(func(r *llm.Response) bool { return r.Usage.Reasoning == 32 && text(r) }),
		"slow-500ms":        ok(text),
		"pace-20ms":         ok(text),
		"chunk-4":           ok(text),
		"bench":             ok(func(r *llm.Response) bool { return r.Usage.Output == 16 }),
		"bench-stream-100":  ok(func(r *llm.Response) bool { return r.Usage.Output == 100 }),
		"bench-bytes-10000": ok(func(r *llm.Response) bool { return len(r.Text()) == 10000 }),
		"delay-50ms":        ok(text),
		"status-503":        kind(llm.KindUpstreamError, 503),
		"html-502":          kind(llm.KindUpstreamError, 502),
		"quota": func(_ *llm.Response, err error) bool {
			e := llm.AsError(err)
			return e != nil && e.Kind == llm.KindUpstreamRateLimited && e.Permanent && !e.Retryable() && e.Code == "insufficient_quota"
		},
		"retry-after-2": func(_ *llm.Response, err error) bool {
			e := llm.AsError(err)
			return e != nil && e.Kind == llm.KindUpstreamRateLimited && e.Status == 429 && e.RetryAfter == 2*time.Second && e.Retryable()
		},
		"error-200":       fault(mock.FaultBody),
		"hang":            kind(llm.KindCanceled, 0),
		"reset":           fault(mock.FaultReset),
		"reset-after-5":   fault(mock.FaultReset),
		"cut-after-5":     fault(mock.FaultCut),
		"stall-after-5":   kind(llm.KindCanceled, 0),
		"error-after-5":   fault(mock.FaultEvent),
		"flaky-30":        kind(llm.KindUpstreamError, 503),
		"fail-first-2":    kind(llm.KindUpstreamError, 503),
		"cached-100":      ok(func(r *llm.Response) bool { return r.Usage.CachedInput == r.Usage.Input && text(r) }),
		"cache-write-100": ok(func(r *llm.Response) bool { return r.Usage.CacheWrite == r.Usage.Input && text(r) }),
		"no-usage":        ok(func(r *llm.Response) bool { return r.Usage == llm.Usage{} && text(r) }),
		"window-100":      ok(text),
		"dim-256":         ok(text),
	}
	p := mock.New(mock.Options{})
	models := p.Models()
	if len(models) != len(want) || len(models) != len(mock.Words()) {
		t.Errorf("%d models, %d words, %d tested", len(models), len(mock.Words()), len(want))
	}
	for _, model := range models {
		t.Run(model, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				check := want[model]
				if check == nil {
					t.Fatal("this word is not tested")
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(time.Hour, cancel) // for those that never answer
				var r *llm.Response
				reply, err := p.Do(ctx, call(model, false, ask("hello")))
				if err == nil {
					r = reply.Response
				}
				if !check(r, err) {
					t.Errorf("response %+v, error %v", r, err)
				}
			})
		})
	}
}

func TestUnknownWord(t *testing.T) {
	p := mock.New(mock.Options{})
	for _, model := range []string{
		"nonsense", "lorem-", "lorem-x", "lorem--1", "lorem-999999999", "bytes", "status-200", "status-600", "slow-5", "slow-1h", "slow--1s", "echo+",
		"+", "echo+lorem-5", "status-500+cut-after-1", "flaky-0", "flaky-101", "tool", "tool-", "cut-after-x", "retry-after--1", "retry-after-NaN",
		"quota+reset", "bench-bytes-1+echo", "echo-", "Echo", "mock/mock/echo", "echo ", "chunk-0", "dim-0", "window-0",
	} {
		err := p.Check(model)
		e := llm.AsError(err)
		if e == nil || e.Kind != llm.KindNotFound || e.Status != 404 || e.Code != "model_not_found" {
			t.Errorf("%q: %v, want a 404", model, err)
			continue
		}
		for _, w := range mock.Words() {
			if !strings.Contains(e.Message, w.Name) {
				t.Fatalf("%q: the message does not name the word %s", model, w.Name)
			}
		}
	}
	for _, model := range []string{"", "mock", "mock/", "mock/echo", "echo+slow-50ms", "lorem", "lorem-0", "tool-get-weather", "slow-1.5s", "retry-after-0.5", "status-429+retry-after-3+flaky-10"} {
		if err := p.Check(model); err != nil {
			t.Errorf("%q: %v", model, err)
		}
	}
}

func TestDoReportsUnknownModel(t *testing.T) {
	_, err := mock.New(mock.Options{Name: "m2"}).Do(t.Context(), call("gpt-9", false, ask("x")))
	if e := llm.AsError(err); e == nil || e.Kind != llm.KindNotFound || e.Provider != "m2" {
		t.Errorf("error = %v", err)
	}
}

func TestAliases(t *testing.T) {
	p := mock.New(mock.Options{Aliases: map[string]string{"gpt-4o": "echo", "o3": "reasoner"}})
	if r := whole(t, p, "gpt-4o", ask("as said")); r.Text() != "as said" || r.Model != "gpt-4o" {
		t.Errorf("answer = %q of %q", r.Text(), r.Model)
	}
	if p.Check("gpt-5") == nil {
		t.Error("a name that is no alias must stay unknown")
	}
	if m := p.Models(); !slices.Contains(m, "gpt-4o") || !slices.Contains(m, "o3") {
		t.Errorf("models = %v", m)
	}
	p = mock.New(mock.Options{Aliases: map[string]string{"*": "lorem-3"}})
	if r := whole(t, p, "anything", ask("x")); len(strings.Fields(r.Text())) != 3 {
		t.Errorf("the alias * answered %q", r.Text())
	}
	if r := whole(t, p, "echo", ask("x")); r.Text() != "x" {
		t.Errorf("a word of the language must win over *, got %q", r.Text())
	}
	if slices.Contains(p.Models(), "*") {
		t.Error("* is no model to list")
	}
}

// FuzzModelName: any name is either understood or refused with a 404; parsing
// never panics, and what Check accepts can be asked.
func FuzzModelName(f *testing.F) {
	for _, m := range mock.New(mock.Options{}).Models() {
		f.Add(m)
	}
	f.Add("mock/lorem-200+slow-50ms")
	f.Add("tool-a+tool-b+status-429+retry-after-1e400")
	p := mock.New(mock.Options{})
	f.Fuzz(func(t *testing.T, model string) {
		_, err := p.Plan(llm.OpCountTokens, model, ask("x"))
		if checked := p.Check(model); checked != nil {
			if e := llm.AsError(err); e == nil || e.Kind != llm.KindNotFound || e.Message != llm.AsError(checked).Message {
				t.Errorf("%q: Check says %v, Plan says %v", model, checked, err)
			}
		} else if err != nil && llm.AsError(err).Kind == llm.KindNotFound {
			t.Errorf("%q: Check accepts it, Plan says %v", model, err)
		}
	})
}
