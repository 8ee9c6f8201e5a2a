package mockserver

import (
	"regexp"
	"testing"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

func whatIsWrong(s *shape, raw string) (code, param string) {
	err := s.check([]byte(raw), jsonedit.Span{Start: 0, End: len(raw)}, "")
	if err == nil {
		return "", ""
	}
	if err.Code == "" {
		return "other", err.Param
	}
	return err.Code, err.Param
}

func TestShapes(t *testing.T) {
	picked := &shape{kind: "object", pick: "t", by: map[string]*shape{
		"a": object([]string{"x"}, map[string]*shape{"t": text(), "x": flag()}),
		"b": object(nil, map[string]*shape{"t": text()}),
	}}
	for _, tc := range []struct {
		s                *shape
		raw, code, param string
	}{
		{&shape{}, `1`, "", ""},
		{&shape{}, `null`, "", ""},
		{text(), `"x"`, "", ""},
		{text(), `null`, "invalid_type", ""},
		{text(), `1`, "invalid_type", ""},
		{maybeText(), `null`, "", ""},
		{maybeText(), `{}`, "invalid_type", ""},
		{flag(), `true`, "", ""},
		{flag(), `"true"`, "invalid_type", ""},
		{oneOf("a", "b"), `"b"`, "", ""},
		{oneOf("a", "b"), `"c"`, "invalid_value", ""},
		{upTo(2), `"日本"`, "", ""},
		{upTo(2), `"日本語"`, "string_above_max_length", ""},
		{identifier(), `"a-b_C1"`, "", ""},
		{identifier(), `"é"`, "invalid_value", ""},
		{identifier(), `""`, "empty_string", ""},
		{decimal(0, 2), `0`, "", ""},
		{decimal(0, 2), `1.5e0`, "", ""},
		{decimal(0, 2), `null`, "", ""},
		{decimal(0, 2), `-0.1`, "decimal_below_min_value", ""},
		{decimal(0, 2), `2.1`, "decimal_above_max_value", ""},
		{decimal(0, 2), `1e999`, "invalid_value", ""},
		{integer(0, 5), `5`, "", ""},
		{integer(0, 5), `5.0`, "", ""},
		{integer(0, 5), `4.5`, "invalid_type", ""},
		{integer(0, 5), `6`, "integer_above_max_value", ""},
		{integer(0, 5), `-1`, "integer_below_min_value", ""},
		{list(flag(), 1, 2), `[true]`, "", ""},
		{list(flag(), 1, 2), `[]`, "empty_array", ""},
		{list(flag(), 1, 2), `[true,true,true]`, "array_above_max_length", ""},
		{list(flag(), 1, 2), `[true,1]`, "invalid_type", "[1]"},
		{list(flag(), 1, 2), `{}`, "invalid_type", ""},
		{either(text(), list(text(), 0, 9)), `"x"`, "", ""},
		{either(text(), list(text(), 0, 9)), `["x"]`, "", ""},
		{either(text(), list(text(), 0, 9)), `[1]`, "invalid_type", "[0]"},
		{either(text(), list(text(), 0, 9)), `1`, "invalid_type", ""},
		{either(text(), list(text(), 0, 9)), `null`, "invalid_type", ""},
		{maybe(either(text(), flag())), `null`, "", ""},
		{object([]string{"a"}, map[string]*shape{"a": text()}), `{"a":"x"}`, "", ""},
		{object([]string{"a"}, map[string]*shape{"a": text()}), `{}`, "missing_required_parameter", "a"},
		{object([]string{"a"}, map[string]*shape{"a": text()}), `{"a":"x","b":1}`, "unknown_parameter", "b"},
		{object([]string{"a"}, map[string]*shape{"a": object(nil, map[string]*shape{"b": flag()})}), `{"a":{"b":1}}`, "invalid_type", "a.b"},
		{object(nil, map[string]*shape{"a": list(object(nil, nil), 0, 9)}), `{"a":[{},{"z":1}]}`, "unknown_parameter", "a[1].z"},
		{anyObject(), `{"x":{"y":[1]}}`, "", ""},
		{anyObject(), `[]`, "invalid_type", ""},
		{pairs(), `{"a":"b"}`, "", ""},
		{pairs(), `{"a":1}`, "invalid_type", "a"},
		{pairs(), `null`, "", ""},
		{picked, `{"t":"a","x":true}`, "", ""},
		{picked, `{"t":"a"}`, "missing_required_parameter", "x"},
		{picked, `{"t":"b","x":true}`, "unknown_parameter", "x"},
		{picked, `{"t":"c"}`, "invalid_value", "t"},
		{picked, `{}`, "missing_required_parameter", "t"},
		{picked, `{"t":5}`, "invalid_value", "t"},
		{&shape{kind: "string", pattern: regexp.MustCompile("^x")}, `"xy"`, "", ""},
	} {
		if code, param := whatIsWrong(tc.s, tc.raw); code != tc.code || param != tc.param {
			t.Errorf("%s: %q at %q, want %q at %q", tc.raw, code, param, tc.code, tc.param)
		}
	}
}

// TestFirstProblem: of several problems the first in the body is named.
func TestFirstProblem(t *testing.T) {
	s := object(nil, map[string]*shape{"a": flag(), "b": flag()})
	if code, param := whatIsWrong(s, `{"b":1,"a":1,"c":1}`); code != "invalid_type" || param != "b" {
		t.Errorf("%s at %s", code, param)
	}
	if code, param := whatIsWrong(s, `{"c":1,"b":1}`); code != "unknown_parameter" || param != "c" {
		t.Errorf("%s at %s", code, param)
	}
}

func TestStrictSchemas(t *testing.T) {
	for schema, good := range map[string]bool{
		``: true,
		`{"type":"object","properties":{},"additionalProperties":false}`:                                                                             true,
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`:                                       true,
		`{"type":"object","properties":{"a":{"type":["object","null"],"additionalProperties":false}},"required":["a"],"additionalProperties":false}`: true,
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/d"}},"required":["a"],"additionalProperties":false,"$defs":{"d":{"type":"string"}}}`:    true,
		`{"type":"string"}`:   false,
		`{}`:                  false,
		`{"type":["object"]}`: false,
		`[]`:                  false,
		`{"type":"object"}`:   false,
		`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`:                                                     false,
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":true}`:                                     false,
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":{}}`:                                       false,
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/d"}},"required":["a"],"additionalProperties":false,"$defs":{"d":{"type":"object"}}}`: false,
		`{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"],"additionalProperties":false}`:           false,
		`{"type":"object","properties":{"a":null},"required":["a"],"additionalProperties":false}`:                                                 true,
	} {
		n := strictName{Strict: true}
		if why := n.strictProblem([]byte(schema)); (why == "") != good {
			t.Errorf("%s: %q", schema, why)
		}
		n.Strict = false
		if why := n.strictProblem([]byte(schema)); why != "" {
			t.Errorf("%s, which need not be strict: %q", schema, why)
		}
	}
}

// FuzzShape: the shapes of OpenAI's requests take or refuse any JSON, and
// never panic.
func FuzzShape(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`))
	f.Add([]byte(`{"model":"m","input":[[1,2]]}`))
	f.Add([]byte(`{"tool_choice":{"type":"allowed_tools","allowed_tools":{}}}`))
	chat, embed := chatShape(), embedShape()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, s := range []*shape{chat, embed} {
			if _, _, err := jsonedit.Find(raw, jsonedit.NewNames(), nil); err != nil {
				return // not one JSON object
			}
			if err := strictly(s, chatRules, raw); err != nil && (err.Status != 400 || err.Message == "") {
				t.Errorf("%s: %+v", raw, err)
			}
		}
	})
}
