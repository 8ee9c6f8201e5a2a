package chain

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestGateState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateOptions{RPS: 2, Burst: 4, Concurrency: 3})
		if s := g.State(); s != (GateState{0, 3, 4, 4}) {
			t.Errorf("at rest: %+v", s)
		}
		for range 3 {
			if !g.enter(claim{}) {
				t.Fatal("the gate is shut")
			}
		}
		if s := g.State(); s != (GateState{3, 3, 1, 4}) {
			t.Errorf("three under way: %+v", s)
		}
		g.release()
		time.Sleep(time.Second)
		if s := g.State(); s != (GateState{2, 3, 3, 4}) {
			t.Errorf("a second later: %+v", s)
		}
	})
	if s := (&Gate{}).State(); s != (GateState{}) {
		t.Errorf("without limits: %+v", s)
	}
}
