package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// callStack is one sample of a CPU profile: function names, innermost first,
// and the CPU time in nanoseconds.
type callStack struct {
	frames []string
	ns     int64
}

// maxProfile bounds an unpacked profile.
const maxProfile = 256 << 20

var errProfile = errors.New("this is no CPU profile in pprof's form")

// field is one member of a protocol buffer message: a number, or bytes.
type field struct {
	tag  uint64
	num  uint64
	data []byte
}

// fields reads the members of a message. Only the two wire types that profiles
// use are known.
func fields(b []byte, each func(field) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return errProfile
		}
		b = b[n:]
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return errProfile
		}
		b = b[n:]
		f := field{tag: key >> 3, num: v}
		switch key & 7 {
		case 0:
		case 2:
			if v > uint64(len(b)) {
				return errProfile
			}
			f.data, b = b[:v:v], b[v:]
		default:
			return errProfile
		}
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// numbers reads a repeated number, packed or not.
func (f field) numbers(dst []uint64) ([]uint64, error) {
	if f.data == nil {
		return append(dst, f.num), nil
	}
	for b := f.data; len(b) > 0; {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errProfile
		}
		dst, b = append(dst, v), b[n:]
	}
	return dst, nil
}

// profileData is what of a profile is needed (github.com/google/pprof,
// proto/profile.proto).
type profileData struct {
	samples   [][2][]uint64 // locations, values
	locations map[uint64][]uint64
	functions map[uint64]uint64 // to its name
	texts     []string
}

// readProfile reads a CPU profile as runtime/pprof writes it: the last value of
// a sample is the time.
func readProfile(raw []byte) ([]callStack, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProfile, err)
	}
	b, err := io.ReadAll(io.LimitReader(z, maxProfile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProfile, err)
	}
	p := profileData{locations: map[uint64][]uint64{}, functions: map[uint64]uint64{}}
	if err := fields(b, p.member); err != nil {
		return nil, err
	}
	return p.stacks(), nil
}

func (p *profileData) member(f field) error {
	switch f.tag {
	case 2: // sample
		var s [2][]uint64
		err := fields(f.data, func(m field) (err error) {
			if m.tag == 1 || m.tag == 2 {
				s[m.tag-1], err = m.numbers(s[m.tag-1])
			}
			return err
		})
		p.samples = append(p.samples, s)
		return err
	case 4: // location
		return p.location(f.data)
	case 5: // function
		var id, name uint64
		err := fields(f.data, func(m field) error {
			switch m.tag {
			case 1:
				id = m.num
			case 2:
				name = m.num
			}
			return nil
		})
		p.functions[id] = name
		return err
	case 6: // string table
		p.texts = append(p.texts, string(f.data))
	}
	return nil
}

// location gathers the functions of an address, inlined ones first.
func (p *profileData) location(b []byte) error {
	var id uint64
	var funcs []uint64
	err := fields(b, func(m field) error {
		switch m.tag {
		case 1:
			id = m.num
		case 4: // line
			return fields(m.data, func(l field) error {
				if l.tag == 1 {
					funcs = append(funcs, l.num)
				}
				return nil
			})
		}
		return nil
	})
	p.locations[id] = funcs
	return err
}

func (p *profileData) stacks() []callStack {
	var all []callStack
	for _, s := range p.samples {
		if len(s[1]) == 0 {
			continue
		}
		c := callStack{ns: int64(s[1][len(s[1])-1])}
		for _, at := range s[0] {
			for _, fn := range p.locations[at] {
				if name := p.functions[fn]; name < uint64(len(p.texts)) {
					c.frames = append(c.frames, p.texts[name])
				}
			}
		}
		all = append(all, c)
	}
	return all
}
