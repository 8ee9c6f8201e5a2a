package catalog

import (
	"fmt"
	"slices"
)

// over returns s with what o says.
func (s traitsSpec) over(o traitsSpec) traitsSpec {
	if o.Capabilities != nil {
		s.Capabilities = o.Capabilities
	}
	if o.Thinking != nil {
		s.Thinking = o.Thinking
	}
	if o.Sampling != "" {
		s.Sampling = o.Sampling
	}
	s.StreamOnly = or(o.StreamOnly, s.StreamOnly)
	s.ResponsesOnly = or(o.ResponsesOnly, s.ResponsesOnly)
	return s
}

func or[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (s *traitsSpec) traits() (t Traits, err error) {
	if t.Capabilities, err = capabilities(s.Capabilities); err != nil {
		return Traits{}, err
	}
	if t.Thinking, err = s.Thinking.thinking(); err != nil {
		return Traits{}, err
	}
	switch t.Sampling = s.Sampling; t.Sampling {
	case "":
		t.Sampling = SamplingAll
	case SamplingAll, SamplingOne, SamplingReasoningOff, SamplingNone:
	default:
		return Traits{}, fmt.Errorf("sampling: %q is not known", s.Sampling)
	}
	t.StreamOnly, t.ResponsesOnly = value(s.StreamOnly), value(s.ResponsesOnly)
	return t, nil
}

func capabilities(names []string) (c Capabilities, err error) {
	for _, name := range names {
		i := slices.Index(capabilityNames[:], name)
		if i < 0 {
			return 0, fmt.Errorf("capabilities: %q is not known", name)
		}
		c |= 1 << i
	}
	return c, nil
}

func (s *thinkingSpec) thinking() (t Thinking, err error) {
	if s == nil {
		return t, nil
	}
	t = Thinking{Efforts: s.Efforts, Adaptive: s.Adaptive, Off: s.Off}
	if b := s.Budget; b != nil {
		t.Budget, t.BudgetMin, t.BudgetMax = true, b[0], b[1]
		if b[0] < 0 || b[1] != 0 && b[1] < b[0] {
			return Thinking{}, fmt.Errorf("thinking: budget %v is no range", *b)
		}
	}
	return t, nil
}
