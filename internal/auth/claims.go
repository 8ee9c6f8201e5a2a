package auth

import (
	"encoding/json"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// NamePrefix stands before a token's subject in llm.Caller.Name, so that no
// subject can pass for an API key and use its limits and budget.
const NamePrefix = "jwt:"

// Claims say which claim of a token means what. A name with dots is looked up
// as it stands first, then as a path into objects. Name, and each of Tenant,
// Models and Limits that is set, must be in a token, so that one without them
// does not slip past limits.
type Claims struct {
	Name   string            // default "sub"
	Tenant string            // "" = tokens have no tenant
	Models string            // a list, or names parted by spaces or commas; "" = all models
	Limits string            // an object as llm.ParseLimits reads it; "" = tokens bring no limits
	Labels map[string]string // label to claim; missing ones are left out

	// Within narrows the models of a token to those of its tenant, which has
	// the last word; nil = tenants narrow nothing. nil models are all.
	Within func(tenant string, models []string) []string
}

func (c Claims) withDefaults() Claims {
	if c.Name == "" {
		c.Name = "sub"
	}
	return c
}

// caller turns verified claims into a caller.
func (c Claims) caller(all map[string]json.RawMessage) (*llm.Caller, error) {
	name := scalar(lookup(all, c.Name))
	if name == "" {
		return nil, refuse("the token names no subject")
	}
	out := &llm.Caller{Name: NamePrefix + name}
	if c.Tenant != "" {
		if out.Tenant = scalar(lookup(all, c.Tenant)); out.Tenant == "" {
			return nil, refuse("the token names no tenant")
		}
	}
	if c.Models != "" {
		models, ok := list(lookup(all, c.Models))
		if !ok {
			return nil, refuse("the token does not say which models it is for")
		}
		out.Models = models
	}
	if c.Within != nil {
		out.Models = c.Within(out.Tenant, out.Models)
	}
	if c.Limits != "" {
		limits, err := limitsOf(lookup(all, c.Limits))
		if err != nil {
			return nil, err
		}
		out.Limits = limits
	}
	for label, claim := range c.Labels {
		if v := scalar(lookup(all, claim)); v != "" {
			if out.Labels == nil {
				out.Labels = make(map[string]string, len(c.Labels))
			}
			out.Labels[label] = v
		}
	}
	return out, nil
}

// limitsOf reads the limits that a token brings.
func limitsOf(raw json.RawMessage) (*llm.Limits, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, refuse("the token does not say its limits")
	}
	limits, err := llm.ParseLimits(raw)
	if err != nil {
		e := llm.AsError(err)
		return nil, refuse("the limits in the token are malformed: " + strings.TrimSpace(e.Param+" "+e.Message))
	}
	return &limits, nil
}

// lookup returns a claim, nil when there is none.
func lookup(all map[string]json.RawMessage, name string) json.RawMessage {
	for {
		if v, ok := all[name]; ok {
			return v
		}
		head, rest, ok := strings.Cut(name, ".")
		if !ok {
			return nil
		}
		var inner map[string]json.RawMessage
		if json.Unmarshal(all[head], &inner) != nil {
			return nil
		}
		all, name = inner, rest
	}
}

// scalar returns a string, number or boolean as text; "" for anything else.
func scalar(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	case '{', '[', 'n':
		return ""
	}
	return string(raw)
}

// list returns a list of strings, or the parts of one string. ok is false when
// raw is neither. An empty list is not nil: it allows nothing.
func list(raw json.RawMessage) (names []string, ok bool) {
	if len(raw) == 0 {
		return nil, false
	}
	names = []string{}
	if raw[0] == '[' {
		err := json.Unmarshal(raw, &names)
		return names, err == nil
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	return append(names, strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })...), true
}
