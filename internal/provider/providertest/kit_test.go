package providertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// recorder takes the failures that a check reports.
type recorder struct {
	testing.TB
	failed int
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed++ }

// talkative shows what it holds only in Go syntax.
type talkative struct{ Held string }

func (talkative) Error() string { return "nothing to see" }

func TestCheckSecretFindsSecrets(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"none":            {llm.Errorf(llm.KindUpstreamError, "it failed"), 0},
		"no error":        {nil, 0},
		"in the message":  {llm.Errorf(llm.KindUpstreamError, "with %s", Key), 1},
		"in the cause":    {&llm.Error{Message: "m", Err: fmt.Errorf("Bearer %s refused", Key)}, 1},
		"deep below":      {&llm.Error{Err: fmt.Errorf("a: %w", fmt.Errorf("b: %w", errors.New(Key)))}, 1},
		"in Go syntax":    {talkative{Key}, 1},
		"only in a field": {&llm.Error{Message: "m", Err: talkative{"x" + Key}}, 1},
	} {
		r := &recorder{TB: t}
		CheckSecret(r, tc.err, Key)
		if r.failed != tc.want {
			t.Errorf("%s: %d failures, want %d", name, r.failed, tc.want)
		}
	}
}

func TestAnswersAreHTTP(t *testing.T) {
	for wire, want := range map[string]string{
		Answer(200, "héllo", "X-A", "b"):                                "héllo",
		Answer(502, ""):                                                 "",
		Stream("data: 1\n\n", "X-A", "b"):                               "data: 1\n\n",
		StreamHead() + Chunk("a") + Chunk("") + Chunk("bc") + LastChunk: "abc",
	} {
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(wire)), nil)
		if err != nil {
			t.Fatalf("%q: %v", wire, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != want {
			t.Errorf("%q: %q, %v", wire, body, err)
		}
		if len(resp.Header["Content-Type"]) != 1 {
			t.Errorf("%q: Content-Type %q", wire, resp.Header["Content-Type"])
		}
	}
}

func TestUpstreamTells(t *testing.T) {
	checkLeaks(t)
	up := NewUpstream(t, Say(Answer(200, "one")))
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	ask := func(body string) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, up.URL()+"/a?b=c", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	if up.Last() != nil {
		t.Error("a request before the first")
	}
	for _, body := range []string{"x", "yy"} {
		if got, err := ask(body); err != nil || got != "one" {
			t.Fatalf("got %q, %v", got, err)
		}
		if r := up.Last(); string(r.Body) != body || r.Path != "/a?b=c" || r.Method != http.MethodPost || r.Length != int64(len(body)) {
			t.Errorf("received %+v", r)
		}
	}
	if up.Accepted() != 1 || len(up.Requests()) != 2 {
		t.Errorf("%d connections, %d requests", up.Accepted(), len(up.Requests()))
	}
	up.Play(SayAndReset(""))
	if _, err := ask("x"); err == nil {
		t.Error("a reset went by")
	}
	up.Play(SayAndHang(Answer(200, "two")[:30]))
	if _, err := ask("x"); err == nil {
		t.Error("a cut went by")
	}
	up.Close() // again at the end of the test
}

func TestStatusVerdictIsConsistent(t *testing.T) {
	for status := 300; status < 600; status++ {
		v := StatusVerdict(status)
		e := llm.Error{Kind: v.Kind, Permanent: v.Permanent}
		again := status >= 500 || status == 408 || status == 409 || status == 424 || status == 425 || status == 429 || status == 498 || status == 499
		if e.Retryable() != again {
			t.Errorf("status %d: retryable %v", status, e.Retryable())
		}
		if v.Kind == llm.KindUnauthenticated || v.Kind == llm.KindPermissionDenied || v.Kind == llm.KindRateLimited {
			t.Errorf("status %d: the provider's refusal of the gateway is taken for the gateway's of the caller", status)
		}
	}
}
