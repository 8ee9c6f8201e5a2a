package server

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestBothFormsOfTheLineAgree: the members appended for a LineHandler are those
// that any other handler gets as attributes, in the same order.
func TestBothFormsOfTheLineAgree(t *testing.T) {
	now := time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC)
	full := record{
		route: "chat \"x\"\n", provider: "openai", model: "m\u2028é", attempts: 2, path: "a>b", cache: "miss", timed: true, upstream: time.Millisecond,
		firstAt: now.Add(-time.Millisecond), usage: llm.Usage{Input: 1 << 40, CachedInput: 2, Output: 3, Reasoning: 4, Source: llm.UsageReported},
		cost: 72, priced: true, tags: map[string]string{"b": "2", "a": "\"1\""}, err: llm.Errorf(llm.KindTimeout, "late"),
	}
	for name, rec := range map[string]record{"all of it": full, "nothing": {}, "a call": {timed: true, usage: llm.Usage{Output: 1}}} {
		x := &exchange{
			rec: rec, id: "req_1", caller: &llm.Caller{Name: "app"}, snap: &Snapshot{}, start: now.Add(-1500 * time.Microsecond),
			req: httptest.NewRequest("POST", "/v1/generate", nil), status: 200,
		}
		var ours jsonFields
		x.logFields(&ours, now)
		var attrs attrFields
		x.logFields(&attrs, now)
		r := slog.NewRecord(now, slog.LevelInfo, "m", 0)
		r.AddAttrs(attrs.attrs...)
		var buf bytes.Buffer
		if err := slog.NewJSONHandler(&buf, nil).Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		head := `{"time":"2026-11-24T01:02:03Z","level":"INFO","msg":"m"`
		var got, want map[string]any
		if err := json.Unmarshal([]byte(head+string(ours.b)+"}"), &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, ours.b)
		}
		if err := json.Unmarshal(buf.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%s\n%s", name, ours.b, buf.Bytes())
		}
	}
}
