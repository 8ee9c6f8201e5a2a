package schema

import (
	"errors"
	"math/rand/v2"
	"slices"
)

const (
	triesPerChoice = 4   // with each combination of alternatives
	triesByChance  = 40  // the same, where chance alone finds what fits
	maxChoices     = 48  // combinations of alternatives tried for one value
	maxParts       = 200 // schemas that apply to one value
	bytesPerStep   = 64  // of text count as one step
)

// generator makes one value. It backtracks: where an attempt is stuck, another
// alternative is tried, until the steps are used up.
type generator struct {
	rng    *rand.Rand
	steps  int // taken
	checks int // left
}

// ok reports whether v satisfies n.
func (g *generator) ok(n *node, v *value) bool {
	c := checker{left: g.checks}
	fits := c.ok(n, v)
	g.checks = c.left
	return fits
}

// charge counts the making of a text as so many steps.
func (g *generator) charge(bytes int) { g.steps += bytes / bytesPerStep }

// spent returns the error of a search that has gone on for too long.
func (g *generator) spent(n *node) error {
	if g.steps > maxSteps || g.checks <= 0 {
		return errorAt(n.path, "no value was found that satisfies the schema within the mock's limits")
	}
	return nil
}

// value makes a value for n at a depth below the root.
func (g *generator) value(n *node, depth int) (*value, error) {
	g.steps++
	if err := g.spent(n); err != nil {
		return nil, err
	}
	if depth > hardDepth {
		return nil, errStuck
	}
	choices := 0
	var found *value
	var failed error
	e := expander{g: g, small: depth >= softDepth}
	e.yield = func(parts []*node) bool {
		choices++
		tries := triesPerChoice
		if slices.ContainsFunc(parts, (*node).excludes) {
			tries = triesByChance
		}
		for range tries {
			v, err := g.combine(n, parts, depth)
			if err == nil {
				found = v
				return false
			}
			if !errors.Is(err, errStuck) {
				failed = err
				return false
			}
		}
		return choices < maxChoices
	}
	e.expand(nil, []*node{n})
	switch {
	case found != nil:
		return found, nil
	case failed != nil:
		return nil, failed
	case g.spent(n) != nil:
		return nil, g.spent(n)
	}
	return nil, errStuck
}

// expander turns a schema with alternatives into lists of plain schemas that
// all apply to the value, one list for each combination of alternatives.
type expander struct {
	g     *generator
	small bool // the smallest alternatives first
	yield func(parts []*node) bool
}

// expand moves the nodes of todo, and what they refer to, to parts. It returns
// false when yield said that it is enough.
func (e *expander) expand(parts, todo []*node) bool {
	if len(todo) == 0 {
		return e.yield(parts)
	}
	if e.g.steps++; e.g.steps > maxSteps {
		return false
	}
	n, todo := todo[0], slices.Clone(todo[1:])
	switch {
	case n.never || len(parts) > maxParts:
		return true
	case slices.Contains(parts, n):
		return e.expand(parts, todo)
	}
	parts = append(slices.Clip(parts), n)
	if n.target != nil {
		todo = append(todo, n.target)
	}
	todo = append(todo, n.allOf...)
	return e.choose(parts, todo, n.alternatives())
}

func (e *expander) choose(parts, todo []*node, groups [][]*node) bool {
	if len(groups) == 0 {
		return e.expand(parts, todo)
	}
	for _, option := range e.order(groups[0]) {
		if !e.choose(parts, append(slices.Clip(todo), option), groups[1:]) {
			return false
		}
	}
	return true
}

// alternatives returns the choices that n leaves, each with its options.
func (n *node) alternatives() [][]*node {
	var groups [][]*node
	for _, list := range [][]*node{n.anyOf, n.oneOf} {
		if list != nil {
			groups = append(groups, list)
		}
	}
	if n.when == nil {
		return groups
	}
	yes, no := []*node{n.when}, []*node{}
	if n.then != nil {
		yes = append(yes, n.then)
	}
	if n.other != nil {
		no = append(no, n.other)
	}
	return append(groups, []*node{all(yes...), all(no...)})
}

func (e *expander) order(options []*node) []*node {
	options = slices.Clone(options)
	if e.small {
		slices.SortStableFunc(options, func(a, b *node) int { return a.height() - b.height() })
		return options
	}
	e.g.rng.Shuffle(len(options), func(i, j int) { options[i], options[j] = options[j], options[i] })
	return options
}

// combine makes a value that is all that parts ask, alternatives aside, and
// that satisfies n with all that it says.
func (g *generator) combine(n *node, parts []*node, depth int) (*value, error) {
	satisfies := func(v *value) bool { return g.ok(n, v) }
	if v, listed := g.listed(parts); listed {
		if v == nil || !satisfies(v) {
			return nil, errStuck
		}
		return v, nil
	}
	for _, t := range g.types(parts, depth) {
		v, err := g.typed(t, parts, depth)
		if err == nil && satisfies(v) {
			return v, nil
		}
		if err != nil && !errors.Is(err, errStuck) {
			return nil, err
		}
	}
	return nil, errStuck
}

// excludes reports whether n says what a value must not be.
func (n *node) excludes() bool {
	return n.not != nil || n.oneOf != nil || n.when != nil || n.maxContains != nil
}

func (g *generator) typed(t string, parts []*node, depth int) (*value, error) {
	switch t {
	case "null":
		return &value{kind: kindNull}, nil
	case "boolean":
		return &value{kind: kindBool, bool: g.rng.IntN(2) == 0}, nil
	case "integer", "number":
		return g.number(parts, t == "integer")
	case "string":
		return g.text(parts)
	case "array":
		return g.array(parts, depth)
	}
	return g.object(parts, depth)
}

// listed picks among the values of enum and const, if there are such: one that
// fits all parts, nil when none does.
func (g *generator) listed(parts []*node) (v *value, listed bool) {
	for _, n := range parts {
		values := n.enum
		if n.constant != nil {
			values = []*value{n.constant}
		}
		if values == nil {
			continue
		}
		var fit []*value
		for _, v := range values {
			if !slices.ContainsFunc(parts, func(p *node) bool { return !g.ok(p, v) }) {
				fit = append(fit, v)
			}
		}
		if len(fit) == 0 {
			return nil, true
		}
		return fit[g.rng.IntN(len(fit))], true
	}
	return nil, false
}

// types returns the types that a value of all parts may have, the one to try
// first in front.
func (g *generator) types(parts []*node, depth int) []string {
	list := hinted(parts)
	typed := false
	for _, n := range parts {
		if len(n.types) == 0 {
			continue
		}
		typed = true
		list = slices.DeleteFunc(list, func(t string) bool {
			return !slices.Contains(n.types, t) && (t != "integer" || !slices.Contains(n.types, "number"))
		})
	}
	if i := slices.Index(list, "number"); typed && i >= 0 && slices.Contains(list, "integer") {
		list = slices.DeleteFunc(list, func(t string) bool { return t == "integer" })
	}
	if depth >= softDepth && typed {
		small := []string{"null", "boolean", "number", "integer", "string", "array", "object"}
		slices.SortFunc(list, func(a, b string) int { return slices.Index(small, a) - slices.Index(small, b) })
	} else if i := slices.Index(list, "null"); typed && i >= 0 && g.rng.IntN(8) == 0 {
		list[0], list[i] = list[i], list[0]
	}
	return list
}

// hinted returns all types, those first whose keywords the parts use.
func hinted(parts []*node) []string {
	var object, array, text, num bool
	for _, n := range parts {
		object = object || n.props != nil || n.required != nil || n.additional != nil || n.patternProps != nil || n.minProps != nil
		array = array || n.items != nil || n.prefix != nil || n.contains != nil || n.minItems != nil
		text = text || n.pattern != nil || n.format != "" || n.minLength != nil || n.maxLength != nil
		num = num || n.min != nil || n.max != nil || n.above != nil || n.below != nil || n.multiple != nil
	}
	var first, rest []string
	for _, t := range []struct {
		name string
		hint bool
	}{{"object", object}, {"array", array}, {"string", text}, {"number", num}, {"integer", num}, {"boolean", false}} {
		if t.hint {
			first = append(first, t.name)
		} else {
			rest = append(rest, t.name)
		}
	}
	slices.SortStableFunc(rest, func(a, b string) int { return scalarFirst(a) - scalarFirst(b) })
	return append(append(first, rest...), "null")
}

func scalarFirst(t string) int {
	switch t {
	case "string":
		return 0
	case "array", "object":
		return 2
	}
	return 1
}

// most returns the largest of the parts' bounds, least when there is none.
func most(parts []*node, least int, of func(*node) *int) int {
	for _, n := range parts {
		if p := of(n); p != nil {
			least = max(least, *p)
		}
	}
	return least
}

// fewest returns the smallest of the parts' bounds, limit when there is none.
func fewest(parts []*node, limit int, of func(*node) *int) int {
	for _, n := range parts {
		if p := of(n); p != nil {
			limit = min(limit, *p)
		}
	}
	return limit
}
