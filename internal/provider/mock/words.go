package mock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Bounds of the numbers in model names.
const (
	maxWait  = 10 * time.Minute
	maxWords = 200_000
	maxBytes = 16 << 20
	maxCount = 1_000_000
	maxChunk = 100_000
	maxDim   = 8192
)

// Word is one word of the language of model names, for listings.
type Word struct {
	Name string // as in a model name, its argument in angle brackets: lorem-<words>
	Help string // one line
}

// word is a row of the table: how a word is read and what it does.
type word struct {
	name string
	form string // the name with its argument; "" = the word takes none
	def  string // the argument when it is left out; "" = it must be given
	eg   string // an argument for examples, where def is ""
	help string
	set  func(b *behaviour, arg string) error
}

func (w *word) String() string {
	if w.form == "" {
		return w.name
	}
	return w.form
}

// table returns every word there is. A model name joins words with +.
func table() []word {
	return append(append(answerWords(), paceWords()...), append(faultWords(), usageWords()...)...)
}

func answerWords() []word {
	return []word{
		{name: "chat", help: "a short answer to the last message; calls tools when there are any (the default)", set: answer(styleChat, 0)},
		{name: "embed", help: "the same as chat: a name for embeddings", set: answer(styleChat, 0)},
		{name: "echo", help: "the last user message, word for word", set: answer(styleEcho, 0)},
		{name: "lorem", form: "lorem-<words>", def: "50", help: "text of so many words", set: answer(styleLorem, maxWords)},
		{name: "bytes", form: "bytes-<n>", eg: "1000", help: "text of so many bytes", set: answer(styleBytes, maxBytes)},
		{name: "json", help: "a JSON object, also when none was asked for", set: answer(styleJSON, 0)},
		{name: "empty", help: "an answer without content", set: answer(styleEmpty, 0)},
		{name: "refuse", help: "a refusal", set: answer(styleRefuse, 0)},
		{name: "filter", help: "an answer that a content filter broke off (finish content_filter)", set: answer(styleFilter, 0)},
		{name: "blocked", help: "a content filter refuses the prompt: 400 content_filter", set: answer(styleBlocked, 0)},
		{name: "tool", form: "tool-<name>", eg: "get_weather", help: "calls this tool; several of this word call in parallel", set: func(b *behaviour, a string) error {
			b.tools = append(b.tools, a)
			return nil
		}},
		{name: "think", form: "think-<tokens>", def: "32", help: "reasons for so many tokens first", set: number(0, maxWords, func(b *behaviour, n int) { b.think = n })},
		{name: "broken-json", help: "structured answers and tool arguments lack their end", set: flag(func(b *behaviour) { b.broken = true })},
		{name: "unique", help: "another answer each time", set: flag(func(b *behaviour) { b.unique = true })},
		{name: "reasoner", help: "refuses max_tokens, temperature and the like as reasoning models do, and reasons", set: flag(func(b *behaviour) {
			b.strict = true
		})},
	}
}

func paceWords() []word {
	return []word{
		{name: "slow", form: "slow-<n>ms", eg: "500ms", help: "waits so long before the answer's head", set: wait(func(b *behaviour, d time.Duration) { b.first = d })},
		{name: "pace", form: "pace-<n>ms", eg: "20ms", help: "waits so long before each token; a whole answer takes the sum", set: wait(func(b *behaviour, d time.Duration) { b.pace = d })},
		{name: "chunk", form: "chunk-<tokens>", eg: "4", help: "so many tokens in each event of a stream (default 1)", set: number(1, maxChunk, func(b *behaviour, n int) { b.chunk = n })},
		{name: "bench", help: "a fixed short answer at the least cost, for load tests", set: bench(0)},
		{name: "bench-stream", form: "bench-stream-<chunks>", eg: "100", help: "a fixed answer of so many tokens, one in each event", set: bench(maxChunk)},
		{name: "bench-bytes", form: "bench-bytes-<n>", eg: "10000", help: "a fixed answer of so many bytes", set: benchBytes},
		{name: "delay", form: "delay-<n>ms", eg: "50ms", help: "the same as slow, for load tests", set: wait(func(b *behaviour, d time.Duration) { b.first = d })},
	}
}

func faultWords() []word {
	return []word{
		{name: "status", form: "status-<code>", eg: "503", help: "fails with this HTTP status (400 to 599)", set: status(FaultStatus)},
		{name: "html", form: "html-<code>", eg: "502", help: "fails with this status and an HTML page for a body", set: status(FaultHTML)},
		{name: "quota", help: "429 insufficient_quota: waiting does not help", set: quota},
		{name: "retry-after", form: "retry-after-<s>", eg: "2", help: "the failure says so (seconds; alone it is a 429)", set: retryAfter},
		{name: "error-200", help: "status 200 with an error for a body", set: fault(FaultBody, -1)},
		{name: "hang", help: "never answers", set: fault(FaultHang, -1)},
		{name: "reset", help: "resets the connection before the answer", set: fault(FaultReset, -1)},
		{name: "reset-after", form: "reset-after-<events>", eg: "5", help: "resets the connection after so many events", set: faultAfter(FaultReset)},
		{name: "cut-after", form: "cut-after-<events>", eg: "5", help: "closes the connection after so many events", set: faultAfter(FaultCut)},
		{name: "stall-after", form: "stall-after-<events>", eg: "5", help: "sends nothing more after so many events", set: faultAfter(FaultStall)},
		{name: "error-after", form: "error-after-<events>", eg: "5", help: "sends an error event after so many events", set: faultAfter(FaultEvent)},
		{name: "flaky", form: "flaky-<percent>", eg: "30", help: "only so many of a hundred requests fail (with 503, or as another word says)", set: number(1, 100, func(b *behaviour, n int) { b.flaky = n })},
		{name: "fail-first", form: "fail-first-<n>", eg: "2", help: "only the first n tries of each request fail (with 503, or as another word says)", set: number(1, maxCount, func(b *behaviour, n int) { b.failFirst = n })},
	}
}

func usageWords() []word {
	return []word{
		{name: "cached", form: "cached-<tokens>", eg: "100", help: "so many input tokens come from the prompt cache", set: number(0, maxCount, func(b *behaviour, n int) { b.cached = int64(n) })},
		{name: "cache-write", form: "cache-write-<tokens>", eg: "100", help: "so many input tokens are written to the prompt cache", set: number(0, maxCount, func(b *behaviour, n int) { b.cacheWrite = int64(n) })},
		{name: "no-usage", help: "the answer does not say what it cost", set: flag(func(b *behaviour) { b.noUsage = true })},
		{name: "window", form: "window-<tokens>", eg: "100", help: "a context window of so many tokens: more is 400 context_length_exceeded", set: number(1, maxCount, func(b *behaviour, n int) { b.window = int64(n) })},
		{name: "dim", form: "dim-<n>", eg: "256", help: "embeddings of so many dimensions, unless the request says how many (default 1536)", set: number(1, maxDim, func(b *behaviour, n int) { b.dimensions = n })},
	}
}

// Words returns the language of model names, in the order of docs/mock.md.
func Words() []Word {
	var out []Word
	for _, w := range table() {
		out = append(out, Word{Name: w.String(), Help: w.help})
	}
	return out
}

// example is a model name of this word alone.
func (w *word) example() string {
	if arg := w.def + w.eg; w.form != "" {
		return w.name + "-" + arg
	}
	return w.name
}

// language reads model names. It is made once and never changes.
type language struct{ words []word }

// parse reads a model name: words joined with +, with or without the prefix
// "mock/". "" and "mock" mean chat.
func (l *language) parse(model string) (behaviour, *llm.Error) {
	b := newBehaviour()
	name := strings.TrimPrefix(model, "mock/")
	if name == "" || name == "mock" {
		name = "chat"
	}
	for piece := range strings.SplitSeq(name, "+") {
		if err := l.apply(&b, piece); err != nil {
			return b, l.unknown(model, err)
		}
	}
	b.finish()
	return b, nil
}

// apply finds the word that piece is; of two that fit, the longer.
func (l *language) apply(b *behaviour, piece string) error {
	var best *word
	var arg string
	for i := range l.words {
		w := &l.words[i]
		rest, ok := strings.CutPrefix(piece, w.name)
		if !ok || best != nil && len(best.name) > len(w.name) {
			continue
		}
		switch {
		case rest == "" && (w.form == "" || w.def != ""):
			best, arg = w, w.def
		case w.form != "" && len(rest) > 1 && rest[0] == '-':
			best, arg = w, rest[1:]
		}
	}
	if best == nil {
		return fmt.Errorf("%q is no word it knows", piece)
	}
	if err := best.set(b, arg); err != nil {
		return fmt.Errorf("%s: %w", best, err)
	}
	return nil
}

func (l *language) unknown(model string, err error) *llm.Error {
	names := make([]string, len(l.words))
	for i := range l.words {
		names[i] = l.words[i].String()
	}
	return &llm.Error{
		Kind: llm.KindNotFound, Code: "model_not_found", Param: "model", Status: 404,
		Message: fmt.Sprintf("The mock has no model %q: %v. A name is made of these words, joined with +: %s.",
			model, err, strings.Join(names, ", ")),
	}
}

func flag(do func(*behaviour)) func(*behaviour, string) error {
	return func(b *behaviour, _ string) error {
		do(b)
		return nil
	}
}

func number(low, high int, do func(*behaviour, int)) func(*behaviour, string) error {
	return func(b *behaviour, arg string) error {
		n, err := strconv.Atoi(arg)
		if err != nil || n < low || n > high {
			return fmt.Errorf("%q is no whole number from %d to %d", arg, low, high)
		}
		do(b, n)
		return nil
	}
}

func wait(do func(*behaviour, time.Duration)) func(*behaviour, string) error {
	return func(b *behaviour, arg string) error {
		d, err := time.ParseDuration(arg)
		if err != nil || d < 0 || d > maxWait {
			return fmt.Errorf("%q is no time from 0ms to %s", arg, maxWait)
		}
		do(b, d)
		return nil
	}
}

// answer sets the kind of text; limit > 0 says that a size belongs to it.
func answer(s style, limit int) func(*behaviour, string) error {
	set := func(b *behaviour, n int) { b.style, b.size = s, n }
	return func(b *behaviour, arg string) error {
		if b.styled {
			return errors.New("a name can have only one kind of answer")
		}
		b.styled = true
		if limit == 0 {
			set(b, 0)
			return nil
		}
		return number(0, limit, set)(b, arg)
	}
}

func bench(limit int) func(*behaviour, string) error {
	return func(b *behaviour, arg string) error {
		if err := answer(styleBench, limit)(b, arg); err != nil {
			return err
		}
		if limit == 0 {
			b.size = benchTokens
		}
		return nil
	}
}

func benchBytes(b *behaviour, arg string) error {
	b.chunk = benchBytesChunk
	return answer(styleBytes, maxBytes)(b, arg)
}

// fault sets how the model fails. Two different ways contradict each other.
func fault(k FaultKind, after int) func(*behaviour, string) error {
	return func(b *behaviour, _ string) error {
		if b.fault.Kind != FaultNone {
			return errors.New("a name can have only one kind of failure")
		}
		b.fault.Kind, b.fault.After = k, after
		return nil
	}
}

func faultAfter(k FaultKind) func(*behaviour, string) error {
	return func(b *behaviour, arg string) error {
		if err := fault(k, 0)(b, arg); err != nil {
			return err
		}
		return number(0, maxCount, func(b *behaviour, n int) { b.fault.After = n })(b, arg)
	}
}

func status(k FaultKind) func(*behaviour, string) error {
	return func(b *behaviour, arg string) error {
		if err := fault(k, -1)(b, arg); err != nil {
			return err
		}
		return number(400, 599, func(b *behaviour, n int) { b.fault.Status = n })(b, arg)
	}
}

func quota(b *behaviour, arg string) error {
	b.fault.Quota = true
	if err := fault(FaultStatus, -1)(b, arg); err != nil {
		return err
	}
	b.fault.Status = 429
	return nil
}

func retryAfter(b *behaviour, arg string) error {
	s, err := strconv.ParseFloat(arg, 64)
	if err != nil || !(s >= 0) || s > maxWait.Seconds()*144 {
		return fmt.Errorf("%q is no number of seconds up to a day", arg)
	}
	b.fault.RetryAfter = time.Duration(s * float64(time.Second))
	return nil
}
