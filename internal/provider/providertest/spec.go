package providertest

import (
	"net/http"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Key is the credential that every provider under test is given. It looks like
// one, so that a leak is found, and is none.
const Key = "sk-test-0000-conformance-1111"

// Target is where, and with what, a provider under test sends its requests.
type Target struct {
	BaseURL string // no path, no slash at the end
	Key     string
	Client  *http.Client
	MaxBody int64 // largest whole answer in bytes
}

// Spec is what differs between providers. Call decides which of a provider's
// two forms is tested: a call with Raw in the upstream's dialect passes
// through, one without is translated. Run is called once for each.
type Spec struct {
	New  func(t testing.TB, o Target) (llm.Provider, error)
	Call func(stream bool) *llm.Call // a fresh chat call

	Path       string // of a whole answer's request, with the query
	StreamPath string // "" = Path
	// CheckRequest looks at what the upstream received, beyond what every
	// provider must send; nil = nothing more.
	CheckRequest func(t testing.TB, r *Request, stream bool)

	Good   string // the body of a whole answer
	Stream string // the same answer as a stream of events, LF line ends
	Text   string // what both say, with characters beyond ASCII
	Usage  llm.Usage
	Finish llm.FinishReason

	// Complete is the offset in Stream behind the event from which on a
	// stream that ends counts as a whole answer. 0 = its length.
	Complete int
	// Terminal says that the last event of Stream is one behind which
	// nothing counts.
	Terminal bool

	// StreamError is an error event; "" when the dialect has none.
	StreamError string
	// Disguised is an error body that comes with status 200.
	Disguised string
	// Error is the provider's usual error body with a message; nil = empty bodies.
	Error func(status int, message string) string
	// Verdict is what to expect of a status; nil = StatusVerdict.
	Verdict func(status int) Verdict
	// Refusals are error bodies as they were recorded or documented.
	Refusals []Refusal

	// Transport makes the transport under test.
	Transport func() *http.Transport
	// Wrap, when set, puts what performs the exchanges in front of it.
	Wrap func(*http.Transport) http.RoundTripper
}

// Verdict is how a failure is to be judged.
type Verdict struct {
	Kind      llm.Kind
	Permanent bool
}

// Refusal is one error answer and its verdict.
type Refusal struct {
	Name   string
	Status int
	Header []string // name, value pairs
	Body   string
	Verdict
}

// run is the state of one run of the suite.
type run struct {
	Spec
	up *Upstream
	p  llm.Provider
}

// Run is the conformance suite. Every failing call in it is also searched for
// secrets, and nothing may be left running at its end.
func Run(t *testing.T, s Spec) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(*testing.T, *run)
	}{
		{"request", testRequest},
		{"whole", testWhole},
		{"refusals", testRefusals},
		{"statuses", testStatuses},
		{"network", testNetwork},
		{"bodies", testBodies},
		{"endless", testEndless},
		{"streams", testStreams},
		{"broken streams", testBrokenStreams},
		{"cuts", testCuts},
		{"aborts", testAborts},
		{"connections", testConnections},
	} {
		t.Run(part.name, func(t *testing.T) {
			checkLeaks(t)
			part.test(t, newRun(t, s))
		})
	}
}

func newRun(t *testing.T, s Spec) *run {
	t.Helper()
	r := &run{Spec: s, up: NewUpstream(t, Say(Answer(500, "")))}
	if r.StreamPath == "" {
		r.StreamPath = r.Path
	}
	if r.Complete == 0 {
		r.Complete = len(r.Stream)
	}
	if r.Verdict == nil {
		r.Verdict = StatusVerdict
	}
	if r.Error == nil {
		r.Error = func(int, string) string { return "" }
	}
	r.p = r.provider(t, r.up.URL(), s.transport(t))
	return r
}

// transport makes a transport that is closed at the end of the test.
func (s *Spec) transport(t testing.TB) *http.Transport {
	tr := s.Transport()
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (s *Spec) provider(t testing.TB, url string, rt http.RoundTripper) llm.Provider {
	t.Helper()
	if std, ok := rt.(*http.Transport); ok && s.Wrap != nil {
		rt = s.Wrap(std)
		t.Cleanup((&http.Client{Transport: rt}).CloseIdleConnections)
	}
	p, err := s.New(t, Target{BaseURL: url, Key: Key, Client: &http.Client{Transport: rt}, MaxBody: maxBody})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// maxBody is the limit that providers under test are given.
const maxBody = 4 << 20
