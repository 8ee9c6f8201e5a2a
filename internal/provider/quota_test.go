package provider

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func headers(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(kv); i += 2 {
		h.Set(kv[i], kv[i+1])
	}
	return h
}

func TestQuotaIsRead(t *testing.T) {
	for name, tc := range map[string]struct {
		h    http.Header
		want int64
	}{
		"nothing":       {headers(), quotaBands},
		"all":           {headers("x-ratelimit-limit-requests", "5000", "x-ratelimit-remaining-requests", "5000"), quotaBands},
		"half":          {headers("x-ratelimit-limit-requests", "5000", "x-ratelimit-remaining-requests", "2500"), quotaBands/2 + 1},
		"none":          {headers("x-ratelimit-limit-requests", "5000", "x-ratelimit-remaining-requests", "0"), 1},
		"the scarcer":   {headers("x-ratelimit-limit-requests", "100", "x-ratelimit-remaining-requests", "99", "x-ratelimit-limit-tokens", "1000", "x-ratelimit-remaining-tokens", "1"), 1},
		"anthropic":     {headers("anthropic-ratelimit-tokens-limit", "400000", "anthropic-ratelimit-tokens-remaining", "100000"), quotaBands/4 + 1},
		"azure says -1": {headers("x-ratelimit-limit-tokens", "-1", "x-ratelimit-remaining-tokens", "-1"), quotaBands},
		"nonsense":      {headers("x-ratelimit-limit-tokens", "many", "x-ratelimit-remaining-tokens", "few"), quotaBands},
		"zero limit":    {headers("x-ratelimit-limit-tokens", "0", "x-ratelimit-remaining-tokens", "0"), quotaBands},
		"huge":          {headers("x-ratelimit-limit-tokens", "9223372036854775807", "x-ratelimit-remaining-tokens", "9223372036854775807"), quotaBands},
	} {
		var q quota
		q.note(tc.h, 1)
		if got := q.left(2); got != tc.want {
			t.Errorf("%s: step %d, want %d", name, got, tc.want)
		}
	}
}

// TestKeysAreSpreadByWhatIsLeft: the key that is nearly used up is spared while
// another has more, for as long as what was said holds.
func TestKeysAreSpreadByWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := mustKeys(t, "sk-test-a", "sk-test-b", "sk-test-c")
		a, b, c := k.keys[0], k.keys[1], k.keys[2]
		times := func(n int) map[Credential]int {
			m := map[Credential]int{}
			for range n {
				m[pick(t, k)]++
			}
			return m
		}
		if m := times(30); m[a] != 10 || m[b] != 10 || m[c] != 10 {
			t.Errorf("nothing is known: %v", m)
		}
		k.Answered(a, headers("x-ratelimit-limit-requests", "100", "x-ratelimit-remaining-requests", "3"))
		if m := times(30); m[a] != 0 || m[b] != 15 || m[c] != 15 {
			t.Errorf("the first is nearly used up: %v", m)
		}
		k.Answered(b, headers("x-ratelimit-limit-requests", "100", "x-ratelimit-remaining-requests", "50"))
		if m := times(10); m[c] != 10 {
			t.Errorf("the third has most: %v", m)
		}
		k.Report(c, &llm.Error{Kind: llm.KindUpstreamAuth})
		if m := times(10); m[b] != 10 {
			t.Errorf("the third is refused: %v", m)
		}
		k.Report(b, &llm.Error{Kind: llm.KindUpstreamAuth})
		if m := times(10); m[a] != 10 {
			t.Errorf("only the first is left: %v", m)
		}
		time.Sleep(2 * quotaAge)
		if m := times(30); m[a] != 10 || m[b] != 10 || m[c] != 10 {
			t.Errorf("what was said is of the past: %v", m)
		}
	})
}

// TestQuotaOfAnswers: the headers of real exchanges move the choice.
func TestQuotaOfAnswers(t *testing.T) {
	seen := map[string]int{}
	left := map[string]string{"Bearer sk-test-a": "1", "Bearer sk-test-b": "9"}
	p := answering(t, OpenAIOptions{Keys: []string{"sk-test-a", "sk-test-b"}, Codec: openai.Codec{}}, func(r *http.Request) (*http.Response, error) {
		key := r.Header.Get("Authorization")
		seen[key]++
		body := `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`
		h := headers("Content-Type", "application/json", "x-ratelimit-limit-requests", "10", "x-ratelimit-remaining-requests", left[key])
		return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
	})
	for range 10 {
		r, err := p.Do(t.Context(), openAICall(t, false))
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	if seen["Bearer sk-test-a"] > 1 || seen["Bearer sk-test-b"] < 9 {
		t.Errorf("%v", seen)
	}
}

func BenchmarkAnswered(b *testing.B) {
	k := mustKeys(b, "sk-test-a", "sk-test-b")
	h := headers("x-ratelimit-limit-requests", "100", "x-ratelimit-remaining-requests", "50", "x-ratelimit-limit-tokens", "100", "x-ratelimit-remaining-tokens", "50")
	b.ReportAllocs()
	for b.Loop() {
		k.Answered(k.keys[0], h)
	}
}
