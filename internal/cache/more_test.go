package cache

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestMoreIsTheReadersOwn: whether the next event is there differs from reader
// to reader, whatever the upstream said of its own.
func TestMoreIsTheReadersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 4
		events := rawEvents(n, 5)
		for i := range events {
			events[i].More = i%2 == 0
		}
		s := newShared(0, streamOf(events, time.Second, nil))
		quick, err1 := s.do2(t, 0)
		slow, err2 := s.do2(t, 0)
		if err1 != nil || err2 != nil || slow.Cache != Shared {
			t.Fatal(err1, err2)
		}
		more := func(st llm.Stream) (says []bool) {
			for {
				ev, err := st.Recv()
				if err == io.EOF {
					return says
				}
				if err != nil {
					t.Fatal(err)
				}
				says = append(says, ev.More)
			}
		}
		for i, m := range more(quick.Stream) {
			if m {
				t.Errorf("event %d of the reader that waits for each: more", i)
			}
		}
		for i, m := range more(slow.Stream) {
			if !m {
				t.Errorf("event %d of the reader that has all to read: no more", i)
			}
		}
		_, _ = quick.Close(), slow.Close()
		_ = s.flights.Close()
	})
}

// TestMoreOfAReplay: nothing of a kept answer has to be waited for.
func TestMoreOfAReplay(t *testing.T) {
	r := &replay{events: eventsOf(&llm.Response{Parts: []llm.Part{{Type: llm.PartText, Text: "a"}}, Finish: llm.FinishStop})}
	for n := 0; ; n++ {
		ev, err := r.Recv()
		if err == io.EOF && n == 3 {
			return
		}
		if err != nil || !ev.More {
			t.Fatalf("event %d: %v %+v", n, err, ev)
		}
	}
}
