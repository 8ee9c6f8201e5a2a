package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// holder keeps a secret where methods cannot be called on it.
type holder struct {
	Open   Secret
	hidden Secret
	list   []Secret
	byName map[string]Secret
}

type inElement struct{ S Secret }

func TestSecretNeverShows(t *testing.T) {
	s := NewSecret(leak)
	h := holder{s, s, []Secret{s}, map[string]Secret{"k": s}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%10v", "%T", "%U", "%e"} {
		for _, v := range []any{s, &s, h, &h, []Secret{s}, map[string]Secret{"k": s}, struct{ s any }{s}} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, leak) || strings.Contains(got, fmt.Sprintf("%x", leak)) || strings.Contains(got, fmt.Sprintf("%X", leak)) {
				t.Errorf("%s of %T shows %s", verb, v, got)
			}
		}
	}
	var lines bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&lines, nil), slog.NewTextHandler(&lines, nil)} {
		slog.New(handler).Info("m", "secret", s, "pointer", &s, "holder", h, "list", []Secret{s}, slog.Group("g", "s", s))
	}
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(map[string]any{"a": s, "b": &s, "c": []Secret{s}})
	if err != nil {
		t.Fatal(err)
	}
	asXML, err := xml.Marshal(inElement{s})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"slog": lines.String(), "JSON": string(asJSON), "YAML": string(asYAML), "XML": string(asXML),
		"error": fmt.Errorf("it is %v: %w", s, errors.New(s.String())).Error(), "Println": fmt.Sprintln(s, h),
	} {
		if strings.Contains(text, leak) {
			t.Errorf("%s shows %s", name, text)
		}
		if !strings.Contains(text, masked) {
			t.Errorf("%s hides that there is a secret: %s", name, text)
		}
	}
}

func TestSecretForms(t *testing.T) {
	s, none := NewSecret(leak), Secret{}
	for _, tc := range []struct{ got, want string }{
		{s.Reveal(), leak}, {none.Reveal(), ""},
		{s.String(), "[masked]"}, {none.String(), ""},
		{fmt.Sprintf("%#v", s), `config.Secret("[masked]")`}, {fmt.Sprintf("%#v", none), `config.Secret("")`},
		{fmt.Sprintf("%q", s), `"[masked]"`}, {fmt.Sprintf("%s|%v", none, none), "|"},
		{none.Fingerprint(), ""}, {NewSecret("abc").Fingerprint(), "ba7816bf"},
		{s.LogValue().String(), "[masked]"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
	if !none.IsZero() || s.IsZero() || !NewSecret("").IsZero() {
		t.Error("IsZero")
	}
	if !s.Equal(NewSecret(leak)) || s.Equal(NewSecret(leak+"x")) || s.Equal(none) || !none.Equal(NewSecret("")) {
		t.Error("Equal")
	}
	if !cmp.Equal(s, NewSecret(leak)) || cmp.Equal(s, NewSecret("other")) {
		t.Error("cmp does not use Equal")
	}
}

func TestSecretReading(t *testing.T) {
	var s Secret
	if err := s.UnmarshalText([]byte(" a b ")); err != nil || s.Reveal() != " a b " {
		t.Errorf("%q, %v", s.Reveal(), err)
	}
	if err := s.UnmarshalText([]byte(masked)); err == nil {
		t.Error("the mask of a printed configuration was taken for a secret")
	}
	if err := json.Unmarshal([]byte(`"`+leak+`"`), &s); err != nil || s.Reveal() != leak {
		t.Errorf("%q, %v", s.Reveal(), err)
	}
}
