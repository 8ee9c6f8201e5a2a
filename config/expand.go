package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expander resolves ${NAME}, ${NAME:-default} and ${file:path} in the values
// of a file. "$${" stands for a literal "${".
type expander struct {
	env *environment
	dir string // relative paths start here
}

// expand returns s with every reference resolved. What a reference yields is
// not searched again.
func (x expander) expand(s string) (string, error) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			out.WriteString(s)
			return out.String(), nil
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(literal + "${")
			s = rest
			continue
		}
		out.WriteString(before)
		ref, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New(`"${" without "}"; write "$${" for a literal one`)
		}
		v, err := x.resolve(ref)
		if err != nil {
			return "", err
		}
		out.WriteString(v)
		s = after
	}
}

// resolve returns what stands for one reference.
func (x expander) resolve(ref string) (string, error) {
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		if path == "" {
			return "", errors.New("${file:} names no file")
		}
		return x.env.readSecret(x.path(path))
	}
	name, fallback, hasFallback := strings.Cut(ref, ":-")
	if !variableName.MatchString(name) {
		return "", fmt.Errorf("${%s} is no reference; write ${NAME}, ${NAME:-default} or ${file:/path}", ref)
	}
	v, ok := x.env.secret(name)
	switch {
	case ok:
		return v, nil
	case x.env.failed[name] || x.env.failed[name+"_FILE"]:
		return "", fmt.Errorf("${%s} cannot be resolved", name)
	case hasFallback:
		return fallback, nil
	}
	return "", fmt.Errorf("the variable %s is not set; set it or write ${%s:-default}", name, name)
}

// path makes a path of the file absolute or relative to the working
// directory.
func (x expander) path(p string) string {
	if filepath.IsAbs(p) || x.dir == "" {
		return p
	}
	return filepath.Join(x.dir, p)
}
