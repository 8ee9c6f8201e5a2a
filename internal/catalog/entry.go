package catalog

import (
	"math/bits"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The kinds of models.
const (
	KindChat  = "chat"
	KindEmbed = "embed"
)

// The states of a model, by our reading of the providers' lists.
const (
	StatusCurrent = "current"
	StatusLegacy  = "legacy"
	StatusRetired = "retired"
)

// Entry is what is known of one model. It is shared and must not be changed.
type Entry struct {
	ID            string
	Provider      string // who sells it: openai, anthropic, gemini, dashscope, mock, or a kind of an override
	Kind          string // KindChat or KindEmbed
	Status        string // StatusCurrent, StatusLegacy or StatusRetired
	Aliases       []string
	ContextWindow int64 // tokens of input and output together; 0 = unknown
	MaxOutput     int64 // tokens of the largest answer, reasoning included; 0 = unknown
	Dimensions    int64 // of an embedding; 0 = unknown
	Traits

	Prices      []Price // in order of From
	Unconfirmed bool    // the price rests on one source or was derived
	Note        string
}

// Pattern reports whether the entry stands for all names of a beginning.
func (e *Entry) Pattern() bool { return e.ID[len(e.ID)-1] == '*' }

// Pricer returns what the model costs at a time. It is nil when that is
// unknown, also for a nil Entry, so that an unknown price cannot be taken for
// zero.
func (e *Entry) Pricer(at time.Time) llm.Pricer {
	if e == nil {
		return nil
	}
	for i := len(e.Prices) - 1; i >= 0; i-- {
		if !at.Before(e.Prices[i].From) {
			return &e.Prices[i]
		}
	}
	return nil
}

// Traits is where models differ for those who route and translate requests.
type Traits struct {
	Capabilities  Capabilities
	Thinking      Thinking
	Sampling      Sampling
	StreamOnly    bool // refuses calls that do not stream
	ResponsesOnly bool // answers on OpenAI's Responses endpoint alone
}

// Thinking says how a model's reasoning is asked for. The zero value is a
// model that cannot be asked.
type Thinking struct {
	Efforts   []string // levels, weakest first, without none; nil = levels are not taken
	Budget    bool     // a number of thinking tokens is taken
	BudgetMin int64    // smallest budget but 0
	BudgetMax int64    // largest; 0 = unknown
	Adaptive  bool     // "the model decides" can be said
	Off       bool     // reasoning can be switched off
}

// Sampling says which sampling parameters (temperature, top_p and the like) a
// model takes.
type Sampling string

// The rules for sampling parameters.
const (
	SamplingAll          Sampling = "all"           // as the dialect says; the default
	SamplingOne          Sampling = "one"           // temperature or top_p, not both
	SamplingReasoningOff Sampling = "reasoning_off" // only while reasoning is switched off
	SamplingNone         Sampling = "none"          // any is refused
)

// Capabilities is a set of things that a model can do. The empty set means
// that nothing is known.
type Capabilities uint8

// The capabilities.
const (
	CanChat       Capabilities = 1 << iota // answer messages
	CanEmbed                               // make embedding vectors
	CanTools                               // call functions
	CanImages                              // see images
	CanJSONSchema                          // hold to a JSON schema
	CanReason                              // think before it answers
	CanAudio                               // hear audio
)

// capabilityNames are the names in the file, in the order of the bits.
var capabilityNames = [...]string{"chat", "embed", "tools", "images", "json_schema", "reasoning", "audio"}

// Has reports whether all of want are in c.
func (c Capabilities) Has(want Capabilities) bool { return c&want == want }

// Names returns the names of the capabilities, in a fixed order.
func (c Capabilities) Names() []string {
	names := make([]string, 0, bits.OnesCount8(uint8(c)))
	for i, name := range capabilityNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
