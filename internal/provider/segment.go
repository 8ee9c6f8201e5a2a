package provider

import (
	"net/url"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// maxModelName is the longest name of a model that is put into a path.
const maxModelName = 256

// modelPath returns the URL of prefix + name + suffix below base, with the name
// as one segment. The name may come from a client, so one that would lead
// elsewhere is refused.
func modelPath(base *url.URL, prefix, name, suffix string) (*url.URL, error) {
	if name == "" || name == "." || name == ".." || len(name) > maxModelName || strings.ContainsFunc(name, unprintable) {
		e := llm.Invalid("model", "model: this is no name for a model")
		e.Code = "model_not_found"
		return nil, e
	}
	u := *base
	u.RawPath = base.EscapedPath() + prefix + url.PathEscape(name) + suffix
	u.Path = base.Path + prefix + name + suffix
	return &u, nil
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }

// withQuery returns u with a parameter added to its query, which stays in the
// order it has.
func withQuery(u *url.URL, name, value string) *url.URL {
	if value == "" {
		return u
	}
	c := *u
	if c.RawQuery != "" {
		c.RawQuery += "&"
	}
	c.RawQuery += url.QueryEscape(name) + "=" + url.QueryEscape(value)
	return &c
}
