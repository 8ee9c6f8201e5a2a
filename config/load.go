package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxConfigFile bounds the configuration file.
const maxConfigFile = 8 << 20

// loader is one run of Load.
type loader struct {
	env      *environment
	config   *Config
	dir      string          // of the configuration file; relative paths in it start there
	declared map[string]bool // providers that the file declares
	probs    problems
}

// Load reads, merges, resolves and validates the settings. The error joins one
// *Error for each fault found; it names file, line and key and holds no
// secret. Nothing outside is changed.
func Load(s Source) (*Config, error) {
	l := &loader{env: newEnvironment(s), config: unresolved(), declared: map[string]bool{}}
	l.probs.origins = origins{}
	l.file(s.File)
	l.overlay()
	l.providerEnv()
	if err := l.err(); err != nil {
		return nil, err
	}
	if len(l.config.Providers) == 0 {
		l.config.mock()
	}
	l.config.resolve()
	l.paths()
	if err := l.err(); err != nil {
		return nil, err
	}
	l.config.origins = l.probs.origins
	if err := l.config.Validate(); err != nil {
		return nil, err
	}
	l.config.Files = slices.Sorted(maps.Keys(l.env.files))
	l.config.Warnings = append(l.config.Warnings, l.config.warnings()...)
	return l.config, nil
}

func (l *loader) err() error {
	return errors.Join(errors.Join(l.env.probs.list...), l.probs.err())
}

func (l *loader) warn(format string, args ...any) {
	l.config.Warnings = append(l.config.Warnings, fmt.Sprintf(format, args...))
}

// file reads the YAML file, if there is one.
func (l *loader) file(path string) {
	if path == "" {
		path, _ = l.env.get("GATEWAY_CONFIG")
	}
	if path == "" {
		return
	}
	l.env.files[path] = true
	l.dir = filepath.Dir(path)
	b, err := readBounded(path, maxConfigFile)
	if err != nil {
		l.probs.list = append(l.probs.list, &Error{Msg: "configuration file", Err: err})
		return
	}
	root, err := parse(path, b)
	if err != nil {
		l.probs.list = append(l.probs.list, err)
		return
	}
	l.decode(path, root)
}

// decode reads a parsed file into the settings.
func (l *loader) decode(path string, root *yaml.Node) {
	x := expander{env: l.env, dir: l.dir}
	d := &decoder{file: path, expand: x.expand, probs: l.probs}
	if root != nil {
		d.structure(root, "", reflectOf(l.config))
	}
	l.probs = d.probs
	l.probs.origins[""] = origin{file: path}
	for name := range l.config.Providers {
		l.declared[name] = true
	}
	for _, p := range l.config.paths() {
		if *p.value != "" {
			*p.value = x.path(*p.value)
		}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// parse returns the root mapping of a file with at most one document; nil when
// it is empty.
func parse(path string, b []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, next yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err == nil {
		if err = dec.Decode(&next); err == nil {
			return nil, &Error{File: path, Line: next.Line, Msg: "a second YAML document; a configuration is one"}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		m := yamlLine.FindStringSubmatch(err.Error())
		e := &Error{File: path, Msg: "not valid YAML: " + yamlLine.ReplaceAllString(err.Error(), "")}
		if m != nil {
			e.Line, _ = strconv.Atoi(m[1])
		}
		return nil, e
	}
	return doc.Content[0], nil
}

// filePath is a setting that names a file.
type filePath struct {
	key   string
	value *string
}

// paths returns the settings that name files.
func (c *Config) paths() []filePath {
	t := &c.Server.TLS
	all := []filePath{
		{"server.tls.cert", &t.Cert}, {"server.tls.key", &t.Key}, {"server.tls.client_ca", &t.ClientCA},
		{"http.ca_file", &c.HTTP.CAFile}, {"usage.prices", &c.Usage.Prices},
	}
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		all = append(all, filePath{joinPath("providers", name) + ".credentials_file", &c.Providers[name].Credentials})
	}
	return all
}

// paths checks that the files which the settings name are there, and makes
// their paths absolute, so that printed settings mean the same elsewhere.
func (l *loader) paths() {
	for _, p := range l.config.paths() {
		if *p.value == "" {
			continue
		}
		if abs, err := filepath.Abs(*p.value); err == nil {
			*p.value = abs
		}
		l.env.files[*p.value] = true
		if _, err := readBounded(*p.value, maxConfigFile); err != nil {
			l.probs.add(p.key, err.Error())
		}
	}
}
