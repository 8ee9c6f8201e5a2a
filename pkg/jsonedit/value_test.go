package jsonedit

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func whole(s string) ([]byte, Span) { return []byte(s), Span{0, len(s)} }

func TestKind(t *testing.T) {
	for in, want := range map[string]byte{
		`{}`: '{', `[]`: '[', `"x"`: '"', "true": 't', "false": 'f', "null": 'n', "0": '0', "-1": '0', "9.5": '0',
	} {
		raw, at := whole(in)
		if got := Kind(raw, at); got != want {
			t.Errorf("Kind(%s) = %q, want %q", in, got, want)
		}
		if IsNull(raw, at) != (in == "null") {
			t.Errorf("IsNull(%s)", in)
		}
	}
	if Kind([]byte("true"), Span{}) != 0 || IsNull([]byte("null"), Span{}) {
		t.Error("an absent value has a kind")
	}
}

func TestString(t *testing.T) {
	for in, want := range map[string]string{
		`""`:                   "",
		`"abc"`:                "abc",
		`"日本"`:                 "日本",
		`"\"\\\/\b\f\n\r\t"`:   "\"\\/\b\f\n\r\t",
		`"\u0041\u00e9\u65e5"`: "Aé日",
		`"\uD83D\ude42"`:       "🙂",
		`"\ud83d"`:             "\ufffd",
		`"\ud83dx"`:            "\ufffdx",
		`"\ude42\ud83d"`:       "\ufffd\ufffd",
		`"\ud83d\ud83d\ude42"`: "\ufffd🙂",
		`"\ud83d\n"`:           "\ufffd\n",
		`"\u0000"`:             "\x00",
		"\"\xff\"":             "\ufffd",
		"\"\xe2\x80\"":         "\ufffd\ufffd",
		"\"\\n\xff\"":          "\n\ufffd",
	} {
		raw, at := whole(in)
		if got, err := String(raw, at); err != nil || got != want {
			t.Errorf("String(%s) = %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestInt64(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "-0": 0, "7": 7, "4096": 4096, "-12": -12, "100.0": 100, "1e3": 1000, "1.5e1": 15,
		"999999999999999999": 999999999999999999, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		raw, at := whole(in)
		if got, err := Int64(raw, at); err != nil || got != want {
			t.Errorf("Int64(%s) = %d, %v, want %d", in, got, err, want)
		}
	}
}

func TestTypeErrors(t *testing.T) {
	number := func(raw []byte, at Span) error { _, err := Int64(raw, at); return err }
	text := func(raw []byte, at Span) error { _, err := String(raw, at); return err }
	boolean := func(raw []byte, at Span) error { _, err := Bool(raw, at); return err }
	object := func(raw []byte, at Span) error { return Each(raw, at, func(string, Span) error { return nil }) }
	array := func(raw []byte, at Span) error { return EachElem(raw, at, func(int, Span) error { return nil }) }
	for _, c := range []struct {
		read func([]byte, Span) error
		bad  []string
		want string
	}{
		{number, []string{`"7"`, "true", "null", "{}", "1.5", "1e30", "9223372036854775808", "1e-1", "1e999"}, "expected an integer at byte 3"},
		{text, []string{"1", "true", "null", "[]"}, "expected a string at byte 3"},
		{boolean, []string{"1", `"true"`, "null", "{}"}, "expected true or false at byte 3"},
		{object, []string{"1", "[]", "null"}, "expected an object at byte 3"},
		{array, []string{"1", "{}", "null"}, "expected an array at byte 3"},
	} {
		for _, in := range c.bad {
			err := c.read([]byte("   "+in), Span{3, 3 + len(in)})
			var wrong *TypeError
			if !errors.As(err, &wrong) || err.Error() != c.want {
				t.Errorf("%s: %v, want %q", in, err, c.want)
			}
		}
	}
}

func TestBool(t *testing.T) {
	for in, want := range map[string]bool{"true": true, "false": false} {
		raw, at := whole(in)
		if got, err := Bool(raw, at); err != nil || got != want {
			t.Errorf("Bool(%s) = %v, %v", in, got, err)
		}
	}
}

func TestEach(t *testing.T) {
	raw, at := whole(` { "a" : 1 , "\u0062":[2, 3],"a":{"x":"}"} } `)
	var got []string
	err := Each(raw, at, func(key string, v Span) error {
		got = append(got, key+"="+string(v.Of(raw)))
		return nil
	})
	if d := cmp.Diff([]string{"a=1", "b=[2, 3]", `a={"x":"}"}`}, got); d != "" || err != nil {
		t.Error(err, d)
	}
	stop := errors.New("stop")
	calls := 0
	if err := Each(raw, at, func(string, Span) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if err := Each(raw, Span{}, func(string, Span) error { return stop }); err != nil {
		t.Errorf("absent: %v", err)
	}
}

func TestEachElem(t *testing.T) {
	raw, at := whole(`[ 1 ,"a",[],{} , null]`)
	var got []string
	err := EachElem(raw, at, func(i int, v Span) error {
		got = append(got, fmt.Sprint(i)+string(v.Of(raw)))
		return nil
	})
	if d := cmp.Diff([]string{"01", `1"a"`, "2[]", "3{}", "4null"}, got); d != "" || err != nil {
		t.Error(err, d)
	}
	raw, at = whole(`[]`)
	if err := EachElem(raw, at, func(int, Span) error { return errors.New("called") }); err != nil {
		t.Error(err)
	}
}

func TestWalkSyntaxErrors(t *testing.T) {
	for in, offset := range map[string]int{
		`{"a":1,}`: 7, `{"a":tru}`: 8, `{"a"`: 4, `{} x`: 3, `[1,]`: 3, `[1] 2`: 4, `[1`: 2, `["a`: 3,
	} {
		raw, at := whole(in)
		err := Each(raw, at, func(string, Span) error { return nil })
		if in[0] == '[' {
			err = EachElem(raw, at, func(int, Span) error { return nil })
		}
		var bad *SyntaxError
		if !errors.As(err, &bad) || bad.Offset != offset {
			t.Errorf("%s: %v, want a syntax error at byte %d", in, err, offset)
		}
	}
}
