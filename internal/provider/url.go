package provider

import (
	"errors"
	"net/url"
	"strings"
)

// parseBase reads a configured base URL. The path of an endpoint at its end is
// taken off, as people paste whole URLs. A query is kept for all endpoints.
// Errors do not repeat the URL, which may hold a secret.
func parseBase(raw string, endpoints ...string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, errors.New("the base URL must be an absolute http or https URL")
	}
	if u.User != nil {
		return nil, errors.New("the base URL must not hold a user or a password: give them as a key or a header")
	}
	trim := func(path string) string {
		path = strings.TrimRight(path, "/")
		for _, e := range endpoints {
			path = strings.TrimSuffix(path, e)
		}
		return strings.TrimRight(path, "/")
	}
	u.Path, u.RawPath = trim(u.Path), trim(u.RawPath)
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// below returns the URL of path below base. path begins with a slash and needs
// no escaping.
func below(base *url.URL, path string) *url.URL {
	u := *base
	u.Path += path
	if u.RawPath != "" {
		u.RawPath += path
	}
	return &u
}
