package jsonedit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var testNames = NewNames("model", "stream", "stream_options", "max_tokens", "é", "", "a/b")

func TestFind(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want map[string]string
	}{
		{`{}`, 0, nil},
		{" \n\t\r{ } \n", 0, nil},
		{`{"model":"m"}`, 1, map[string]string{"model": `"m"`}},
		{`{"a":1,"model":"m","b":[{"model":"inner"}],"stream":true}`, 4, map[string]string{"model": `"m"`, "stream": "true"}},
		{`{ "model" : "m" , "stream" : false }`, 2, map[string]string{"model": `"m"`, "stream": "false"}},
		{`{"stream_options":{"include_usage":true},"max_tokens":-1.5e+3}`, 2, map[string]string{"stream_options": `{"include_usage":true}`, "max_tokens": "-1.5e+3"}},
		{`{"mod\u0065l":null}`, 1, map[string]string{"model": "null"}},
		{`{"\u006d\u006f\u0064\u0065\u006c":1}`, 1, map[string]string{"model": "1"}},
		{`{"\u00e9":1}`, 1, map[string]string{"é": "1"}},
		{`{"é":1}`, 1, map[string]string{"é": "1"}},
		{`{"a\/b":1,"":2}`, 2, map[string]string{"a/b": "1", "": "2"}},
		{`{"Model":1,"model ":2,"mode":3,"modell":4,"mod\\u0065l":5}`, 5, nil},
		{`{"other":1,"other":2}`, 2, nil},
		{`{"a":"\"model\":","model":"x\\"}`, 2, map[string]string{"model": `"x\\"`}},
		{`{"a":"é🙂` + "\xff" + `","model":"日本"}`, 2, map[string]string{"model": `"日本"`}},
	} {
		out := make([]Span, testNames.Len())
		out[0] = Span{7, 9} // Find must not take leftovers for findings
		end, n, err := Find([]byte(c.in), testNames, out)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		got := map[string]string{}
		for i, at := range out {
			if at.Present() {
				got[testNames.Name(i)] = string(at.Of([]byte(c.in)))
			}
		}
		if c.want == nil {
			c.want = map[string]string{}
		}
		if d := cmp.Diff(c.want, got); d != "" || n != c.n || end != strings.LastIndexByte(c.in, '}') {
			t.Errorf("%s: end %d, %d members: %s", c.in, end, n, d)
		}
	}
}

func TestFindSyntaxErrors(t *testing.T) {
	for in, offset := range map[string]int{
		"":                              0,
		"  ":                            2,
		"[]":                            0,
		`"x"`:                           0,
		"nul":                           0,
		"{":                             1,
		"{,":                            1,
		"{}{":                           2,
		"{} x":                          3,
		`{"a"}`:                         4,
		`{"a":}`:                        5,
		`{"a":1,}`:                      7,
		`{"a":1 "b":2}`:                 7,
		`{a:1}`:                         1,
		`{'a':1}`:                       1,
		`{"a":1`:                        6,
		`{"a`:                           3,
		`{"a":"x`:                       7,
		`{"a":"x\`:                      8,
		`{"a":"\x"}`:                    7,
		`{"a":"\u12g4"}`:                10,
		`{"a":"\u12`:                    10,
		"{\"a\":\"\n\"}":                6,
		"{\"a\":\"0123456789\x00\"}":    16,
		"{\"a\x1f\":1}":                 3,
		`{"a":tru}`:                     8,
		`{"a":truE}`:                    8,
		`{"a":nul`:                      8,
		`{"a":01}`:                      6,
		`{"a":+1}`:                      5,
		`{"a":.5}`:                      5,
		`{"a":1.}`:                      7,
		`{"a":1e}`:                      7,
		`{"a":1e+}`:                     8,
		`{"a":-}`:                       6,
		`{"a":-`:                        6,
		`{"a":NaN}`:                     5,
		`{"a":[1,]}`:                    8,
		`{"a":[1 2]}`:                   8,
		`{"a":[1}`:                      7,
		`{"a":[}`:                       6,
		`{"a":1}}`:                      7,
		"{\"a\":1}\x00":                 7,
		"\xef\xbb\xbf{}":                0,
		`{"a":"0123456789abcdef` + "\t": 22,
	} {
		_, _, err := Find([]byte(in), testNames, make([]Span, testNames.Len()))
		var bad *SyntaxError
		if !errors.As(err, &bad) || bad.Offset != offset {
			t.Errorf("%q: %v, want a syntax error at byte %d", in, err, offset)
		}
		if offset >= len(in) && !strings.Contains(fmt.Sprint(err), "unexpected end of JSON at byte") {
			t.Errorf("%q: %v does not say that the text ends too early", in, err)
		}
		if json.Valid([]byte(in)) && strings.HasPrefix(in, "{") {
			t.Errorf("%q is valid: the test is wrong", in)
		}
	}
}

func TestFindDuplicate(t *testing.T) {
	for in, want := range map[string]DuplicateError{
		`{"model":1,"model":2}`:                             {"model", 11},
		`{"model":1,"a":2,"mod\u0065l":2}`:                  {"model", 17},
		`{"\u006dodel":null, "model" : null}`:               {"model", 20},
		`{"":1,"":2}`:                                       {"", 6},
		`{"stream":1,"x":{"model":1,"model":2},"stream":3}`: {"stream", 38},
	} {
		_, _, err := Find([]byte(in), testNames, make([]Span, testNames.Len()))
		var dup *DuplicateError
		if !errors.As(err, &dup) || *dup != want {
			t.Errorf("%s: %v, want %v", in, err, &want)
		}
	}
}

func TestFindDepth(t *testing.T) {
	nest := func(depth int) []byte {
		return []byte(`{"a":` + strings.Repeat(`[{"b":`, (depth-1)/2) + strings.Repeat("[", (depth-1)%2) +
			strings.Repeat("]", (depth-1)%2) + map[bool]string{true: "1", false: ""}[(depth-1)%2 == 0] + strings.Repeat("}]", (depth-1)/2) + "}")
	}
	for _, depth := range []int{1, 2, 3, MaxDepth - 1, MaxDepth, MaxDepth + 1, 5000} {
		raw := nest(depth)
		if !json.Valid(raw) {
			t.Fatalf("the test made bad JSON: %s", raw)
		}
		_, _, err := Find(raw, testNames, make([]Span, testNames.Len()))
		if (err == nil) != (depth <= MaxDepth) {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
	// Siblings are not nested.
	raw := []byte(`{"a":[` + strings.Repeat(`[],{},[1],{"b":2},`, 2*MaxDepth) + `1]}`)
	if _, _, err := Find(raw, testNames, make([]Span, testNames.Len())); err != nil {
		t.Error(err)
	}
}

func TestFindIn(t *testing.T) {
	raw := []byte(`{"stream_options": {"include_usage":true,"é":1} ,"model":"m"}`)
	out := make([]Span, testNames.Len())
	if _, _, err := Find(raw, testNames, out); err != nil {
		t.Fatal(err)
	}
	inner := NewNames("include_usage", "absent")
	var spans [2]Span
	end, n, err := FindIn(raw, out[2], inner, spans[:])
	if err != nil || n != 2 || raw[end] != '}' || end != out[2].End-1 {
		t.Errorf("end %d, %d members, %v", end, n, err)
	}
	if got := string(spans[0].Of(raw)); got != "true" || spans[1].Present() {
		t.Errorf("include_usage is %q, absent %v", got, spans[1])
	}
	if _, n, err := FindIn(raw, Span{}, inner, spans[:]); n != 0 || err != nil || spans[0].Present() {
		t.Errorf("absent: %d, %v, %v", n, err, spans)
	}
	var bad *SyntaxError
	if _, _, err := FindIn(raw, out[0], inner, spans[:]); !errors.As(err, &bad) || bad.Offset != out[0].Start {
		t.Errorf("a string: %v", err)
	}
	// What stands behind the span is none of its business.
	if _, _, err := FindIn([]byte(`{}}]`), Span{0, 2}, inner, spans[:]); err != nil {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("n", maxStackName+50)
	names := NewNames("x", long)
	raw := []byte(`{"` + strings.Repeat(`\u006e`, len(long)) + `":1,"` + strings.Repeat(`\u006e`, len(long)+1) + `":2}`)
	var out [2]Span
	if _, _, err := Find(raw, names, out[:]); err != nil || string(out[1].Of(raw)) != "1" {
		t.Errorf("%v, %v", out, err)
	}
	if _, _, err := Find([]byte(`{"a":1}`), NewNames(), nil); err != nil {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a repeated name did not panic")
		}
	}()
	NewNames("a", "b", "a")
}

// Each special byte is found at each place of a word, whatever stands around.
func TestPlainBytes(t *testing.T) {
	for c := range 256 {
		for size := 1; size < 26; size++ {
			for at := range size {
				for _, fill := range []byte{' ', '!', '#', '[', ']', 'z', 0x7f, 0x80, 0xff} {
					b := []byte(strings.Repeat(string([]byte{fill}), size))
					b[at] = byte(c)
					want := size
					if c < ' ' || c == '"' || c == '\\' {
						want = at
					}
					if got := plainBytes(b, 0); got != want {
						t.Fatalf("%q: %d, want %d", b, got, want)
					}
				}
			}
		}
	}
}

func TestFindAllocs(t *testing.T) {
	for name, raw := range map[string][]byte{
		"200 B": chatBody(200), "10 KB": chatBody(10_000),
		"escaped key": []byte(`{"mod\u0065l":"m","oth\u0065r":1,"` + strings.Repeat(`\u0061`, 500) + `":2}`),
		"nested":      []byte(`{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`),
	} {
		out := make([]Span, testNames.Len())
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := Find(raw, testNames, out); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// chatBody is a chat request of about size bytes, most of it in one string.
func chatBody(size int) []byte {
	head := `{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":"`
	tail := `"}],"temperature":0.7,"max_tokens":256,"stream":true}`
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 1+size/45)
	return []byte(head + text[:max(0, size-len(head)-len(tail))] + tail)
}

// toolBody is a request of many short values, as tool schemas are.
func toolBody(size int) []byte {
	tool := `{"type":"function","function":{"name":"get_weather","description":"Weather at a place.\nUse \"metric\" units.","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1}},"required":["city"]}}}`
	return []byte(`{"model":"gpt-4o-mini","tools":[` + strings.TrimSuffix(strings.Repeat(tool+",", 1+size/len(tool)), ",") + `],"stream":true}`)
}

func BenchmarkFind(b *testing.B) {
	names := NewNames("model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens")
	var out [6]Span
	for _, c := range []struct {
		name string
		raw  []byte
	}{{"chat200B", chatBody(200)}, {"chat10KB", chatBody(10_000)}, {"chat100KB", chatBody(100_000)}, {"tools10KB", toolBody(10_000)}} {
		b.Run(c.name+"/find", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.raw)))
			for b.Loop() {
				if _, _, err := Find(c.raw, names, out[:]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/json.Valid", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.raw)))
			for b.Loop() {
				if !json.Valid(c.raw) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
