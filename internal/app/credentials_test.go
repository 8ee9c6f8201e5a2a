package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider"
)

// keeper is a provider that says when its credentials were used.
type keeper struct{ uses []provider.CredentialUse }

func (k *keeper) CredentialUses() []provider.CredentialUse { return k.uses }
func (k *keeper) Do(context.Context, *llm.Call) (*llm.Reply, error) {
	return nil, llm.Errorf(llm.KindInternal, "not for calling")
}

func used(fingerprint string, seconds int64) provider.CredentialUse {
	u := provider.CredentialUse{Fingerprint: fingerprint}
	if seconds != 0 {
		u.LastUsed = time.Unix(seconds, 0)
	}
	return u
}

func TestCredentialUsesOutliveReloads(t *testing.T) {
	var c credentialUses
	seen := func() map[string]int64 {
		m := map[string]int64{}
		for _, u := range c.list() {
			at := int64(0)
			if !u.LastUsed.IsZero() {
				at = u.LastUsed.Unix()
			}
			m[u.Provider+"/"+u.Fingerprint] = at
		}
		return m
	}
	expect := func(what string, want map[string]int64) {
		t.Helper()
		if got := seen(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	expect("nothing", map[string]int64{})
	first := &keeper{uses: []provider.CredentialUse{used("old", 100), used("idle", 0)}}
	c.adopt(map[string]llm.Provider{"p": first, "q": llm.ProviderFunc(nil)})
	expect("one", map[string]int64{"p/old": 100, "p/idle": 0})
	second := &keeper{uses: []provider.CredentialUse{used("new", 0)}}
	c.adopt(map[string]llm.Provider{"p": second})
	expect("rotated", map[string]int64{"p/old": 100, "p/new": 0})
	first.uses[0].LastUsed = time.Unix(130, 0) // a request that began before
	expect("overlap", map[string]int64{"p/old": 130, "p/new": 0})
	for range maxGenerations + 2 {
		c.adopt(map[string]llm.Provider{"p": second})
	}
	if n := len(c.generations); n != maxGenerations {
		t.Errorf("%d generations are kept", n)
	}
	expect("long after", map[string]int64{"p/old": 130, "p/new": 0})
	again := &keeper{uses: []provider.CredentialUse{used("old", 0)}}
	for range maxGenerations + 2 {
		c.adopt(map[string]llm.Provider{"p": again})
		expect("configured again", map[string]int64{"p/old": 130})
	}
}

func TestCredentialUsesAreBounded(t *testing.T) {
	var c credentialUses
	for i := range 3 * maxPastUses {
		c.adopt(map[string]llm.Provider{"p": &keeper{uses: []provider.CredentialUse{used(fmt.Sprintf("k%d", i), int64(i+1))}}})
	}
	list := c.list()
	if len(list) != maxPastUses+1 {
		t.Errorf("%d credentials are listed", len(list))
	}
	if len(c.past) > maxPastUses+1 {
		t.Errorf("%d credentials are remembered", len(c.past))
	}
	for _, u := range list {
		if u.LastUsed.Unix() < 2*maxPastUses-1 {
			t.Errorf("kept %s and left out a later one", u.Fingerprint)
		}
	}
}
