package archtest

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// secretForms are what credentials look like; the first group is the secret.
var secretForms = []*regexp.Regexp{
	regexp.MustCompile(`\b(sk-[A-Za-z0-9_-]{20,})`),                // OpenAI, Anthropic, DashScope
	regexp.MustCompile(`\b((?:AKIA|ASIA)[0-9A-Z]{16})\b`),          // AWS
	regexp.MustCompile(`\b(AIza[0-9A-Za-z_-]{35})`),                // Google
	regexp.MustCompile(`\b(gh[pousr]_[0-9A-Za-z]{36,})`),           // GitHub
	regexp.MustCompile(`\b(github_pat_[0-9A-Za-z_]{30,})`),         // GitHub
	regexp.MustCompile(`\b(xox[abprs]-[0-9A-Za-z-]{10,})`),         // Slack
	regexp.MustCompile(`\b(gsk_[0-9A-Za-z]{40,})`),                 // Groq
	regexp.MustCompile(`\b(hf_[0-9A-Za-z]{30,})`),                  // Hugging Face
	regexp.MustCompile(`\b(gw[_-][0-9A-Za-z_-]{32,})`),             // our own
	regexp.MustCompile(`\b(eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)`), // a JWT
	regexp.MustCompile(`(?s)-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----(?:\s|\\n)*([A-Za-z0-9+/=]{16,})`),
	regexp.MustCompile(`(?i)(?:secret|token|passw(?:or)?d|api_?key|credential)[\w."'\]]{0,12}\s{0,2}[:=]{1,2}\s{0,2}["'` + "`" + `]([A-Za-z0-9+/_=-]{24,})["'` + "`" + `]`),
	regexp.MustCompile(`(?i)://[^/\s:@"']+:([^/\s:@"'$<{]{8,})@`), // a password in a URL
}

// harmless marks what is made for tests and examples: it says so itself, or is
// too regular to be a key.
var harmless = regexp.MustCompile(`(?i)test|example|fake|dummy|planted|secret|password|upstream|0000|1234|xxxx|abcd|\.\.\.|…`)

// known are values that were made up and cannot say so, by their beginnings.
var known = []string{
	"sk-proj-abc123", // redact_test.go: keys in their real form must be found in messages
	"eyJhbGciOi",     // likewise
	"eyJ0eXAiOi",     // azure_test.go: a token whose form the test is about
	"/v1/messages",   // a path
}

// minEntropy is in bits a character. Random base64 of 24 characters has about
// 4.2, words in snake case at most 3.6.
const minEntropy = 3.7

func entropy(s string) float64 {
	counts := map[rune]float64{}
	for _, r := range s {
		counts[r]++
	}
	sum := 0.0
	for _, n := range counts {
		p := n / float64(len(s))
		sum -= p * math.Log2(p)
	}
	return sum
}

// findSecrets returns what in a text looks like a credential in use.
func findSecrets(text string) (found []string) {
	for _, form := range secretForms {
		for _, m := range form.FindAllStringSubmatch(text, -1) {
			s := m[1]
			made := slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(s, k) })
			if !made && !harmless.MatchString(s) && entropy(s) >= minEntropy {
				found = append(found, s)
			}
		}
	}
	return found
}

// TestNoSecrets reads every file of the repository.
func TestNoSecrets(t *testing.T) {
	root := filepath.Join("..", "..")
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skip("skipped: no git repository here, so nobody knows which files are tracked:", err)
	}
	files := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(files) < 100 {
		t.Fatalf("only %d files are tracked", len(files))
	}
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) || filepath.Base(name) == "go.sum" {
			continue // removed and not yet committed; checksums
		}
		if err != nil {
			t.Error(err)
		}
		for _, s := range findSecrets(string(b)) {
			t.Errorf("%s holds what looks like a secret: %s… (%d characters); if it is made up, let it say so: sk-test-…", name, s[:6], len(s))
		}
	}
}

// TestFindSecrets plants some. They stand in pieces, so that this file passes.
func TestFindSecrets(t *testing.T) {
	const noise = "q7Rk2LmZ9vXc4TbN8wYs3HdF6gJp1KaE5uWo0iV"
	for name, text := range map[string]string{
		"OpenAI":      "key = sk-" + "proj-" + noise,
		"Anthropic":   `"sk-` + `ant-api03-` + noise + `"`,
		"AWS":         "AKIA" + "Q7RK2LMZ9VXC4TBN",
		"Google":      "AIza" + noise[:35],
		"GitHub":      "ghp_" + noise[:36],
		"Slack":       "xoxb-" + "8362940175-" + noise[:24],
		"gateway":     "gw_" + noise,
		"JWT":         "eyJraWQiOiJx" + "UzI1NiJ9.eyJzdWIiOiJq" + "b2huIn0." + noise,
		"private key": "-----BEGIN EC " + "PRIVATE KEY-----\n" + noise + "\n",
		"assignment":  `api_key: "` + noise[:28] + `"`,
		"code":        `apiKey := "` + noise[:28] + `"`,
		"URL":         "postgres://gateway:" + noise[:20] + "@db/ledger",
	} {
		if len(findSecrets(text)) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	for _, text := range []string{
		"sk-test-0000000000000000000000", `api_key: "${OPENAI_API_KEY_OF_THE_TEAM}"`, `token: "the-name-of-some-header-of-ours"`,
		"-----BEGIN PRIVATE KEY-----\n…", "postgres://user:${PASSWORD}@db/x", "https://host:8080/path@2",
	} {
		if got := findSecrets(text); len(got) > 0 {
			t.Errorf("%q: taken for a secret: %v", text, got)
		}
	}
}
