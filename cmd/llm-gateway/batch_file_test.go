package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/pkg/client"
)

func TestNewItem(t *testing.T) {
	for _, tc := range []struct{ line, ids, body, bad string }{
		{`{"prompt":"x"}`, ``, `{"prompt":"x"}`, ""},
		{`{ "prompt" : "x" }`, ``, `{ "prompt" : "x" }`, ""},
		{`{"id":1,"prompt":"x"}`, `"id":1`, `{"prompt":"x"}`, ""},
		{`{"prompt":"x","custom_id":"a b","n":[1.50],"id":null}`, `"custom_id":"a b","id":null`, `{"prompt":"x","n":[1.50]}`, ""},
		{`{"i\u0064":"x"}`, `"id":"x"`, `{}`, ""},
		{`{"metadata":{"id":1}}`, ``, `{"metadata":{"id":1}}`, ""},
		{`{"id":1,"id":2}`, ``, "", "duplicate"},
		{`[1]`, ``, "", "line 3 is not a JSON object"},
		{`{"a":`, ``, "", "line 3 is not a JSON object"},
	} {
		it := newItem(&inputLine{index: 1, number: 3, text: []byte(tc.line)})
		if tc.bad != "" {
			if it.bad == nil || !strings.Contains(it.bad.Error(), tc.bad) {
				t.Errorf("%s: %v", tc.line, it.bad)
			}
			continue
		}
		if it.bad != nil || string(it.ids) != tc.ids || string(it.body) != tc.body || it.index != 1 || len(it.hash) != 16 {
			t.Errorf("%s: %s %s %v", tc.line, it.ids, it.body, it.bad)
		}
	}
	if it := newItem(&inputLine{number: 3, long: true, text: []byte("{")}); it.bad == nil || it.bad.Kind != client.KindRequestTooLarge {
		t.Errorf("%+v", it)
	}
}

func TestEachLine(t *testing.T) {
	type line struct {
		Index, Number int
		Text          string
		Long          bool
	}
	huge := strings.Repeat("y", 200<<10)
	var got []line
	err := eachLine(strings.NewReader("a\r\n\n  \n b \n0123456789\n01234567890\n"+huge+"\nlast"), 10, func(l *inputLine) error {
		got = append(got, line{l.index, l.number, string(l.text), l.long})
		return nil
	})
	want := []line{{0, 1, "a", false}, {1, 4, "b", false}, {2, 5, "0123456789", false}, {3, 6, "0123456789", true}, {4, 7, "yyyyyyyyyy", true}, {5, 8, "last", false}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
}

// A result that cannot be written ends the batch with status 1.
func TestDiskFails(t *testing.T) {
	s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, _ int) { good(w, prompt) }}
	f := newBatchFiles(t, prompts(50)...)
	out, err := openOutput(f.out, f.in, false)
	if err != nil {
		t.Fatal(err)
	}
	readOnly, err := os.Open(f.out)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	out.f.Close()
	out.f = readOnly
	c, err := client.New(client.Options{BaseURL: serveFake(t, s.ServeHTTP)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := &batchRun{
		o: &batchOptions{input: f.in, concurrency: 2}, client: c, out: out, pace: newPace(2), progress: progress{total: 50},
		display: display{w: &syncBuffer{}, width: func() int { return 80 }},
	}
	if err := b.run(t.Context()); err == nil || exitCode(err) != 1 || !strings.Contains(err.Error(), "the batch stopped") {
		t.Error(err)
	}
	if n := s.sent("p20"); n != 0 {
		t.Error("it went on all the same")
	}
}

// Forgetting failures leaves no temporary file behind and keeps the mode.
func TestRetryFailedReplacesTheFile(t *testing.T) {
	failing := true
	s := &scripted{reply: func(w http.ResponseWriter, _ *http.Request, prompt string, _ int) {
		if failing && prompt == "p1" {
			refuse(w, 502, "upstream_error", 0)
			return
		}
		good(w, prompt)
	}}
	base := serveFake(t, s.ServeHTTP)
	f := newBatchFiles(t, prompts(3)...)
	f.wantRun(t, base, 2, nil, "-c", "1")
	if err := os.Chmod(f.out, 0o640); err != nil {
		t.Fatal(err)
	}
	text := getFile(t, f.out)
	putFile(t, f.out, text+`{"index":9,"req`) // and torn besides
	failing = false
	f.wantRun(t, base, 0, []string{"3 succeeded, 0 failed (2 of them before)"}, "-retry-failed")
	info, err := os.Stat(f.out)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	all, err := os.ReadDir(filepath.Dir(f.out))
	if err != nil || len(all) != 2 {
		t.Errorf("%v %v", all, err)
	}
	if len(f.read(t)) != 3 || s.sent("p0") != 1 || s.sent("p1") != 2 {
		t.Errorf("%v", s.count)
	}
}

func FuzzNewItem(f *testing.F) {
	f.Add([]byte(`{"id":1,"custom_id":"x","prompt":"\u00e9"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		line = bytes.TrimSpace(line)
		if bytes.ContainsAny(line, "\n") {
			t.Skip()
		}
		it := newItem(&inputLine{text: line})
		if it.bad != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(it.body, &members); err != nil {
			t.Fatalf("%q became %q: %v", line, it.body, err)
		}
		if members["id"] != nil || members["custom_id"] != nil {
			t.Fatalf("%q still has its id", it.body)
		}
		if out, err := appendResult(nil, &outcome{item: it, failure: &client.Error{}}); err != nil || !json.Valid(out) || bytes.Count(out, []byte("\n")) != 1 {
			t.Fatalf("%q: %v", out, err)
		}
	})
}

// FuzzOutput checks that whatever a file has, it is refused unchanged, or made
// good with no whole result lost.
func FuzzOutput(f *testing.F) {
	whole := `{"index":0,"request_hash":"aa","code":200,"data":{}}`
	f.Add(whole + "\n" + `{"index":1,"request_hash":"bb","code":429,"data":null}` + "\n" + `{"ind`)
	f.Add(whole)
	f.Add("note")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "out.jsonl")
		putFile(t, path, text)
		out, err := openOutput(path, "none", false)
		if err != nil {
			if getFile(t, path) != text {
				t.Fatal("refused and changed")
			}
			return
		}
		n := len(out.done)
		if err := out.close(); err != nil {
			t.Fatal(err)
		}
		again := getFile(t, path)
		if strings.Count(again, "\n") != n || again != "" && !strings.HasSuffix(again, "\n") || !strings.HasPrefix(text+"\n", again) {
			t.Fatalf("%q became %q with %d results", text, again, n)
		}
	})
}
