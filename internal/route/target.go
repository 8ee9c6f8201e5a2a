package route

import (
	"hash/fnv"
	"io"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Target is a provider and its model, with the chain that leads there.
type Target struct {
	Provider string
	Model    string // the upstream's name
	Label    string // provider/model for metrics and logs; the model is Other when unknown
	Chain    llm.Provider
	Price    llm.Pricer // nil when the model has no price
	Traits   Traits     // what is known of the model
	Health   *Health    // outlives reloads; nil = nothing is remembered
	Weight   int        // its share, for weighted choices; 0 = only when the others fail
}

// TargetSpec names one target.
type TargetSpec struct {
	Provider string
	Model    string
	Label    string // the model's bounded name; "" = Model
	Retries  *int   // after the first try; nil = the provider's own setting
	Weight   int    // see Target.Weight
}

// hash names a target among those of a route, the same in every process.
func (t *Target) hash() uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, t.Provider)
	_, _ = h.Write([]byte{0})
	_, _ = io.WriteString(h, t.Model)
	return h.Sum64()
}

// Traits is what is known of a model, as far as routing asks.
type Traits struct {
	Can           Capabilities
	Sure          bool  // Can is said of this very model, not of its family
	ContextWindow int64 // tokens of input and output together; 0 = unknown
	MaxOutput     int64 // tokens; 0 = unknown
}

// Capabilities is a set of what a model can do and a request may need. The
// empty set means that nothing is known.
type Capabilities uint8

// The capabilities. Any marks a set of which something is known.
const (
	Any Capabilities = 1 << iota
	Tools
	Images
	JSONSchema
)

// needs is what a request may need, each with the member that asks for it and
// its word on record.
var needs = [...]struct {
	bit           Capabilities
	param, reason string
	what          string
}{
	{Tools, "tools", "lacks_tools", "tools"},
	{Images, "messages", "lacks_images", "images"},
	{JSONSchema, "response_format", "lacks_json_schema", "a JSON schema"},
}

const allNeeds = Tools | Images | JSONSchema

// lacking returns what a model is known to lack.
func (t Traits) lacking() Capabilities {
	if t.Can == 0 {
		return 0
	}
	return allNeeds &^ t.Can
}
