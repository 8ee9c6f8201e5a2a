package config

import (
	"errors"
	"strconv"
	"strings"
)

// Error is one fault of a configuration, with the place where it stands. It
// never holds the value of a secret.
type Error struct {
	File string // the file, "" for a variable of the real environment or settings made in code
	Line int    // in File, from 1; 0 = the file as a whole
	Key  string // the key path (models.chat.targets[0].provider) or the variable's name
	Msg  string
	Err  error // the cause, when there is one that says more
}

// Error returns "file:line: key: message".
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			b.WriteString(":" + strconv.Itoa(e.Line))
		}
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Msg)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// origin is where a setting came from.
type origin struct {
	file string
	line int
	env  string // the variable, when the environment set it
}

// origins maps key paths to where they were set.
type origins map[string]origin

// find returns the origin of the nearest path at or above the given one.
func (o origins) find(path string) origin {
	for path != "" {
		if at, ok := o[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return o[""]
}

// problems gathers faults.
type problems struct {
	origins origins
	list    []error
}

// add records a fault of the setting at a key path.
func (p *problems) add(path, msg string) {
	at := p.origins.find(path)
	key := path
	if at.env != "" {
		key += " (from " + at.env + ")"
	}
	p.list = append(p.list, &Error{File: at.file, Line: at.line, Key: key, Msg: msg})
}

// err joins what was recorded; nil when there is nothing.
func (p *problems) err() error { return errors.Join(p.list...) }
