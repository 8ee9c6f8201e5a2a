package route

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func capable(name string, can Capabilities, sure bool) *Target {
	t := letter(name, 1)
	t.Traits = Traits{Can: can, Sure: sure}
	return t
}

func reasons(p Plan) string {
	var all []string
	for _, s := range p.Skipped {
		all = append(all, s.Target.Label+":"+s.Reason)
	}
	return strings.Join(all, " ")
}

// asks is a call whose body decodes to req.
func asks(body string, req *llm.Request) *llm.Call {
	c := by("app", body)
	c.Request = func() (*llm.Request, error) { return req, nil }
	return c
}

func TestCapabilities(t *testing.T) {
	all := Any | Tools | Images | JSONSchema
	image := &llm.Request{Messages: []llm.Message{{Parts: []llm.Part{{Type: llm.PartText}, {Type: llm.PartImage}}}}}
	result := &llm.Request{Messages: []llm.Message{{Parts: []llm.Part{{ToolResult: &llm.ToolResult{Parts: []llm.Part{{Type: llm.PartImage}}}}}}}}
	tools := &llm.Request{Tools: []llm.Tool{{Name: "f"}}}
	schema := &llm.Request{ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONSchema}}
	object := &llm.Request{ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONObject}}
	both := &llm.Request{Tools: tools.Tools, Messages: image.Messages}
	for _, tc := range []struct {
		name    string
		targets []*Target
		call    *llm.Call
		want    string
		skipped string
		param   string // of the refusal
	}{
		{"none needed", []*Target{capable("a", Any, true), capable("b", all, true)}, asks(`{}`, &llm.Request{}), "ab", "", ""},
		{"tools", []*Target{capable("a", Any, true), capable("b", all, true)}, asks(`{"tools":[]}`, tools), "b", "a:lacks_tools", ""},
		{"word alone", []*Target{capable("a", Any, true), capable("b", all, true)}, asks(`{"x":"\"tools\" image schema"}`, &llm.Request{}), "ab", "", ""},
		{"image", []*Target{capable("a", all&^Images, false), capable("b", all, true)}, asks(`image`, image), "b", "a:lacks_images", ""},
		{"image in a result", []*Target{capable("a", all&^Images, true), capable("b", all, true)}, asks(`image`, result), "b", "a:lacks_images", ""},
		{"schema", []*Target{capable("a", all, true), capable("b", all&^JSONSchema, true)}, asks(`json_schema`, schema), "a", "b:lacks_json_schema", ""},
		{"an object is no schema", []*Target{capable("a", all&^JSONSchema, true), capable("b", all, true)}, asks(`schema`, object), "ab", "", ""},
		{"unknown is able", []*Target{capable("a", 0, false), capable("b", all&^Tools, true)}, asks(`"tools"`, tools), "a", "b:lacks_tools", ""},
		{"all lack it", []*Target{capable("a", all&^Images, true), capable("b", Any, true)}, asks(`image`, image), "", "", "messages"},
		{"one target", []*Target{capable("a", Any, true)}, asks(`"tools"`, tools), "", "", "tools"},
		{"one target by schema", []*Target{capable("a", Any, true)}, asks(`schema`, schema), "", "", "response_format"},
		{"not certain", []*Target{capable("a", Any, true), capable("b", Any, false)}, asks(`"tools"`, tools), "ab", "", ""},
		{"each lacks another", []*Target{capable("a", all&^Tools, true), capable("b", all&^Images, true)}, asks(`"tools" image`, both), "", "", "tools"},
	} {
		p, err := made(Ordered, false, tc.targets...).Plan(tc.call)
		if tc.param != "" {
			if e := llm.AsError(err); e == nil || e.Kind != llm.KindUnsupported || e.Param != tc.param {
				t.Errorf("%s: %+v", tc.name, err)
			}
			continue
		}
		if err != nil || names(p.Targets) != tc.want || reasons(p) != tc.skipped {
			t.Errorf("%s: %s without %q, %v; want %s without %q", tc.name, names(p.Targets), reasons(p), err, tc.want, tc.skipped)
		}
	}
}

func TestDroppingIsNotRefused(t *testing.T) {
	c := asks(`"tools"`, &llm.Request{Tools: []llm.Tool{{Name: "f"}}})
	c.Drop = true
	if p := plan(t, made(Ordered, false, capable("a", Any, true)), c); names(p.Targets) != "a" {
		t.Errorf("targets %s", names(p.Targets))
	}
}

func TestBodyIsDecodedOnlyWhenItMatters(t *testing.T) {
	all := Any | Tools | Images | JSONSchema
	for _, tc := range []struct {
		name    string
		target  *Target
		body    string
		op      llm.Op
		decoded bool
	}{
		{"able", capable("a", all, true), `{"tools":"image schema"}`, llm.OpChat, false},
		{"unknown", capable("a", 0, false), `{"tools":"image schema"}`, llm.OpChat, false},
		{"no sign", capable("a", Any, true), `{"messages":[]}`, llm.OpChat, false},
		{"sign of what it has", capable("a", all&^Images, true), `{"tools":[]}`, llm.OpChat, false},
		{"sign", capable("a", Any, true), `{"tools":[]}`, llm.OpChat, true},
		{"embedding", capable("a", Any, true), `{"tools":[]}`, llm.OpEmbed, false},
	} {
		c := by("app", tc.body)
		decoded := false
		c.Op, c.Request = tc.op, func() (*llm.Request, error) { decoded = true; return nil, errors.New("no") }
		if plan(t, made(Ordered, false, tc.target), c); decoded != tc.decoded {
			t.Errorf("%s: decoded %v", tc.name, decoded)
		}
	}
}

func TestContextLength(t *testing.T) {
	sized := func(name string, window, out int64) *Target {
		t := letter(name, 1)
		t.Traits = Traits{ContextWindow: window, MaxOutput: out}
		return t
	}
	for _, tc := range []struct {
		name          string
		bytes         int
		maxTokens     int64
		want, skipped string
		targets       []*Target
	}{
		{"small", 40, 0, "ab", "", []*Target{sized("a", 100, 0), sized("b", 1000, 0)}},
		{"prompt too long", 800, 0, "b", "a:context_length", []*Target{sized("a", 100, 0), sized("b", 1000, 0)}},
		{"with its answer", 200, 60, "b", "a:context_length", []*Target{sized("a", 100, 0), sized("b", 1000, 0)}},
		{"answer too long", 40, 60, "a", "b:context_length", []*Target{sized("a", 1000, 0), sized("b", 1000, 50)}},
		{"unknown fits", 800, 0, "b", "a:context_length", []*Target{sized("a", 100, 0), sized("b", 0, 0)}},
		{"fits nowhere", 8000, 0, "ab", "", []*Target{sized("a", 100, 0), sized("b", 1000, 0)}},
		{"one target", 8000, 0, "a", "", []*Target{sized("a", 100, 0)}},
	} {
		c := by("app", strings.Repeat("x", tc.bytes))
		if tc.maxTokens > 0 {
			c.Peek.MaxTokens = tc.maxTokens + 1 // what made takes off
		}
		if p := plan(t, made(Ordered, false, tc.targets...), c); names(p.Targets) != tc.want || reasons(p) != tc.skipped {
			t.Errorf("%s: %s without %q, want %s without %q", tc.name, names(p.Targets), reasons(p), tc.want, tc.skipped)
		}
	}
}

func TestCoolDown(t *testing.T) {
	limited := func(wait time.Duration, permanent bool) *llm.Error {
		return &llm.Error{Kind: llm.KindUpstreamRateLimited, Attempts: 1, RetryAfter: wait, Permanent: permanent}
	}
	for _, tc := range []struct {
		name string
		err  *llm.Error
		rest time.Duration // 0 = none
	}{
		{"as told", limited(20*time.Second, false), 20 * time.Second},
		{"nothing told", limited(0, false), 0},
		{"quota", limited(0, true), coolPermanent},
		{"quota with its end", limited(90*time.Second, true), 90 * time.Second},
		{"a day", limited(24*time.Hour, true), maxCool},
		{"own gate", &llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: time.Minute}, 0},
		{"own circuit", &llm.Error{Kind: llm.KindOverloaded, RetryAfter: time.Minute}, 0},
		{"caller's fault", &llm.Error{Kind: llm.KindInvalidRequest, RetryAfter: time.Minute}, 0},
		{"upstream error", &llm.Error{Kind: llm.KindUpstreamError, RetryAfter: time.Minute}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			a := letter("a", 1)
			a.Chain = llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, tc.err })
			r := made(Ordered, false, a, letter("b", 1), letter("c", 1))
			c := by("app", "")
			if _, err := r.Do(t.Context(), a, c); err == nil {
				t.Fatal("no error")
			}
			if tc.rest > 0 {
				time.Sleep(tc.rest - time.Millisecond)
				if p := plan(t, r, c); names(p.Targets) != "bca" || reasons(p) != "a:cooling_down" {
					t.Errorf("%s: at rest %s, %q", tc.name, names(p.Targets), reasons(p))
				}
				time.Sleep(time.Millisecond)
			}
			if p := plan(t, r, c); names(p.Targets) != "abc" || reasons(p) != "" {
				t.Errorf("%s: rested %s, %q", tc.name, names(p.Targets), reasons(p))
			}
			if n := testing.AllocsPerRun(10, func() { _, _ = r.Plan(c) }); n != 0 {
				t.Errorf("%s: planning allocates %v times", tc.name, n)
			}
		})
	}
}

func TestAllRest(t *testing.T) {
	a, b := letter("a", 1), letter("b", 1)
	now := time.Now()
	a.Health.Failed(&llm.Error{Kind: llm.KindUpstreamRateLimited, Attempts: 1, RetryAfter: time.Minute}, now)
	b.Health.Failed(&llm.Error{Kind: llm.KindUpstreamRateLimited, Attempts: 1, RetryAfter: 30 * time.Second}, now)
	b.Health.Failed(&llm.Error{Kind: llm.KindUpstreamRateLimited, Attempts: 1, RetryAfter: time.Second}, now) // does not shorten it
	if p := plan(t, made(Ordered, false, a, b), by("", "")); names(p.Targets) != "ba" || reasons(p) != "" {
		t.Errorf("%s, %q", names(p.Targets), reasons(p))
	}
	if p := plan(t, made(Ordered, false, a), by("", "")); names(p.Targets) != "a" || reasons(p) != "" {
		t.Errorf("alone: %s, %q", names(p.Targets), reasons(p))
	}
}

// TestStickyCallersComeBack takes a caller's target out for a while.
func TestStickyCallersComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := made(Weighted, true, letter("a", 1), letter("b", 1), letter("c", 1))
		c := by("app", `{"user":"u"}`)
		before := plan(t, r, c).Targets
		before[0].Health.Failed(&llm.Error{Kind: llm.KindUpstreamRateLimited, Attempts: 1, RetryAfter: time.Minute}, time.Now())
		if during := plan(t, r, c).Targets; during[0] != before[1] || during[2] != before[0] {
			t.Errorf("order %s became %s", names(before), names(during))
		}
		time.Sleep(time.Minute)
		if after := plan(t, r, c).Targets; names(after) != names(before) {
			t.Errorf("order %s became %s", names(before), names(after))
		}
	})
}

func TestTrail(t *testing.T) {
	var tr Trail
	tr.Add(&Target{Label: "a/x"}, "lacks_tools")
	tr.Add(&Target{Label: "b/y"}, "timeout")
	tr.Add(&Target{Label: "c/z"}, "")
	if got := tr.String(); got != "a/x:lacks_tools>b/y:timeout>c/z" || tr.Steps() != 3 {
		t.Errorf("%d: %s", tr.Steps(), got)
	}
}
