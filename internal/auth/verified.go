package auth

import (
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// maxVerified bounds the tokens that one generation of verified keeps.
const maxVerified = 2048

// verified remembers tokens whose signature was good, by their SHA-256,
// because clients send the same token many times and a signature costs more
// than the rest of a request. It holds two generations: a full young one
// becomes the old one, and what is still used moves back.
type verified struct {
	mu         sync.Mutex
	young, old map[[Size]byte]verdict
}

// verdict is what a good token said, and how long that counts: until a time,
// and while the key set is the one that it was verified with.
type verdict struct {
	caller *llm.Caller
	until  time.Time
	set    *fetched
}

// get returns the caller of a token that still counts; nil when the token must
// be verified.
func (v *verified) get(hash [Size]byte, now time.Time, set *fetched) *llm.Caller {
	v.mu.Lock()
	defer v.mu.Unlock()
	d, ok := v.young[hash]
	if !ok {
		if d, ok = v.old[hash]; !ok {
			return nil
		}
		v.keep(hash, d)
	}
	if d.set != set || now.After(d.until) {
		return nil
	}
	return d.caller
}

func (v *verified) put(hash [Size]byte, d verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keep(hash, d)
}

// keep needs the lock.
func (v *verified) keep(hash [Size]byte, d verdict) {
	if len(v.young) >= maxVerified || v.young == nil {
		v.old, v.young = v.young, make(map[[Size]byte]verdict)
	}
	v.young[hash] = d
}
