package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock/schema"
)

type verdict struct {
	schema string
	values map[string]bool
}

// verdicts says of each keyword which values satisfy it.
func verdicts() []verdict {
	return []verdict{
		{`true`, map[string]bool{`1`: true, `null`: true}},
		{`false`, map[string]bool{`1`: false, `null`: false}},
		{`{"type":"null"}`, map[string]bool{`null`: true, `0`: false, `""`: false}},
		{`{"type":"integer"}`, map[string]bool{`1`: true, `1.0`: true, `1e2`: true, `1.5`: false, `"1"`: false}},
		{`{"type":["string","null"]}`, map[string]bool{`"a"`: true, `null`: true, `1`: false}},
		{`{"enum":["a",1,{"x":[1]}]}`, map[string]bool{`"a"`: true, `1.0`: true, `{"x":[1]}`: true, `{"x":[2]}`: false, `"b"`: false}},
		{`{"const":{"a":1,"b":2}}`, map[string]bool{`{"b":2,"a":1}`: true, `{"a":1}`: false}},
		{`{"minimum":1,"exclusiveMaximum":3}`, map[string]bool{`1`: true, `2.9`: true, `3`: false, `0`: false, `"x"`: true}},
		{`{"minimum":1,"exclusiveMinimum":true}`, map[string]bool{`1`: false, `1.1`: true}},
		{`{"maximum":1,"exclusiveMaximum":true}`, map[string]bool{`1`: false, `0.9`: true}},
		{`{"multipleOf":0.1}`, map[string]bool{`0.3`: true, `4.35`: false, `7`: true}},
		{`{"minLength":2,"maxLength":3}`, map[string]bool{`"ab"`: true, `"日本語"`: true, `"a"`: false, `"abcd"`: false, `1`: true}},
		{`{"pattern":"^a+$"}`, map[string]bool{`"aa"`: true, `"ab"`: false}},
		{`{"pattern":"b"}`, map[string]bool{`"abc"`: true, `"ac"`: false}},
		{`{"format":"date-time"}`, map[string]bool{`"2024-02-29T01:02:03Z"`: true, `"2023-02-29T01:02:03Z"`: false, `"x"`: false}},
		{`{"format":"uuid"}`, map[string]bool{`"123e4567-e89b-12d3-a456-426614174000"`: true, `"123e4567"`: false}},
		{`{"format":"email"}`, map[string]bool{`"a@b.co"`: true, `"a"`: false, `"a@@b.co"`: false}},
		{`{"format":"ipv4"}`, map[string]bool{`"1.2.3.4"`: true, `"1.2.3"`: false, `"::1"`: false}},
		{`{"format":"uri"}`, map[string]bool{`"https://a.b/c"`: true, `"c"`: false}},
		{`{"format":"no-such-format"}`, map[string]bool{`"anything"`: true}},
		{`{"items":{"type":"integer"},"minItems":1,"maxItems":2}`, map[string]bool{`[1]`: true, `[]`: false, `[1,2,3]`: false, `["a"]`: false, `{}`: true}},
		{`{"prefixItems":[{"type":"string"}],"items":false}`, map[string]bool{`["a"]`: true, `[]`: true, `["a",1]`: false, `[1]`: false}},
		{`{"uniqueItems":true}`, map[string]bool{`[1,2]`: true, `[1,1.0]`: false, `[{"a":1},{"a":1}]`: false}},
		{`{"contains":{"type":"string"},"minContains":2,"maxContains":3}`, map[string]bool{`["a","b"]`: true, `["a"]`: false, `["a","b","c","d"]`: false}},
		{`{"contains":{"const":1}}`, map[string]bool{`[2,1]`: true, `[2]`: false}},
		{`{"properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`,
			map[string]bool{`{"a":"x"}`: true, `{}`: false, `{"a":1}`: false, `{"a":"x","b":1}`: false, `[]`: true}},
		{`{"patternProperties":{"^n_":{"type":"number"}},"additionalProperties":{"type":"string"}}`,
			map[string]bool{`{"n_a":1,"b":"x"}`: true, `{"n_a":"x"}`: false, `{"b":1}`: false}},
		{`{"propertyNames":{"maxLength":2}}`, map[string]bool{`{"ab":1}`: true, `{"abc":1}`: false}},
		{`{"minProperties":1,"maxProperties":1}`, map[string]bool{`{"a":1}`: true, `{}`: false, `{"a":1,"b":1}`: false}},
		{`{"allOf":[{"minimum":1},{"maximum":2}]}`, map[string]bool{`1`: true, `3`: false, `0`: false}},
		{`{"anyOf":[{"type":"string"},{"minimum":2}]}`, map[string]bool{`"a"`: true, `3`: true, `1`: false}},
		{`{"oneOf":[{"multipleOf":2},{"multipleOf":3}]}`, map[string]bool{`2`: true, `3`: true, `6`: false, `5`: false}},
		{`{"not":{"type":"string"}}`, map[string]bool{`1`: true, `"a"`: false}},
		{`{"if":{"minimum":10},"then":{"multipleOf":10},"else":{"multipleOf":3}}`, map[string]bool{`20`: true, `15`: false, `9`: true, `8`: false}},
		{`{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"boolean"}}}`, map[string]bool{`true`: true, `1`: false}},
		{`{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["next"]}`,
			map[string]bool{`{"next":null}`: true, `{"next":{"next":null}}`: true, `{"next":{}}`: false}},
	}
}

func TestValid(t *testing.T) {
	for _, tc := range verdicts() {
		for text, want := range tc.values {
			if got, err := schema.Valid([]byte(tc.schema), []byte(text)); err != nil || got != want {
				t.Errorf("%s of %s: %v, want %v (%v)", tc.schema, text, got, want, err)
			}
		}
	}
	for _, text := range []string{``, `{`, `1 2`, `{"a":}`, `nul`, `1e999999999`} {
		if ok, err := schema.Valid([]byte(`true`), []byte(text)); ok || err != nil {
			t.Errorf("%q: %v, %v", text, ok, err)
		}
	}
	if ok, _ := schema.Valid([]byte(`{"properties":{"a":{"type":"string"}}}`), []byte(`{"a":1,"a":"last"}`)); !ok {
		t.Error("of a repeated member the last counts")
	}
}

// shapes are schemas as people write them.
func shapes() map[string]string {
	return map[string]string{
		"any":             `true`,
		"empty":           `{}`,
		"null":            `{"type":"null"}`,
		"boolean":         `{"type":"boolean"}`,
		"string":          `{"type":"string"}`,
		"long string":     `{"type":"string","minLength":500}`,
		"short string":    `{"type":"string","maxLength":2}`,
		"empty string":    `{"type":"string","maxLength":0}`,
		"integer range":   `{"type":"integer","minimum":-5,"maximum":-3}`,
		"one integer":     `{"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":5}`,
		"narrow number":   `{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.000001}`,
		"price":           `{"type":"number","minimum":0,"multipleOf":0.01}`,
		"two multiples":   `{"allOf":[{"multipleOf":6},{"multipleOf":4}],"type":"integer","minimum":13,"maximum":24}`,
		"decimal lcm":     `{"type":"number","allOf":[{"multipleOf":0.6},{"multipleOf":0.4}],"minimum":1}`,
		"huge":            `{"type":"integer","minimum":1e30}`,
		"old bounds":      `{"type":"integer","minimum":1,"exclusiveMinimum":true,"maximum":2}`,
		"enum":            `{"type":"string","enum":["red","green"]}`,
		"enum and type":   `{"type":"integer","enum":["a",2,null]}`,
		"const":           `{"const":{"deep":[1,{"x":null}]}}`,
		"nullable":        `{"type":["string","null"],"minLength":3}`,
		"code":            `{"type":"string","pattern":"^[A-Z]{3}-[0-9]{4}$"}`,
		"code, longer":    `{"type":"string","pattern":"^[a-z]+(-[a-z]+)*$","minLength":40,"maxLength":44}`,
		"code, exact":     `{"type":"string","pattern":"^a{2,}b{1,3}$","minLength":9,"maxLength":9}`,
		"unanchored":      `{"type":"string","pattern":"foo|bar","minLength":10}`,
		"any of classes":  `{"type":"string","pattern":"^[^a-z]\\d\\w\\s\\S.[\\u00e9-\\u00ef]$"}`,
		"alternatives":    `{"type":"string","pattern":"^(alpha|beta(gamma)?)\\.(x|y)$"}`,
		"slash":           `{"type":"string","pattern":"^\\/v[0-9]+\\/x$"}`,
		"ignoring case":   `{"type":"string","pattern":"(?i)^hello$"}`,
		"two patterns":    `{"type":"string","allOf":[{"pattern":"^[a-f]+$"},{"pattern":"^.{2}$"}]}`,
		"word border":     `{"type":"string","pattern":"^\\ba+\\b$"}`,
		"date-time":       `{"type":"string","format":"date-time"}`,
		"date":            `{"type":"string","format":"date"}`,
		"time":            `{"type":"string","format":"time"}`,
		"duration":        `{"type":"string","format":"duration"}`,
		"email":           `{"type":"string","format":"email"}`,
		"long email":      `{"type":"string","format":"email","minLength":60}`,
		"short email":     `{"type":"string","format":"email","maxLength":7}`,
		"hostname":        `{"type":"string","format":"hostname"}`,
		"ipv4":            `{"type":"string","format":"ipv4"}`,
		"ipv6":            `{"type":"string","format":"ipv6"}`,
		"uuid":            `{"type":"string","format":"uuid"}`,
		"uri":             `{"type":"string","format":"uri"}`,
		"short uri":       `{"type":"string","format":"uri","maxLength":5}`,
		"unknown format":  `{"type":"string","format":"color"}`,
		"list":            `{"type":"array","items":{"type":"integer"}}`,
		"long list":       `{"type":"array","items":{"type":"integer"},"minItems":200}`,
		"exact list":      `{"type":"array","items":{"type":"integer"},"minItems":3,"maxItems":3}`,
		"set":             `{"type":"array","items":{"enum":[1,2,3,4]},"minItems":4,"uniqueItems":true}`,
		"no items":        `{"type":"array","maxItems":0}`,
		"tuple":           `{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}`,
		"old tuple":       `{"type":"array","items":[{"type":"string"},{"type":"integer"}],"additionalItems":false}`,
		"contains":        `{"type":"array","items":{"type":"integer"},"contains":{"minimum":100},"minContains":2}`,
		"forced empty":    `{"type":"array","items":false}`,
		"strict object":   `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false}`,
		"optional":        `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"additionalProperties":false}`,
		"undeclared":      `{"type":"object","required":["x"]}`,
		"map":             `{"type":"object","additionalProperties":{"type":"number"}}`,
		"map by pattern":  `{"type":"object","patternProperties":{"^[a-z]{2}$":{"type":"boolean"}},"additionalProperties":false,"minProperties":2}`,
		"map by names":    `{"type":"object","propertyNames":{"pattern":"^id[0-9]+$"},"minProperties":3}`,
		"few members":     `{"type":"object","properties":{"a":true,"b":true,"c":true},"maxProperties":1}`,
		"many members":    `{"type":"object","properties":{"a":true},"minProperties":4}`,
		"forbidden":       `{"type":"object","properties":{"a":false,"b":true},"required":["b"]}`,
		"only keywords":   `{"properties":{"a":{"minLength":3}},"required":["a"]}`,
		"union":           `{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"number"}},"required":["kind","x"]},{"type":"object","properties":{"kind":{"const":"b"},"y":{"type":"string"}},"required":["kind","y"]}]}`,
		"overlapping one": `{"oneOf":[{"type":"integer","minimum":0},{"type":"integer","maximum":10}]}`,
		"any of":          `{"anyOf":[{"type":"string","minLength":3},{"type":"array","items":{"type":"null"}}]}`,
		"all of objects":  `{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":{"type":"boolean"}},"required":["b"]}]}`,
		"same property":   `{"type":"object","allOf":[{"properties":{"a":{"minimum":5}}},{"properties":{"a":{"type":"integer","maximum":6}}}],"required":["a"]}`,
		"not":             `{"type":"integer","minimum":0,"maximum":9,"not":{"multipleOf":2}}`,
		"not a type":      `{"not":{"type":"string"}}`,
		"condition":       `{"type":"object","properties":{"country":{"enum":["US","DE"]},"zip":{"type":"string"}},"required":["country","zip"],"if":{"properties":{"country":{"const":"US"}}},"then":{"properties":{"zip":{"pattern":"^[0-9]{5}$"}}},"else":{"properties":{"zip":{"pattern":"^D-[0-9]{5}$"}}}}`,
		"definitions":     `{"definitions":{"p":{"type":"string","minLength":2}},"type":"array","items":{"$ref":"#/definitions/p"},"minItems":1}`,
		"ref beside":      `{"$defs":{"p":{"type":"string"}},"$ref":"#/$defs/p","minLength":30}`,
		"ref to property": `{"type":"object","properties":{"a":{"type":"integer"},"b":{"$ref":"#/properties/a"}},"required":["a","b"]}`,
		"list recursion":  `{"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}},"$ref":"#/$defs/n"}`,
		"tree recursion":  `{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},"required":["name","children"],"additionalProperties":false}`,
		"binary tree":     `{"type":"object","properties":{"l":{"anyOf":[{"$ref":"#"},{"type":"null"}]},"r":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["l","r"]}`,
		"expression":      `{"$defs":{"e":{"oneOf":[{"type":"number"},{"type":"object","properties":{"op":{"enum":["+","-"]},"args":{"type":"array","items":{"$ref":"#/$defs/e"},"minItems":2,"maxItems":2}},"required":["op","args"],"additionalProperties":false}]}},"$ref":"#/$defs/e"}`,
		"two recursions":  `{"$defs":{"a":{"type":"object","properties":{"b":{"$ref":"#/$defs/b"}},"required":["b"]},"b":{"type":"array","items":{"$ref":"#/$defs/a"}}},"$ref":"#/$defs/a"}`,
		"annotations":     `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"x","title":"T","description":"d","default":1,"examples":[1],"$comment":"c","type":"string","deprecated":true,"readOnly":true}`,
		"escaped names":   `{"type":"object","properties":{"a/b~c":{"type":"integer"},"<\"é":{"type":"string"}},"required":["a/b~c","<\"é"]}`,
	}
}

// TestGenerate: what is made satisfies the schema, by two independent
// judgements; it is the same for the same seed, and not always the same.
func TestGenerate(t *testing.T) {
	for name, s := range shapes() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(60) {
				v, err := schema.Generate([]byte(s), schema.Options{Seed: seed})
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if ok, err := judge([]byte(s), v); err != nil || !ok {
					t.Fatalf("seed %d: %s does not satisfy %s (%v)", seed, v, s, err)
				}
				if ok, err := schema.Valid([]byte(s), v); err != nil || !ok {
					t.Fatalf("seed %d: Valid says no to %s (%v)", seed, v, err)
				}
				if compact(t, v) != string(v) {
					t.Fatalf("%s has needless space", v)
				}
				if again, _ := schema.Generate([]byte(s), schema.Options{Seed: seed}); string(again) != string(v) {
					t.Fatalf("seed %d: %s, then %s", seed, v, again)
				}
			}
		})
	}
}

func TestSeedsDiffer(t *testing.T) {
	for _, s := range []string{shapes()["strict object"], shapes()["uuid"], shapes()["price"], shapes()["union"]} {
		seen := map[string]bool{}
		for seed := range uint64(50) {
			v, _ := schema.Generate([]byte(s), schema.Options{Seed: seed})
			seen[string(v)] = true
		}
		if len(seen) < 35 {
			t.Errorf("%s: only %d different values from 50 seeds", s, len(seen))
		}
	}
}

// TestRecursionIsUsed: a recursive schema is not always answered by its
// smallest value, and never by a very large one.
func TestRecursionIsUsed(t *testing.T) {
	for _, name := range []string{"tree recursion", "binary tree", "list recursion", "expression"} {
		deepest, longest := 0, 0
		for seed := range uint64(100) {
			v, err := schema.Generate([]byte(shapes()[name]), schema.Options{Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			deepest = max(deepest, depth(string(v)))
			longest = max(longest, len(v))
		}
		if deepest < 3 || deepest > 45 || longest > 100_000 {
			t.Errorf("%s: depth %d, %d bytes", name, deepest, longest)
		}
	}
}

func depth(s string) int {
	d, most := 0, 0
	for _, c := range s {
		switch c {
		case '{', '[':
			d++
			most = max(most, d)
		case '}', ']':
			d--
		}
	}
	return most
}

func TestErrors(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 300) + `{}` + strings.Repeat(`}`, 300)
	for s, path := range map[string]string{
		``:                                     "#",
		`{`:                                    "#",
		`1`:                                    "#",
		`"string"`:                             "#",
		`false`:                                "#",
		`{"type":"strnig"}`:                    "#",
		`{"type":[]}`:                          "#",
		`{"type":1}`:                           "#",
		`{"enum":[]}`:                          "#",
		`{"enum":1}`:                           "#",
		`{"properties":{"a":{"minimum":"1"}}}`: "#/properties/a",
		`{"properties":[1]}`:                   "#",
		`{"properties":{"a":1}}`:               "#/properties/a",
		`{"required":"a"}`:                     "#",
		`{"required":[1]}`:                     "#",
		`{"minLength":-1}`:                     "#",
		`{"minLength":1.5}`:                    "#",
		`{"multipleOf":0}`:                     "#",
		`{"multipleOf":-1}`:                    "#",
		`{"allOf":[]}`:                         "#",
		`{"allOf":{}}`:                         "#",
		`{"anyOf":[1]}`:                        "#/anyOf/0",
		`{"pattern":"("}`:                      "#",
		`{"pattern":"(?=a)"}`:                  "#",
		`{"pattern":"(a)\\1"}`:                 "#",
		`{"pattern":1}`:                        "#",
		`{"pattern":"` + strings.Repeat("a", 3000) + `"}`: "#",
		`{"patternProperties":{"(":true}}`:                "#",
		`{"$ref":"other.json"}`:                           "#",
		`{"$ref":"#anchor"}`:                              "#",
		`{"$ref":"#/nowhere"}`:                            "#",
		`{"$ref":"#/%zz"}`:                                "#",
		`{"$ref":1}`:                                      "#",
		`{"$ref":"#/allOf/7","allOf":[true]}`:             "#",
		`{"items":{"unevaluatedProperties":false}}`:       "#/items",
		`{"dependentRequired":{}}`:                        "#",
		`{"$dynamicRef":"#x"}`:                            "#",
		`{"minimum":1e99999}`:                             "#",
		`{"minimum":` + strings.Repeat("9", 5000) + `}`:   "#",
		deep: "",
		`{"type":"integer","minimum":2,"maximum":1}`:                              "#",
		`{"type":"string","minLength":3,"maxLength":2}`:                           "#",
		`{"type":"array","minItems":3,"maxItems":2}`:                              "#",
		`{"type":"object","minProperties":3,"maxProperties":2}`:                   "#",
		`{"type":"object","required":["a","b"],"maxProperties":1}`:                "#",
		`{"type":"string","minLength":99999999}`:                                  "#",
		`{"type":"array","minItems":99999999}`:                                    "#",
		`{"type":"object","minProperties":99999999}`:                              "#",
		`{"enum":[1,2],"type":"string"}`:                                          "#",
		`{"const":1,"not":{"type":"integer"}}`:                                    "#",
		`{"type":"array","items":{"enum":[1,2]},"minItems":3,"uniqueItems":true}`: "#",
		`{"type":"string","pattern":"^a$","minLength":5}`:                         "#",
		`{"type":"object","properties":{"a":false},"required":["a"]}`:             "#",
		`{"allOf":[{"type":"string"},{"type":"integer"}]}`:                        "#",
		`{"$ref":"#"}`: "#",
		`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`:                                   "",
		`{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}},"required":["a"]}`:          "",
		`{"type":"array","items":{"$ref":"#"},"minItems":2}`:                                                   "",
		`{"type":"array","minItems":9000,"items":{"type":"array","minItems":9000,"items":{"type":"integer"}}}`: "",
	} {
		v, err := schema.Generate([]byte(s), schema.Options{})
		var e *schema.Error
		if !errors.As(err, &e) || e.Msg == "" || path != "" && e.Path != path {
			t.Errorf("%.80s: %.80s, error %v; want one at %s", s, v, err, path)
		}
		if err != nil && !strings.Contains(err.Error(), e.Path+": ") {
			t.Errorf("the message %q does not say where", err)
		}
	}
	if _, err := schema.Valid([]byte(`{"type":"strnig"}`), []byte(`1`)); err == nil {
		t.Error("Valid took a malformed schema")
	}
}

// TestHostileSchemas: what would take for ever must end in an error, or a value.
func TestHostileSchemas(t *testing.T) {
	chain := func(word string) string {
		var b strings.Builder
		b.WriteString(`{"$ref":"#/$defs/a0","$defs":{`)
		for i := range 40 {
			fmt.Fprintf(&b, `"a%d":{%q:[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, word, i+1, i+1)
		}
		return b.String() + `"a40":{"type":"integer"}}}`
	}
	nested := strings.Repeat(`{"type":"array","minItems":3,"items":`, 60) + `{"type":"integer"}` + strings.Repeat(`}`, 60)
	for _, s := range []string{
		chain("anyOf"), chain("oneOf"), chain("allOf"), nested,
		`{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}`,
		`{"allOf":[{"$ref":"#"},{"$ref":"#"}]}`,
		`{"not":{"$ref":"#"}}`,
		`{"if":{"$ref":"#"},"then":{"$ref":"#"}}`,
		`{"type":"array","contains":{"$ref":"#"},"items":{"$ref":"#"},"minItems":2}`,
		`{"type":"object","additionalProperties":{"$ref":"#"},"minProperties":5}`,
		`{"type":"object","propertyNames":{"$ref":"#"},"minProperties":1}`,
		`{"type":"string","pattern":"((a{0,10}){0,10}){0,10}$","minLength":100000}`,
		`{"type":"string","allOf":[{"pattern":"^a"},{"pattern":"^b"}]}`,
		`{"type":"array","items":{"type":"string","minLength":1000000},"minItems":1000}`,
	} {
		v, err := schema.Generate([]byte(s), schema.Options{})
		if err == nil {
			if ok, _ := schema.Valid([]byte(s), v); !ok {
				t.Errorf("%.60s: %.60s", s, v)
			}
		}
		t.Logf("%.60s: %d bytes, %v", s, len(v), err)
	}
}

// TestWideSchema: many members cost time in proportion.
func TestWideSchema(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"type":"object","properties":{`)
	for i := range 500 {
		fmt.Fprintf(&b, `"m%d":{"type":"object","properties":{"x":{"type":"string"}},"required":["x"]},`, i)
	}
	b.WriteString(`"last":{"type":"integer"}},"required":["last","m0","m499"]}`)
	v, err := schema.Generate([]byte(b.String()), schema.Options{})
	if ok, _ := judge([]byte(b.String()), v); err != nil || !ok {
		t.Errorf("error %v", err)
	}
}

func BenchmarkGenerate(b *testing.B) {
	s := []byte(`{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0},"tags":{"type":"array","items":{"type":"string"}}},"required":["name","age","tags"],"additionalProperties":false}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Generate(s, schema.Options{Seed: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
