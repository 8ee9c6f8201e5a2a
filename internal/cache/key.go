package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// Key names an answer: SHA-256 over all that decides it.
type Key [sha256.Size]byte

// keys are where the answer of a call may be found.
type keys struct {
	exact Key // in the form that is asked for, as the provider's bytes
	any   Key // canonical: serves a stream and a whole answer alike
}

// form says what a key leads to.
type form string

const (
	formWhole  form = "whole"
	formStream form = "stream"
	formAny    form = "any"
)

// skipped are the members of a body that do not decide what the answer says, by
// the client's dialect. Those of Responses are few, as its answers repeat
// metadata and user.
var skipped = map[llm.Dialect][]string{
	llm.DialectNative:    {"stream", "metadata", "timeout_ms"},
	llm.DialectOpenAI:    {"stream", "stream_options", "user", "metadata"},
	llm.DialectResponses: {"stream", "stream_options"},
	llm.DialectAnthropic: {"stream", "metadata"},
}

// decides reports whether a header that is passed on may decide the answer. The
// names that it leaves out are of one request alone.
func decides(header string) bool {
	for _, name := range [...]string{"Idempotency-Key", "Traceparent", "Tracestate"} {
		if strings.EqualFold(header, name) {
			return false
		}
	}
	return true
}

// keysOf returns where the answer to a call is kept. ok is false when that
// cannot be told. salt stands for the route and its targets.
func keysOf(c *llm.Call, salt string) (k keys, ok bool) {
	h := sha256.New()
	w := writer{h: h}
	w.text("1", salt, c.Meta.Route, c.Op.String(), c.Dialect.String())
	scope(&w, c.Meta.Caller)
	if c.Drop {
		w.text("drop")
	}
	for _, f := range c.Forward {
		if decides(f.Name) {
			w.text("header", f.Name, f.Value)
		}
	}
	options, ok := body(&w, c)
	if !ok {
		return keys{}, false
	}
	var base Key
	h.Sum(base[:0])
	k.any = derived(base, formAny, nil)
	if c.Stream {
		// What a stream shows besides the answer (usage) is in its bytes.
		k.exact = derived(base, formStream, options)
	} else {
		k.exact = derived(base, formWhole, nil)
	}
	return k, true
}

func derived(base Key, f form, options []byte) Key {
	h := sha256.New()
	w := writer{h: h}
	w.bytes(base[:])
	w.text(string(f))
	w.bytes(options)
	var k Key
	h.Sum(k[:0])
	return k
}

// scope writes who may see the answer: a tenant, or a caller without one.
func scope(w *writer, c *llm.Caller) {
	switch {
	case c == nil:
		w.text("anonymous")
	case c.Tenant != "":
		w.text("tenant", c.Tenant)
	default:
		w.text("caller", c.Name)
	}
}

// body writes the normal form of what is asked and returns that of the stream's
// options.
func body(w *writer, c *llm.Call) (options []byte, ok bool) {
	if c.Raw == nil {
		w.text("request")
		return nil, request(w, c)
	}
	w.text("body")
	return members(w, c.Raw, skipped[c.Dialect])
}

// members writes the members of a body sorted by name, their values without
// white space. The order of members within values stays, as a model reads it (a
// schema's properties), and numbers and strings stay as they are written: two
// spellings of one request are a miss and nothing worse.
func members(w *writer, raw []byte, skip []string) (options []byte, ok bool) {
	type member struct {
		name  string
		value jsonedit.Span
	}
	var room [24]member
	list := room[:0]
	err := jsonedit.Each(raw, jsonedit.Span{End: len(raw)}, func(name string, value jsonedit.Span) error {
		if name == "stream_options" {
			options = compact(nil, value.Of(raw))
		}
		if !slices.Contains(skip, name) {
			list = append(list, member{name, value})
		}
		return nil
	})
	if err != nil {
		return nil, false
	}
	slices.SortStableFunc(list, func(a, b member) int { return strings.Compare(a.name, b.name) })
	buf := make([]byte, 0, len(raw))
	for _, m := range list {
		w.text(m.name)
		buf = compact(buf[:0], m.value.Of(raw))
		w.bytes(buf)
	}
	return options, true
}

// compact appends a JSON value without the white space between its tokens.
func compact(dst, value []byte) []byte {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch b := value[i]; {
		case quoted && b == '\\' && i+1 < len(value):
			dst = append(dst, b, value[i+1])
			i++
		case b == '"':
			quoted = !quoted
			dst = append(dst, b)
		case quoted || b != ' ' && b != '\t' && b != '\n' && b != '\r':
			dst = append(dst, b)
		}
	}
	return dst
}

// request writes a call that was made in the program.
func request(w *writer, c *llm.Call) bool {
	if c.Request == nil {
		return false
	}
	req, err := c.Request()
	if err != nil {
		return false
	}
	r := *req
	r.Stream, r.IncludeUsage, r.User, r.Metadata, r.Tags, r.Timeout = false, false, "", nil, nil, 0
	b, err := json.Marshal(&r)
	if err != nil {
		return false
	}
	w.text(c.Model)
	w.bytes(b)
	return true
}

// writer hashes pieces each with its length, so that no two lists of pieces
// look the same.
type writer struct {
	h   hash.Hash
	len [8]byte
}

func (w *writer) bytes(b []byte) {
	binary.LittleEndian.PutUint64(w.len[:], uint64(len(b)))
	_, _ = w.h.Write(w.len[:])
	_, _ = w.h.Write(b)
}

func (w *writer) text(list ...string) {
	for _, s := range list {
		w.bytes([]byte(s))
	}
}
