package server

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestLentSizes(t *testing.T) {
	var p bodyPool
	for _, n := range []int64{-1, 0, 1, leastLent - 1, firstBuffer + firstBuffer/2 + 1, 1 << 40} {
		if l := p.get(n); l != nil {
			t.Errorf("%d bytes: a buffer of %d", n, cap(l.buf))
		}
	}
	for n := int64(leastLent); n <= firstBuffer+1; n += 1 + n/7 {
		l := p.get(n)
		if l == nil || int64(cap(l.buf)) < n || n > leastLent && int64(cap(l.buf)) > n+n/2+1 {
			t.Fatalf("%d bytes: %+v", n, l)
		}
		if cap(l.buf) != lentSize(l.class) {
			t.Fatalf("%d bytes: %d of class %d", n, cap(l.buf), l.class)
		}
	}
	if l := p.get(firstBuffer + 1); l == nil {
		t.Error("the largest body that is read at once is not lent")
	}
}

// promptOf is a body of about so many bytes.
func promptOf(n int, more string) string {
	return `{"model":"gpt-x","messages":[{"role":"user","content":"` + strings.Repeat("p", n) + `"}]` + more + `}`
}

// TestBodiesComeBack: the memory of a body is used again when the call has been
// answered and nobody keeps it, and in no other case.
func TestBodiesComeBack(t *testing.T) {
	passes := func(context.Context, *llm.Call) (*llm.Reply, error) { return passing(`{}`), nil }
	for _, tc := range []struct {
		name  string
		do    func(ctx context.Context, c *llm.Call) (*llm.Reply, error)
		path  string
		body  string
		wild  bool // of unknown length
		comes bool
	}{
		{"answered", passes, chatPath, promptOf(5000, ""), false, true},
		{"failed", func(context.Context, *llm.Call) (*llm.Reply, error) {
			return nil, llm.Errorf(llm.KindUpstreamError, "no")
		}, chatPath, promptOf(100_000, ""), false, true},
		{"streamed", func(context.Context, *llm.Call) (*llm.Reply, error) {
			return streamOf(&fakeStream{events: raws("data: {}\n\n"), err: io.EOF}, llm.DialectOpenAI), nil
		}, chatPath, promptOf(5000, `,"stream":true`), false, true},
		{"kept", func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
			c.WithModel("other").Keep()
			return passing(`{}`), nil
		}, chatPath, promptOf(5000, ""), false, false},
		{"decoded", func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
			_, err := c.Request()
			return passing(`{}`), err
		}, chatPath, promptOf(5000, ""), false, false},
		{"panic", func(context.Context, *llm.Call) (*llm.Reply, error) { panic("x") }, chatPath, promptOf(5000, ""), false, false},
		{"of unknown length", passes, chatPath, promptOf(5000, ""), true, false},
		{"small", passes, chatPath, chatBody, false, false},
		{"items of a batch", func(context.Context, *llm.Call) (*llm.Reply, error) { return answer("x"), nil },
			"/v1/generate/batch", `{"requests":[{"prompt":"` + strings.Repeat("p", 5000) + `"}]}`, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var raw []byte
			h := serve(t, func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
				raw = c.Raw
				return tc.do(ctx, c)
			})
			h.bodies.poison = true
			req := h.request("POST", tc.path, tc.body)
			if tc.wild {
				req.ContentLength = -1
			}
			h.send(req)
			h.wait()
			if came := bytes.Count(raw, []byte{poisoned}) == len(raw); came != tc.comes {
				t.Errorf("came back: %v; %.40q", came, raw)
			}
		})
	}
}

// TestLentBodiesAreWhole: what was in a buffer before does not show.
func TestLentBodiesAreWhole(t *testing.T) {
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		return passing(string(c.Raw)), nil
	})
	for _, n := range []int{6000, 5500, 5900, 100_000, 90_000, 1500, 1400} {
		if body := promptOf(n, ""); h.post(chatPath, body).body != body {
			t.Errorf("%d bytes are not what was sent", n)
		}
	}
}
