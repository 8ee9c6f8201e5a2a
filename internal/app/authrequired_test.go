package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestAuthRequired: with auth.required and none but keys made at run time, who
// presents no such key is refused; the default lets anybody in. A reload
// switches it, either way.
func TestAuthRequired(t *testing.T) {
	yaml := func(auth string) string {
		return fmt.Sprintf(strings.Replace(keysYAML, `  keys: [{name: fixed, key: "`+clientKey+`"}]`, auth, 1), filepath.Join(t.TempDir(), "ledger.db"))
	}
	open, closed := load(t, yaml(""), nil), load(t, yaml("  required: true"), nil)
	if open.AuthConfigured() || !closed.AuthConfigured() {
		t.Fatal(open.AuthConfigured(), closed.AuthConfigured())
	}
	r := startWith(t, closed)
	r.want(t, "", 401)
	key := r.madeKey(t, `{"name":"app"}`)
	r.want(t, key, 200)
	r.want(t, "", 401)
	r.want(t, key+"x", 401)
	if err := r.app.Reload(t.Context(), open); err != nil {
		t.Fatal(err)
	}
	r.want(t, "", 200)
	if err := r.app.Reload(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	r.want(t, "", 401)
	r.want(t, key, 200)
	if status, body := r.as(t, adminToken, "DELETE", "/admin/v1/keys/app", ""); status/100 != 2 {
		t.Fatal(status, body)
	}
	r.want(t, key, 401)
	r.want(t, "", 401)
}
