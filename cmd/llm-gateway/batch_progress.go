package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/client"
)

// defaultWidth is the width of a terminal that does not tell its own.
const defaultWidth = 80

// tally sums up results.
type tally struct {
	succeeded, failed int
	input, output     int64
	estimated         int // answers whose usage nobody reported
	cost              llm.Money
	unpriced          int // answers whose price nobody knows: not in cost
}

func (t *tally) done() int { return t.succeeded + t.failed }

func (t *tally) addRead(r *resultLine, ok bool) {
	if !ok {
		t.failed++
		return
	}
	t.addAnswer(r.Data.Usage, r.Data.Cost)
}

func (t *tally) addAnswer(u *client.Usage, c *client.Cost) {
	t.succeeded++
	if u == nil || u.Estimated {
		t.estimated++
	}
	if u != nil {
		t.input += u.InputTokens
		t.output += u.OutputTokens
	}
	if c != nil {
		if m, err := llm.ParseMoney(c.Amount.String()); err == nil {
			t.cost += m
			return
		}
	}
	t.unpriced++
}

func (t *tally) plus(o tally) tally {
	return tally{
		t.succeeded + o.succeeded, t.failed + o.failed, t.input + o.input, t.output + o.output,
		t.estimated + o.estimated, t.cost + o.cost, t.unpriced + o.unpriced,
	}
}

// progress is where a batch stands.
type progress struct {
	total   int
	before  tally // in the output at the start
	now     tally // of this run
	elapsed time.Duration
}

// rate is how many results a second this run makes.
func (p *progress) rate() float64 {
	if p.elapsed <= 0 {
		return 0
	}
	return float64(p.now.done()) / p.elapsed.Seconds()
}

// left estimates the time until the end; ok is false when nothing is known.
func (p *progress) left() (d time.Duration, ok bool) {
	all := p.before.plus(p.now)
	if p.now.done() == 0 || p.elapsed <= 0 {
		return 0, false
	}
	each := p.elapsed / time.Duration(p.now.done())
	if rest := max(p.total-all.done(), 0); each < 1<<62/time.Duration(rest+1) {
		return each * time.Duration(rest), true
	}
	return 0, false
}

// bar is one line of at most width-1 columns, all ASCII: a terminal wraps when
// its last column is written.
func (p *progress) bar(width int) string {
	all := p.before.plus(p.now)
	text := fmt.Sprintf("%d/%d %3d%%  %s/s  %s", all.done(), p.total, 100*all.done()/max(p.total, 1), shortRate(p.rate()), shortCost(&all))
	if all.failed > 0 {
		text += fmt.Sprintf("  %d failed", all.failed)
	}
	if d, ok := p.left(); ok {
		text += "  " + shortTime(d) + " left"
	}
	if width--; len(text) > width {
		return text[:max(width, 0)]
	}
	room := min(width-len(text)-3, 30)
	if room < 5 {
		return text
	}
	full := room * all.done() / max(p.total, 1)
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", room-full) + "] " + text
}

func shortRate(r float64) string {
	if r < 10 {
		return fmt.Sprintf("%.2f", r)
	}
	return fmt.Sprintf("%.0f", r)
}

// shortCost shows four decimals of dollars, rounded to the next; the summary
// has them all. A plus stands for answers without a known price.
func shortCost(t *tally) string {
	const unit = llm.Dollar / 10_000
	n := (t.cost + unit/2) / unit
	s := fmt.Sprintf("$%d.%04d", n/10_000, n%10_000)
	if t.unpriced > 0 {
		s += "+?"
	}
	return s
}

func shortTime(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// summary is what is said at the end.
func (p *progress) summary() string {
	all := p.before.plus(p.now)
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d requests done: %d succeeded, %d failed", all.done(), p.total, all.succeeded, all.failed)
	if n := p.before.done(); n > 0 {
		fmt.Fprintf(&b, " (%d of them before)", n)
	}
	fmt.Fprintf(&b, "\nusage %d in + %d out", all.input, all.output)
	if all.estimated > 0 {
		fmt.Fprintf(&b, " (estimated or unknown for %d)", all.estimated)
	}
	fmt.Fprintf(&b, " · cost $%s", all.cost)
	if all.unpriced > 0 {
		fmt.Fprintf(&b, " and %d without a known price", all.unpriced)
	}
	fmt.Fprintf(&b, "\nthis run: %d in %s, %s/s\n", p.now.done(), roundTime(p.elapsed), shortRate(p.rate()))
	return b.String()
}

// display keeps a line of a terminal up to date. Elsewhere it prints only what
// it is told to say.
type display struct {
	w     io.Writer
	width func() int // asked anew each time: windows change; 0 = no terminal
	shown bool
}

func (d *display) show(p *progress) {
	if width := d.width(); width > 0 {
		d.shown = true
		fmt.Fprint(d.w, "\r\x1b[K", p.bar(width))
	}
}

// say prints text in the bar's place.
func (d *display) say(text string) {
	if d.shown {
		fmt.Fprint(d.w, "\r\x1b[K")
		d.shown = false
	}
	fmt.Fprint(d.w, text)
}
