package lenient

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var formNames = jsonedit.NewNames("t")

// read is a decoder that takes nothing of an event but its text.
func read(data []byte) (text string, raw []byte, ok bool) {
	var at [1]jsonedit.Span
	if Find(data, formNames, at[:]) != nil {
		return "", nil, false
	}
	raw = Present(data, at[0])
	return Text(data, at[0]), raw, true
}

// learned returns the form of an event.
func learned(t testing.TB, data string) *Form {
	t.Helper()
	f := &Form{}
	whole := []byte(data)
	_, raw, ok := read(whole)
	if !ok {
		t.Fatalf("%s is no event", data)
	}
	f.Learn(whole, raw)
	return f
}

func TestForm(t *testing.T) {
	for _, tc := range []struct {
		name, event, data, want string // want "" = not of the form
	}{
		{"another word", `{"t":"a"}`, `{"t":"bc"}`, "bc"},
		{"escapes", `{"t":"a","x":1}`, `{"t":"\n\"\u00e9\\","x":1}`, "\n\"é\\"},
		{"half a surrogate pair", `{"t":"a"}`, `{"t":"\ud800"}`, "\ufffd"},
		{"not UTF-8", `{"t":"a"}`, "{\"t\":\"\xff\"}", "\ufffd"},
		{"long", `{"t":"a"}`, `{"t":"` + strings.Repeat("x", 5000) + `"}`, strings.Repeat("x", 5000)},
		{"padded", `{"t":"a","obfuscation":"xyz","y":2}`, `{"t":"b","obfuscation":"q\"","y":2}`, "b"},
		{"padding before the text", `{"obfuscation":"x","t":"a"}`, `{"obfuscation":"x","t":"b"}`, "b"},
		{"no text", `{"t":"a"}`, `{"t":""}`, ""},
		{"more behind it", `{"t":"a"}`, `{"t":"b"} `, ""},
		{"another member", `{"t":"a","x":1}`, `{"t":"b","x":2}`, ""},
		{"a member more", `{"t":"a"}`, `{"t":"b","x":"c"}`, ""},
		{"text that looks like the rest", `{"t":"a","x":"b"}`, `{"t":"a\",\"x\":\"b"}`, ""},
		{"cut", `{"t":"a"}`, `{"t":"b`, ""},
		{"cut in an escape", `{"t":"a"}`, `{"t":"b\"}`, ""},
		{"a bad escape", `{"t":"a"}`, `{"t":"\q"}`, ""},
		{"a line feed", `{"t":"a"}`, "{\"t\":\"\n\"}", ""},
		{"bad padding", `{"t":"a","obfuscation":"x"}`, `{"t":"b","obfuscation":"\q"}`, ""},
		{"no padding", `{"t":"a","obfuscation":"x"}`, `{"t":"b"}`, ""},
		{"nothing", `{"t":"a"}`, "", ""},
		{"no string", `{"t":7,"x":"a"}`, `{"t":7,"x":"b"}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := learned(t, tc.event)
			if got, ok := f.Text([]byte(tc.data)); got != tc.want || ok != (tc.want != "") {
				t.Errorf("got %q, %v", got, ok)
			}
		})
	}
	if _, ok := new(Form).Text([]byte(`{"t":"a"}`)); ok {
		t.Error("a form that has learned nothing knows an event")
	}
}

// TestFormGivesUp: events that never repeat are not remembered for ever, nor
// are long ones, nor a text that was not cut from the event.
func TestFormGivesUp(t *testing.T) {
	var f Form
	for n := range 10 {
		data := fmt.Appendf(nil, `{"id":"%d","t":"a"}`, n)
		_, raw, _ := read(data)
		f.Learn(data, raw)
	}
	if f.Learns() || f.holes != 0 {
		t.Errorf("%+v", f)
	}
	f = Form{}
	long := fmt.Appendf(nil, `{"id":"%s","t":"a"}`, strings.Repeat("x", maxForm))
	_, raw, _ := read(long)
	f.Learn(long, raw)
	if f.holes != 0 || f.fixed != nil || !f.Learns() {
		t.Errorf("%+v", f)
	}
	f.Learn([]byte(`{"t":"a"}`), []byte(`"a"`))
	f.Learn([]byte(`{"t":"a"}`), nil)
	if f.holes != 0 {
		t.Errorf("%+v", f)
	}
}

// FuzzForm: what a form says of an event is what encoding/json says of it.
func FuzzForm(f *testing.F) {
	f.Add(`{"t":"`, `"}`, "a", `b\n`, `"`)
	f.Add(`{"x":{"t":"z"},"t":"`, `","obfuscation":"q"}`, "a", "\xff", `\ud800`)
	f.Add(`{"t":"x","t":"`, `","y":[1,2]}`, "a", `","y":[1,2]}`, `\`)
	f.Fuzz(func(t *testing.T, head, tail, a, b, c string) {
		var form Form
		for _, w := range []string{a, b, a, c, b, a} {
			data := []byte(head + w + tail)
			text, ok := form.Text(data)
			want, raw, valid := read(bytes.Clone(data))
			if ok {
				var m map[string]any
				if !valid || text != want || !json.Valid(data) {
					t.Fatalf("%q: %q where %q was due, valid %v", data, text, want, valid)
				}
				if json.Unmarshal(data, &m) == nil && m["t"] != text {
					t.Fatalf("%q: %q, and %q to encoding/json", data, text, m["t"])
				}
			} else if valid && raw != nil {
				_, raw, _ = read(data)
				form.Learn(data, raw)
			}
		}
	})
}

func BenchmarkForm(b *testing.B) {
	data := []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m","choices":[{"index":0}],"t":" token","usage":null}`)
	f := learned(b, string(data))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := f.Text(data); !ok {
			b.Fatal("not known")
		}
	}
}
