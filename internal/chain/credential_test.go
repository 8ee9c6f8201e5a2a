package chain

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestNextCredentialIsTriedAtOnce: a refused credential that has been set aside
// costs no wait; one without a successor is final.
func TestNextCredentialIsTriedAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name      string
		permanent bool
		tries     int
		ok        bool
	}{{"another is left", false, 2, true}, {"none is left", true, 1, false}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, start := 0, time.Now()
				p := llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) {
					tries++
					if tries == 1 {
						return nil, &llm.Error{Kind: llm.KindUpstreamAuth, Attempts: 1, Permanent: tc.permanent}
					}
					return &llm.Reply{Attempts: 1}, nil
				})
				_, err := NewRetry(p, RetryOptions{}).Do(t.Context(), &llm.Call{})
				if tries != tc.tries || (err == nil) != tc.ok || time.Since(start) != 0 {
					t.Errorf("%d tries after %v: %v", tries, time.Since(start), err)
				}
			})
		})
	}
}
