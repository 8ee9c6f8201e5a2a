package schema

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxPattern   = 2000 // bytes of a pattern
	patternTries = 32
	moreRepeats  = 3 // repetitions more than a pattern asks at least
)

// newPattern reads a regular expression of JSON Schema (ECMA-262). What Go's
// regular expressions have too is known: classes, groups, alternatives,
// repetitions, anchors. Look-around and back-references are not.
func newPattern(s string) (*pattern, error) {
	if len(s) > maxPattern {
		return nil, errors.New("the pattern is too long")
	}
	s = goEscapes(s)
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("the pattern is not known to the mock: %w", err)
	}
	tree, err := syntax.Parse(s, syntax.Perl) // as Compile does
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	return &pattern{re: re, tree: tree, size: len(prog.Inst)}, nil
}

// goEscapes writes \uXXXX as Go does.
func goEscapes(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if s[i+1] == 'u' && i+6 <= len(s) {
				out = append(out, `\x{`+s[i+2:i+6]+`}`...)
				i += 5
				continue
			}
			out = append(out, s[i], s[i+1])
			i++
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// matching makes a string that matches p, is at least least characters long,
// and fits.
func (g *generator) matching(p *pattern, least int, fits func(string) bool) (string, bool) {
	for try := range patternTries {
		seed := g.rng.Uint64()
		more := moreRepeats
		if try > patternTries/2 {
			more = 0
		}
		m := matcher{rng: rand.New(rand.NewPCG(seed, 1)), more: more} //nolint:gosec // repeatability is the point
		m.write(p.tree)
		if short := least - len(m.out); short > 0 {
			// The same choices again, and more repetitions.
			m = matcher{rng: rand.New(rand.NewPCG(seed, 1)), more: more, need: short} //nolint:gosec // as above
			m.write(p.tree)
		}
		s := string(m.out)
		// A pattern without an end takes more after it.
		s += strings.Repeat("x", max(0, least-len(m.out)))
		if g.charge(len(s) + p.costs(len(s))/maxPattern); g.steps > maxSteps {
			return "", false
		}
		if p.match(s) && fits(s) {
			return s, true
		}
	}
	return "", false
}

// matcher writes what matches an expression.
type matcher struct {
	rng  *rand.Rand
	more int // repetitions beyond the least, at random
	need int // characters still missing
	out  []rune
}

func (m *matcher) write(x *syntax.Regexp) {
	if len(m.out) > maxString {
		return
	}
	switch x.Op {
	case syntax.OpLiteral:
		m.out = append(m.out, x.Rune...)
	case syntax.OpCharClass:
		m.out = append(m.out, m.class(x.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		m.out = append(m.out, m.class([]rune{' ', '~'}))
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range x.Sub {
			m.write(sub)
		}
	case syntax.OpAlternate:
		m.write(x.Sub[m.rng.IntN(len(x.Sub))])
	case syntax.OpStar:
		m.repeat(x.Sub[0], 0, -1)
	case syntax.OpPlus:
		m.repeat(x.Sub[0], 1, -1)
	case syntax.OpQuest:
		m.repeat(x.Sub[0], 0, 1)
	case syntax.OpRepeat:
		m.repeat(x.Sub[0], x.Min, x.Max)
	}
	// Anchors and word boundaries write nothing; whether they hold is seen
	// when the whole is matched.
}

// repeat writes sub from least to limit times; limit -1 is none.
func (m *matcher) repeat(sub *syntax.Regexp, least, limit int) {
	n := least + m.rng.IntN(m.more+1)
	if limit >= 0 {
		n = min(n, limit)
	}
	for range n {
		m.write(sub)
	}
	for m.need > 0 && (limit < 0 || n < limit) {
		before := len(m.out)
		need := m.need
		m.need = 0 // one repetition at a time
		m.write(sub)
		m.need = need - (len(m.out) - before)
		if len(m.out) == before {
			return
		}
		n++
	}
}

// class picks a character of a class, readable ones first.
func (m *matcher) class(ranges []rune) rune {
	in := func(c rune) bool {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= c && c <= ranges[i+1] {
				return true
			}
		}
		return false
	}
	for _, want := range []func(rune) bool{unicode.IsLower, isDigitOrUpper, unicode.IsGraphic} {
		var list []rune
		for c := rune(' '); c <= '~'; c++ {
			if want(c) && in(c) {
				list = append(list, c)
			}
		}
		if len(list) > 0 {
			return list[m.rng.IntN(len(list))]
		}
	}
	if len(ranges) < 2 {
		return 'x'
	}
	i := m.rng.IntN(len(ranges)/2) * 2
	width := min(int64(ranges[i+1]-ranges[i]), 50)
	return validRune(ranges[i] + rune(m.rng.Int64N(width+1))) //nolint:gosec // width is at most 50
}

func isDigitOrUpper(c rune) bool { return unicode.IsUpper(c) || unicode.IsDigit(c) }

// validRune replaces half a surrogate pair, which no JSON text can hold alone.
func validRune(c rune) rune {
	if !utf8.ValidRune(c) {
		return 'x'
	}
	return c
}
