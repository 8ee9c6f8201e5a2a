package schema

import (
	"math"
	"math/big"
	"slices"
	"strings"
)

const (
	spread     = 1000 // values apart from a lone bound that are chosen from
	finest     = 60   // decimals that a number may need to fit between bounds
	fineDigits = 2    // decimals of a number that nothing asks more of
)

// bound is one end of a range.
type bound struct {
	at   *big.Rat // nil = no bound
	open bool     // the bound itself is outside
}

// number makes a number: a random multiple of a step within the bounds. The
// step is what multipleOf asks, or a power of ten that fits between the bounds.
func (g *generator) number(parts []*node, integer bool) (*value, error) {
	low, high := bounds(parts)
	step := commonStep(parts, integer)
	if step != nil {
		if r := g.multiple(step, low, high); r != nil {
			return &value{kind: kindNumber, num: r}, nil
		}
		return nil, errStuck
	}
	ten := big.NewRat(1, 10)
	step = big.NewRat(1, 1)
	for range fineDigits {
		step.Mul(step, ten)
	}
	for range finest {
		if r := g.multiple(step, low, high); r != nil {
			return &value{kind: kindNumber, num: r}, nil
		}
		step.Mul(step, ten)
	}
	return nil, errStuck
}

func bounds(parts []*node) (low, high bound) {
	for _, n := range parts {
		low = tighter(low, bound{n.min, false}, 1)
		low = tighter(low, bound{n.above, true}, 1)
		high = tighter(high, bound{n.max, false}, -1)
		high = tighter(high, bound{n.below, true}, -1)
	}
	return low, high
}

// tighter returns the narrower of two bounds; side is 1 for lower bounds.
func tighter(a, b bound, side int) bound {
	if a.at == nil || b.at == nil {
		if a.at == nil {
			return b
		}
		return a
	}
	if c := a.at.Cmp(b.at) * side; c < 0 || c == 0 && b.open {
		return b
	}
	return a
}

// commonStep returns the least number that is a multiple of all that is asked,
// nil when nothing is.
func commonStep(parts []*node, integer bool) *big.Rat {
	var step *big.Rat
	if integer {
		step = big.NewRat(1, 1)
	}
	for _, n := range parts {
		switch {
		case n.multiple == nil:
		case step == nil:
			step = new(big.Rat).Set(n.multiple)
		default:
			step = leastCommon(step, n.multiple)
		}
	}
	return step
}

// leastCommon is the least common multiple of two fractions in lowest terms:
// lcm of the numerators over gcd of the denominators.
func leastCommon(a, b *big.Rat) *big.Rat {
	g := new(big.Int).GCD(nil, nil, a.Num(), b.Num())
	num := new(big.Int).Mul(a.Num(), b.Num())
	num.Quo(num, g)
	return new(big.Rat).SetFrac(num, new(big.Int).GCD(nil, nil, a.Denom(), b.Denom()))
}

// multiple picks k*step between the bounds, nil when there is none.
func (g *generator) multiple(step *big.Rat, low, high bound) *big.Rat {
	var from, to *big.Int
	if low.at != nil {
		from = ceil(new(big.Rat).Quo(low.at, step), low.open)
	}
	if high.at != nil {
		to = new(big.Int).Neg(ceil(new(big.Rat).Neg(new(big.Rat).Quo(high.at, step)), high.open))
	}
	switch {
	case from == nil && to == nil:
		from, to = big.NewInt(0), big.NewInt(spread)
	case from == nil:
		from = new(big.Int).Sub(to, big.NewInt(spread))
	case to == nil:
		to = new(big.Int).Add(from, big.NewInt(spread))
	}
	room := new(big.Int).Sub(to, from)
	if room.Sign() < 0 {
		return nil
	}
	n := int64(math.MaxInt32)
	if room.IsInt64() {
		n = min(n, room.Int64())
	}
	k := new(big.Int).Add(from, big.NewInt(g.rng.Int64N(n+1)))
	return new(big.Rat).Mul(new(big.Rat).SetInt(k), step)
}

// ceil returns the least whole number that is at least r, or above it.
func ceil(r *big.Rat, above bool) *big.Int {
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if m.Sign() != 0 || above {
		q.Add(q, big.NewInt(1))
	}
	return q
}

const nouns = "amber basil cedar delta ember fjord grove harbor indigo juniper kestrel lagoon maple nectar opal pebble quartz river saffron timber umber violet willow yarrow zephyr"

// text makes a string.
func (g *generator) text(parts []*node) (*value, error) {
	least := most(parts, 0, func(n *node) *int { return n.minLength })
	limit := fewest(parts, math.MaxInt, func(n *node) *int { return n.maxLength })
	if least > maxString {
		return nil, errorAt(parts[0].path, "the mock makes no string of %d characters", least)
	}
	if least > limit {
		return nil, errStuck
	}
	fits := func(s string) bool {
		return !slices.ContainsFunc(parts, func(n *node) bool { return !n.stringOK(s) })
	}
	patterned := false
	for _, n := range parts {
		if n.pattern != nil {
			patterned = true
			if s, ok := g.matching(n.pattern, least, fits); ok {
				return stuckUnless(s, ok)
			}
		}
	}
	if patterned {
		return nil, errStuck
	}
	for _, n := range parts {
		if s, ok := g.formatted(n.format, least, limit); ok {
			return stuckUnless(s, true)
		}
	}
	return stuckUnless(g.plain(least, limit), true)
}

func stuckUnless(s string, ok bool) (*value, error) {
	if !ok {
		return nil, errStuck
	}
	return &value{kind: kindString, str: s}, nil
}

// plain makes words.
func (g *generator) plain(least, limit int) string {
	words := strings.Fields(nouns)
	var b strings.Builder
	b.WriteString(words[g.rng.IntN(len(words))])
	for b.Len() < least || b.Len() < limit/2 && g.rng.IntN(4) == 0 {
		b.WriteByte(' ')
		b.WriteString(words[g.rng.IntN(len(words))])
	}
	s := b.String()
	g.charge(len(s))
	if len(s) > limit {
		s = s[:limit]
	}
	return s
}
