package dialect

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestRedact(t *testing.T) {
	cases := []struct{ in, want string }{
		// What helps the caller stays.
		{"The model `gpt-5.2-proo` does not exist or you do not have access to it.", "The model `gpt-5.2-proo` does not exist or you do not have access to it."},
		{"Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead.", "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -1 instead."},
		{"This model's maximum context length is 1048565 tokens. However, you requested 1250025 tokens (1250025 in the messages, 0 in the completion).", "This model's maximum context length is 1048565 tokens. However, you requested 1250025 tokens (1250025 in the messages, 0 in the completion)."},
		{"Read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.", "Read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."},
		{"max_tokens: 100, token limit: 8192; key-value pairs of project alpha", "max_tokens: 100, token limit: 8192; key-value pairs of project alpha"},
		{"messages[0].role: 1:2 at line 3:45", "messages[0].role: 1:2 at line 3:45"},
		{"user-friendly org-wide risk-free task-oriented", "user-friendly org-wide risk-free task-oriented"},
		{"a **bold** word and an API key is needed", "a **bold** word and an API key is needed"},

		// Keys and parts of keys.
		{"Incorrect API key provided: sk-proj-abc123DEF456ghi. You can find your API key at https://platform.openai.com/account/api-keys.", "Incorrect API key provided: [redacted] You can find your API key at https://platform.openai.com/account/api-keys."},
		{"Incorrect API key provided: invalid-key. You can find more.", "Incorrect API key provided: [redacted] You can find more."},
		{"key sk-…abcd refused", "key [redacted] refused"},
		{"key sk-proj-********abcd refused", "key [redacted] refused"},
		{"Authentication Fails, Your api key: ****-key is invalid", "Authentication Fails, Your api key: [redacted] is invalid"},
		{"with ****abcd here", "with [redacted] here"},
		{"Authorization: Bearer sk-test-0000", "Authorization: Bearer [redacted]"},
		{"got bearer abcdefghij", "got bearer [redacted]"},
		{"gsk_abcdefgh1234 and xai-abcdef123 and AIzaSyA1234567 and hf_abcdefg", "[redacted] and [redacted] and [redacted] and [redacted]"},
		{"token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl expired", "token [redacted] expired"},
		{`{"api_key":"abc123","x-api-key": "def"}`, `{"api_key":"[redacted]","x-api-key": "[redacted]"}`},
		{"password=hunter2&x=1", "password=[redacted]&x=1"},

		// Accounts.
		{"Rate limit reached in organization org-AbCdEfGh1234 on tokens per min", "Rate limit reached in organization [redacted] on tokens per min"},
		{"Project `proj_abcdEFGH1234` has no access", "Project `[redacted]` has no access"},
		{"Permission denied on projects/my-secret-project/locations/europe-west4", "Permission denied on projects/[redacted]/locations/europe-west4"},
		{"API has not been used in project 123456789012 before", "API has not been used in project [redacted] before"},
		{"consumer project_number:98765432109", "consumer project_number:[redacted]"},
		{"subscription 12345678-1234-1234-1234-123456789abc is disabled", "subscription [redacted] is disabled"},
		{"mail ops@example.com for help", "mail [redacted] for help"},

		// Addresses inside a network.
		{"dial tcp 10.1.2.3:8080: connect: connection refused", "dial tcp [redacted]: connect: connection refused"},
		{"lookup redis on 127.0.0.1:53", "lookup [redacted] on [redacted]"},
		{"upstream http://vllm.svc.cluster.local:8000/v1/chat failed", "upstream [redacted] failed"},
		{"see https://internal/x, or https://u:p@host.example.com/.", "see [redacted], or [redacted]."},
		{"at https://api.example.com/v1/x?key=abc&y=1#frag now", "at https://api.example.com/v1/x now"},
		{"backend llm-7.prod.internal refused", "backend [redacted] refused"},
		{"localhost:11434 is down", "[redacted] is down"},
		{"from [2001:db8::1]:443 and fe80::1ff:fe23:4567:890a", "from [redacted] and [redacted]"},
		{"my-res.openai.azure.com has no such deployment", "[redacted] has no such deployment"},
		{"at https://my-res.openai.azure.com/openai/x", "at [redacted]"},
		{"node.example.com:8443 timed out", "[redacted] timed out"},

		// Form.
		{" two\n\n  lines\t and\x00a control ", "two lines and a control"},
		{"broken \xff\xfe utf-8", "broken utf-8"},
		{"", ""},
	}
	for _, c := range cases {
		got := Redact(c.in)
		if got != c.want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", c.in, got, c.want)
		}
		if again := Redact(got); again != got {
			t.Errorf("a second time: %q becomes %q", got, again)
		}
	}
}

func TestRedactBoundsLength(t *testing.T) {
	for _, in := range []string{strings.Repeat("a", 10_000), strings.Repeat("ü", 5_000), strings.Repeat("x ", 4_000), strings.Repeat("\xff", 9_000)} {
		if got := Redact(in); len(got) > MaxMessage || !utf8.ValidString(got) {
			t.Errorf("%d bytes become %d", len(in), len(got))
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcdef", 5, "ab…"}, {"äöü", 5, "ä…"}, {"ääää", 6, "ä…"}, {"abcd", 3, "…"}} {
		if got := Clip(c.in, c.n); got != c.want {
			t.Errorf("Clip(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{"Bearer x", "https://a.b/c?d", "sk-", "a@b.c 10.0.0.1 [::1]:80", "\xff…*** projects/", "api key: "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Redact(s)
		if len(got) > MaxMessage || !utf8.ValidString(got) {
			t.Fatalf("%q becomes %q", s, got)
		}
		for _, secret := range []string{"sk-test-0123456789abcdef", "10.20.30.40", "org-0123456789abcd", "gsk_0123456789abcdef"} {
			if len(s) < 200 && strings.Contains(Redact(s+" "+secret+" "+s), secret) {
				t.Fatalf("%q hides %s no more", s, secret)
			}
		}
	})
}

func TestRetryHint(t *testing.T) {
	for msg, want := range map[string]time.Duration{
		"Please try again in 1.2s.":                             1200 * time.Millisecond,
		"Rate limit reached. Please try again in 20s. Visit":    20 * time.Second,
		"Please try again in 6m0s":                              6 * time.Minute,
		"try again in 7m12.5s":                                  7*time.Minute + 12500*time.Millisecond,
		"try again in 120ms":                                    120 * time.Millisecond,
		"Please retry in 26.1s.":                                26100 * time.Millisecond,
		"Please retry after 26 seconds.":                        26 * time.Second,
		"Please retry after 1 second":                           time.Second,
		"try again in 2 minutes and more":                       2 * time.Minute,
		"Try again in 1 hour 30 minutes":                        90 * time.Minute,
		"try again in 500 milliseconds":                         500 * time.Millisecond,
		"retry in 1h0m5s":                                       time.Hour + 5*time.Second,
		"try again in 99h":                                      24 * time.Hour,
		"try again in 999999999999999999999999999999999999999h": 24 * time.Hour,
		"try again later":                                       0,
		"Please try again in a moment":                          0,
		"1.2s":                                                  0,
		"Please retry after N seconds":                          0,
		"":                                                      0,
	} {
		if got := RetryHint(msg); got != want {
			t.Errorf("%q: %v, want %v", msg, got, want)
		}
	}
}

func BenchmarkRedact(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Redact("The model `gpt-5.2-proo` does not exist or you do not have access to it. See https://platform.openai.com/docs.")
	}
}
