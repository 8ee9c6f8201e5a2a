package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// value is a JSON value. Numbers are exact.
type value struct {
	kind    kind
	bool    bool
	str     string
	num     *big.Rat
	elems   []*value
	members []member
}

type member struct {
	name  string
	value *value
}

type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// maxDigits bounds what a number may expand to.
const maxDigits = 400

func (v *value) member(name string) *value {
	for i := range v.members {
		if v.members[i].name == name {
			return v.members[i].value
		}
	}
	return nil
}

func (v *value) isInteger() bool { return v.kind == kindNumber && v.num.IsInt() }

// equal compares as JSON Schema does: numbers by value, members in any order.
func (v *value) equal(w *value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case kindBool:
		return v.bool == w.bool
	case kindNumber:
		return v.num.Cmp(w.num) == 0
	case kindString:
		return v.str == w.str
	case kindArray:
		return slices.EqualFunc(v.elems, w.elems, (*value).equal)
	case kindObject:
		return len(v.members) == len(w.members) && !slices.ContainsFunc(v.members, func(m member) bool {
			x := w.member(m.name)
			return x == nil || !m.value.equal(x)
		})
	}
	return true
}

// append appends the value as JSON text.
func (v *value) append(dst []byte) []byte {
	switch v.kind {
	case kindBool:
		return strconv.AppendBool(dst, v.bool)
	case kindNumber:
		return append(dst, decimal(v.num)...)
	case kindString:
		return appendString(dst, v.str)
	case kindArray:
		dst = append(dst, '[')
		for i, e := range v.elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.append(dst)
		}
		return append(dst, ']')
	case kindObject:
		dst = append(dst, '{')
		for i := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, v.members[i].name), ':')
			dst = v.members[i].value.append(dst)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// decimal writes r, whose expansion is finite, without an exponent.
func decimal(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	digits, _ := r.FloatPrec()
	return r.FloatString(digits)
}

// number reads a JSON number exactly; one that expands to more than maxDigits
// digits is an error.
func number(s string) (*big.Rat, error) {
	mantissa, exponent, has := strings.Cut(strings.ToLower(s), "e")
	e := 0
	if has {
		var err error
		if e, err = strconv.Atoi(exponent); err != nil || e > maxDigits || e < -maxDigits {
			return nil, fmt.Errorf("number %.20s is out of range", s)
		}
	}
	r, ok := new(big.Rat), len(mantissa) <= maxDigits
	if ok {
		_, ok = r.SetString(s)
	}
	if !ok {
		return nil, fmt.Errorf("number %.20s is out of range", s)
	}
	return r, nil
}

func appendString(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

// parseValue reads one JSON value.
func parseValue(text []byte) (*value, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

func readValue(d *json.Decoder) (*value, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case bool:
		return &value{kind: kindBool, bool: t}, nil
	case string:
		return &value{kind: kindString, str: t}, nil
	case json.Number:
		r, err := number(t.String())
		return &value{kind: kindNumber, num: r}, err
	case json.Delim:
		if t == '[' {
			return readArray(d)
		}
		return readObject(d)
	}
	return &value{kind: kindNull}, nil
}

func readArray(d *json.Decoder) (*value, error) {
	v := &value{kind: kindArray}
	for d.More() {
		e, err := readValue(d)
		if err != nil {
			return nil, err
		}
		v.elems = append(v.elems, e)
	}
	_, err := d.Token()
	return v, err
}

func readObject(d *json.Decoder) (*value, error) {
	v := &value{kind: kindObject}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		e, err := readValue(d)
		if err != nil {
			return nil, err
		}
		s, _ := name.(string)
		if old := v.member(s); old != nil {
			*old = *e
			continue
		}
		v.members = append(v.members, member{s, e})
	}
	_, err := d.Token()
	return v, err
}
