package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMigrate: the configuration goes to standard output alone, what it lacks
// to standard error and into the exit status; check takes what comes out.
func TestMigrate(t *testing.T) {
	whole := "model_list: [{model_name: chat, litellm_params: {model: openai/gpt-4o, api_key: sk-test-0000}}]\n"
	for name, tc := range map[string]struct {
		in     string
		args   []string
		exit   int
		out    []string
		errs   []string
		absent string
	}{
		"whole":   {in: whole, args: []string{"-from", "litellm"}, out: []string{"${OPENAI_API_KEY}"}, errs: []string{"set: OPENAI_API_KEY"}, absent: "sk-test"},
		"partly":  {in: whole + "guardrails: [x]\n", args: []string{"-from", "litellm"}, exit: 2, out: []string{"${OPENAI_API_KEY}"}, errs: []string{"not carried over: guardrails"}, absent: "sk-test"},
		"secrets": {in: whole, args: []string{"-from", "litellm", "-secrets"}, out: []string{"sk-test-0000"}},
		"nothing": {in: "a: 1", args: []string{"-from", "litellm"}, exit: 1},
		"usage":   {args: nil, exit: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, out, errs := fake(nil)
			p.stdin = strings.NewReader(tc.in)
			err := p.run(t.Context(), append([]string{"migrate"}, tc.args...))
			if (err == nil) != (tc.exit == 0) || err != nil && exitCode(err) != tc.exit {
				t.Errorf("exit: %v", err)
			}
			for _, want := range tc.out {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q: %s", want, out)
				}
			}
			for _, want := range tc.errs {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("errors lack %q: %s", want, errs)
				}
			}
			if tc.absent != "" && strings.Contains(out.String()+errs.String(), tc.absent) {
				t.Errorf("%q is shown", tc.absent)
			}
			if tc.exit == 1 {
				return
			}
			file := filepath.Join(t.TempDir(), "gateway.yaml")
			if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			check, _, _ := fake(map[string]string{"OPENAI_API_KEY": "sk-test-0000"})
			if err := check.run(t.Context(), []string{"check", "-config", file}); err != nil {
				t.Errorf("check: %v\n%s", err, out)
			}
		})
	}
}
