package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	Tiers []tierSpec `json:"tiers"`
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
	return p, nil
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
