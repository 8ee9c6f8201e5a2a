package provider

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// marked is drainTold with a + behind each event that says more is there.
func marked(s llm.Stream) []string {
	var all []string
	for {
		ev, err := s.Recv()
		line := told(ev, err)
		if ev != nil && ev.More {
			line += "+"
		}
		all = append(all, line)
		if err != nil {
			return all
		}
	}
}

// TestMore: what is said to be there is there, and an event that comes alone
// waits for nothing.
func TestMore(t *testing.T) {
	tail := fakeFinish + fakeUsage + fakeDone
	for _, tc := range []struct {
		name string
		body io.ReadCloser
		want []string
	}{
		{
			"event by event",
			&pieces{list: []string{fakeStart, event("a"), event("b"), fakeFinish, fakeUsage, fakeDone}},
			[]string{"start", "text a", "text b", "finish|stop", "usage|3+2", "EOF"},
		},
		{
			"two bursts, then the end of the body",
			&pieces{list: []string{fakeStart + event("a"), event("b") + tail}},
			[]string{"start+", "text a", "text b+", "finish|stop+", "usage|3+2", "EOF"},
		},
		{
			"the end of the body comes with the burst",
			whole(fakeStart + event("a") + tail),
			[]string{"start+", "text a+", "finish|stop+", "usage|3+2+", "EOF"},
		},
		{
			"half an event behind it",
			&pieces{list: []string{event("a") + "data: {\"t\"", ":\"b\"}\n\n" + tail}},
			[]string{"text a", "text b+", "finish|stop+", "usage|3+2", "EOF"},
		},
		{
			"a sign of life",
			&pieces{list: []string{": hi\n\n" + event("a") + ": hi\n\n", tail}},
			[]string{"ping+", "text a+", "ping", "finish|stop+", "usage|3+2", "EOF"},
		},
		{
			"an error behind it",
			whole(event("a") + "data: {\n\n" + event("b")),
			[]string{"text a+", "upstream_error"},
		},
		{
			"cut",
			whole(event("a")),
			[]string{"text a", "upstream_error"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := fakeCall(true)
			c.Raw = nil
			got := marked(streamOf(t, c, tc.body))
			if last := len(got) - 1; strings.HasPrefix(got[last], "upstream_error") {
				got[last] = "upstream_error" // what it says is other tests' matter
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// whole is a body whose one read brings its end too.
func whole(s string) io.ReadCloser { return &atOnce{s} }

type atOnce struct{ rest string }

func (a *atOnce) Read(b []byte) (int, error) {
	n := copy(b, a.rest)
	if a.rest = a.rest[n:]; a.rest == "" {
		return n, io.EOF
	}
	return n, nil
}

func (a *atOnce) Close() error { return nil }

// TestNothingWaitsForTheDrain: an upstream that keeps its body open behind the
// terminal event costs the end of the stream a wait, and no event before it.
func TestNothingWaitsForTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fakeCall(true)
		c.Raw = nil
		s := streamOf(t, c, &stuck{strings.NewReader(fakeStream), make(chan struct{})})
		began := time.Now()
		for {
			ev, err := s.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if last := ev.Kind == llm.EventUsage; ev.More == last {
				t.Errorf("%s: more is %v", told(ev, nil), ev.More)
			}
			if ev.More && time.Since(began) > 0 {
				t.Errorf("%s came late", told(ev, nil))
			}
		}
		if waited := time.Since(began); waited != drainWait {
			t.Errorf("waited %v", waited)
		}
		s.Close()
	})
}
