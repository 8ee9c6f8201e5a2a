package anthropic

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// ids makes the ids of tool calls fit Anthropic's rule, ^[a-zA-Z0-9_-]+$ and
// each but once in a conversation, in the same way for a call and its result
// and for every time the conversation is sent. An id that fits stays.
type ids struct {
	sent   map[string]string // original id to what its latest call was sent as
	taken  map[string]bool
	number int
}

// call returns what to send for the id of a tool call.
func (t *ids) call(id string) string {
	if t.sent == nil {
		t.sent, t.taken = map[string]string{}, map[string]bool{}
	}
	t.number++
	fit := fitID(id)
	if t.taken[fit] {
		fit += "_" + strconv.Itoa(t.number)
	}
	t.sent[id], t.taken[fit] = fit, true
	return fit
}

// result returns what to send for the id of the call that a result answers.
func (t *ids) result(id string) string {
	if s, ok := t.sent[id]; ok {
		return s
	}
	return fitID(id)
}

func fitID(id string) string {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-'
	}
	if id != "" && strings.IndexFunc(id, odd) < 0 {
		return id
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	plain := strings.Map(func(c rune) rune {
		if odd(c) {
			return '_'
		}
		return c
	}, id)
	return "toolu_" + plain + "_" + strconv.FormatUint(uint64(h.Sum32()), 36)
}
