// Package migrate turns the configuration of another gateway into ours. It is
// pure: bytes in, bytes out. What it cannot carry over it names, and a secret
// becomes a reference to a variable unless the caller asks for a copy.
package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Format is what a configuration was written for.
type Format string

// The formats. One-api and new-api number their channel types differently from
// 24 on, so they cannot be told apart from a file.
const (
	LiteLLM Format = "litellm" // config.yaml of the proxy
	OneAPI  Format = "one-api" // its channels as JSON: a list, or an answer of its API
	NewAPI  Format = "new-api" // the same
	GoModel Format = "gomodel" // config.yaml, or a .env file
)

// Formats lists all formats.
func Formats() []Format { return []Format{LiteLLM, OneAPI, NewAPI, GoModel} }

// MaxInput is the largest configuration that is read, in bytes.
const MaxInput = 8 << 20

// Options say how to convert.
type Options struct {
	// CopySecrets writes secrets as they are instead of ${NAME}.
	CopySecrets bool
}

// Result is a configuration of ours and what has to be known about it.
type Result struct {
	YAML []byte // the configuration; what was left out stands in it as comments
	Left []Left // what was not carried over, in the order of the source
	Need []Need // the variables that the configuration refers to, in order of use
}

// Left is a setting that was not carried over.
type Left struct{ Path, Why string }

// String returns path: why.
func (l Left) String() string { return l.Path + ": " + l.Why }

// Need is a variable that must be set.
type Need struct {
	Name string
	From string // where the source has the value; "" = it was a reference there, too
}

// Convert reads input, which is in format from. Errors hold no value of the
// input, as that may be a secret.
func Convert(from Format, input []byte, o Options) (*Result, error) {
	if len(input) > MaxInput {
		return nil, fmt.Errorf("the configuration is larger than %d bytes", MaxInput)
	}
	c := &converter{copySecrets: o.CopySecrets, names: map[string]string{}, providers: map[string]string{}}
	convert, ok := map[Format]func(*converter, []byte) error{
		LiteLLM: (*converter).litellm,
		OneAPI:  func(c *converter, b []byte) error { return c.channels(b, oneAPITypes()) },
		NewAPI:  func(c *converter, b []byte) error { return c.channels(b, newAPITypes()) },
		GoModel: (*converter).gomodel,
	}[from]
	if !ok {
		return nil, fmt.Errorf("%q is no format that can be converted; known are %v", from, Formats())
	}
	if err := convert(c, input); err != nil {
		return nil, err
	}
	c.routes()
	if len(c.out.Providers) == 0 {
		return nil, errors.Join(errors.New("nothing here can be converted to a provider"), c.lefts())
	}
	text, err := c.write(from)
	if err != nil {
		return nil, err
	}
	return &Result{YAML: text, Left: c.left, Need: c.need}, nil
}

// converter is one run of Convert.
type converter struct {
	copySecrets bool
	out         gateway
	names       map[string]string // a secret's value to the variable that stands for it
	providers   map[string]string // what makes an account to its name
	left        []Left
	need        []Need
}

// leave notes that something was not carried over. It is said once.
func (c *converter) leave(path, format string, args ...any) {
	l := Left{Path: oneLine(path), Why: oneLine(fmt.Sprintf(format, args...))}
	if !slices.Contains(c.left, l) {
		c.left = append(c.left, l)
	}
}

func (c *converter) lefts() error {
	var all []error
	for _, l := range c.left {
		all = append(all, errors.New(l.String()))
	}
	return errors.Join(all...)
}

// oneLine keeps what comes from a source inside its comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffd {
			return ' '
		}
		return r
	}, s)
}
