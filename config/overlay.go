package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// reflectOf returns the addressable value that p points to.
func reflectOf(p any) reflect.Value { return reflect.ValueOf(p).Elem() }

// overlay puts the environment over the file.
func (l *loader) overlay() {
	for _, group := range [][]EnvVar{gatewayVars, otelVars} {
		for _, v := range group {
			if v.Key != "" {
				l.overlayKey(l.special(v))
			}
		}
	}
	l.config.AppEnv, _ = l.env.get("APP_ENV")
	l.apiKeys()
	l.otel()
}

// overlayKey sets the key that a variable overrules.
func (l *loader) overlayKey(v EnvVar) {
	text, ok := l.lookup(v)
	if !ok {
		return
	}
	if err := setPath(reflectOf(l.config), v.Key, text); err != nil {
		l.badVar(v.Name, err.Error())
		return
	}
	l.probs.origins[v.Key] = origin{env: v.Name}
}

// badVar records a bad value: as a fault, or for the OTEL_* variables, which
// platforms set for programs that they do not know, as a remark, as their
// specification wants.
func (l *loader) badVar(name, msg string) {
	if strings.HasPrefix(name, "OTEL_") {
		l.warn("%s: %s; it is ignored", name, msg)
		return
	}
	l.env.fail(name, msg)
}

func (l *loader) lookup(v EnvVar) (string, bool) {
	if v.Secret {
		return l.env.secret(v.Name)
	}
	return l.env.get(v.Name)
}

// setPath sets the key at a path of plain names below v.
func setPath(v reflect.Value, path, text string) error {
	for name := range strings.SplitSeq(path, ".") {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
				fillDefaults(v.Elem())
			}
			v = v.Elem()
		}
		f, ok := fieldByKey(v, name)
		if !ok {
			panic("config: no key " + path)
		}
		v = f
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	if v.Kind() == reflect.Bool {
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not true or false", text)
		}
		text = strconv.FormatBool(b)
	}
	if want := setScalar(v, text); want != "" {
		return fmt.Errorf("%q is not %s", text, want)
	}
	return nil
}

// apiKeys adds the keys of GATEWAY_API_KEYS to those of the file; of one name,
// the environment's counts. Messages count the entries, as their text may be a
// key.
func (l *loader) apiKeys() {
	const name = "GATEWAY_API_KEYS"
	text, ok := l.env.secret(name)
	if !ok {
		return
	}
	keys, err := parseAPIKeys(text)
	if err != nil {
		l.env.fail(name, err.Error())
		return
	}
	auth := &l.config.Auth
	for _, k := range keys {
		i := 0
		for i < len(auth.Keys) && auth.Keys[i].Name != k.Name {
			i++
		}
		if i < len(auth.Keys) {
			auth.Keys[i].Key, auth.Keys[i].Hash = k.Key, k.Hash
		} else {
			auth.Keys = append(auth.Keys, k)
		}
		l.probs.origins["auth.keys["+strconv.Itoa(i)+"]"] = origin{env: name}
	}
}

// parseAPIKeys reads name=key and name=sha256:hex entries parted by commas.
func parseAPIKeys(text string) ([]AuthKey, error) {
	var keys []AuthKey
	seen := map[string]int{}
	for i, entry := range strings.Split(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue // a trailing comma
		}
		name, key, ok := strings.Cut(entry, "=")
		name, key = strings.TrimSpace(name), strings.TrimSpace(key)
		if !ok || name == "" || key == "" {
			return nil, fmt.Errorf("entry %d is not in the form name=key or name=sha256:hex", i+1)
		}
		if seen[name] != 0 {
			return nil, fmt.Errorf("entries %d and %d have the same name", seen[name], i+1)
		}
		seen[name] = i + 1
		var k AuthKey
		setDefaults(&k)
		k.Name = name
		if strings.HasPrefix(key, hashPrefix) {
			if err := k.Hash.UnmarshalText([]byte(key)); err != nil {
				return nil, fmt.Errorf("entry %d %w", i+1, err)
			}
		} else {
			k.Key = NewSecret(key)
		}
		keys = append(keys, k)
	}
	return keys, nil
}
