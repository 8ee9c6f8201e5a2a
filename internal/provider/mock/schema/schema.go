// Package schema makes JSON values that satisfy a JSON schema, the same value
// for the same schema and seed. It is how the mock model gives structured
// answers and tool arguments.
//
// It knows what function parameters and response formats use of JSON Schema
// 2020-12 (and the older spellings of it): type, enum, const; properties,
// required, additionalProperties, patternProperties, propertyNames, min- and
// maxProperties; items, prefixItems, contains, min- and maxItems, uniqueItems;
// numeric bounds and multipleOf; string lengths, pattern, format; allOf, anyOf,
// oneOf, not, if/then/else; $ref within the document. What asserts something
// and is not among these is an error, never ignored.
//
// Every value is checked against the whole schema before it is returned, so a
// value that comes back satisfies it; a schema for which none is found within
// the limits is an error. The package does no I/O and keeps no state.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
)

// Limits: they keep a hostile schema from costing more than a moment.
const (
	maxNodes  = 20_000    // schemas in one document
	maxNest   = 128       // schema within schema
	maxSteps  = 20_000    // values tried in the making of one
	maxChecks = 400_000   // comparisons of a value with a schema
	maxMatch  = 4_000_000 // bytes times instructions of matching a pattern once
	maxItems  = 10_000    // what minItems or minProperties may ask
	maxString = 1 << 20   // what minLength may ask
	softDepth = 5         // from here on values are as small as they can be
	hardDepth = 40        // values never nest deeper
)

// Options tunes Generate.
type Options struct {
	Seed uint64 // another seed, another value
}

// Error says what is wrong with a schema, and where.
type Error struct {
	Path string // JSON pointer to the schema at fault: #/properties/age
	Msg  string
}

// Error returns path and message.
func (e *Error) Error() string { return e.Path + ": " + e.Msg }

func errorAt(path, format string, args ...any) *Error {
	return &Error{Path: path, Msg: fmt.Sprintf(format, args...)}
}

// errStuck says that this attempt led nowhere; another one may not.
var errStuck = errors.New("no value found")

// Generate returns a JSON value that satisfies the schema. The error is an
// *Error: the schema is malformed, uses what the package does not know, cannot
// be satisfied, or only by values beyond the limits.
func Generate(schema json.RawMessage, o Options) (json.RawMessage, error) {
	root, err := parse(schema)
	if err != nil {
		return nil, err
	}
	g := &generator{rng: newRand(o.Seed), checks: maxChecks}
	v, err := g.value(root, 0)
	if errors.Is(err, errStuck) {
		return nil, errorAt(root.path, "no value was found that satisfies the schema")
	}
	if err != nil {
		return nil, err
	}
	return v.append(nil), nil
}

// newRand spreads the seed first: neighbouring seeds give unrelated values.
func newRand(seed uint64) *rand.Rand {
	a := (seed ^ seed>>30) * 0xbf58476d1ce4e5b9
	b := (a ^ a>>27) * 0x94d049bb133111eb
	return rand.New(rand.NewPCG(a, b^b>>31)) //nolint:gosec // repeatability is the point, not secrecy
}

// Valid reports whether a JSON text satisfies the schema. The error is about
// the schema, as for Generate; a text that is not JSON satisfies none.
func Valid(schema json.RawMessage, text []byte) (bool, error) {
	root, err := parse(schema)
	if err != nil {
		return false, err
	}
	v, err := parseValue(text)
	if err != nil {
		return false, nil //nolint:nilerr // the answer is no
	}
	return (&checker{left: maxChecks}).ok(root, v), nil
}
