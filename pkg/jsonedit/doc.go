// Package jsonedit looks into a JSON text and edits it without decoding it:
// one pass finds where a few members of an object stand, and everything that
// is not edited stays byte for byte as it was. It accepts what encoding/json
// accepts (RFC 8259, strings that are not UTF-8 included), except texts nested
// deeper than MaxDepth and objects in which a member that the caller acts on
// appears twice.
//
// The package keeps no state; all functions are safe for concurrent use and
// none writes to its input.
package jsonedit

import "fmt"

// MaxDepth is how deep objects and arrays may be nested. The top level is
// depth 1.
const MaxDepth = 512

// Span is a half-open range of bytes [Start, End) in a text. The zero Span
// means that a member is absent. The span of a string includes its quotes.
type Span struct{ Start, End int }

// Present reports whether the span points at something.
func (s Span) Present() bool { return s.End > 0 }

// Of returns the bytes of raw that the span covers.
func (s Span) Of(raw []byte) []byte { return raw[s.Start:s.End] }

// SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Offset int // of the first byte that cannot stand there; the text's length when it ends too early
	Msg    string
}

// Error returns the message with the byte offset.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// DuplicateError says that a wanted member appears twice in one object.
// Parsers disagree on which one counts, so neither is taken.
type DuplicateError struct {
	Name   string
	Offset int // of the second key
}

// Error names the member and where it appears again.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("duplicate member %q at byte %d", e.Name, e.Offset)
}

// TypeError says that a value is of another type than the caller wants.
type TypeError struct {
	Want   string // what was wanted, with its article: "a string"
	Offset int    // of the value
}

// Error says what was wanted and where.
func (e *TypeError) Error() string { return fmt.Sprintf("expected %s at byte %d", e.Want, e.Offset) }
