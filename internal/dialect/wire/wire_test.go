package wire

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestBody(t *testing.T) {
	for raw, says := range map[string]string{
		`{}`: "", " {\"a\":[1,{}]}\n": "",
		``: "byte 0", `[]`: "byte 0", `{"a":1,}`: "byte 7", `{"a":1} x`: "byte 8", `{"a":tru}`: "byte 8",
	} {
		err := Body([]byte(raw))
		if (err == nil) != (says == "") || err != nil && !strings.Contains(llm.AsError(err).Message, says) {
			t.Errorf("%q: %v", raw, err)
		}
		if err != nil && llm.AsError(err).Kind != llm.KindInvalidRequest {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestPathsGrowFromTheInside(t *testing.T) {
	err := Explain(At(AtIndex(At(AtIndex(Wrong("no"), 3), "content"), 2), "messages"))
	e := llm.AsError(err)
	if e.Param != "messages[2].content[3]" || e.Message != "invalid 'messages[2].content[3]': no" {
		t.Errorf("got %+v", e)
	}
	e = llm.AsError(Explain(At(Refuse("not here"), "functions")))
	if e.Message != "unsupported 'functions': not here" || e.Kind != llm.KindUnsupported {
		t.Errorf("got %+v", e)
	}
	if Explain(nil) != nil || At(nil, "a") != nil || AtIndex(nil, 1) != nil {
		t.Error("no error became one")
	}
	other := errors.New("other")
	if Explain(other) != other || At(other, "a") != other {
		t.Error("an error of another type changed")
	}
}

func TestScalars(t *testing.T) {
	ints := map[string]int64{"0": 0, "-7": -7, "1e2": 100, "5.0": 5, "9007199254740993": 9007199254740993}
	for raw, want := range ints {
		if n, err := Int([]byte(raw), math.MinInt64, math.MaxInt64); err != nil || n != want {
			t.Errorf("%s: %d %v", raw, n, err)
		}
	}
	for raw, says := range map[string]string{
		"1.5": "an integer", `"1"`: "a string", "1e99": "in range", "true": "a boolean", "null": "null", "": "nothing", "{}": "an object", "[]": "an array",
		"11": "between 1 and 10, got 11", "0": "between 1 and 10, got 0",
	} {
		if _, err := Int([]byte(raw), 1, 10); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if _, err := Int([]byte("0"), 1, math.MaxInt64); err == nil || !strings.Contains(err.Error(), "at least 1, got 0") {
		t.Error(err)
	}
	if f, err := Float([]byte("0.1"), 0, 2); err != nil || f != 0.1 {
		t.Error(f, err)
	}
	for _, raw := range []string{"2.1", "-0.1", `"1"`, "1e999"} {
		if _, err := Float([]byte(raw), 0, 2); err == nil {
			t.Error(raw)
		}
	}
	for raw, want := range map[string]bool{"true": true, "false": false} {
		if b, err := Bool([]byte(raw)); err != nil || b != want {
			t.Error(raw, b, err)
		}
	}
	if _, err := Bool([]byte(`"true"`)); err == nil {
		t.Error("a string is no boolean")
	}
	if s, err := String([]byte(`"a\u00fc\n"`)); err != nil || s != "aü\n" {
		t.Error(s, err)
	}
	if _, err := Filled([]byte(`""`)); err == nil {
		t.Error("an empty string is not filled")
	}
	if _, err := OneOf([]byte(`"`+strings.Repeat("x", 500)+`"`), "a", "b"); err == nil || len(err.Error()) > 200 || !strings.Contains(err.Error(), "a, b") {
		t.Error(err)
	}
}

func TestContainers(t *testing.T) {
	var names []string
	err := Object([]byte(`{"a":1,"b":null,"c":"x"}`), func(name string, v []byte) error {
		names = append(names, name+"="+string(v))
		return nil
	})
	if err != nil || strings.Join(names, " ") != `a=1 c="x"` {
		t.Error(names, err)
	}
	err = Array([]byte(`[1,null,"x"]`), func(i int, v []byte) error {
		if i == 2 {
			return Wrong("bad")
		}
		return nil
	})
	if e := llm.AsError(err); e.Param != "[2]" {
		t.Error(err)
	}
	if Object([]byte(`[]`), nil) == nil || Array([]byte(`{}`), nil) == nil || Array(nil, nil) == nil {
		t.Error("the wrong container passed")
	}
	if l, err := Strings([]byte(`["a","b"]`)); err != nil || len(l) != 2 {
		t.Error(l, err)
	}
	if m, err := StringMap([]byte(`{"a":"b"}`)); err != nil || m["a"] != "b" {
		t.Error(m, err)
	}
	if _, err := Raw([]byte(`[]`)); err == nil {
		t.Error("an array is no object")
	}
}

func TestAppend(t *testing.T) {
	one, half, yes := int64(1), 0.5, true
	nan := math.NaN()
	b := []byte("prefix")
	b = append(b, '{')
	b = Str(b, "s", "a\"\n<")
	b = StrIf(b, "none", "")
	b = StrIf(b, "t", "x")
	b = StrOrNull(b, "n", "")
	b = StrOrNull(b, "m", "y")
	b = Num(b, "i", -3)
	b = NumPtr(NumPtr(b, "j", nil), "k", &one)
	b = FloatPtr(FloatPtr(FloatPtr(b, "f", nil), "g", &half), "h", &nan)
	b = BoolPtr(BoolPtr(b, "o", nil), "p", &yes)
	b = Lit(b, "raw", json.RawMessage(`[1]`))
	b = Map(Key(b, "map"), map[string]string{"b": "2", "a": "1"})
	b = append(Key(b, "l"), '[')
	b = StrElem(StrElem(b, "x"), "y")
	b = append(b, ']', '}')
	const want = `prefix{"s":"a\"\n<","t":"x","n":null,"m":"y","i":-3,"k":1,"g":0.5,"p":true,"raw":[1],"map":{"a":"1","b":"2"},"l":["x","y"]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}
