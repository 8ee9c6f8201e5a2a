package canary

import (
	"fmt"
	"math"
	"time"
)

// Rules says when a candidate is worse.
type Rules struct {
	Steps           string        // for the comparison of rules; see ParseSteps
	Interval        time.Duration // a window lasts at least so long
	MinRequests     int           // the candidate's, before a window is judged
	MaxErrorRate    float64       // above the baseline's, 0 to 1; the same for invalid answers
	MaxLatencyRatio float64       // candidate's median or p95 over the baseline's
}

const (
	// doubt bounds the chance that a test takes an equal candidate for a worse
	// one in all looks at one window together. By Wilks' theorem a likelihood
	// ratio of 1/doubt comes up by chance in one look of 5,000; there are not
	// ten looks at a window, as each waits for twice the calls.
	doubt = 0.002
	// sigmas is the one-sided normal quantile for half of doubt: a bound on each side.
	sigmas = 3.1
	// near is the part of the margin that must have been seen: counts scatter,
	// and a candidate beyond the margin must not escape for a window's luck.
	near = 0.75
	// leastTimes is how many times a quantile is judged by at least.
	leastTimes = 30
)

// verdict is what a look at the sums comes to.
type verdict struct {
	worse  string // why the candidate is worse beyond doubt; "" = it is not
	doubts string // why it cannot be called as good; "" = it can
}

// judge compares the two sides of a window, or of two joined.
func (r Rules) judge(s *Sums) (v verdict) {
	b, c := &s[Baseline], &s[Candidate]
	v.rate("errors", r.MaxErrorRate, c.Errors, c.Requests, b.Errors, b.Requests)
	v.rate("empty or invalid answers", r.MaxErrorRate, c.Invalid, c.Requests-c.Errors, b.Invalid, b.Requests-b.Errors)
	v.times("time to first token", r.MaxLatencyRatio, &c.FirstToken, &b.FirstToken)
	v.times("latency", r.MaxLatencyRatio, &c.Latency, &b.Latency)
	return v
}

// rate weighs two explanations of the counts: the candidate fails no more than
// the baseline, or it fails more by at least the margin. The test is the ratio
// of their likelihoods, each at the rates that suit it best. It is exact in the
// counts, where a normal approximation is wrong for the few errors that a
// window has. As thousands of calls make any difference certain, the one that
// was seen must come near the margin besides.
func (v *verdict) rate(what string, margin float64, cx, cn, bx, bn int64) {
	if cn == 0 || bn == 0 {
		return
	}
	evidence := likelihoodRatio(margin, cx, cn, bx, bn)
	seen := float64(cx)/float64(cn) - float64(bx)/float64(bn)
	says := func() string {
		return fmt.Sprintf("%s: %.2f%% of %d, baseline %.2f%% of %d", what, 100*float64(cx)/float64(cn), cn, 100*float64(bx)/float64(bn), bn)
	}
	switch {
	case evidence > -math.Log(doubt) && seen > near*margin:
		v.blame(says())
	case evidence >= 0 && seen > margin/2:
		v.doubt(says())
	}
}

// likelihoodRatio returns the logarithm of how much better the counts suit a
// candidate that is worse by the margin or more than one that is not worse.
func likelihoodRatio(margin float64, cx, cn, bx, bn int64) float64 {
	c, b := float64(cx)/float64(cn), float64(bx)/float64(bn)
	both := func(c, b float64) float64 { return logLikelihood(c, cx, cn) + logLikelihood(b, bx, bn) }
	worse, equal := both(c, b), both(c, b)
	if c < b+margin {
		worse = highest(func(p float64) float64 { return both(p+margin, p) }, 1-margin)
	}
	if c > b {
		pooled := float64(cx+bx) / float64(cn+bn)
		equal = both(pooled, pooled)
	}
	return worse - equal
}

// logLikelihood is that of x failures among n at a rate.
func logLikelihood(p float64, x, n int64) float64 {
	l := 0.0
	if x > 0 {
		l += float64(x) * math.Log(p)
	}
	if n > x {
		l += float64(n-x) * math.Log1p(-p)
	}
	return l
}

// highest returns the maximum of a concave function over rates from 0 to end,
// by golden section.
func highest(f func(float64) float64, end float64) float64 {
	const shrink = 0.6180339887498949
	lo, hi := 0.0, end
	a, b := hi-shrink*(hi-lo), lo+shrink*(hi-lo)
	fa, fb := f(a), f(b)
	for range 60 {
		if fa < fb {
			lo, a, fa = a, b, fb
			b = lo + shrink*(hi-lo)
			fb = f(b)
		} else {
			hi, b, fb = b, a, fa
			a = hi - shrink*(hi-lo)
			fa = f(a)
		}
	}
	return max(fa, fb)
}

// judged are the quantiles that are compared.
var judged = [...]struct {
	q    float64
	name string
}{{0.5, "median"}, {0.95, "p95"}}

// times compares quantiles by bounds that hold for any distribution: how many
// of n times lie below their true quantile is binomial, so an order statistic
// a few deviations away from it bounds it. The candidate is worse when its
// lower bound is above the ratio times the baseline's upper bound.
func (v *verdict) times(what string, ratio float64, c, b *Histogram) {
	cn, bn := c.total(), b.total()
	if cn < leastTimes || bn < leastTimes {
		return
	}
	for _, j := range judged {
		says := func() string {
			return fmt.Sprintf("%s: %s %s over %d, baseline %s over %d", what, j.name, short(c.Quantile(j.q)), cn, short(b.Quantile(j.q)), bn)
		}
		low, high := c.at(rank(j.q, cn, -sigmas)), b.at(rank(j.q, bn, sigmas))
		switch {
		case float64(low) > ratio*float64(high):
			v.blame(says())
			return
		case float64(c.Quantile(j.q)) > ratio*float64(b.Quantile(j.q)):
			v.doubt(says())
		}
	}
}

// rank returns the rank, from 1 to n, that lies so many deviations from a
// quantile's.
func rank(q float64, n int64, deviations float64) int64 {
	at := q*float64(n) + deviations*math.Sqrt(q*(1-q)*float64(n))
	return min(max(int64(math.Ceil(at)), 1), n)
}

func (v *verdict) blame(why string) {
	if v.worse == "" {
		v.worse = why
	}
}

func (v *verdict) doubt(why string) {
	if v.doubts == "" {
		v.doubts = why
	}
}

// short shows a time to three digits or so.
func short(d time.Duration) string {
	if d >= time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}
