package jsonedit

// Each calls fn for each member of the object at a span, in order, with the
// key unescaped. Duplicate keys are passed as they come. It stops at the first
// error of fn and returns it; a value that is no object gives a *TypeError,
// bad JSON a *SyntaxError. The zero Span has no members. Each allocates a
// string for each key: it is meant for the slow path.
func Each(raw []byte, at Span, fn func(key string, value Span) error) error {
	return walk(raw, at, '{', func(s *scanner, i int) (int, error) {
		key, value, next := s.member(i)
		if next < 0 {
			return 0, s.err()
		}
		name, err := String(raw, key)
		if err != nil {
			return 0, err
		}
		return next, fn(name, value)
	})
}

// EachElem calls fn for each element of the array at a span, in order, with
// its index. It stops at the first error of fn and returns it; a value that is
// no array gives a *TypeError, bad JSON a *SyntaxError. The zero Span has no
// elements.
func EachElem(raw []byte, at Span, fn func(i int, value Span) error) error {
	n := -1
	return walk(raw, at, '[', func(s *scanner, i int) (int, error) {
		next := s.value(i)
		if next < 0 {
			return 0, s.err()
		}
		n++
		return next, fn(n, Span{i, next})
	})
}

// walk steps through the object or array at a span; step scans one element at
// an offset and returns the offset behind it.
func walk(raw []byte, at Span, opening byte, step func(*scanner, int) (int, error)) error {
	if at == (Span{}) {
		return nil
	}
	s := &scanner{raw: raw[:at.End]}
	i := s.space(at.Start)
	closing, want := byte('}'), "an object"
	if opening == '[' {
		closing, want = ']', "an array"
	}
	if i >= at.End || raw[i] != opening {
		return &TypeError{Want: want, Offset: at.Start}
	}
	var err error
	i, more := s.open(i, closing)
	for more {
		if i, err = step(s, i); err != nil {
			return err
		}
		i, more = s.next(i, closing)
	}
	if i < 0 {
		return s.err()
	}
	if rest := s.space(i); rest < at.End {
		s.fail(rest, "unexpected text behind the JSON value")
		return s.err()
	}
	return nil
}
