package dialect

import (
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxMessage is how many bytes of a provider's message a client gets to see.
const MaxMessage = 500

const hidden = "[redacted]"

// secrets are what must not leave the gateway inside a provider's message.
// Providers quote the key that they refuse, whole or in part, and name the
// account that it belongs to.
var secrets = []struct {
	marks   []string // in lower case; without one of them there is no match
	pattern *regexp.Regexp
	with    string
	id      bool // an account, an address or a remnant: not a credential by itself
}{
	// Authorization values and JSON web tokens.
	{marks: []string{"bearer", "basic"},
		pattern: regexp.MustCompile(`(?i)\b(bearer|basic)\s+[^\s"',;]{4,}`), with: "$1 " + hidden},
	{marks: []string{"eyj"},
		pattern: regexp.MustCompile(`\beyJ[\w-]{6,}(\.[\w-]*){0,2}`), with: hidden},
	// Keys by their prefixes, with the parts that providers leave out of them
	// (sk-…abcd, sk-proj-***abcd).
	{marks: []string{"sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "xai-", "nvapi-", "hf_", "r8_", "fw_", "csk-", "pplx-", "tgp_", "gh", "glpat-"},
		pattern: regexp.MustCompile(`\b(?:[spr]k[-_]|gsk_|xai-|nvapi-|hf_|r8_|fw_|csk-|pplx-|tgp_|gh[pousr]_|glpat-)[\w*.…•-]*[\w*…•]{3}`), with: hidden},
	{marks: []string{"gw_"},
		pattern: regexp.MustCompile(`\bgw_[\w-]{8,}`), with: hidden},
	{marks: []string{"aiza", "akia", "asia", "ya29.", "gocspx-"},
		pattern: regexp.MustCompile(`\b(?:AIza|AKIA|ASIA|ya29\.|GOCSPX-)[\w.*…-]{4,}`), with: hidden},
	// "API key provided: x", "api_key=x", "x-api-key: x".
	{marks: []string{"key", "token", "secret"},
		pattern: regexp.MustCompile(`(?i)((?:api|access|secret|subscription|account|private|auth)[-_ ]?(?:key|token|secret)(?:[-_ ]id)?s?(?: provided)?["']?\s*[:=]\s*["'` + "`" + `]?)[^\s"'` + "`" + `,;]+`), with: "${1}" + hidden},
	{marks: []string{"="},
		pattern: regexp.MustCompile(`(?i)\b((?:password|passwd|secret|credential|token)["']?\s*=\s*["']?)[^\s"',;&]+`), with: "${1}" + hidden},
	// What is left of a key behind a mask.
	{id: true, marks: []string{"***"},
		pattern: regexp.MustCompile(`[\w-]*\*{3,}[\w-]*`), with: hidden},
	// Accounts: organisations, projects, users, subscriptions, tenants.
	{id: true, marks: []string{"org-", "org_", "proj_", "acct_", "wrkspc_"},
		pattern: regexp.MustCompile(`\b(?:org-|(?:org|proj|acct|wrkspc)_)[A-Za-z0-9]{8,}\b`), with: hidden},
	{id: true, marks: []string{"user_", "team_", "cus_"},
		pattern: regexp.MustCompile(`\b(?:user|team|cus)_[A-Za-z0-9]{10,}\b`), with: hidden},
	{id: true, marks: []string{"projects/"},
		pattern: regexp.MustCompile(`(?i)\b(projects/)[^/\s"',;]+`), with: "${1}" + hidden},
	{id: true, marks: []string{"project"},
		pattern: regexp.MustCompile(`(?i)\b(projects?(?:[ _-]?(?:number|id))?["']?[\s:=#]+["']?)\d{6,}`), with: "${1}" + hidden},
	{id: true, marks: []string{"subscription", "tenant", "account", "organi", "workspace", "principal", "client", "object"},
		pattern: regexp.MustCompile(`(?i)\b((?:subscription|tenant|account|organi[sz]ation|workspace|principal|client|object)(?:[-_ ]?id)?["']?\s*[:=]?\s*["'` + "`" + `(]?)(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\d{8,})`), with: "${1}" + hidden},
	{id: true, marks: []string{"@"},
		pattern: regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`), with: hidden},
	// Addresses inside a network.
	{id: true, marks: []string{"."},
		pattern: regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b`), with: hidden},
	{id: true, marks: []string{"["},
		pattern: regexp.MustCompile(`\[[0-9A-Fa-f:.%]*:[0-9A-Fa-f:.%\w]*\](?::\d{1,5})?`), with: hidden},
	{id: true, marks: []string{"localhost", ".internal", ".local", ".lan", ".corp", ".intranet", ".svc", ".cluster", ".consul", ".home", ".private"},
		pattern: regexp.MustCompile(`(?i)\b(?:[\w-]+\.)*(?:localhost\b|[\w-]+\.(?:internal|local|localdomain|lan|corp|intranet|svc|cluster|consul|home|private)\b)(?:\.[\w.-]+)?(?::\d{1,5})?`), with: hidden},
	{id: true, marks: []string{".azure."},
		pattern: regexp.MustCompile(`(?i)\b[\w-]+\.(?:openai\.azure|services\.ai\.azure|cognitiveservices\.azure)\.(?:com|us|cn)\b`), with: hidden},
	{id: true, marks: []string{":"},
		pattern: regexp.MustCompile(`\b[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}:\d{2,5}\b(?:/\S*)?`), with: hidden},
	{id: true, marks: []string{"dial ", "lookup "},
		pattern: regexp.MustCompile(`(?i)\b(dial (?:tcp|udp)[46]?|lookup) [\w.:-]+`), with: "$1 " + hidden},
}

var (
	links = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://[^\s"'<>` + "`" + `]+`)
	ipv6  = regexp.MustCompile(`[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*`)
)

// Redact makes a provider's message fit for a client: credentials and parts of
// them, account and project ids, e-mail addresses and addresses inside a
// network are replaced, URLs lose their query, control characters and broken
// UTF-8 go, and the length is bounded by MaxMessage.
func Redact(msg string) string {
	if len(msg) > 4*MaxMessage {
		msg = msg[:4*MaxMessage] // what is cut below need not be searched
	}
	msg = clean(msg)
	if strings.Contains(msg, "://") {
		msg = links.ReplaceAllStringFunc(msg, redactURL)
	}
	msg = redactWords(msg)
	if strings.Contains(msg, ":") {
		msg = ipv6.ReplaceAllStringFunc(msg, redactIPv6)
	}
	return Clip(msg, MaxMessage)
}

// redactWords applies the patterns of which a mark is there: a search for a
// few bytes costs a hundredth of a regular expression.
func redactWords(s string) string {
	lower := strings.ToLower(s)
	for i := range secrets {
		for _, mark := range secrets[i].marks {
			if strings.Contains(lower, mark) {
				s = secrets[i].pattern.ReplaceAllString(s, secrets[i].with)
				break
			}
		}
	}
	return s
}

// HideKeys replaces in a text what looks like a credential or a part of one:
// keys by their customary prefixes, bearer tokens, JSON web tokens, values
// behind the word password or key. Unlike Redact it leaves everything else as
// it is.
func HideKeys(s string) string {
	lower := strings.ToLower(s)
	for i := range secrets {
		if secrets[i].id {
			continue
		}
		for _, mark := range secrets[i].marks {
			if strings.Contains(lower, mark) {
				s = secrets[i].pattern.ReplaceAllString(s, secrets[i].with)
				break
			}
		}
	}
	return s
}

func redactIPv6(s string) string {
	if _, err := netip.ParseAddr(strings.TrimRight(s, ".")); err != nil {
		return s
	}
	return hidden
}

// Clip cuts s to at most n bytes, on a rune, and marks the cut.
func Clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[:n-len("…")]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// clean makes runs of white space and control characters one space each.
func clean(s string) string {
	var b strings.Builder
	space := false
	for _, r := range strings.ToValidUTF8(s, "") {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			space = true
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

// redactURL keeps the host and path of a public URL, such as a provider's page
// of explanations. A query may hold a key, a host inside a network or with a
// port is nobody's business.
func redactURL(s string) string {
	tail := s[len(strings.TrimRight(s, ".,;:!?)]}")):]
	u, err := url.Parse(s[:len(s)-len(tail)])
	if err != nil || u.Host == "" || u.Port() != "" || u.User != nil || !strings.Contains(u.Host, ".") {
		return hidden + tail
	}
	if u.Scheme != "https" && u.Scheme != "http" || redactWords(u.Host) != u.Host {
		return hidden + tail
	}
	return u.Scheme + "://" + u.Host + u.EscapedPath() + tail
}

var (
	retryIn   = regexp.MustCompile(`(?i)\b(?:try again|retry|available|reset)s?\s+(?:in|after)\s+((?:\d+(?:\.\d+)?\s*(?:ms|milliseconds?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)\b\s*|\d+(?:\.\d+)?[hms])+)`)
	timeUnits = regexp.MustCompile(`(?i)(\d+(?:\.\d+)?)\s*(ms|milli|h|m|s)`)
)

// maxHint bounds a wait that a message asks for.
const maxHint = 24 * time.Hour

// RetryHint finds the wait that a message asks for, as in "try again in 1.2s",
// "retry after 26 seconds" or "in 6m0s". It returns 0 when there is none, and
// at most a day.
func RetryHint(msg string) time.Duration {
	m := retryIn.FindStringSubmatch(msg)
	if m == nil {
		return 0
	}
	var total float64
	for _, part := range timeUnits.FindAllStringSubmatch(m[1], -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			return 0
		}
		total += n * float64(timeUnit(strings.ToLower(part[2])))
	}
	if total >= float64(maxHint) {
		return maxHint
	}
	return time.Duration(total)
}

func timeUnit(name string) time.Duration {
	switch name {
	case "ms", "milli":
		return time.Millisecond
	case "m":
		return time.Minute
	case "h":
		return time.Hour
	}
	return time.Second
}
