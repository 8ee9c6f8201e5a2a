package dialecttest_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dashscope"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/dialect/gemini"
	"github.com/llm-gateway/llm-gateway/internal/dialect/native"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/responses"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// clientSide is a dialect as clients speak it.
type clientSide struct {
	name    string
	dialect llm.Dialect
	codec   interface {
		dialect.Client
		dialect.ErrorEncoder
	}
	see func(t *testing.T, whole []byte) view
	// final takes the whole answer, as a client puts it together, out of a stream.
	final func(t *testing.T, stream []byte) []byte
	// turn makes the next request of the answer to the one before.
	turn func(whole []byte) string
}

// providerSide is a dialect as upstreams speak it, and as their clients do:
// the latter half stands for the upstream itself.
type providerSide struct {
	name    string
	dialect llm.Dialect
	model   string
	support dialect.Support
	codec   interface {
		dialect.Provider
		dialect.ErrorDecoder
	}
	upstream interface {
		dialect.Client
		dialect.ErrorEncoder
	}
}

func clientSides() []*clientSide {
	return []*clientSide{
		{name: "native", dialect: llm.DialectNative, codec: native.Codec{}, see: seeNative, final: lastData, turn: nativeTurn},
		{name: "openai", dialect: llm.DialectOpenAI, codec: openai.Codec{}, see: seeBy(openai.Codec{}), final: rebuilt(openai.Codec{}, openai.Codec{}), turn: openAITurn},
		{name: "anthropic", dialect: llm.DialectAnthropic, codec: anthropic.Codec{}, see: seeBy(anthropic.Codec{}), final: rebuilt(anthropic.Codec{}, anthropic.Codec{}), turn: anthropicTurn},
		{name: "responses", dialect: llm.DialectResponses, codec: responses.Codec{}, see: seeResponses, final: lastData, turn: responsesTurn},
	}
}

func providerSides() []*providerSide {
	return []*providerSide{
		{"openai", llm.DialectOpenAI, "gpt-5.1", dialect.SupportOpenAI("gpt-5.1"), openai.Codec{}, openai.Codec{}},
		{"anthropic", llm.DialectAnthropic, "claude-opus-4-7", dialect.SupportAnthropic("claude-opus-4-7"), anthropic.Codec{}, anthropic.Codec{}},
		{"gemini", llm.DialectGemini, "gemini-3-pro", dialect.SupportGemini("gemini-3-pro"), gemini.Codec{}, gemini.Codec{}},
		{"dashscope", llm.DialectDashScope, "qwen3.6-plus", dialect.SupportDashScope("qwen3.6-plus"), dashscope.Codec{}, dashscope.Codec{}},
	}
}

// TestPairs computes, for each client dialect, provider dialect and feature,
// what becomes of it: a request goes through the client's decoder, the shared
// check, the provider's encoder, and is read as the upstream would read it; an
// answer of the upstream goes the way back, whole or streamed. The table is
// docs/pairs.md; run with -update to write it anew.
func TestPairs(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(pairsHead)
	for _, c := range clientSides() {
		fmt.Fprintf(&doc, "\n## Clients that speak %s\n\n| feature |", c.name)
		for _, p := range providerSides() {
			fmt.Fprintf(&doc, " to %s |", p.name)
		}
		doc.WriteString("\n|---|---|---|---|---|\n")
		for _, f := range features() {
			fmt.Fprintf(&doc, "| %s |", f.name)
			for _, p := range providerSides() {
				cell := "FAILS"
				t.Run(c.name+" to "+p.name+", "+f.name, func(t *testing.T) {
					x := &pair{t: t, c: c, p: p, f: f}
					cell = x.run()
					if t.Failed() {
						cell = "FAILS"
					}
				})
				fmt.Fprintf(&doc, " %s |", cell)
			}
			doc.WriteString("\n")
		}
	}
	t.Log("\n" + doc.String())
	dialecttest.Golden(t, "../../../../docs/pairs.md", []byte(doc.String()))
}

const pairsHead = `# Every client dialect with every provider dialect

This page is computed: ` + "`go test ./internal/dialect/... -run Pairs -v`" + ` runs each pair's codecs and fails when a cell is not
what stands here (` + "`-update`" + ` writes it anew). Azure OpenAI and OpenAI-compatible servers are openai, Vertex AI is gemini.

- **yes**: translated, and seen to arrive on the other side, in whole answers and in streams.
- **passes**: client and provider speak the same dialect; the bytes pass as they are.
- **refused: x**: a 400 that names the member x; with ` + "`X-Gateway-Unsupported: drop`" + ` it is left out and listed.
- **n.a.**: the client's dialect cannot say it, or the provider's has no such thing.

The models asked are gpt-5.1, claude-opus-4-7, gemini-3-pro and qwen3.6-plus; others may honour less.
`

// pair is one cell in the making.
type pair struct {
	t *testing.T
	c *clientSide
	p *providerSide
	f feature
}

func (x *pair) run() string {
	body := x.f.body(x.c.name)
	if body == "" || x.f.absent != nil && x.f.absent(x.p.dialect) {
		return "n.a."
	}
	if x.f.fails {
		return x.failure()
	}
	if x.c.dialect == x.p.dialect {
		return x.passes(body)
	}
	if cell := x.request(body); cell != "yes" {
		return cell
	}
	return x.answers()
}

// request takes a body to the upstream.
func (x *pair) request(body string) string {
	r, err := x.c.codec.DecodeRequest(llm.OpChat, []byte(body))
	if err != nil {
		x.t.Errorf("the client's request: %v", err)
		return "FAILS"
	}
	r.Model = x.p.model
	sent, err := x.translate(r, false)
	var e *llm.Error
	if errors.As(err, &e) && e.Kind == llm.KindUnsupported && e.Param != "" {
		x.dropped(r, e.Param)
		return "refused: " + e.Param
	}
	if err != nil {
		x.t.Errorf("translation: %v", err)
		return "FAILS"
	}
	up, err := x.p.upstream.DecodeRequest(llm.OpChat, sent)
	if err != nil {
		x.t.Errorf("the upstream does not understand it: %v\n%s", err, sent)
		return "FAILS"
	}
	if why := x.f.sent(up); why != "" {
		x.t.Errorf("the upstream gets %s\n%s", why, sent)
	}
	return "yes"
}

func (x *pair) translate(r *llm.Request, drop bool) ([]byte, error) {
	fitted, dropped, err := dialect.Fit(r, x.p.support, drop)
	if err != nil {
		return nil, err
	}
	if drop && len(dropped) == 0 {
		x.t.Error("nothing is said to be dropped")
	}
	return x.p.codec.AppendRequest(nil, &llm.Call{Op: llm.OpChat, Model: x.p.model, Stream: x.f.stream}, fitted)
}

// dropped: what is refused can be dropped, unless the conversation says it.
func (x *pair) dropped(r *llm.Request, param string) {
	_, dropped, err := dialect.Fit(r, x.p.support, true)
	if strings.HasPrefix(param, "messages[") || strings.HasPrefix(param, "input[") {
		if err == nil {
			x.t.Errorf("a part of the conversation is dropped: %v", dropped)
		}
		return
	}
	if err != nil || !slices.ContainsFunc(dropped, func(s string) bool { return strings.HasPrefix(s, param) }) {
		x.t.Errorf("dropping %s: %v, %v", param, dropped, err)
	}
}

// answers brings the upstream's answer back, whole and streamed.
func (x *pair) answers() string {
	want := x.f.answer(x.p.dialect)
	raw, err := x.p.upstream.AppendResponse(nil, llm.OpChat, want, facts())
	if err != nil {
		x.t.Fatal(err)
	}
	resp, err := x.p.codec.DecodeResponse(llm.OpChat, raw)
	if err != nil {
		x.t.Fatalf("the provider's answer: %v\n%s", err, raw)
	}
	out, err := x.c.codec.AppendResponse(nil, llm.OpChat, resp, facts())
	if err != nil {
		x.t.Fatal(err)
	}
	x.look("whole", out)
	enc := x.p.upstream.NewStreamEncoder(dialect.StreamOptions{Model: x.p.model, IncludeUsage: true, ID: "a1"})
	var stream []byte
	for _, ev := range eventsOf(want) {
		stream = enc.Append(stream, &ev)
	}
	stream = enc.AppendEnd(stream, facts())
	events, err := dialecttest.Decode(x.p.codec.NewStreamDecoder(), stream)
	if err != nil {
		x.t.Fatalf("the provider's stream: %v\n%s", err, stream)
	}
	toClient := x.c.codec.NewStreamEncoder(dialect.StreamOptions{Model: "m", IncludeUsage: true, ID: "a1"})
	var said []byte
	for i := range events {
		said = toClient.Append(said, &events[i])
	}
	said = toClient.AppendEnd(said, facts())
	x.look("streamed", x.c.final(x.t, said))
	return "yes"
}

// look compares what the client sees, and for state takes another turn.
func (x *pair) look(how string, whole []byte) {
	x.t.Helper()
	if why := x.f.got(x.c.see(x.t, whole)); why != "" {
		x.t.Errorf("%s, the client gets %s\n%s", how, why, whole)
	}
	if x.f.again == nil {
		return
	}
	next := x.c.turn(whole)
	r, err := x.c.codec.DecodeRequest(llm.OpChat, []byte(next))
	if err != nil {
		x.t.Fatalf("%s, the next turn: %v\n%s", how, err, next)
	}
	sent, err := x.translate(r, false)
	if err != nil {
		x.t.Fatalf("%s, the next turn: %v", how, err)
	}
	up, err := x.p.upstream.DecodeRequest(llm.OpChat, sent)
	if err != nil {
		x.t.Fatalf("%s, the next turn: %v\n%s", how, err, sent)
	}
	if why := x.f.again(up, x.p.dialect); why != "" {
		x.t.Errorf("%s, on the next turn the upstream gets %s\nthe client said %s\nthe upstream gets %s", how, why, next, sent)
	}
}

// passes checks that the bytes of one dialect go through both ways.
func (x *pair) passes(body string) string {
	peek, err := dialect.Peek([]byte(body))
	if err != nil {
		x.t.Fatal(err)
	}
	passer := x.p.codec.(dialect.Passer)
	sent, err := passer.Rewrite(&llm.Call{Op: llm.OpChat, Dialect: x.c.dialect, Model: x.p.model, Raw: []byte(body), Peek: peek, Stream: peek.Stream})
	if err != nil {
		x.t.Fatal(err)
	}
	want := strings.Replace(body, `"model":"m"`, `"model":"`+x.p.model+`"`, 1)
	if string(sent) != want {
		x.t.Errorf("the bytes change:\n%s\n%s", want, sent)
	}
	answer := x.f.answer(x.p.dialect)
	raw, err := x.p.upstream.AppendResponse(nil, llm.OpChat, answer, facts())
	if err != nil {
		x.t.Fatal(err)
	}
	u, fin, err := passer.Inspect(llm.OpChat, raw)
	if err != nil || fin != answer.Finish || u.Total() != answer.Usage.Total() {
		x.t.Errorf("the answer is seen as %v, %q, %v", u, fin, err)
	}
	if why := x.f.got(x.c.see(x.t, raw)); why != "" {
		x.t.Errorf("the client gets %s\n%s", why, raw)
	}
	return "passes"
}

// failure takes an error of the upstream to the client.
func (x *pair) failure() string {
	for kind, status := range map[llm.Kind]int{llm.KindRateLimited: 429, llm.KindInvalidRequest: 400, llm.KindOverloaded: 503} {
		raw := x.p.upstream.AppendError(nil, &llm.Error{Kind: kind, Message: "the reason", RetryAfter: 2e9}, &dialect.Facts{Status: status})
		e := x.p.codec.DecodeError(status, raw)
		want := map[llm.Kind][]llm.Kind{
			llm.KindRateLimited: {llm.KindUpstreamRateLimited}, llm.KindInvalidRequest: {llm.KindInvalidRequest},
			llm.KindOverloaded: {llm.KindOverloaded, llm.KindUpstreamError},
		}[kind]
		if !slices.Contains(want, e.Kind) || !strings.Contains(e.Message, "the reason") {
			x.t.Errorf("%s: an error of kind %v, %q", raw, e.Kind, e.Message)
		}
		checkError(x.t, x.c.name, x.c.codec.AppendError(nil, e, &dialect.Facts{Status: status, RequestID: "r1"}), e.Kind)
		stream := x.c.codec.AppendStreamError(nil, e, &dialect.Facts{Status: status, RequestID: "r1"})
		if !bytes.Contains(stream, []byte("the reason")) || bytes.Contains(stream, []byte("[DONE]")) || !bytes.HasSuffix(stream, []byte("\n\n")) {
			x.t.Errorf("in a stream: %q", stream)
		}
	}
	return "yes"
}

func facts() *dialect.Facts {
	return &dialect.Facts{RequestID: "r1", Status: 200, Provider: "p", Model: "m", Attempts: 1}
}

// eventsOf makes a stream of an answer, its texts in pieces.
func eventsOf(r *llm.Response) []llm.Event {
	evs := []llm.Event{{Kind: llm.EventStart, ID: r.ID, Model: r.Model}}
	call, block := 0, 0
	for _, p := range r.Parts {
		switch p.Type {
		case llm.PartText:
			for _, s := range halves(p.Text) {
				evs = append(evs, llm.Event{Kind: llm.EventText, Text: s})
			}
		case llm.PartReasoning:
			for _, s := range halves(p.Reasoning.Text) {
				evs = append(evs, llm.Event{Kind: llm.EventReasoning, Block: block, Text: s})
			}
			if s := p.Reasoning.Signature; s != "" {
				evs = append(evs, llm.Event{Kind: llm.EventReasoning, Block: block, Signature: s, Origin: p.Reasoning.Origin})
			}
			block++
		case llm.PartToolCall:
			c := p.ToolCall
			evs = append(evs, llm.Event{Kind: llm.EventToolCall, Index: call, ID: c.ID, Name: c.Name, Signature: c.Signature})
			for _, s := range halves(c.Arguments) {
				evs = append(evs, llm.Event{Kind: llm.EventToolCall, Index: call, Text: s})
			}
			call++
		}
	}
	u := r.Usage
	return append(evs, llm.Event{Kind: llm.EventFinish, Finish: r.Finish}, llm.Event{Kind: llm.EventUsage, Usage: &u})
}

func halves(s string) []string { return []string{s[:len(s)/2], s[len(s)/2:]} }

// lastData returns what the last event of a stream holds: there the dialect
// repeats the whole answer.
func lastData(t *testing.T, stream []byte) []byte {
	t.Helper()
	r := sse.NewReader(bytes.NewReader(stream), sse.Options{})
	defer r.Release()
	var last []byte
	for {
		ev, err := r.Next()
		if err != nil {
			return last
		}
		last = bytes.Clone(ev.Data)
	}
}
