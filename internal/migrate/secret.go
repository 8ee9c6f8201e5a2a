package migrate

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	envName        = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	notInVariables = regexp.MustCompile(`[^A-Z0-9]+`)

	reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}`)
)

// variable returns the name in os.environ/NAME; "" when s is nothing like it.
func variable(s string) string {
	name, ok := strings.CutPrefix(strings.TrimSpace(s), "os.environ/")
	if !ok || !envName.MatchString(name) {
		return ""
	}
	return name
}

// secret returns what stands for a secret of the source: a reference where the
// source has one, else a reference to a variable called want, or the secret
// itself where that was asked for.
func (c *converter) secret(v value, want string) string {
	s := strings.TrimSpace(v.text)
	switch {
	case s == "":
		return ""
	case variable(s) != "":
		return c.refer(variable(s), "")
	case reference.FindString(s) == s:
		return c.refer(reference.FindStringSubmatch(s)[1], "")
	case c.copySecrets:
		return escape(s)
	}
	name, known := c.names[s]
	if !known {
		name = c.freeName(want)
		c.names[s] = name
	}
	return c.refer(name, v.path)
}

// freeName makes want a variable's name that no other secret has.
func (c *converter) freeName(want string) string {
	base := strings.Trim(notInVariables.ReplaceAllString(strings.ToUpper(want), "_"), "_")
	if base == "" || base[0] >= '0' && base[0] <= '9' {
		base = "KEY_" + base
	}
	name := base
	for n := 2; c.taken(name); n++ {
		name = base + "_" + strconv.Itoa(n)
	}
	return name
}

func (c *converter) taken(name string) bool {
	for _, n := range c.need {
		if n.Name == name {
			return true
		}
	}
	return false
}

// refer returns ${name} and notes that the variable is needed.
func (c *converter) refer(name, from string) string {
	if !c.taken(name) {
		c.need = append(c.need, Need{Name: name, From: oneLine(from)})
	}
	return "${" + name + "}"
}

// plain returns a value that is no secret, with references made ours.
func (c *converter) plain(v value) string {
	s := strings.TrimSpace(v.text)
	if name := variable(s); name != "" {
		return c.refer(name, "")
	}
	if m := reference.FindAllStringSubmatch(s, -1); m != nil {
		for _, ref := range m {
			if ref[2] == "" { // with a default it need not be set
				c.refer(ref[1], "")
			}
		}
		return s
	}
	return escape(s)
}

// escape keeps our loader from reading a reference into a literal.
func escape(s string) string { return strings.ReplaceAll(s, "${", "$${") }
