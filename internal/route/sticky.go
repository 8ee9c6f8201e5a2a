package route

import (
	"hash/fnv"
	"io"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// stickyOrder keeps a caller on its targets by weighted rendezvous hashing: each
// target draws a lot that depends on nothing but itself and the caller. So all
// replicas agree without talking, a new target takes over its share and moves
// nobody else, and a target that is out passes its callers to their second
// choice until it is back. Who cannot be told apart is ordered by next.
type stickyOrder struct {
	next   orderer
	hashes []uint64 // of the targets
}

func newStickyOrder(next orderer, targets []*Target) stickyOrder {
	s := stickyOrder{next: next, hashes: make([]uint64, len(targets))}
	for i, t := range targets {
		s.hashes[i] = t.hash()
	}
	return s
}

func (s stickyOrder) order(targets []*Target, c *llm.Call) []*Target {
	key, ok := identity(c)
	if !ok {
		return s.next.order(targets, c)
	}
	var room [few]ranked
	all := room[:0]
	for i, t := range targets {
		all = append(all, ranked{t, lottery(unit(mix(key^s.hashes[i])), t.Weight)})
	}
	return byRank(all)
}

// mix spreads every bit of its argument over all of the result (the finalizer
// of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit maps a hash to [0, 1).
func unit(x uint64) float64 { return float64(x>>11) / (1 << 53) }

var (
	identityNames = jsonedit.NewNames("user", "metadata")
	metadataNames = jsonedit.NewNames("user_id", "session_id")
)

// identity hashes who calls: the key, the end user and the session that the
// request names. ok is false when all of them are unknown.
func identity(c *llm.Call) (key uint64, ok bool) {
	user, session := endUser(c)
	name, tenant := "", ""
	if who := c.Meta; who != nil && who.Caller != nil {
		name, tenant = who.Caller.Name, who.Caller.Tenant
	}
	if name == "" && user == "" && session == "" {
		return 0, false
	}
	h := fnv.New64a()
	for _, s := range [...]string{tenant, name, user, session} {
		_, _ = io.WriteString(h, s)
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64(), true
}

// endUser reads whom the request is for: user (OpenAI) or metadata.user_id
// (Anthropic), and metadata.session_id. What is no string counts as absent; the
// target will say so.
func endUser(c *llm.Call) (user, session string) {
	if c.Raw == nil {
		return programUser(c)
	}
	var at [2]jsonedit.Span
	if _, _, err := jsonedit.Find(c.Raw, identityNames, at[:]); err != nil {
		return "", ""
	}
	user = text(c.Raw, at[0])
	if !at[1].Present() || jsonedit.Kind(c.Raw, at[1]) != '{' {
		return user, ""
	}
	var in [2]jsonedit.Span
	if _, _, err := jsonedit.FindIn(c.Raw, at[1], metadataNames, in[:]); err != nil {
		return user, ""
	}
	if user == "" {
		user = text(c.Raw, in[0])
	}
	return user, text(c.Raw, in[1])
}

func text(raw []byte, at jsonedit.Span) string {
	if !at.Present() || jsonedit.Kind(raw, at) != '"' {
		return ""
	}
	s, err := jsonedit.String(raw, at)
	if err != nil {
		return ""
	}
	return s
}

// programUser is endUser for a call that was made in the program.
func programUser(c *llm.Call) (user, session string) {
	if c.Request == nil {
		return "", ""
	}
	r, err := c.Request()
	if err != nil {
		return "", ""
	}
	user, session = r.User, r.Metadata["session_id"]
	if user == "" {
		user = r.Metadata["user_id"]
	}
	if user == "" {
		user = r.Tags["user_id"]
	}
	if session == "" {
		session = r.Tags["session_id"]
	}
	return user, session
}
