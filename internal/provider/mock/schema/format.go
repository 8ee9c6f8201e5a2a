package schema

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var (
	emailForm    = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}$`)
	uuidForm     = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)
	hostForm     = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	durationForm = regexp.MustCompile(`^P(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?)$`)
)

// formatOK reports whether s has the form. A format that the package does not
// know is an annotation, as the standard has it by default.
func formatOK(format, s string) bool {
	switch format {
	case "date-time":
		_, err := time.Parse(time.RFC3339, s)
		return err == nil
	case "date":
		_, err := time.Parse(time.DateOnly, s)
		return err == nil
	case "time":
		_, err := time.Parse("15:04:05Z07:00", s)
		return err == nil
	case "duration":
		return durationForm.MatchString(s) && s != "P" && !strings.HasSuffix(s, "T")
	case "email":
		return emailForm.MatchString(s)
	case "hostname":
		return len(s) <= 253 && hostForm.MatchString(s)
	case "ipv4":
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is4()
	case "ipv6":
		a, err := netip.ParseAddr(s)
		return err == nil && a.Is6() && a.Zone() == ""
	case "uuid":
		return uuidForm.MatchString(s)
	case "uri", "url":
		u, err := url.Parse(s)
		return err == nil && u.Scheme != ""
	case "uri-reference":
		_, err := url.Parse(s)
		return err == nil
	}
	return true
}

// formatted makes a string of a form, and of at least least characters where
// the form has room; ok is false when the form is not known.
func (g *generator) formatted(format string, least, limit int) (s string, ok bool) {
	when := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(g.rng.Int64N(10*365*24*3600)) * time.Second)
	word := g.plainWord()
	switch format {
	case "date-time":
		return when.Format(time.RFC3339), true
	case "date":
		return when.Format(time.DateOnly), true
	case "time":
		return when.Format("15:04:05Z07:00"), true
	case "duration":
		return fmt.Sprintf("P%dDT%dH%dM", 1+g.rng.IntN(30), g.rng.IntN(24), g.rng.IntN(60)), true
	case "email":
		return stretch(word, "@example.com", least, limit), true
	case "hostname":
		return stretch(word, ".example.com", least, limit), true
	case "ipv4":
		return fmt.Sprintf("192.0.2.%d", 1+g.rng.IntN(254)), true
	case "ipv6":
		return fmt.Sprintf("2001:db8::%x", 1+g.rng.IntN(0xfffe)), true
	case "uuid":
		return g.uuid(), true
	case "uri", "url", "uri-reference":
		return stretch("https://example.com/"+word, "", least, limit), true
	}
	return "", false
}

func (g *generator) plainWord() string {
	words := strings.Fields(nouns)
	return words[g.rng.IntN(len(words))]
}

// stretch joins head and tail, the head grown until the whole is least
// characters long; where that is above limit, the shortest that has the form
// of an address stands in.
func stretch(head, tail string, least, limit int) string {
	for i := 0; len(head)+len(tail) < least; i++ {
		head += string(rune('a' + i%26))
	}
	if len(head)+len(tail) <= limit {
		return head + tail
	}
	switch tail {
	case "@example.com":
		return "a@b.co"
	case ".example.com":
		return "a.co"
	}
	return "a:b"
}

// uuid makes a UUID of version 4.
func (g *generator) uuid() string {
	a, b := g.rng.Uint64(), g.rng.Uint64()
	a = a&^0xf000 | 0x4000
	b = b&^(0xc<<60) | 0x8<<60
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}
