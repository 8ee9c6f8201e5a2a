package llm

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// script is a stream that plays events, then err.
type script struct {
	events []Event
	err    error
	recvs  int
	closes int
}

func (s *script) Recv() (*Event, error) {
	s.recvs++
	if len(s.events) == 0 {
		return nil, s.err
	}
	ev := s.events[0]
	s.events = s.events[1:]
	return &ev, nil
}

func (s *script) Close() error {
	s.closes++
	return nil
}

func text(s string) Event { return Event{Kind: EventText, Text: s} }

// endings collects what OnDone reports.
type endings []Done

func (e *endings) add(d Done) { *e = append(*e, d) }

func (e *endings) one(t *testing.T) Done {
	t.Helper()
	if len(*e) != 1 {
		t.Fatalf("reported %d times: %+v", len(*e), *e)
	}
	return (*e)[0]
}

// drain reads until an error and returns the texts and the error.
func drain(st Stream) (texts []string, err error) {
	for {
		ev, err := st.Recv()
		if err != nil {
			return texts, err
		}
		texts = append(texts, ev.Text)
	}
}

func TestOnDoneOfWhatIsOverAtReturn(t *testing.T) {
	u := Usage{Input: 3, Output: 4, Source: UsageReported}
	plain := errors.New("boom")
	refused := Errorf(KindInvalidRequest, "no")
	for _, tc := range []struct {
		name  string
		reply *Reply
		err   error
		kind  Kind
		want  Done
	}{
		{"whole answer", &Reply{Usage: u, Finish: FinishLength}, nil, 0, Done{Usage: u, Finish: FinishLength}},
		{"our error", nil, refused, KindInvalidRequest, Done{Err: refused}},
		{"foreign error", nil, plain, KindInternal, Done{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got endings
			OnDone(tc.reply, tc.err, got.add)
			d := got.one(t)
			if tc.err != nil && (d.Err == nil || d.Err.Kind != tc.kind || !errors.Is(d.Err, tc.err)) {
				t.Fatalf("got %+v", d)
			}
			if tc.name == "foreign error" {
				d.Err = nil
			}
			if d != tc.want {
				t.Errorf("got %+v, want %+v", d, tc.want)
			}
			s, over := Settled(tc.reply, tc.err)
			if s.Usage != tc.want.Usage || s.Finish != tc.want.Finish || !over || (s.Err != nil) != (tc.err != nil) {
				t.Errorf("Settled says %+v, %v", s, over)
			}
		})
	}
	if _, over := Settled(&Reply{Stream: &script{}}, nil); over {
		t.Error("a stream is over before it began")
	}
}

func TestStreamEndings(t *testing.T) {
	u := Usage{Input: 9, Output: 2, Source: UsageReported}
	full := func() []Event {
		return []Event{
			{Kind: EventStart, ID: "x"}, {Kind: EventPing}, text("héllo"), {Kind: EventUsage, Usage: &Usage{Input: 1}},
			{Kind: EventToolCall, Text: "{}"}, {Kind: EventFinish, Finish: FinishStop}, {Kind: EventUsage, Usage: &u},
		}
	}
	cut := Errorf(KindUpstreamError, "cut")
	gone := Errorf(KindCanceled, "left")
	for _, tc := range []struct {
		name    string
		stream  *script
		reads   int // -1 = to the end
		outcome string
		started bool
		events  int
		bytes   int64
		usage   Usage
		finish  FinishReason
	}{
		{"complete", &script{events: full(), err: io.EOF}, -1, "complete", true, 3, 8, u, FinishStop},
		{"never read", &script{events: full(), err: io.EOF}, 0, "client_gone", false, 0, 0, Usage{}, ""},
		{"client leaves in the middle", &script{events: full(), err: io.EOF}, 3, "client_gone", true, 1, 6, Usage{}, ""},
		{"client leaves before the end is read", &script{events: full(), err: io.EOF}, 7, "client_gone", true, 3, 8, u, FinishStop},
		{"cut after content", &script{events: full()[:3], err: cut}, -1, "upstream_cut", true, 1, 6, Usage{}, ""},
		{"cut before content", &script{events: full()[:2], err: cut}, -1, "upstream_error", false, 0, 0, Usage{}, ""},
		{"time-out in the middle", &script{events: full()[:3], err: Errorf(KindTimeout, "idle")}, -1, "timeout", true, 1, 6, Usage{}, ""},
		{"foreign error", &script{events: full()[:3], err: errors.New("?")}, -1, "internal", true, 1, 6, Usage{}, ""},
		{"client's context ended", &script{events: full()[:3], err: gone}, -1, "client_gone", true, 1, 6, Usage{}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &Reply{Stream: tc.stream}
			var got endings
			OnDone(r, nil, got.add)
			if tc.reads < 0 {
				_, _ = drain(r.Stream)
			}
			for range tc.reads {
				if _, err := r.Stream.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			_ = r.Close()
			_ = r.Close()
			d := got.one(t)
			if d.Outcome() != tc.outcome || d.Started != tc.started || d.Events != tc.events || d.TextBytes != tc.bytes {
				t.Errorf("got %q %+v", d.Outcome(), d)
			}
			if d.Usage != tc.usage || d.Finish != tc.finish || !d.Stream {
				t.Errorf("got %+v", d)
			}
			if d.FirstAt.IsZero() != (tc.events == 0) {
				t.Errorf("first content at %v", d.FirstAt)
			}
			if tc.stream.closes == 0 {
				t.Error("the inner stream was not closed")
			}
		})
	}
}

func TestRawEventsCountTheirText(t *testing.T) {
	r := &Reply{Stream: &script{err: io.EOF, events: []Event{
		{Kind: EventRaw, Raw: []byte("data: 1\n\n"), TextBytes: 5},
		{Kind: EventRaw, Raw: []byte("data: 2\n\n"), TextBytes: 7, Finish: FinishLength, Usage: &Usage{Output: 3}},
	}}}
	var got endings
	OnDone(r, nil, got.add)
	_, _ = drain(r.Stream)
	if d := got.one(t); d.TextBytes != 12 || d.Events != 2 || d.Usage.Output != 3 || d.Finish != FinishLength {
		t.Fatalf("got %+v", d)
	}
}

func TestFirstAtIsWhenContentCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := &Reply{Stream: &script{err: io.EOF, events: []Event{{Kind: EventStart}, text("a"), text("b")}}}
		var got endings
		OnDone(r, nil, got.add)
		for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			<-time.After(pause)
			_, _ = r.Stream.Recv()
		}
		if d := got.one(t); d.FirstAt.Sub(began) != 3*time.Second {
			t.Fatalf("first content after %v", d.FirstAt.Sub(began))
		}
	})
}

func TestInnermostIsToldFirst(t *testing.T) {
	for _, end := range []error{io.EOF, Errorf(KindTimeout, "late")} {
		r := &Reply{Stream: &script{err: end}}
		var order []int
		for i := range 4 {
			OnDone(r, nil, func(Done) { order = append(order, i) })
		}
		_, _ = r.Stream.Recv()
		if !slices.Equal(order, []int{0, 1, 2, 3}) {
			t.Errorf("%v: told in the order %v", end, order)
		}
	}
}

func TestOnDoneAfterTheEnd(t *testing.T) {
	r := &Reply{Stream: &script{events: []Event{text("a")}, err: io.EOF}}
	OnDone(r, nil, func(Done) {})
	_, _ = drain(r.Stream)
	var got endings
	OnDone(r, nil, got.add)
	if d := got.one(t); d.Outcome() != "complete" || d.Events != 1 || !d.Stream {
		t.Fatalf("got %+v", d)
	}
}

func TestOneWatchForAllDecorators(t *testing.T) {
	inner := &script{events: []Event{text("a")}, err: io.EOF}
	r := &Reply{Stream: inner}
	OnDone(r, nil, func(Done) {})
	first := r.Stream
	OnDone(r, nil, func(Done) {})
	if err := Prime(r); err != nil {
		t.Fatal(err)
	}
	if r.Stream != first {
		t.Error("a second decorator made a second watch")
	}
}

func TestTheEndIsRepeatedAndNeverAskedForAgain(t *testing.T) {
	cut := Errorf(KindUpstreamError, "cut")
	for _, end := range []error{io.EOF, cut} {
		inner := &script{err: end}
		r := &Reply{Stream: inner}
		OnDone(r, nil, func(Done) {})
		for range 3 {
			if _, err := r.Stream.Recv(); err != end {
				t.Errorf("got %v, want %v", err, end)
			}
		}
		if inner.recvs != 1 {
			t.Errorf("the ended stream was asked %d times", inner.recvs)
		}
	}
}

func TestACutIsNeverTakenForTheEnd(t *testing.T) {
	for _, cause := range []error{
		fmt.Errorf("read: %w", io.EOF),
		&Error{Kind: KindUpstreamError, Message: "cut", Err: io.EOF},
		&Error{Kind: KindUpstreamError, Message: "cut", Err: &url.Error{Op: "Post", URL: "http://x", Err: io.EOF}},
	} {
		r := &Reply{Stream: &script{events: []Event{text("a")}, err: cause}}
		var got endings
		OnDone(r, nil, got.add)
		_, err := drain(r.Stream)
		var e *Error
		if errors.Is(err, io.EOF) || !errors.As(err, &e) || e.Err == nil {
			t.Errorf("a reader sees %v", err)
		}
		if d := got.one(t); d.Err == nil || d.Outcome() == "complete" {
			t.Errorf("reported as %+v", d)
		}
		if was := (*Error)(nil); errors.As(cause, &was) && (was.Err == nil || !errors.Is(was, io.EOF)) {
			t.Error("the provider's own error was changed")
		}
	}
}

func TestWrapGoesBelowTheWatch(t *testing.T) {
	for _, tracked := range []bool{false, true} {
		inner := &script{events: []Event{text("a"), text("b")}, err: io.EOF}
		r := &Reply{Stream: inner}
		var early, late endings
		if tracked {
			OnDone(r, nil, early.add)
		}
		Wrap(r, func(st Stream) Stream { return &cutAfter{Stream: st, left: 1} })
		OnDone(r, nil, late.add)
		texts, err := drain(r.Stream)
		if !slices.Equal(texts, []string{"a"}) || AsError(err).Kind != KindTimeout {
			t.Errorf("read %v, %v", texts, err)
		}
		if d := late.one(t); d.Err == nil || d.Err.Kind != KindTimeout {
			t.Errorf("late: %+v", d)
		}
		if tracked {
			if d := early.one(t); d.Err == nil || d.Err.Kind != KindTimeout {
				t.Errorf("early: %+v", d)
			}
		}
	}
	whole := &Reply{}
	Wrap(whole, func(Stream) Stream { t.Error("there is no stream"); return nil })
	if whole.Stream != nil {
		t.Error("a whole answer became a stream")
	}
}

// cutAfter lets some events through, then fails.
type cutAfter struct {
	Stream
	left int
}

func (c *cutAfter) Recv() (*Event, error) {
	if c.left == 0 {
		return nil, Errorf(KindTimeout, "cut here")
	}
	c.left--
	return c.Stream.Recv()
}

func TestPrimeKeepsWhatItRead(t *testing.T) {
	events := []Event{{Kind: EventStart, ID: "x"}, {Kind: EventUsage, Usage: &Usage{Input: 7}}, text("a"), text("b")}
	inner := &script{events: slices.Insert(slices.Clone(events), 1, Event{Kind: EventPing}), err: io.EOF}
	r := &Reply{Stream: inner}
	var got endings
	OnDone(r, nil, got.add)
	for range 3 {
		if err := Prime(r); err != nil {
			t.Fatal(err)
		}
	}
	if inner.recvs != 4 {
		t.Errorf("%d events read ahead, want 4", inner.recvs)
	}
	var seen []Event
	for {
		ev, err := r.Stream.Recv()
		if err != nil {
			break
		}
		seen = append(seen, *ev)
	}
	if !reflect.DeepEqual(seen, events) {
		t.Errorf("got %+v", seen)
	}
	if d := got.one(t); d.Events != 2 || d.TextBytes != 2 || !d.Started || d.Usage.Input != 7 || d.Err != nil {
		t.Errorf("got %+v", d)
	}
}

func TestPrimeLeavesRawBytesAlone(t *testing.T) {
	// The provider reuses its buffer for each event, as Event allows.
	buf := []byte("one")
	n := 0
	r := &Reply{Stream: recvFunc(func() (*Event, error) {
		if n++; n > 2 {
			return nil, io.EOF
		}
		copy(buf, []string{"one", "two"}[n-1])
		return &Event{Kind: EventRaw, Raw: buf}, nil
	})}
	for range 2 { // a decorator outside another that has primed already
		if err := Prime(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"one", "two"} {
		if ev, err := r.Stream.Recv(); err != nil || string(ev.Raw) != want {
			t.Errorf("got %q, %v, want %q", ev.Raw, err, want)
		}
	}
}

type recvFunc func() (*Event, error)

func (f recvFunc) Recv() (*Event, error) { return f() }
func (f recvFunc) Close() error          { return nil }

func TestPrimeFindsFailuresBeforeContent(t *testing.T) {
	cut := Errorf(KindUpstreamError, "cut")
	for _, tc := range []struct {
		name   string
		events []Event
		end    error
		kind   Kind
	}{
		{"nothing at all", nil, io.EOF, KindUpstreamError},
		{"only a preamble", []Event{{Kind: EventStart}, {Kind: EventPing}, {Kind: EventUsage, Usage: &Usage{}}}, io.EOF, KindUpstreamError},
		{"cut after the preamble", []Event{{Kind: EventStart}}, cut, KindUpstreamError},
		{"foreign error", nil, errors.New("?"), KindInternal},
		{"time-out", nil, Errorf(KindTimeout, "first"), KindTimeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inner := &script{events: tc.events, err: tc.end}
			r := &Reply{Stream: inner}
			var got endings
			OnDone(r, nil, got.add)
			err := Prime(r)
			if AsError(err).Kind != tc.kind {
				t.Fatalf("got %v", err)
			}
			asked := inner.recvs
			if again := Prime(r); again != err || inner.recvs != asked {
				t.Errorf("primed again: %v after %d reads", again, inner.recvs-asked)
			}
			_, end := drain(r.Stream)
			if end != err {
				t.Errorf("the reader then sees %v", end)
			}
			_ = r.Close()
			if d := got.one(t); d.Err != err || d.Started || d.Events != 0 || d.Outcome() != tc.kind.String() {
				t.Errorf("reported %+v", d)
			}
		})
	}
}

func TestPrimedButNotDeliveredHasNotStarted(t *testing.T) {
	r := &Reply{Stream: &script{events: []Event{text("a")}, err: io.EOF}}
	var got endings
	OnDone(r, nil, got.add)
	if err := Prime(r); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if d := got.one(t); d.Started || !d.Gone || d.Events != 1 {
		t.Fatalf("got %+v", d)
	}
}

func TestAFinishAloneIsAnAnswer(t *testing.T) {
	r := &Reply{Stream: &script{events: []Event{{Kind: EventFinish, Finish: FinishContentFilter}}, err: io.EOF}}
	if err := Prime(r); err != nil {
		t.Fatal(err)
	}
}

func TestWholeRepliesNeedNoCare(t *testing.T) {
	var none *Reply
	if err := none.Close(); err != nil {
		t.Error(err)
	}
	r := &Reply{Raw: []byte("{}")}
	if Prime(r) != nil || r.Close() != nil || r.Stream != nil {
		t.Errorf("got %+v", r)
	}
}

func TestAllocationsOfEndings(t *testing.T) {
	reply := &Reply{Usage: Usage{Input: 1}}
	var sum int64
	if n := testing.AllocsPerRun(100, func() {
		d, _ := Settled(reply, nil)
		sum += d.Usage.Input
	}); n != 0 {
		t.Errorf("Settled allocates %v times", n)
	}
	one := text("a")
	st := recvFunc(func() (*Event, error) { return &one, nil })
	live := &Reply{Stream: st}
	OnDone(live, nil, func(Done) {})
	if n := testing.AllocsPerRun(100, func() { _, _ = live.Stream.Recv() }); n != 0 {
		t.Errorf("a watched Recv allocates %v times", n)
	}
}

func BenchmarkTrackedRecv(b *testing.B) {
	b.ReportAllocs()
	r := &Reply{Stream: recvFunc(func() (*Event, error) { ev := text("a"); return &ev, nil })}
	OnDone(r, nil, func(Done) {})
	for b.Loop() {
		if _, err := r.Stream.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}
