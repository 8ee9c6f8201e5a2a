package chain

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestGateState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateOptions{RPS: 2, Burst: 4, Concurrency: 3, TPM: 60})
		if s := g.State(); s != (GateState{Slots: 3, Left: 4, Burst: 4}) {
			t.Errorf("at rest: %+v", s)
		}
		for range 3 {
			if !g.enter(claim{tokens: 10}) {
				t.Fatal("the gate is shut")
			}
		}
		if s := g.State(); s != (GateState{InFlight: 3, Slots: 3, Left: 1, Burst: 4, TokensUsed: 30, TokensReset: 30 * time.Second}) {
			t.Errorf("three under way: %+v", s)
		}
		g.release()
		time.Sleep(time.Second)
		if s := g.State(); s != (GateState{InFlight: 2, Slots: 3, Left: 3, Burst: 4, TokensUsed: 29, TokensReset: 29 * time.Second}) {
			t.Errorf("a second later: %+v", s)
		}
	})
	if s := (*Gate)(nil).State(); s != (GateState{}) {
		t.Errorf("without a gate: %+v", s)
	}
	if s := (&Gate{}).State(); s != (GateState{}) {
		t.Errorf("without limits: %+v", s)
	}
}
