package provider

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const testSecret = "sk-test-0000-aaaa"

func mustKeys(t testing.TB, secrets ...string) *Keys {
	t.Helper()
	k, err := NewKeys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pick(t testing.TB, k *Keys) Credential {
	t.Helper()
	c, err := k.Pick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCredentialsPrintMasked(t *testing.T) {
	c, err := NewCredential("  " + testSecret + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Plain(); !slices.Equal(got, []string{testSecret}) {
		t.Errorf("plain %q", got)
	}
	if got := c.Bearer(); !slices.Equal(got, []string{"Bearer " + testSecret}) {
		t.Errorf("bearer %q", got)
	}
	keys := mustKeys(t, testSecret)
	p := answering(t, OpenAIOptions{Keys: []string{testSecret}, Headers: map[string]string{"X-Token": testSecret}}, nil)
	var log strings.Builder
	js, err := json.Marshal(map[string]any{"c": c, "k": keys})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "c", c, "k", keys, "p", p)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c, "k", keys, "p", p)
	type holder struct {
		c Credential
		k *Keys
	}
	for _, v := range []any{c, &c, keys, p.creds, p, holder{c, keys}} {
		log.WriteString(fmt.Sprintf("%v %+v %#v %s %q\n", v, v, v, v, v))
	}
	if all := log.String() + string(js); strings.Contains(all, testSecret) {
		t.Errorf("the secret is shown: %s", all)
	}
	if fp := c.Fingerprint(); len(fp) != 12 || !strings.Contains(c.String(), fp) {
		t.Errorf("fingerprint %q, printed %q", fp, c)
	}
}

func TestNoCredential(t *testing.T) {
	c, err := NewCredential(" \n")
	if err != nil || !c.Empty() || c.Plain() != nil || c.Bearer() != nil || c.Fingerprint() != "" || c.String() != "none" {
		t.Errorf("got %v, %v", c, err)
	}
	if got := c.scrub("text"); got != "text" {
		t.Errorf("scrubbed to %q", got)
	}
	k := mustKeys(t, "", " ")
	if c := pick(t, k); !c.Empty() || len(k.Uses()) != 0 || k.Report(c, &llm.Error{Kind: llm.KindUpstreamAuth}) {
		t.Error("there is a key")
	}
}

func TestCredentialsThatNoHeaderCanHold(t *testing.T) {
	for _, s := range []string{"sk-\nsecret", "sk\x00secret", "sk-secret\x7f-x"} {
		_, err := NewKeys("good", s)
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "key 2") {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestKeysTakeTurns(t *testing.T) {
	k := mustKeys(t, "a", "b", "a", "", "c")
	count := map[string]int{}
	for range 30 {
		count[pick(t, k).Plain()[0]]++
	}
	if len(count) != 3 || count["a"] != 10 || count["b"] != 10 || count["c"] != 10 {
		t.Errorf("got %v", count)
	}
}

func TestKeysRest(t *testing.T) {
	refused := &llm.Error{Kind: llm.KindUpstreamAuth}
	synctest.Test(t, func(t *testing.T) {
		k := mustKeys(t, "a", "b")
		a := pick(t, k)
		if !k.Report(a, refused) {
			t.Error("no other key")
		}
		for range 5 {
			if got := pick(t, k); got != k.keys[1] {
				t.Errorf("a resting key was picked: %v", got.Plain())
			}
		}
		// With both at rest, the one that is due first.
		if k.Report(k.keys[1], &llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: time.Hour}) {
			t.Error("another key, though both rest")
		}
		for range 3 {
			if got := pick(t, k); got != k.keys[0] {
				t.Errorf("picked %v", got.Plain())
			}
		}
		<-time.After(restRefused)
		if got := pick(t, k); got != k.keys[0] {
			t.Errorf("picked %v", got.Plain())
		}
		<-time.After(time.Hour)
		if first, second := pick(t, k), pick(t, k); first == second {
			t.Error("a rested key does not come back")
		}
	})
}

func TestHowLongKeysRest(t *testing.T) {
	for _, tc := range []struct {
		e    llm.Error
		want time.Duration
	}{
		{llm.Error{Kind: llm.KindUpstreamAuth}, restRefused},
		{llm.Error{Kind: llm.KindUpstreamRateLimited}, restThrottled},
		{llm.Error{Kind: llm.KindUpstreamRateLimited, Permanent: true}, restRefused},
		{llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: 7 * time.Second}, 7 * time.Second},
		{llm.Error{Kind: llm.KindUpstreamError}, 0},
		{llm.Error{Kind: llm.KindInvalidRequest}, 0},
		{llm.Error{Kind: llm.KindCanceled}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := mustKeys(t, "a", "b")
			c := pick(t, k)
			if other := k.Report(c, &tc.e); other != (tc.want > 0) {
				t.Errorf("%+v: other key %v", tc.e, other)
			}
			rests := func() bool {
				first, second := pick(t, k), pick(t, k)
				return first != c && second != c
			}
			if tc.want == 0 {
				if rests() {
					t.Errorf("%+v: the key rests", tc.e)
				}
				return
			}
			<-time.After(tc.want - 1)
			if !rests() {
				t.Errorf("%+v: rests less than %v", tc.e, tc.want)
			}
			<-time.After(1)
			if rests() {
				t.Errorf("%+v: rests more than %v", tc.e, tc.want)
			}
		})
	}
}

func TestASingleKeyNeverRests(t *testing.T) {
	k := mustKeys(t, "a")
	if k.Report(pick(t, k), &llm.Error{Kind: llm.KindUpstreamAuth}) || pick(t, k).Empty() {
		t.Error("wrong")
	}
}

func TestUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := mustKeys(t, "a", "b")
		<-time.After(time.Second)
		used := pick(t, k)
		uses := k.Uses()
		if len(uses) != 2 || uses[0].Fingerprint != used.Fingerprint() || !uses[0].LastUsed.Equal(time.Now()) || !uses[1].LastUsed.IsZero() {
			t.Errorf("got %+v", uses)
		}
	})
}

func TestKeysInParallel(t *testing.T) {
	k := mustKeys(t, "a", "b", "c")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				c := pick(t, k)
				k.Report(c, &llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: time.Nanosecond})
				k.Uses()
			}
		})
	}
	wg.Wait()
}

func TestAllocationsOfPick(t *testing.T) {
	k := mustKeys(t, "a", "b")
	if n := testing.AllocsPerRun(100, func() { pick(t, k) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestUsesTellWhichRest: what an operator sees of a key that the provider
// refused.
func TestUsesTellWhichRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, err := NewKeys("sk-test-0001", "sk-test-0002")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		c := pick(t, k)
		k.Report(c, &llm.Error{Kind: llm.KindUpstreamAuth})
		pick(t, k)
		uses := k.Uses()
		if u := uses[0]; u.Requests != 1 || !u.AsideSince.Equal(start) || !u.AsideUntil.Equal(start.Add(restRefused)) || u.Reason != "upstream_auth" {
			t.Errorf("refused: %+v", u)
		}
		if u := uses[1]; u.Requests != 1 || !u.AsideSince.IsZero() || u.Reason != "" {
			t.Errorf("the other: %+v", u)
		}
		time.Sleep(restRefused)
		if u := k.Uses()[0]; !u.AsideSince.IsZero() || u.Reason != "" {
			t.Errorf("rested: %+v", u)
		}
	})
}
