package provider

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestStreamsKeepLittle(t *testing.T) {
	big := event(strings.Repeat("x", 1<<20))
	var list []string
	for range 4 {
		list = append(list, event("a")+big+event("b"), event("c"))
	}
	for _, translated := range []bool{false, true} {
		c := fakeCall(true)
		if translated {
			c.Raw = nil
		}
		st := streamOf(t, c, &pieces{list: slices.Clone(list)})
		small := 0
		for {
			ev, err := st.Recv()
			if err != nil {
				break
			}
			if len(ev.Raw)+len(ev.Text) > 1000 {
				continue
			}
			small++
			switch s := st.(type) {
			case *rawStream:
				if cap(s.batch) > keepBatch {
					t.Fatalf("keeps %d bytes", cap(s.batch))
				}
			case *decodedStream:
				if cap(s.queue) > keepQueue {
					t.Fatalf("keeps %d events", cap(s.queue))
				}
			}
		}
		if small < 4 {
			t.Errorf("%d small events", small)
		}
	}
}

func TestAnEndlessPreambleIsNotKept(t *testing.T) {
	s := streamOf(t, fakeCall(true), &forever{fakeStart})
	for n := 0; ; n++ {
		ev, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == llm.EventRaw {
			if len(ev.Raw) > maxPreamble+1000 {
				t.Errorf("%d bytes were kept", len(ev.Raw))
			}
			return
		}
		if n > maxPreamble {
			t.Fatal("nothing comes")
		}
	}
}

func TestAllocationsOfAnExchange(t *testing.T) {
	body := strings.NewReader("")
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body), ContentLength: int64(len(fakeGood))}
	p := answering(t, OpenAIOptions{Codec: quickCodec{}, Keys: []string{"sk-test-0000"}}, func(*http.Request) (*http.Response, error) { return resp, nil })
	c := fakeCall(false)
	// The request, its head (2), body (2) and GetBody are what the transport
	// must be given; the answer's bytes and the Reply are ours.
	if n := testing.AllocsPerRun(100, func() {
		body.Reset(fakeGood)
		if _, err := p.Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}); n > 8 {
		t.Errorf("a whole answer: %v allocations", n)
	}
	resp.Header["Content-Type"] = []string{"text/event-stream"}
	c = fakeCall(true)
	if n := testing.AllocsPerRun(100, func() {
		body.Reset(fakeStream)
		r, err := p.Do(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Stream.Recv()
		}
	}); n > 13 && !racing {
		t.Errorf("a stream: %v allocations", n)
	}
}

// forever repeats one piece.
type forever struct{ piece string }

func (f *forever) Read(b []byte) (int, error) { return copy(b, f.piece), nil }
func (f *forever) Close() error               { return nil }

func TestAllocationsOfAnEvent(t *testing.T) {
	for name, piece := range map[string]string{"lone events": event("abc"), "bursts": strings.Repeat(event("abc"), 20)} {
		p := answering(t, OpenAIOptions{Codec: quickCodec{}}, func(*http.Request) (*http.Response, error) { return eventStream(&forever{piece}), nil })
		r, err := p.Do(t.Context(), fakeCall(true))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(200, func() {
			if _, err := r.Stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a Recv", name, n)
		}
		r.Close()
	}
}

func BenchmarkRecv(b *testing.B) {
	for name, piece := range map[string]string{"lone": event(strings.Repeat("x", 150)), "burst20": strings.Repeat(event(strings.Repeat("x", 150)), 20)} {
		b.Run(name, func(b *testing.B) {
			p := answering(b, OpenAIOptions{Codec: quickCodec{}}, func(*http.Request) (*http.Response, error) { return eventStream(&forever{piece}), nil })
			r, err := p.Do(b.Context(), fakeCall(true))
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Stream.Recv(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
