package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// bar is one measured ratio.
type bar struct {
	group, name string
	value       float64
	low, high   float64 // over the rounds
}

// bars are the ratios of a comparison that belong in the chart.
func bars(results []*caseResult) []bar {
	var all []bar
	for _, r := range results {
		base := r.row(yardstick) // a comparison without the proxy is not drawn
		for _, w := range r.Rows {
			if base == nil || w == base || w.Name == "direct" {
				continue
			}
			q := ratios(w.CPU, base.CPU)
			if len(q) > 0 {
				low, high := extremes(q)
				all = append(all, bar{group: r.Case, name: w.Name, value: median(q), low: low, high: high})
			}
		}
	}
	return all
}

const (
	chartWidth = 900
	labelWidth = 330
	barHeight  = 16
	groupGap   = 10
	headHeight = 56
	footHeight = 44
)

// chart draws CPU per answer in units of the yardstick, a bar for each
// contender of each case, as an SVG that is readable on light and dark ground.
func chart(all []bar) string {
	most := 1.0
	for _, b := range all {
		most = max(most, b.high)
	}
	step := tick(most)
	most = math.Ceil(most/step) * step
	x := func(v float64) float64 { return labelWidth + v/most*(chartWidth-labelWidth-70) }
	var body strings.Builder
	group := ""
	y := headHeight
	for _, b := range all {
		label := b.name
		if b.group != group {
			group = b.group
			y += groupGap
			label = b.group + " · " + b.name
		}
		fmt.Fprintf(&body, `<text class="t" x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-8, y+12, html.EscapeString(label))
		class := "b"
		if b.value > 1 {
			class = "b over"
		}
		fmt.Fprintf(&body, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"><title>%s: %.2f (%.2f–%.2f)</title></rect>`+"\n",
			class, labelWidth, y+1, x(b.value)-labelWidth, barHeight-4, html.EscapeString(b.group+" · "+b.name), b.value, b.low, b.high)
		fmt.Fprintf(&body, `<path class="w" d="M%.1f %dH%.1f"/>`+"\n", x(b.low), y+barHeight/2-1, x(b.high))
		fmt.Fprintf(&body, `<text class="t" x="%.1f" y="%d">%.2f</text>`+"\n", x(max(b.value, b.high))+6, y+12, b.value)
		y += barHeight
	}
	return chartHead(y+footHeight) + axis(x, most, step, y) + body.String() + "</svg>\n"
}

func chartHead(height int) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-label="CPU per answer in units of a bare reverse proxy">
<style>
.bg{fill:#fff}.t{font:12px system-ui,sans-serif;fill:#1f2328}.h{font:600 15px system-ui,sans-serif;fill:#1f2328}
.b{fill:#2f6fab}.over{fill:#b5651d}.w{stroke:#1f2328;stroke-width:1.2}.g{stroke:#d0d7de}.one{stroke:#1f2328;stroke-width:1.5;stroke-dasharray:4 3}
@media (prefers-color-scheme:dark){.bg{fill:#0d1117}.t,.h{fill:#e6edf3}.b{fill:#6aa9e0}.over{fill:#e0a15e}.w,.one{stroke:#e6edf3}.g{stroke:#30363d}}
</style>
<rect class="bg" width="%[1]d" height="%[2]d"/>
<text class="h" x="12" y="24">CPU per answer: times a bare reverse proxy (1.0), less is better</text>
<text class="t" x="12" y="43">user and system time of the server's process; bar: median of the rounds, line: least and greatest</text>
`, chartWidth, height)
}

func axis(x func(float64) float64, most, step float64, bottom int) string {
	var b strings.Builder
	for v := 0.0; v <= most+step/2; v += step {
		fmt.Fprintf(&b, `<path class="g" d="M%.1f %dV%d"/><text class="t" x="%.1f" y="%d" text-anchor="middle">%.4g</text>`+"\n", x(v), headHeight, bottom+6, x(v), bottom+20, v)
	}
	fmt.Fprintf(&b, `<path class="one" d="M%.1f %dV%d"/>`+"\n", x(1), headHeight, bottom+6)
	fmt.Fprintf(&b, `<text class="t" x="%d" y="%d" text-anchor="middle">x proxy</text>`+"\n", (labelWidth+chartWidth-70)/2, bottom+38)
	return b.String()
}

// tick is the distance of the axis' marks: about six of them.
func tick(most float64) float64 {
	for _, s := range []float64{.1, .2, .25, .5, 1, 2, 2.5, 5, 10, 20, 50} {
		if most/s <= 7 {
			return s
		}
	}
	return most / 5
}
