package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/joho/godotenv"
)

// Source says where Load looks. The zero Source is an empty environment
// without files.
type Source struct {
	// LookupEnv reads the real environment, as os.LookupEnv does. When it is
	// nil, Getenv is used, which cannot tell an empty variable from none.
	LookupEnv func(name string) (string, bool)
	Getenv    func(name string) string

	Dir  string // the folder of .env and .env.$APP_ENV; "" = no such files are read
	File string // the configuration file; "" = the one that GATEWAY_CONFIG names, if any
}

// environment is the real environment over .env.$APP_ENV over .env, with every
// variable also to be had from the file that NAME_FILE names.
type environment struct {
	lookup func(string) (string, bool)
	layers []layer
	files  map[string]bool // what was read, or looked for
	probs  problems
	failed map[string]bool // variables whose fault is recorded
}

// layer is one .env file.
type layer struct {
	file string
	vars map[string]string
}

// maxSecretFile bounds a file that holds a secret or a part of the settings.
const maxSecretFile = 1 << 20

var appEnvName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func newEnvironment(s Source) *environment {
	e := &environment{lookup: s.LookupEnv, files: map[string]bool{}, failed: map[string]bool{}}
	switch {
	case e.lookup != nil:
	case s.Getenv != nil:
		e.lookup = func(name string) (string, bool) { v := s.Getenv(name); return v, v != "" }
	default:
		e.lookup = func(string) (string, bool) { return "", false }
	}
	if s.Dir == "" {
		return e
	}
	e.dotenv(filepath.Join(s.Dir, ".env"))
	if name, ok := e.get("APP_ENV"); ok {
		if !appEnvName.MatchString(name) {
			e.fail("APP_ENV", fmt.Sprintf("%q must be a plain word, as it names the file .env.%s", name, "WORD"))
			return e
		}
		e.dotenv(filepath.Join(s.Dir, ".env."+name))
	}
	return e
}

// dotenv puts a .env file on top of those read before. One that does not exist
// is no fault.
func (e *environment) dotenv(path string) {
	e.files[path] = true
	vars, err := godotenv.Read(path)
	switch {
	case err == nil:
		e.layers = append([]layer{{path, vars}}, e.layers...)
	case errors.Is(err, fs.ErrNotExist):
	case errors.As(err, new(*fs.PathError)):
		e.probs.list = append(e.probs.list, &Error{File: path, Msg: "cannot be read", Err: cause(err)})
	default:
		// The parser's message quotes the rest of the file, secrets included.
		e.probs.list = append(e.probs.list, &Error{File: path, Line: badLine(path), Msg: "is not in the form NAME=value"})
	}
}

// badLine returns the first line at which a .env file stops making sense; 0
// when that cannot be said.
func badLine(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	lines := strings.SplitAfter(string(b), "\n")
	open := 0 // where a value began whose quote is not closed yet
	for i := range lines {
		_, err := godotenv.Unmarshal(strings.Join(lines[:i+1], ""))
		switch {
		case err == nil:
			open = 0
		case strings.HasPrefix(err.Error(), "unterminated"):
			if open == 0 {
				open = i + 1
			}
		default:
			return i + 1
		}
	}
	return open
}

// cause strips the path from a file error, because the message names it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// get returns a variable. One that is set but empty is not set, and hides
// those of lower layers.
func (e *environment) get(name string) (string, bool) {
	v, at := e.raw(name)
	return v, at != nil && v != ""
}

// raw returns a variable and the file it stands in ("" = the real
// environment); at is nil when there is none.
func (e *environment) raw(name string) (v string, at *string) {
	if v, ok := e.lookup(name); ok {
		return v, new(string)
	}
	for i := range e.layers {
		if v, ok := e.layers[i].vars[name]; ok {
			return v, &e.layers[i].file
		}
	}
	return "", nil
}

// secret returns a variable or the content of the file that NAME_FILE names.
// Faults are recorded and count as not set.
func (e *environment) secret(name string) (string, bool) {
	v, ok := e.get(name)
	path, viaFile := e.get(name + "_FILE")
	switch {
	case ok && viaFile:
		e.fail(name, fmt.Sprintf("both %s and %s_FILE are set; keep one", name, name))
		return "", false
	case !viaFile:
		return v, ok
	}
	v, err := e.readSecret(path)
	if err != nil {
		e.fail(name+"_FILE", err.Error())
		return "", false
	}
	return v, true
}

// readSecret reads a mounted secret without its trailing line end.
func (e *environment) readSecret(path string) (string, error) {
	e.files[path] = true
	b, err := readBounded(path, maxSecretFile)
	if err != nil {
		return "", err
	}
	v := strings.TrimRight(string(b), "\r\n")
	if v == "" {
		return "", fmt.Errorf("the file %s is empty", path)
	}
	return v, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the file %s cannot be read: %w", path, cause(err))
	}
	if info.IsDir() || info.Size() > limit {
		return nil, fmt.Errorf("%s is no file of at most %s", path, Size(limit))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the file %s cannot be read: %w", path, cause(err))
	}
	return b, nil
}

// fail records a fault of a variable, once.
func (e *environment) fail(name, msg string) {
	if e.failed[name] {
		return
	}
	e.failed[name] = true
	err := &Error{Key: name, Msg: msg}
	if _, at := e.raw(name); at != nil {
		err.File = *at
	}
	e.probs.list = append(e.probs.list, err)
}
