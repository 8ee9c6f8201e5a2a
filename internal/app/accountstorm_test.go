package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

// TestSharedAccountsAfterAStorm: two replicas with one Redis, accounts under
// every limit that there is, and attempts that end in every way: time-outs, cuts,
// retries, hedges, clients that leave, before their answer and while they wait.
// In the end no slot is taken, the minute's tokens fall out, and the money in
// Redis is that of both ledgers.
func TestSharedAccountsAfterAStorm(t *testing.T) {
	up := httptest.NewServer(mockserver.New(mockserver.Options{Key: provKey}))
	t.Cleanup(up.Close)
	mr, dir := miniredis.RunT(t), t.TempDir()
	tight := "limits: {rps: 1000, burst: 50, concurrency: 6, tpm: 200000, max_wait: 200ms, budget: {day: 1000, month: 1000}}"
	file := func(name string) string { return filepath.Join(dir, name+".db") }
	yaml := func(name string) string {
		return fmt.Sprintf(strings.ReplaceAll(stormYAML, stormLimits, tight), up.URL, file(name)) + "redis: {url: \"redis://" + mr.Addr() + "\", timeout: 2s}\n"
	}
	replicas := [2]*running{start(t, yaml("a"), nil), start(t, yaml("b"), nil)}
	got := crowdedStorm(t, replicas, 8)
	if got[200] == 0 || got[429] == 0 {
		t.Errorf("%v: a storm should have both", got)
	}
	for _, r := range replicas {
		if err := r.stop(); err != nil { // waits for what still settles
			t.Fatal(err)
		}
	}
	for _, key := range mr.Keys() {
		if members, err := mr.ZMembers(key); strings.HasSuffix(key, ":slots") && (err != nil || len(members) > 0) {
			t.Errorf("%s: still taken: %v %v", key, members, err)
		}
		if mr.TTL(key) <= 0 {
			t.Errorf("%s never expires", key)
		}
	}
	for _, name := range []string{"up", "alt"} {
		recorded := ledgerSum(t, file("a"), name) + ledgerSum(t, file("b"), name)
		if in := mr.HGet("gw:{limits}:provider:"+name, "ds"); recorded == 0 || in != fmt.Sprint(int64(recorded)) {
			t.Errorf("%s: Redis has %s spent, the ledgers %d", name, in, int64(recorded))
		}
	}
	mr.SetTime(time.Now().Add(2 * time.Minute))
	later := start(t, yaml("later")+"server: {admin: {token: "+adminToken+"}}\n", nil)
	for _, name := range []string{"up", "alt"} {
		awaitOperator(t, later, "/admin/v1/limits", `{"scope":"provider","name":"`+name+`","requests":{"rps":1000,"burst":50,"remaining":50,"reset_ms":0},`+
			`"tokens":{"tpm":200000,"used":0,"remaining":200000,"reset_ms":0},"concurrency":{"limit":6,"used":0,"remaining":6}`)
	}
}

func ledgerSum(t *testing.T, file, provider string) llm.Money {
	t.Helper()
	store, err := ledger.OpenSQLite(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rows, err := store.Usage(context.Background(), ledger.Query{Only: map[ledger.Group]string{ledger.ByProvider: provider}})
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Spent(rows)
}

// crowdedStorm makes every call the given times on both replicas, many at once,
// each third for a client that leaves after a few milliseconds, and counts the
// answers by status.
func crowdedStorm(t *testing.T, replicas [2]*running, times int) map[int]int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[int]int{}
	for i := range 2 * len(stormCalls) {
		c, r := stormCalls[i/2], replicas[i%2]
		wg.Go(func() {
			for n := range times {
				body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"call %d"}]%s}`, c.model, n, c.more)
				patience := time.Minute
				if n%3 == 2 {
					patience = time.Duration(1+n) * time.Millisecond
				}
				status, err := hurried(t.Context(), client, r.base+"/v1/chat/completions", body, c.leave, patience)
				if err != nil && patience == time.Minute {
					t.Errorf("%s: %v", body, err)
				}
				mu.Lock()
				got[status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return got
}

// hurried makes a call for a client that stays no longer than its patience, and
// reads no more than leave bytes, 0 = all.
func hurried(ctx context.Context, client *http.Client, url, body string, leave int64, patience time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+clientKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if leave == 0 {
		leave = 1 << 30
	}
	if _, err = io.CopyN(io.Discard, resp.Body, leave); errors.Is(err, io.EOF) {
		err = nil
	}
	return resp.StatusCode, err
}
