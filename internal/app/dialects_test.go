package app

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordsNameBothDialects: what the client spoke, and what the provider was
// spoken to in, over every pair; a call that is refused has only the first.
func TestRecordsNameBothDialects(t *testing.T) {
	tap := newWiretap(t)
	file := filepath.Join(t.TempDir(), "ledger.db")
	r := start(t, fmt.Sprintf(pairsYAML, tap.url)+"usage: {database: '"+file+"'}\n", nil)
	dialects := map[string]string{"oai": "openai", "az": "openai", "ant": "anthropic", "gem": "gemini", "dash": "dashscope"}
	want := map[string]bool{}
	for _, c := range endpointClients() {
		for _, up := range upstreams {
			if status, _, body := r.post(t, c.path, c.ask(up.name+"/mock/echo", "Hi", nil)); status != 200 {
				t.Fatalf("%s to %s: %d %v", c.name, up.name, status, body)
			}
			to := dialects[up.name]
			if c.name == "responses" && to == "openai" {
				to = "responses" // passes through
			}
			want[up.name+" "+to] = true
		}
		r.post(t, c.path, c.ask("nowhere/at-all", "Hi", nil))
	}
	want[" -"] = true
	r.flushed(t)
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var got string
	const ask = "SELECT group_concat(DISTINCT dialect || ':' || coalesce(provider, '') || ' ' || coalesce(upstream_dialect, '-')) FROM ledger_records"
	if err := db.QueryRowContext(t.Context(), ask).Scan(&got); err != nil {
		t.Fatal(err)
	}
	clients, seen := map[string]bool{}, map[string]bool{}
	for _, pair := range strings.Split(got, ",") {
		client, up, _ := strings.Cut(pair, ":")
		clients[client], seen[up] = true, true
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) || len(clients) != len(endpointClients()) {
		t.Errorf("recorded %v\nwant %v\nby %v", seen, want, clients)
	}
}
