// The one way to the gateway. Changes carry the header that no other page can send.
export class Failure extends Error {
  constructor(status, body) { super(body?.message || `HTTP ${status}`); this.status = status; this.kind = body?.error?.kind; }
}

export async function api(path, { method = 'GET', body, signal } = {}) {
  const headers = {};
  if (method !== 'GET') headers['X-Gateway-CSRF'] = '1';
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const r = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: 'same-origin' });
  let json = null;
  try { json = await r.json(); } catch { /* not ours */ }
  if (!r.ok) throw new Failure(r.status, json);
  return json?.data;
}

// Parts of the API that this gateway does not have: asked for once.
const absent = new Set();
export async function maybe(path) {
  if (absent.has(path)) return null;
  try { return await api(path); } catch (e) {
    if (e.status === 404) { absent.add(path); return null; }
    throw e;
  }
}

// el makes an element; strings among the children become text, never markup.
export function el(name, attrs = {}, ...children) {
  const n = document.createElement(name);
  for (const [k, v] of Object.entries(attrs)) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith('on')) n.addEventListener(k.slice(2), v); else n.setAttribute(k, v === true ? '' : v);
  }
  n.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return n;
}

export const byId = (id) => document.getElementById(id);
// put replaces what a box holds, unless it is the same; focus and scroll stay.
export function put(box, ...nodes) {
  const next = el('div', {}, ...nodes);
  if (box.innerHTML === next.innerHTML) return;
  const active = box.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const left = box.scrollLeft;
  box.replaceChildren(...next.childNodes);
  box.scrollLeft = left;
  if (active) box.querySelector(`[data-focus="${CSS.escape(active)}"]`)?.focus();
}

// table: columns are [title, numeric, wide]; rows hold text or nodes.
export function table(caption, columns, rows, empty = 'Nothing yet.') {
  if (!rows.length) return el('div', {}, el('h3', {}, caption), el('p', { class: 'muted' }, empty));
  return el('table', {}, el('caption', {}, caption),
    el('thead', {}, el('tr', {}, ...columns.map(([t, n]) => el('th', { scope: 'col', class: n ? 'n' : null }, t)))),
    el('tbody', {}, ...rows.map((r) => el('tr', {}, ...columns.map(([, n, wide], i) => el('td', { class: n ? 'n' : wide ? 'wrap' : null }, r[i] ?? '–'))))));
}

export const num = (n) => n === null || n === undefined ? '–' : Math.abs(n) >= 1e6 ? (n / 1e6).toFixed(1) + 'M' : Math.abs(n) >= 1e4 ? (n / 1e3).toFixed(1) + 'k' : Number.isInteger(n) ? String(n) : n.toFixed(Math.abs(n) < 10 ? 2 : 1);
export const time = (ms) => ms === null || ms === undefined ? '–' : ms >= 10000 ? (ms / 1000).toFixed(1) + ' s' : ms >= 1000 ? (ms / 1000).toFixed(2) + ' s' : ms >= 10 ? Math.round(ms) + ' ms' : ms.toFixed(1) + ' ms';
export const money = (d) => d === null || d === undefined ? '–' : '$' + (d === 0 ? '0' : d < 0.01 ? d.toPrecision(2) : d.toFixed(2));
export const share = (a, b) => !b ? '–' : (100 * a / b).toFixed(a && a / b < 0.1 ? 1 : 0) + ' %';
export const clock = (s) => new Date(s).toLocaleTimeString([], { hour12: false });
export const ago = (s) => { if (!s) return 'never'; const d = (Date.now() - new Date(s)) / 1000; return d < 90 ? Math.max(0, Math.round(d)) + ' s ago' : d < 5400 ? Math.round(d / 60) + ' min ago' : d < 172800 ? Math.round(d / 3600) + ' h ago' : Math.round(d / 86400) + ' d ago'; };
