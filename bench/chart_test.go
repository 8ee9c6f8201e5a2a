package main

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func someResults() []*caseResult {
	return []*caseResult{
		{Case: "unary <&>", Kind: "load", Rows: []*row{
			{Name: "direct", CPU: []float64{.5}},
			{Name: "proxy", CPU: []float64{1, 2}, P50: []float64{1, 1}, P99: []float64{2, 2}},
			{Name: "gateway", CPU: []float64{1.1, 1.8}, P50: []float64{1.5, 1.5}, P99: []float64{3, 3}, Good: 7, Bad: 1, FirstBad: "cut `short`"},
		}},
		{Case: "slow", Kind: "hold", Rows: []*row{
			{Name: "proxy", CPU: []float64{1}, StreamKB: []float64{50}, Open: []float64{9}},
			{Name: "gateway", CPU: []float64{3.5}, StreamKB: []float64{25}, Open: []float64{10}},
		}},
	}
}

func TestBars(t *testing.T) {
	got := bars(someResults())
	if len(got) != 2 || got[0].name != "gateway" || got[1].value != 3.5 {
		t.Fatalf("%+v", got)
	}
	if b := got[0]; math.Abs(b.value-1) > 1e-9 || math.Abs(b.low-.9) > 1e-9 || math.Abs(b.high-1.1) > 1e-9 {
		t.Errorf("%+v", b)
	}
}

// TestChart: well-formed, every bar and the line at 1.0 inside the picture, no
// text that breaks out of its element.
func TestChart(t *testing.T) {
	for _, all := range [][]bar{nil, bars(someResults()), {{group: "g", name: "n", value: 38, low: 1, high: 40}}} {
		svg := chart(all)
		d := xml.NewDecoder(strings.NewReader(svg))
		count := map[string]int{}
		for {
			tok, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, svg)
			}
			if e, ok := tok.(xml.StartElement); ok {
				count[e.Name.Local]++
			}
		}
		if count["rect"] != len(all)+1 || count["svg"] != 1 {
			t.Errorf("%d bars: elements %v", len(all), count)
		}
		for _, want := range []string{`class="one"`, "x proxy", "prefers-color-scheme:dark"} {
			if !strings.Contains(svg, want) {
				t.Errorf("no %s", want)
			}
		}
	}
	if svg := chart(bars(someResults())); !strings.Contains(svg, "unary &lt;&amp;&gt;") {
		t.Error("a name is not escaped")
	}
}

func TestTick(t *testing.T) {
	for _, most := range []float64{1, 1.3, 2, 5.4, 38, 500, 9000} {
		if n := most / tick(most); n < 2 || n > 10 {
			t.Errorf("%v: %v marks", most, n)
		}
	}
}

func TestMarkdown(t *testing.T) {
	for _, r := range someResults() {
		text := r.markdown()
		columns := 0
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "|") {
				continue
			}
			if n := strings.Count(line, "|"); columns == 0 {
				columns = n
			} else if n != columns {
				t.Errorf("%d columns of %d: %s", n, columns, line)
			}
		}
	}
	text := someResults()[0].markdown()
	for _, want := range []string{"**1.00**", "0.90–1.10", "+0.50", "+50 %", "`cut 'short'`"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	o := outcome{Conditions: "a machine", Yardstick: yardstick, Cases: someResults()}
	if err := o.save(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back outcome
	if err := json.Unmarshal(data, &back); err != nil || len(back.Cases) != 2 || back.Cases[0].Rows[2].CPU[1] != 1.8 {
		t.Errorf("%v %+v", err, back)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "results.md"))
	svg, _ := os.ReadFile(filepath.Join(dir, "chart.svg"))
	if !strings.Contains(string(text), "a machine") || !strings.HasPrefix(string(svg), "<svg") {
		t.Error("results.md or chart.svg is not as it should be")
	}
	if err := o.save(filepath.Join(dir, "results.json", "x")); err == nil {
		t.Error("a file served as folder")
	}
}
