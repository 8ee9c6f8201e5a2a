package jsonedit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

// member is one member as encoding/json reads it.
type member struct {
	key   string
	value json.RawMessage
}

// decodeMembers reads the top-level object of a valid text.
func decodeMembers(t *testing.T, raw []byte) (ms []member) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		m := member{key: key.(string)}
		if err := d.Decode(&m.value); err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

// depthOf returns how deep a valid text is nested.
func depthOf(raw []byte) (deepest int) {
	d := json.NewDecoder(bytes.NewReader(raw))
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return deepest
		}
		if err != nil {
			return 10_000
		}
		if delim, ok := tok.(json.Delim); ok {
			if delim == '{' || delim == '[' {
				depth++
				deepest = max(deepest, depth)
			} else {
				depth--
			}
		}
	}
}

func isObject(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

func seeds(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"model":"m","stream":true,"max_tokens":12}`, `{"mod\u0065l":"\ud83d\ude42","é":[1,2.5e-3,{"a":null}]}`,
		`{"model":1,"model":2}`, `{"a":"\ud800\udc00\ud800x\udc00"}`, `{"a":"` + "\xff\x80" + `"}`, `[1]`, `{"a":1}x`, `{"":{}}`,
		strings.Repeat(`{"a":[`, 300) + strings.Repeat(`]}`, 300), `{"a":"0123456789abcdef\"","b":"\\\/\b\f\n\r\t"}`, `{"a":-0.0E+10}`,
		string(chatBody(300)), string(toolBody(300)),
	} {
		f.Add([]byte(s))
	}
}

// FuzzFind holds Find and Each against encoding/json.
func FuzzFind(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		out := make([]Span, testNames.Len())
		end, n, err := Find(raw, testNames, out)
		var dup *DuplicateError
		if !json.Valid(raw) || !isObject(raw) {
			var bad *SyntaxError
			if !errors.As(err, &bad) && !errors.As(err, &dup) {
				t.Fatalf("bad JSON, error %v", err)
			}
			if bad != nil && (bad.Offset < 0 || bad.Offset > len(raw)) {
				t.Fatalf("offset %d of %d", bad.Offset, len(raw))
			}
			return
		}
		if depthOf(raw) > MaxDepth {
			if err == nil {
				t.Fatal("too deep, no error")
			}
			return
		}
		members := decodeMembers(t, raw)
		values := map[string]string{}
		repeated := false
		for _, m := range members {
			_, again := values[m.key]
			repeated = repeated || again && testNames.position([]byte(m.key), false) >= 0
			values[m.key] = string(m.value)
		}
		if repeated != errors.As(err, &dup) {
			t.Fatalf("repeated %v, error %v", repeated, err)
		}
		checkEach(t, raw, members)
		if repeated {
			return
		}
		if err != nil || n != len(members) || end != len(bytes.TrimRight(raw, " \t\r\n"))-1 {
			t.Fatalf("end %d, %d members instead of %d, %v", end, n, len(members), err)
		}
		for i, at := range out {
			want, there := values[testNames.Name(i)]
			if at.Present() != there || string(at.Of(raw)) != want {
				t.Fatalf("%s: %q, want %q", testNames.Name(i), at.Of(raw), want)
			}
		}
	})
}

func checkEach(t *testing.T, raw []byte, members []member) {
	i := 0
	err := Each(raw, Span{0, len(raw)}, func(key string, at Span) error {
		m := members[i]
		if key != m.key || string(at.Of(raw)) != string(m.value) {
			t.Fatalf("member %d: %q %q, want %q %q", i, key, at.Of(raw), m.key, m.value)
		}
		checkValue(t, raw, at)
		i++
		return nil
	})
	if err != nil || i != len(members) {
		t.Fatalf("%d of %d members, %v", i, len(members), err)
	}
}

func checkValue(t *testing.T, raw []byte, at Span) {
	switch Kind(raw, at) {
	case '"':
		var want string
		if err := json.Unmarshal(at.Of(raw), &want); err != nil {
			t.Fatal(err)
		}
		if got, err := String(raw, at); err != nil || got != want {
			t.Fatalf("string %q, %v, want %q", got, err, want)
		}
	case '0':
		var want int64
		if json.Unmarshal(at.Of(raw), &want) != nil {
			return
		}
		if got, err := Int64(raw, at); err != nil || got != want {
			t.Fatalf("%s: %d, %v", at.Of(raw), got, err)
		}
	case '[':
		var want []json.RawMessage
		if err := json.Unmarshal(at.Of(raw), &want); err != nil {
			t.Fatal(err)
		}
		n := 0
		err := EachElem(raw, at, func(i int, elem Span) error {
			if i != n || string(elem.Of(raw)) != string(want[i]) {
				t.Fatalf("element %d (%d): %q, want %q", i, n, elem.Of(raw), want[i])
			}
			n++
			return nil
		})
		if err != nil || n != len(want) {
			t.Fatalf("%d of %d elements, %v", n, len(want), err)
		}
	}
}

// FuzzWalk gives Each and EachElem anything: they must see exactly the objects
// and arrays that encoding/json accepts.
func FuzzWalk(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) == 0 || depthOf(raw) > MaxDepth && json.Valid(raw) {
			return
		}
		all := Span{0, len(raw)}
		object := Each(raw, all, func(string, Span) error { return nil }) == nil
		array := EachElem(raw, all, func(int, Span) error { return nil }) == nil
		valid := json.Valid(raw)
		start := bytes.TrimLeft(raw, " \t\r\n")
		if object != (valid && start[0] == '{') || array != (valid && start[0] == '[') {
			t.Fatalf("valid %v, object %v, array %v", valid, object, array)
		}
	})
}

// FuzzAppendString holds AppendString against encoding/json and reads back
// what it wrote.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", "\"\\\b\f\n\r\t\x00\x1f\x7f", "<é&🙂>", "\u2028\u2029\ufffd", "a\xffb\xe2\x80", "01234567\x8001234567\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		got := AppendString(nil, s)
		if string(got)+"\n" != want.String() {
			t.Fatalf("%q: %s, want %s", s, got, want.Bytes())
		}
		back, err := String(got, Span{0, len(got)})
		if err != nil || back != string([]rune(s)) {
			t.Fatalf("%q came back as %q, %v", s, back, err)
		}
	})
}
