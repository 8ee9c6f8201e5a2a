package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock/schema"
)

// author writes random schemas of which most can be satisfied.
type author struct {
	rng  *rand.Rand
	refs bool // may refer to the definitions
}

func (a *author) pick(list ...string) string { return list[a.rng.IntN(len(list))] }

func (a *author) write(depth int) string {
	if depth > 3 && !a.refs {
		return a.pick(`{"type":"string"}`, `{"type":"integer"}`, `{"type":"null"}`, `{"enum":["x",2,null]}`)
	}
	if depth > 3 {
		return a.pick(`{"type":"string"}`, `{"type":"integer"}`, `{"type":"null"}`, `{"enum":["x",2,null]}`, `{"$ref":"#/$defs/leaf"}`)
	}
	switch a.rng.IntN(13) {
	case 0:
		return a.number()
	case 1:
		return a.text()
	case 2, 3, 4:
		return a.object(depth)
	case 5, 6:
		return a.array(depth)
	case 7:
		return fmt.Sprintf(`{%q:[%s,%s]}`, a.pick("anyOf", "oneOf"), a.write(depth+1), a.write(depth+1))
	case 8:
		return fmt.Sprintf(`{"allOf":[{"type":"object","properties":{"p":%s},"required":["p"]},{"properties":{"q":%s},"required":["q"]}]}`, a.write(depth+1), a.write(depth+1))
	case 9:
		if !a.refs {
			return a.number()
		}
		return `{"$ref":"#/$defs/tree"}`
	case 10:
		return fmt.Sprintf(`{"not":{"type":%q}}`, a.pick("string", "object", "integer"))
	case 11:
		return fmt.Sprintf(`{"if":{"type":"string"},"then":{"minLength":%d},"else":%s}`, a.rng.IntN(5), a.write(depth+1))
	}
	return a.pick(`true`, `{}`, `{"type":"boolean"}`, `{"const":{"a":[1,2]}}`, `{"type":["integer","null"]}`)
}

func (a *author) number() string {
	low := a.rng.IntN(200) - 100
	s := fmt.Sprintf(`{"type":%q`, a.pick("integer", "number"))
	if a.rng.IntN(2) == 0 {
		s += fmt.Sprintf(`,%q:%d`, a.pick("minimum", "exclusiveMinimum"), low)
	}
	if a.rng.IntN(2) == 0 {
		s += fmt.Sprintf(`,%q:%d`, a.pick("maximum", "exclusiveMaximum"), low+2+a.rng.IntN(50))
	}
	if a.rng.IntN(2) == 0 {
		s += `,"multipleOf":` + a.pick("0.5", "0.01", "1", "2", "0.25")
	}
	return s + "}"
}

func (a *author) text() string {
	low := a.rng.IntN(20)
	switch a.rng.IntN(3) {
	case 0:
		return fmt.Sprintf(`{"type":"string","minLength":%d,"maxLength":%d}`, low, low+a.rng.IntN(10))
	case 1:
		return fmt.Sprintf(`{"type":"string","format":%q}`, a.pick("date-time", "date", "email", "uuid", "uri", "ipv4", "ipv6"))
	}
	return fmt.Sprintf(`{"type":"string","pattern":%q,"minLength":%d}`, a.pick(`^[a-z]+$`, `^(a|bb)*-\\d*$`, `^\\w{1,30}$`, `x`, `^[^"<>]*end$`), low)
}

func (a *author) object(depth int) string {
	var props, required []string
	for i := range a.rng.IntN(4) {
		name := fmt.Sprintf("m%d", i)
		props = append(props, fmt.Sprintf(`%q:%s`, name, a.write(depth+1)))
		if a.rng.IntN(3) > 0 {
			required = append(required, fmt.Sprintf("%q", name))
		}
	}
	s := fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s]`, strings.Join(props, ","), strings.Join(required, ","))
	switch a.rng.IntN(4) {
	case 0:
		s += `,"additionalProperties":false`
	case 1:
		s += `,"additionalProperties":` + a.write(depth+1)
	case 2:
		s += fmt.Sprintf(`,"minProperties":%d`, a.rng.IntN(4))
	}
	return s + "}"
}

func (a *author) array(depth int) string {
	low := a.rng.IntN(4)
	s := fmt.Sprintf(`{"type":"array","items":%s,"minItems":%d`, a.write(depth+1), low)
	switch a.rng.IntN(4) {
	case 0:
		s += fmt.Sprintf(`,"maxItems":%d`, low+a.rng.IntN(3))
	case 1:
		s += fmt.Sprintf(`,"prefixItems":[%s]`, a.write(depth+1))
	case 2:
		s += `,"uniqueItems":true`
	}
	return s + "}"
}

func document(seed uint64) string {
	a := &author{rng: rand.New(rand.NewPCG(seed, 7))}
	leaf, tree := a.write(3), a.write(2)
	a.refs = true
	root := a.write(0)
	if root[0] != '{' {
		return root
	}
	defs := fmt.Sprintf(`"$defs":{"leaf":%s,"tree":{"type":"object","properties":{"v":%s,"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}}},"required":["v","kids"]}}`, leaf, tree)
	if root == "{}" {
		return "{" + defs + "}"
	}
	return root[:len(root)-1] + "," + defs + "}"
}

// property checks one schema: what is made satisfies it by both judgements.
func property(t *testing.T, s string, seed uint64) (made bool) {
	t.Helper()
	v, err := schema.Generate([]byte(s), schema.Options{Seed: seed})
	if err != nil {
		var e *schema.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: the error %v is no *schema.Error", s, err)
		}
		return false
	}
	if !json.Valid(v) {
		t.Fatalf("%s: %s is not JSON", s, v)
	}
	if ok, err := judge([]byte(s), v); err != nil || !ok {
		t.Fatalf("%s does not satisfy %s (%v)", v, s, err)
	}
	if ok, err := schema.Valid([]byte(s), v); err != nil || !ok {
		t.Fatalf("Valid says no to %s for %s (%v)", v, s, err)
	}
	if again, _ := schema.Generate([]byte(s), schema.Options{Seed: seed}); string(again) != string(v) {
		t.Fatalf("%s: %s, then %s", s, v, again)
	}
	return true
}

func TestRandomSchemas(t *testing.T) {
	const n = 1000
	made := 0
	for seed := range uint64(n) {
		if property(t, document(seed), seed) {
			made++
		}
	}
	t.Logf("%d of %d schemas were satisfied", made, n)
	if made < n*85/100 {
		t.Errorf("only %d of %d schemas were satisfied", made, n)
	}
}

func FuzzRandomSchemas(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, doc, seed uint64) { property(t, document(doc), seed) })
}

// FuzzSchema takes anything for a schema: no panic, no endless work, and no
// value that the schema's own reading refuses.
func FuzzSchema(f *testing.F) {
	for _, s := range shapes() {
		f.Add([]byte(s), uint64(3))
	}
	f.Fuzz(func(t *testing.T, s []byte, seed uint64) {
		start := time.Now()
		v, err := schema.Generate(s, schema.Options{Seed: seed})
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s took %v", s, d)
		}
		if err != nil {
			return
		}
		if ok, err := schema.Valid(s, v); !json.Valid(v) || err != nil || !ok {
			t.Errorf("%s for %s: %v", v, s, err)
		}
	})
}
