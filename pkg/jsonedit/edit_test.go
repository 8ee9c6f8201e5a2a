package jsonedit

import (
	"strings"
	"testing"
)

func TestSplice(t *testing.T) {
	const in = `{"model":"a","x":1}`
	edit := func(from, to int, s string) Edit { return Edit{Span{from, to}, []byte(s)} }
	for _, c := range []struct {
		edits []Edit
		want  string
	}{
		{nil, in},
		{[]Edit{edit(9, 12, `"longer"`)}, `{"model":"longer","x":1}`},
		{[]Edit{edit(9, 12, `""`)}, `{"model":"","x":1}`},
		{[]Edit{edit(18, 18, `,"y":2`)}, `{"model":"a","x":1,"y":2}`},
		{[]Edit{edit(9, 12, `"b"`), edit(17, 18, "22"), edit(18, 18, `,"y":2`)}, `{"model":"b","x":22,"y":2}`},
		{[]Edit{edit(0, 0, " "), edit(len(in), len(in), "\n")}, " " + in + "\n"},
		{[]Edit{edit(0, len(in), "")}, ""},
	} {
		raw := []byte(in)
		got := Splice(raw, c.edits...)
		if string(got) != c.want {
			t.Errorf("%v: %s, want %s", c.edits, got, c.want)
		}
		if len(got) > 0 {
			got[0] ^= 1
		}
		if string(raw) != in {
			t.Errorf("%v: the input was written to", c.edits)
		}
	}
	raw := []byte(in)
	edits := []Edit{edit(9, 12, `"b"`), edit(18, 18, `,"y":2`)}
	if n := testing.AllocsPerRun(100, func() { Splice(raw, edits...) }); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}

func TestSplicePanics(t *testing.T) {
	for name, edits := range map[string][]Edit{
		"unsorted": {{Span: Span{5, 6}}, {Span: Span{1, 2}}},
		"overlap":  {{Span: Span{1, 5}}, {Span: Span{4, 6}}},
		"backward": {{Span: Span{5, 3}}},
		"outside":  {{Span: Span{5, 100}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			Splice([]byte(`{"a":12}`), edits...)
		}()
	}
}

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"":                     `""`,
		"abc":                  `"abc"`,
		"a\"b\\c":              `"a\"b\\c"`,
		"\b\f\n\r\t\x00\x1f":   `"\b\f\n\r\t\u0000\u001f"`,
		"<a & b>\x7f":          "\"<a & b>\x7f\"",
		"é日🙂":                  `"é日🙂"`,
		"a\xffb":               `"a\ufffdb"`,
		"0123456\xff":          `"0123456\ufffd"`,
		"\u2028\u2029":         `"\u2028\u2029"`,
		"01234567\n012345678é": `"01234567\n012345678é"`,
	} {
		if got := string(AppendString([]byte("x"), in)); got != "x"+want {
			t.Errorf("AppendString(%q) = %s, want %s", in, got, want)
		}
	}
}

func BenchmarkAppendString(b *testing.B) {
	for name, s := range map[string]string{
		"token":   " word",
		"ascii1K": strings.Repeat("plain text without any escape in it ", 28),
		"mixed1K": strings.Repeat("größer als \"zuvor\"\n", 50),
	} {
		buf := make([]byte, 0, 4096)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				AppendString(buf, s)
			}
		})
	}
}
