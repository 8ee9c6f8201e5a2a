package server

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

type tracedKey struct{}

// tracer keeps what ended.
type tracer struct {
	sampled bool
	titles  []string
	ended   chan TraceStats
}

func (f *tracer) Begin(r *http.Request, title, _ string, _ time.Time) (context.Context, string, bool) {
	f.titles = append(f.titles, title)
	return context.WithValue(r.Context(), tracedKey{}, true), "00000000000000000000000000000abc", f.sampled
}

func (f *tracer) End(ctx context.Context, s TraceStats) {
	if ctx.Value(tracedKey{}) == nil {
		s.Path = "without its span"
	}
	f.ended <- s
}

func TestServerSpans(t *testing.T) {
	for _, sampled := range []bool{true, false} {
		f := &tracer{sampled: sampled, ended: make(chan TraceStats, 1)}
		var meta *llm.Meta
		fail := false
		h := serve(t, func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			meta = c.Meta
			if ctx.Value(tracedKey{}) == nil {
				t.Error("the service does not get the span")
			}
			if c.Stream && fail {
				return streamOf(&fakeStream{events: texts("a"), err: llm.Errorf(llm.KindTimeout, "slow")}, 0), nil
			}
			if c.Stream {
				return streamOf(&fakeStream{events: append(texts("a"), finish()...), err: io.EOF}, 0), nil
			}
			return answer("x"), nil
		}, func(o *Options) { o.Tracer = f })
		for _, tc := range []struct {
			body   string
			fail   bool
			failed bool
			kind   string
			status int
		}{{genBody, false, false, "", 200}, {genStream, false, false, "", 200}, {genStream, true, true, "timeout", 200}, {"{", false, false, "invalid_request", 400}} {
			fail = tc.fail
			h.post(genPath, tc.body)
			got := <-f.ended
			stats := h.wait()
			if got.Status != tc.status || got.Failed != tc.failed || got.Kind != tc.kind || got.Path != "" || got.RequestID == "" {
				t.Errorf("%s: %+v", tc.body, got)
			}
			if (stats.TraceID != "") != sampled {
				t.Errorf("sampled %v, but the observer is told the trace %q", sampled, stats.TraceID)
			}
		}
		if meta.TraceID != "00000000000000000000000000000abc" || meta.Sampled != sampled {
			t.Errorf("the call carries %q, %v", meta.TraceID, meta.Sampled)
		}
		if line := h.log.lines(t, "POST "+genPath)[0]; line["trace_id"] != meta.TraceID {
			t.Errorf("the log line has %v", line["trace_id"])
		}
		h.do("GET", "/healthz", "")
		h.wait()
		if len(f.titles) != 4 || f.titles[0] != "POST "+genPath {
			t.Errorf("spans of %v", f.titles)
		}
	}
}
