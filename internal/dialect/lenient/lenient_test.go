package lenient

import (
	"errors"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var names = jsonedit.NewNames("a", "b")

func TestFind(t *testing.T) {
	cases := []struct {
		in, a, b string
		bad      bool
	}{
		{in: `{"a":1,"b":"x"}`, a: `1`, b: `"x"`},
		{in: `{"b":null}`},
		{in: ` {"a":1,"c":[],"a":2} `, a: `2`},
		{in: `{"a":1,"a":null}`},
		{in: `{}`},
		{in: `[1]`, bad: true},
		{in: `{"a":`, bad: true},
		{in: ``, bad: true},
	}
	for _, c := range cases {
		var at [2]jsonedit.Span
		raw := []byte(c.in)
		err := Find(raw, names, at[:])
		if (err != nil) != c.bad {
			t.Errorf("%s: error %v", c.in, err)
			continue
		}
		if err != nil {
			continue
		}
		if a, b := Present(raw, at[0]), Present(raw, at[1]); string(a) != c.a || string(b) != c.b {
			t.Errorf("%s: %s, %s", c.in, a, b)
		}
	}
}

func TestMembersOfNoObject(t *testing.T) {
	for _, in := range []string{"", "null", "[1]", `"x"`, "1", `{"a":`} {
		at := [2]jsonedit.Span{{Start: 1, End: 2}, {Start: 1, End: 2}}
		Members([]byte(in), names, at[:])
		if at != [2]jsonedit.Span{} {
			t.Errorf("%q has members %v", in, at)
		}
	}
}

func TestValues(t *testing.T) {
	cases := []struct {
		in    string
		text  string
		count int64
		yes   bool
	}{
		{in: `"stop"`, text: "stop"},
		{in: `"a\nb"`, text: "a\nb"},
		{in: `"17"`, text: "17", count: 17},
		{in: `"-17"`, text: "-17"},
		{in: `17`, count: 17},
		{in: `1.5e2`, count: 150},
		{in: `1.5`, count: 1},
		{in: `-3`},
		{in: `1e300`},
		{in: `true`, yes: true},
		{in: `false`}, {in: `null`}, {in: `{}`}, {in: `[]`},
	}
	for _, c := range cases {
		raw := []byte(c.in)
		at := whole(raw)
		if got := Text(raw, at); got != c.text {
			t.Errorf("Text(%s) = %q", c.in, got)
		}
		if got := Word(raw, at, []string{"stop"}); got != c.text {
			t.Errorf("Word(%s) = %q", c.in, got)
		}
		if got := Count(raw, at); got != c.count {
			t.Errorf("Count(%s) = %d", c.in, got)
		}
		if got := True(raw, at); got != c.yes {
			t.Errorf("True(%s) = %v", c.in, got)
		}
	}
	if Text(nil, jsonedit.Span{}) != "" || Count(nil, jsonedit.Span{}) != 0 || Word(nil, jsonedit.Span{}, nil) != "" {
		t.Error("an absent value is something")
	}
}

func TestElems(t *testing.T) {
	var got []string
	Elems([]byte(`[1, "x",{} ]`), func(v []byte) { got = append(got, string(v)) })
	if len(got) != 3 || got[1] != `"x"` || got[2] != "{}" {
		t.Errorf("%q", got)
	}
	for _, in := range []string{"", "null", "{}", "[1,"} {
		n := 0
		Elems([]byte(in), func([]byte) { n++ })
		if n > 1 {
			t.Errorf("%q has %d elements", in, n)
		}
	}
}

func TestMalformed(t *testing.T) {
	cause := errors.New("why")
	e := Malformed("answer", cause)
	if e.Kind != llm.KindUpstreamError || !errors.Is(e, cause) || e.Message != "the provider sent a malformed answer" {
		t.Errorf("%v", e)
	}
}
