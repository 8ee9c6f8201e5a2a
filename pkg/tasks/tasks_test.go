package tasks

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		var ended atomic.Int64
		for i := range 3 {
			if !g.Go(func() { time.Sleep(time.Duration(i) * time.Second); ended.Add(1) }) {
				t.Fatal("an open group takes nothing")
			}
		}
		start := time.Now()
		g.Close()
		if ended.Load() != 3 || time.Since(start) != 2*time.Second {
			t.Errorf("%d had ended after %v", ended.Load(), time.Since(start))
		}
		if g.Go(func() { ended.Add(1) }) {
			t.Error("a closed group takes more")
		}
		g.Close()
		if ended.Load() != 3 {
			t.Error("it ran all the same")
		}
	})
}
