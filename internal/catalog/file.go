package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// schema is the form of file that this package reads.
const schema = "llm-gateway-prices/1"

// file is the whole file. Families and models are decoded one by one, so that
// an error can name its entry.
type file struct {
	Schema   string              `json:"schema"`
	AsOf     string              `json:"as_of"`
	About    []string            `json:"about"`
	Sells    map[string][]string `json:"sells"`
	Families []json.RawMessage   `json:"families"`
	Models   []json.RawMessage   `json:"models"`
}

// traitsSpec are traits as the file has them; what is absent is not said.
type traitsSpec struct {
	Capabilities  []string      `json:"capabilities"`
	Thinking      *thinkingSpec `json:"thinking"`
	Sampling      Sampling      `json:"sampling"`
	StreamOnly    *bool         `json:"stream_only"`
	ResponsesOnly *bool         `json:"responses_only"`
}

type thinkingSpec struct {
	Efforts  []string  `json:"efforts"`
	Budget   *[2]int64 `json:"budget"` // smallest and largest; 0 = unknown
	Adaptive bool      `json:"adaptive"`
	Off      bool      `json:"off"`
}

type familySpec struct {
	Provider string   `json:"provider"`
	Prefixes []string `json:"prefixes"`
	traitsSpec
}

type modelSpec struct {
	ID            string   `json:"id"`
	Provider      string   `json:"provider"`
	Kind          string   `json:"kind"`
	Status        string   `json:"status"`
	Aliases       []string `json:"aliases"`
	ContextWindow *int64   `json:"context_window"`
	MaxOutput     *int64   `json:"max_output"`
	Dimensions    *int64   `json:"dimensions"`
	Unconfirmed   *bool    `json:"unconfirmed"`
	Note          *string  `json:"note"`
	traitsSpec
	Prices []priceSpec `json:"prices"` // nil = not said; empty = unknown
}

type ratesSpec struct {
	Input          *decimal `json:"input"`
	CachedInput    *decimal `json:"cached_input"`
	CacheWrite5m   *decimal `json:"cache_write_5m"`
	CacheWrite1h   *decimal `json:"cache_write_1h"`
	Output         *decimal `json:"output"`
	OutputThinking *decimal `json:"output_thinking"`
}

type priceSpec struct {
	From string `json:"from"`
	ratesSpec
	Tiers    []tierSpec        `json:"tiers"`
	Services map[string]factor `json:"service_tiers"`
}

type tierSpec struct {
	Above int64 `json:"above"`
	ratesSpec
}

// decimal is the price of one token, read from that of a million.
type decimal llm.Money

const million = 1_000_000

// UnmarshalJSON reads a decimal string, or a number, whose text is as exact.
func (d *decimal) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	m, err := llm.ParseMoney(text)
	switch {
	case err != nil:
		return fmt.Errorf("price: %w", err)
	case m < 0:
		return fmt.Errorf("price %s is below zero", text)
	case m%million != 0:
		return fmt.Errorf("price %s has more than six decimals", text)
	}
	*d = decimal(m / million)
	return nil
}

// strict decodes one JSON value and refuses members that v does not have.
func strict(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("unexpected text behind the JSON value")
	}
	return nil
}

// atLine adds the line in raw to an error that knows its offset.
func atLine(raw []byte, err error) error {
	offset := int64(-1)
	var bad *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &bad) {
		offset = bad.Offset
	} else if errors.As(err, &wrong) {
		offset = wrong.Offset
	}
	if offset < 0 || offset > int64(len(raw)) {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(raw[:offset], []byte("\n")), err)
}

// rates fills in what is absent, as the package comment says.
func (s *ratesSpec) rates() (Rates, error) {
	if s.Input == nil || s.Output == nil {
		return Rates{}, errors.New("a price needs input and output")
	}
	or := func(d *decimal, def llm.Money) llm.Money {
		if d == nil {
			return def
		}
		return llm.Money(*d)
	}
	r := Rates{Input: llm.Money(*s.Input), Output: llm.Money(*s.Output)}
	r.CachedInput = or(s.CachedInput, r.Input)
	r.CacheWrite = or(s.CacheWrite5m, r.Input)
	r.CacheWrite1h = or(s.CacheWrite1h, r.CacheWrite)
	r.OutputThinking = or(s.OutputThinking, r.Output)
	return r, nil
}

func (s *priceSpec) price() (p Price, err error) {
	if p.Rates, err = s.rates(); err != nil {
		return Price{}, err
	}
	if s.From != "" {
		if p.From, err = time.Parse(time.DateOnly, s.From); err != nil {
			return Price{}, fmt.Errorf("from: %q is no day (YYYY-MM-DD)", s.From)
		}
	}
	above := int64(0)
	for i := range s.Tiers {
		t := Tier{Above: s.Tiers[i].Above}
		if t.Rates, err = s.Tiers[i].rates(); err != nil {
			return Price{}, fmt.Errorf("tiers[%d]: %w", i, err)
		}
		if t.Above <= above {
			return Price{}, fmt.Errorf("tiers[%d]: above must be greater than %d", i, above)
		}
		above = t.Above
		p.Tiers = append(p.Tiers, t)
	}
	if err := p.services(s.Services); err != nil {
		return Price{}, err
	}
	return p, nil
}

// factor is a share of the standard price, in thousandths.
type factor int64

// UnmarshalJSON reads a decimal string, or a number.
func (f *factor) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	const thousandth = llm.Dollar / 1000
	m, err := llm.ParseMoney(text)
	switch {
	case err != nil:
		return fmt.Errorf("share of the price: %w", err)
	case m <= 0 || m > 1000*llm.Dollar:
		return fmt.Errorf("share of the price %s: must be above 0, and at most 1000", text)
	case m%thousandth != 0:
		return fmt.Errorf("share of the price %s has more than three decimals", text)
	}
	*f = factor(m / thousandth)
	return nil
}

// services makes the prices of the other service tiers out of the standard one.
func (p *Price) services(list map[string]factor) error {
	for name, f := range list {
		t := llm.ServiceTierOf(name)
		if t == llm.TierStandard || t.String() != name {
			return fmt.Errorf("service_tiers: %q is not one of batch, flex, priority", name)
		}
		s := &Price{From: p.From, Rates: p.Rates, Tiers: slices.Clone(p.Tiers)}
		exact := s.scale(f)
		for i := range s.Tiers {
			exact = s.Tiers[i].scale(f) && exact
		}
		if !exact {
			return fmt.Errorf("service_tiers: %s: the price is no whole number of 10^-12 dollars a token", name)
		}
		p.Services[t] = s
	}
	return nil
}

// scale multiplies all rates and reports whether none had to be rounded.
func (r *Rates) scale(f factor) (exact bool) {
	exact = true
	for _, m := range []*llm.Money{&r.Input, &r.CachedInput, &r.CacheWrite, &r.CacheWrite1h, &r.Output, &r.OutputThinking} {
		hi, lo := bits.Mul64(uint64(*m), uint64(f))
		if hi != 0 || lo > math.MaxInt64 || lo%1000 != 0 {
			exact = false
		}
		*m = llm.Money(lo / 1000)
	}
	return exact
}

// prices makes the price list and checks its order.
func prices(specs []priceSpec) ([]Price, error) {
	list := make([]Price, 0, len(specs))
	for i := range specs {
		p, err := specs[i].price()
		if err != nil {
			return nil, fmt.Errorf("prices[%d]: %w", i, err)
		}
		if i > 0 && !p.From.After(list[i-1].From) {
			return nil, fmt.Errorf("prices[%d]: from must be later than that of the price before", i)
		}
		list = append(list, p)
	}
	return list, nil
}
