package llm

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestParseLimits(t *testing.T) {
	for text, want := range map[string]Limits{
		`{}`:                                {},
		`null`:                              {},
		`{"rps":null,"budget":null}`:        {},
		`{"rps":2.5,"burst":7}`:             {RPS: 2.5, Burst: 7},
		`{"tpm":1000,"concurrency":3}`:      {TPM: 1000, Concurrency: 3},
		`{"budget":{"day":0.25,"month":5}}`: {Day: Dollar / 4, Month: 5 * Dollar},
		`{"budget":{"day":7}}`:              {Day: 7 * Dollar},
		`{"rps":1e2}`:                       {RPS: 100},
	} {
		got, err := ParseLimits([]byte(text))
		if err != nil || got != want {
			t.Errorf("%s = %+v, %v", text, got, err)
		}
		var l Limits
		if err := json.Unmarshal([]byte(text), &l); err != nil || l != want {
			t.Errorf("%s = %+v, %v by json", text, l, err)
		}
	}
	for text, param := range map[string]string{
		``: "", `[]`: "", `"5"`: "", `7`: "",
		`{"rps":-1}`: "rps", `{"rps":"5"}`: "rps", `{"rps":true}`: "rps", `{"rps":1e300}`: "rps", `{"RPS":5}`: "RPS",
		`{"burst":1.5}`: "burst", `{"burst":-1}`: "burst", `{"tpm":1e3}`: "tpm", `{"tpm":99999999999999}`: "tpm",
		`{"concurrency":[]}`: "concurrency", `{"tmp":5}`: "tmp",
		`{"budget":5}`: "budget", `{"budget":{"week":5}}`: "budget.week", `{"budget":{"day":-5}}`: "budget.day",
		`{"budget":{"day":1e3}}`: "budget.day", `{"budget":{"day":6,"month":5}}`: "budget.day", `{"budget":{"month":"5"}}`: "budget.month",
	} {
		got, err := ParseLimits([]byte(text))
		var e *Error
		if !errors.As(err, &e) || e.Kind != KindInvalidRequest || e.Param != param || got != (Limits{}) {
			t.Errorf("%s = %+v, %v, want a fault at %q", text, got, err, param)
		}
	}
}

func TestLimitsJSON(t *testing.T) {
	l := Limits{RPS: 1.5, Burst: 4, TPM: 10, Concurrency: 2, Day: Dollar / 2, Month: 3 * Dollar}
	const want = `{"rps":1.5,"burst":4,"tpm":10,"concurrency":2,"budget":{"day":0.5,"month":3}}`
	if b, err := json.Marshal(l); err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
	if l.Unlimited() || !(Limits{Burst: 5}).Unlimited() || (Limits{Day: 1}).Unlimited() {
		t.Error("Unlimited is wrong")
	}
}

// FuzzParseLimits: what is read is written, and read again the same.
func FuzzParseLimits(f *testing.F) {
	for _, s := range []string{`{}`, `{"rps":2.5,"burst":7,"tpm":1,"concurrency":2,"budget":{"day":1.25,"month":3}}`, `{"rps":-0}`, `{"budget":{"day":"x"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := ParseLimits(raw)
		if err != nil {
			if l != (Limits{}) {
				t.Fatalf("%q: %v, and yet %+v", raw, err, l)
			}
			return
		}
		if l.RPS < 0 || l.Burst < 0 || l.TPM < 0 || l.Concurrency < 0 || l.Day < 0 || l.Month < 0 {
			t.Fatalf("%q: negative: %+v", raw, l)
		}
		again, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := ParseLimits(again); err != nil || m != l {
			t.Fatalf("%q: %+v became %+v, %v", raw, l, m, err)
		}
	})
}
