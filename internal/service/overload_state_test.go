package service

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuardState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Max: 2, MaxWait: time.Second})
		for range 2 {
			if err := g.enter(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		waiting := make(chan error, 1)
		go func() { waiting <- g.enter(context.WithoutCancel(t.Context()), nil) }()
		synctest.Wait()
		if s := g.State(); s != (GuardState{2, 2, 1}) {
			t.Errorf("one waits: %+v", s)
		}
		g.leave()
		if err := <-waiting; err != nil {
			t.Fatal(err)
		}
		g.leave()
		g.leave()
		if s := g.State(); s != (GuardState{2, 0, 0}) {
			t.Errorf("at rest: %+v", s)
		}
	})
}
