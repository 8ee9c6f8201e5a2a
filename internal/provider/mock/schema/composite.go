package schema

import (
	"errors"
	"math"
	"slices"
	"strconv"
)

const (
	optionalOdds  = 3  // one of so many optional members is left out
	uniqueTries   = 40 // for another element that is not there yet
	moreItems     = 3  // an array has up to so many elements more than it must
	spareNames    = 2  // members of an object that has no named ones
	maxSpareTries = 50
)

func (g *generator) array(parts []*node, depth int) (*value, error) {
	small := depth >= softDepth
	least := most(parts, 0, func(n *node) *int { return n.minItems })
	limit := fewest(parts, math.MaxInt, func(n *node) *int { return n.maxItems })
	wanted := 0
	for _, n := range parts {
		wanted = max(wanted, n.leastContains())
	}
	least = max(least, wanted)
	if least > maxItems {
		return nil, errorAt(parts[0].path, "the mock makes no array of %d elements", least)
	}
	if least > limit {
		return nil, errStuck
	}
	size := least
	if !small {
		size = min(limit, max(least+g.rng.IntN(moreItems), tuple(parts), 1))
	}
	a := &arrayMaker{g: g, parts: parts, depth: depth, out: &value{kind: kindArray}}
	for i := range size {
		err := a.add(i, i >= size-wanted)
		if errors.Is(err, errStuck) && i >= least && wanted == 0 {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return a.out, nil
}

// tuple returns how many elements the parts have schemas of their own for.
func tuple(parts []*node) int {
	n := 0
	for _, p := range parts {
		n = max(n, len(p.prefix))
	}
	return n
}

// arrayMaker adds elements to one array.
type arrayMaker struct {
	g     *generator
	parts []*node
	depth int
	out   *value
}

// add makes the element at i; contained says that it must fit what the array
// must contain.
func (a *arrayMaker) add(i int, contained bool) error {
	var list []*node
	unique := false
	for _, n := range a.parts {
		if s := n.item(i); s != nil {
			list = append(list, s)
		}
		if contained && n.contains != nil {
			list = append(list, n.contains)
		}
		unique = unique || n.unique
	}
	s := all(list...)
	for range uniqueTries {
		e, err := a.g.value(s, a.depth+1)
		if err != nil {
			return err
		}
		if !unique || !slices.ContainsFunc(a.out.elems, e.equal) {
			a.out.elems = append(a.out.elems, e)
			return nil
		}
	}
	return errStuck
}

func (g *generator) object(parts []*node, depth int) (*value, error) {
	least := most(parts, 0, func(n *node) *int { return n.minProps })
	limit := fewest(parts, math.MaxInt, func(n *node) *int { return n.maxProps })
	if least > maxItems {
		return nil, errorAt(parts[0].path, "the mock makes no object of %d members", least)
	}
	o := &objectMaker{g: g, parts: parts, depth: depth, limit: limit, out: &value{kind: kindObject}}
	names := known(parts)
	required := requiredNames(parts)
	room := limit - len(required)
	if room < 0 {
		return nil, errStuck
	}
	for _, name := range names {
		must := slices.Contains(required, name)
		if !must && (room <= 0 || depth >= softDepth || g.rng.IntN(optionalOdds) == 0) {
			continue
		}
		if err := o.add(name); err != nil {
			if must || !errors.Is(err, errStuck) {
				return nil, err
			}
			continue
		}
		if !must {
			room--
		}
	}
	for _, name := range names {
		if len(o.out.members) < least && o.out.member(name) == nil {
			if err := o.add(name); err != nil && !errors.Is(err, errStuck) {
				return nil, err
			}
		}
	}
	if len(names) == 0 && depth < softDepth && open(parts) {
		least = min(limit, max(least, spareNames))
		return o.out, o.spare(least, false)
	}
	return o.out, o.spare(least, true)
}

// known returns the names of members that the parts speak of, in order.
func known(parts []*node) []string {
	var out []string
	for _, n := range parts {
		for i := range n.props {
			if !slices.Contains(out, n.props[i].name) {
				out = append(out, n.props[i].name)
			}
		}
	}
	for _, name := range requiredNames(parts) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func requiredNames(parts []*node) []string {
	var out []string
	for _, n := range parts {
		for _, name := range n.required {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// open reports whether the parts say what members of any name must be: such an
// object is a map, and should not be empty.
func open(parts []*node) bool {
	return slices.ContainsFunc(parts, func(n *node) bool {
		return n.patternProps != nil || n.additional != nil && !n.additional.never
	})
}

// objectMaker adds members to one object.
type objectMaker struct {
	g     *generator
	parts []*node
	depth int
	limit int
	out   *value
}

func (o *objectMaker) add(name string) error {
	var list []*node
	for _, n := range o.parts {
		l, ok := n.property(name)
		if !ok || n.names != nil && !o.g.ok(n.names, &value{kind: kindString, str: name}) {
			return errStuck
		}
		list = append(list, l...)
	}
	v, err := o.g.value(all(list...), o.depth+1)
	if err != nil {
		return err
	}
	o.out.members = append(o.out.members, member{name, v})
	return nil
}

// spare adds members of names that no one gave, until there are want.
func (o *objectMaker) spare(want int, must bool) error {
	for try := 0; len(o.out.members) < want; try++ {
		if try >= maxSpareTries+want {
			if must {
				return errStuck
			}
			return nil
		}
		name, err := o.name(try)
		if err == nil && o.out.member(name) == nil {
			err = o.add(name)
		}
		if err != nil && !errors.Is(err, errStuck) {
			return err
		}
	}
	return nil
}

// name invents a member's name.
func (o *objectMaker) name(try int) (string, error) {
	for _, n := range o.parts {
		if n.names != nil {
			v, err := o.g.value(all(n.names, &node{types: []string{"string"}}), o.depth+1)
			if err != nil {
				return "", err
			}
			return v.str, nil
		}
		if k := len(n.patternProps); k > 0 {
			if s, ok := o.g.matching(n.patternProps[o.g.rng.IntN(k)].pattern, 0, func(string) bool { return true }); ok {
				return s, nil
			}
		}
	}
	return "key" + strconv.Itoa(try+1), nil
}
