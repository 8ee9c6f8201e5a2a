package provider

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func hiding() *llm.Call {
	c := fakeCall(true)
	c.Peek.IncludeUsage = false
	return c
}

func event(text string) string { return `data: {"t":"` + text + `"}` + "\n\n" }

// told is what one Recv returned, in short.
func told(ev *llm.Event, err error) string {
	if err != nil {
		if err == io.EOF {
			return "EOF"
		}
		e := llm.AsError(err)
		return e.Kind.String() + ": " + e.Message
	}
	s := map[llm.EventKind]string{
		llm.EventRaw: "raw ", llm.EventPing: "ping", llm.EventUsage: "usage", llm.EventText: "text ",
		llm.EventStart: "start", llm.EventFinish: "finish",
	}[ev.Kind] + ev.Text + string(ev.Raw)
	if ev.Usage != nil {
		s += fmt.Sprintf("|%d+%d", ev.Usage.Input, ev.Usage.Output)
	}
	if ev.Finish != "" {
		s += "|" + string(ev.Finish)
	}
	if ev.TextBytes > 0 {
		s += fmt.Sprintf("|%dB", ev.TextBytes)
	}
	return s
}

func drainTold(s llm.Stream) []string {
	var all []string
	for {
		ev, err := s.Recv()
		all = append(all, told(ev, err))
		if err != nil {
			return all
		}
	}
}

func TestRawStream(t *testing.T) {
	a, b, c := event("a"), event("b"), event("c")
	cut := "upstream_error: the stream was cut"
	for _, tc := range []struct {
		name  string
		call  *llm.Call
		reads []string
		want  []string
	}{
		{
			"a burst leaves together", fakeCall(true),
			[]string{a + b + c, fakeFinish + fakeUsage + fakeDone},
			[]string{"raw " + a + b + c + "|3B", "raw " + fakeFinish + fakeUsage + fakeDone + "|3+2|stop", "EOF"},
		},
		{
			"a lone event does not wait", fakeCall(true),
			[]string{a, b, fakeFinish, fakeUsage, fakeDone},
			[]string{"raw " + a + "|1B", "raw " + b + "|1B", "raw " + fakeFinish + "|stop", "raw " + fakeUsage + "|3+2", "raw " + fakeDone, "EOF"},
		},
		{
			"an event comes when it is whole", fakeCall(true),
			[]string{a + b[:5], b[5:] + c[:3], c[3:], fakeFinish + fakeDone},
			[]string{"raw " + a + "|1B", "raw " + b + "|1B", "raw " + c + "|1B", "raw " + fakeFinish + fakeDone + "|stop", "EOF"},
		},
		{
			"the preamble joins the answer", fakeCall(true),
			[]string{fakeStart, ": wait\n\n", fakeStart, a, fakeFinish + fakeDone},
			[]string{"ping", "ping", "ping", "raw " + fakeStart + fakeStart + a + "|1B", "raw " + fakeFinish + fakeDone + "|stop", "EOF"},
		},
		{
			"hidden usage with the end", hiding(),
			[]string{a, fakeFinish, fakeUsage + fakeDone},
			[]string{"raw " + a + "|1B", "raw " + fakeFinish + "|stop", "raw " + fakeDone + "|3+2", "EOF"},
		},
		{
			"hidden usage alone", hiding(),
			[]string{a, fakeFinish, fakeUsage, fakeDone},
			[]string{"raw " + a + "|1B", "raw " + fakeFinish + "|stop", "usage|3+2", "raw " + fakeDone, "EOF"},
		},
		{
			"hidden usage cut out of a burst", hiding(),
			[]string{a + fakeFinish + fakeUsage + fakeDone},
			[]string{"raw " + a + fakeFinish + fakeDone + "|3+2|stop|1B", "EOF"},
		},
		{
			"hidden usage first", hiding(),
			[]string{fakeUsage, a, fakeFinish + fakeDone},
			[]string{"usage|3+2", "raw " + a + "|1B", "raw " + fakeFinish + fakeDone + "|stop", "EOF"},
		},
		{
			"hidden usage, then the body ends", hiding(),
			[]string{a + fakeFinish, fakeUsage},
			[]string{"raw " + a + fakeFinish + "|stop|1B", "usage|3+2", "raw " + fakeDone, "EOF"},
		},
		{
			"comments alone are a ping", fakeCall(true),
			[]string{": x\n\n: y\n\n", "retry: 5\n\n", a, fakeFinish + fakeDone},
			[]string{"ping", "ping", "raw " + a + "|1B", "raw " + fakeFinish + fakeDone + "|stop", "EOF"},
		},
		{
			"comments within a burst are left out", fakeCall(true),
			[]string{": x\n\n" + a + ": y\n\n" + b + ": z\n\n", fakeFinish + fakeDone},
			[]string{"raw " + a + b + "|2B", "raw " + fakeFinish + fakeDone + "|stop", "EOF"},
		},
		{
			"a missing end is supplied", fakeCall(true),
			[]string{a, fakeFinish},
			[]string{"raw " + a + "|1B", "raw " + fakeFinish + "|stop", "raw " + fakeDone, "EOF"},
		},
		{
			"content, then an error in one burst", fakeCall(true),
			[]string{a + b + `data: {"error":"no more"}` + "\n\n" + c},
			[]string{"raw " + a + b + "|2B", "upstream_error: no more"},
		},
		{
			"an error behind the preamble takes it along", fakeCall(true),
			[]string{fakeStart + `data: {"error":"no"}` + "\n\n"},
			[]string{"upstream_error: no"},
		},
		{"a cut", fakeCall(true), []string{a, b[:7]}, []string{"raw " + a + "|1B", "upstream_error: the provider's stream was cut"}},
		{"a cut between events", fakeCall(true), []string{a, b}, []string{"raw " + a + "|1B", "raw " + b + "|1B", cut}},
		{"a preamble and no more", fakeCall(true), []string{fakeStart}, []string{"ping", cut}},
		{"nothing but the end", fakeCall(true), []string{fakeDone}, []string{"EOF"}},
		{"a preamble and the end", fakeCall(true), []string{fakeStart + fakeDone}, []string{"EOF"}},
		{
			"an error outside of any field", fakeCall(true),
			[]string{a, "{\n  \"error\": \"cancelled\"\n}\n"},
			[]string{"raw " + a + "|1B", "upstream_error: cancelled"},
		},
		{
			"an error outside of any field, in a block", fakeCall(true),
			[]string{a, "{\n  \"error\": \"cancelled\"\n}\n\n", b},
			[]string{"raw " + a + "|1B", "upstream_error: cancelled"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := &pieces{list: tc.reads}
			s := streamOf(t, tc.call, body)
			if diff := cmp.Diff(tc.want, drainTold(s)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if body.closed == 0 {
				t.Error("the body is open")
			}
		})
	}
}

func TestAnEmptyStreamIsAnErrorWhenPrimed(t *testing.T) {
	for _, body := range []string{fakeDone, fakeStart + fakeDone, ""} {
		p := answering(t, OpenAIOptions{}, func(*http.Request) (*http.Response, error) {
			return eventStream(io.NopCloser(strings.NewReader(body))), nil
		})
		r, err := p.Do(t.Context(), fakeCall(true))
		if err != nil {
			t.Fatal(err)
		}
		if err := llm.Prime(r); kindOf(t, err) != llm.KindUpstreamError {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestDecodedStream(t *testing.T) {
	c := fakeCall(true)
	c.Raw = nil
	body := &pieces{list: []string{": hi\n\n", fakeStart + event("a") + event("b"), fakeFinish + fakeUsage + fakeDone + event("ignored")}}
	want := []string{"ping", "start", "text a", "text b", "finish|stop", "usage|3+2", "EOF"}
	s := streamOf(t, c, body)
	if diff := cmp.Diff(want, drainTold(s)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("then %v", err)
	}
}

// endingDecoder knows a terminal event of its own.
type endingDecoder struct{ fakeDecoder }

func (d *endingDecoder) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	if string(ev.Name) == "stop" {
		d.fin = true
		return dst, io.EOF
	}
	return d.fakeDecoder.Decode(dst, ev)
}

type endingCodec struct{ fakeCodec }

func (endingCodec) NewStreamDecoder() dialect.StreamDecoder { return &endingDecoder{} }

func TestADecoderMayNameTheLastEvent(t *testing.T) {
	body := &pieces{list: []string{event("a"), "event: stop\ndata: {}\n\n" + event("b")}}
	p := answering(t, OpenAIOptions{Codec: endingCodec{}}, func(*http.Request) (*http.Response, error) { return eventStream(body), nil })
	c := fakeCall(true)
	c.Raw = nil
	r, err := p.Do(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"text a", "EOF"}, drainTold(r.Stream)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReadErrorsOfAStream(t *testing.T) {
	late := llm.Errorf(llm.KindTimeout, "the idle clock ran out")
	for _, tc := range []struct {
		name  string
		err   error
		cause error // of the context's end; nil = it is alive
		want  llm.Kind
	}{
		{"reset", syscall.ECONNRESET, nil, llm.KindUpstreamError},
		{"cut", io.ErrUnexpectedEOF, nil, llm.KindUpstreamError},
		{"client left", context.Canceled, context.Canceled, llm.KindCanceled},
		{"clock", context.Canceled, late, llm.KindTimeout},
		{"an end that the context made", nil, late, llm.KindTimeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, c := range []*llm.Call{fakeCall(true), {Op: llm.OpChat, Stream: true, Request: fakeCall(true).Request}} {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				s := streamIn(ctx, t, c, &pieces{list: []string{event("a")}, err: tc.err})
				if _, err := s.Recv(); err != nil {
					t.Fatal(err)
				}
				if tc.cause != nil {
					cancel(tc.cause)
				}
				_, err := s.Recv()
				if kindOf(t, err) != tc.want || llm.AsError(err).Provider != "fake" {
					t.Errorf("got %v", err)
				}
				if _, again := s.Recv(); again != err {
					t.Errorf("then %v", again)
				}
				if late.Provider != "" {
					t.Error("the shared cause was written to")
				}
			}
		})
	}
}

// stuck is a body that brings its bytes and then nothing until it is closed.
type stuck struct {
	io.Reader
	closed chan struct{}
}

func (s *stuck) Read(b []byte) (int, error) {
	if n, err := s.Reader.Read(b); err == nil {
		return n, nil
	}
	<-s.closed
	return 0, errClosed
}

func (s *stuck) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

func TestTheWaitBehindTheEndIsBounded(t *testing.T) {
	for _, translated := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := fakeCall(true)
			if translated {
				c.Raw = nil
			}
			s := streamOf(t, c, &stuck{strings.NewReader(fakeStream), make(chan struct{})})
			began := time.Now()
			all := drainTold(s)
			if all[len(all)-1] != "EOF" {
				t.Errorf("got %q", all)
			}
			if waited := time.Since(began); waited != drainWait {
				t.Errorf("waited %v", waited)
			}
			s.Close()
		})
	}
}

func TestTheEndIsReadSoThatTheConnectionCanBeKept(t *testing.T) {
	body := &pieces{list: []string{fakeStream, "more", "and more"}}
	drainTold(streamOf(t, fakeCall(true), body))
	if len(body.list) != 0 {
		t.Errorf("%q was not read", body.list)
	}
	endless := &pieces{list: []string{fakeStream, strings.Repeat("x", 2*drainBytes)}}
	drainTold(streamOf(t, fakeCall(true), endless))
	if len(endless.list) == 0 {
		t.Error("an endless end was read whole")
	}
}

func TestCloseReadsNothing(t *testing.T) {
	body := &pieces{list: []string{event("a"), event("b")}}
	s := streamOf(t, fakeCall(true), body)
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	reads := body.reads
	for range 3 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if body.reads != reads || body.closed != 1 {
		t.Errorf("%d reads and %d closes", body.reads-reads, body.closed)
	}
	if _, err := s.Recv(); kindOf(t, err) != llm.KindCanceled {
		t.Errorf("got %v", err)
	}
}

func TestRawBytesLastUntilTheNextRecv(t *testing.T) {
	var reads []string
	for i := range 50 {
		reads = append(reads, strings.Repeat(event(strings.Repeat(string(rune('a'+i%26)), i*20)), 1+i%4))
	}
	whole := strings.Join(reads, "") + fakeFinish + fakeDone
	s := streamOf(t, fakeCall(true), &pieces{list: append(reads, fakeFinish+fakeDone)})
	var got strings.Builder
	for {
		ev, err := s.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got.Write(ev.Raw)
	}
	if got.String() != whole {
		t.Error("bytes were lost or changed")
	}
}

func TestEventsAboveTheLimit(t *testing.T) {
	p := answering(t, OpenAIOptions{MaxEvent: 1000}, func(*http.Request) (*http.Response, error) {
		return eventStream(io.NopCloser(strings.NewReader(event("a") + event(strings.Repeat("x", 1000)) + fakeDone))), nil
	})
	r, err := p.Do(t.Context(), fakeCall(true))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"raw " + event("a") + "|1B", "upstream_error: the provider's answer is too large"}
	if diff := cmp.Diff(want, drainTold(r.Stream)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
