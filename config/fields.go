package config

import (
	"reflect"
	"strings"
)

// fieldKey returns the YAML key of a struct field; "" = the field is not read
// from files.
func fieldKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if key == "-" || !f.IsExported() {
		return ""
	}
	return key
}

// fieldKeys returns the YAML keys of a struct type in order.
func fieldKeys(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := fieldKey(t.Field(i)); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// fieldByKey returns the field of v with a YAML key.
func fieldByKey(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if k := fieldKey(v.Type().Field(i)); k != "" && k == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// suggest returns `; did you mean "x"?` when a known name is near, and the
// list of known names when that is short.
func suggest(name string, known []string) string {
	best, dist := "", 3
	for _, k := range known {
		if d := distance(name, k); d < dist && d < len(k) {
			best, dist = k, d
		}
	}
	switch {
	case best != "":
		return `; did you mean "` + best + `"?`
	case len(known) > 0 && len(known) <= 12:
		return "; known are " + strings.Join(known, ", ")
	}
	return ""
}

// distance is the number of single letters to insert, delete or replace to
// turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost++
			}
			prev = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
