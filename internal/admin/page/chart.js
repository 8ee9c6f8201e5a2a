// Small line charts in SVG: axes, units, a readout under the pointer or by the
// arrow keys, and the same figures as a table.
import { el, table, clock } from './api.js';

const NS = 'http://www.w3.org/2000/svg';
const svg = (name, attrs, text) => {
  const n = document.createElementNS(NS, name);
  for (const [k, v] of Object.entries(attrs)) n.setAttribute(k, v);
  if (text !== undefined) n.textContent = text;
  return n;
};
const H = 150, L = 46, R = 6, T = 8, B = 18;

// nice returns a round number at or above v.
function nice(v) {
  if (!(v > 0)) return 1;
  const p = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 2.5, 5, 10].map((m) => m * p).find((x) => x >= v * 0.999);
}

// runs gives the points of a line; a gap where nothing is known ends a run.
function runs(values, x, y) {
  const out = [];
  let run = [];
  values.forEach((v, i) => { if (v === null) { if (run.length) out.push(run); run = []; } else run.push(`${x(i).toFixed(1)},${y(v).toFixed(1)}`); });
  if (run.length) out.push(run);
  return out;
}

export class Chart {
  constructor(title, names, format) {
    this.title = title; this.names = names; this.format = format; this.at = -1;
    this.w = 420;
    this.svg = svg('svg', { viewBox: `0 0 420 ${H}`, preserveAspectRatio: 'none', role: 'img', tabindex: '0' });
    this.legend = el('div', { class: 'legend' });
    this.live = el('div', { class: 'legend', role: 'status' });
    this.rows = el('div');
    this.more = el('details', {}, el('summary', { class: 'muted' }, 'As a table'), this.rows);
    this.more.addEventListener('toggle', () => this.tabulate());
    this.node = el('figure', { class: 'chart' }, el('h3', {}, title), this.legend, this.svg, this.live, this.more);
    this.svg.addEventListener('pointermove', (e) => { const b = this.svg.getBoundingClientRect(); this.point(Math.round(((e.clientX - b.left) / b.width * this.w - L) / (this.w - L - R) * (this.times.length - 1))); });
    this.svg.addEventListener('pointerleave', () => this.point(-1));
    this.svg.addEventListener('blur', () => this.point(-1));
    this.svg.addEventListener('keydown', (e) => {
      const n = this.times?.length || 0, from = this.at < 0 ? n - 1 : this.at;
      const to = { ArrowLeft: this.at < 0 ? n - 1 : from - 1, ArrowRight: from + 1, Home: 0, End: n - 1, Escape: -1 }[e.key];
      if (to === undefined || !n) return;
      e.preventDefault();
      this.point(to < 0 && e.key !== 'Escape' ? 0 : to);
    });
  }

  draw(times, series) {
    this.times = times; this.series = series;
    const W = this.w = this.svg.clientWidth || 420; // one unit is one pixel, so that text keeps its form
    this.svg.setAttribute('viewBox', `0 0 ${W} ${H}`);
    const top = nice(Math.max(0, ...series.flat().filter((v) => v !== null)));
    const x = this.x = (i) => L + i / Math.max(1, times.length - 1) * (W - L - R);
    const y = (v) => T + (1 - v / top) * (H - T - B);
    const nodes = [];
    for (const part of [0, 0.5, 1]) {
      nodes.push(svg('line', { class: 'grid', x1: L, x2: W - R, y1: y(top * part), y2: y(top * part) }));
      nodes.push(svg('text', { x: L - 4, y: y(top * part) + 3, 'text-anchor': 'end' }, this.format(top * part)));
    }
    [[0, 'start'], [Math.floor(times.length / 2), 'middle'], [times.length - 1, 'end']].forEach(([i, anchor]) => nodes.push(svg('text', { x: x(i), y: H - 4, 'text-anchor': anchor }, clock(times[i]).slice(0, 5))));
    series.forEach((s, k) => runs(s, x, y).forEach((r) => {
      if (r.length > 1) return nodes.push(svg('polyline', { class: 's' + k, points: r.join(' '), 'vector-effect': 'non-scaling-stroke' }));
      const [cx, cy] = r[0].split(','); // one point is no line
      nodes.push(svg('circle', { class: 's' + k, cx, cy, r: 2 }));
    }));
    this.line = svg('line', { class: 'cursor', y1: T, y2: H - B, x1: -9, x2: -9 });
    this.svg.replaceChildren(...nodes, this.line);
    this.legend.replaceChildren(...this.names.flatMap((n, k) => [el('span', { class: 'k' + k }, '■ '), `${n}  `]));
    const last = series.map((s, k) => `${this.names[k]} ${this.format(s[s.length - 1])}`).join(', ');
    this.svg.setAttribute('aria-label', `${this.title}. Latest: ${last}. Arrow keys read single points.`);
    this.point(this.at);
    this.tabulate();
  }

  point(i) {
    if (!this.times) return;
    this.at = i < 0 ? -1 : Math.min(i, this.times.length - 1);
    const px = this.at < 0 ? -9 : this.x(this.at);
    this.line.setAttribute('x1', px); this.line.setAttribute('x2', px);
    this.live.textContent = this.at < 0 ? '' : `${clock(this.times[this.at])}: ` + this.series.map((s, k) => `${this.names[k]} ${this.format(s[this.at])}`).join(', ');
  }

  tabulate() {
    if (!this.more.open || !this.times) return;
    this.rows.replaceChildren(table(this.title, [['Time'], ...this.names.map((n) => [n, true])], this.times.map((t, i) => [clock(t), ...this.series.map((s) => this.format(s[i]))]).reverse()));
  }
}

export function spark(values, label) {
  const known = values.map((v) => v ?? 0), top = Math.max(1e-9, ...known);
  const s = svg('svg', { class: 'spark', viewBox: '0 0 90 18', 'aria-label': label, role: 'img' });
  s.append(svg('polyline', { class: 's0', points: known.map((v, i) => `${(i / (known.length - 1) * 90).toFixed(1)},${(17 - v / top * 16).toFixed(1)}`).join(' ') }));
  return s;
}
