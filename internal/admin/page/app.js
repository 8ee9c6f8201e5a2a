// The operators' page: polls the admin API and shows what it says.
import { api, maybe, el, byId, put, table, num, time, money, share, clock, ago } from './api.js';
import { Chart, spark } from './chart.js';
import { playground } from './play.js';

const FAST = 3000, SLOW = 15000;
const charts = {
  traffic: new Chart('Requests per second', ['requests', 'errors'], (v) => v === null ? '–' : num(v) + '/s'),
  latency: new Chart('Latency of whole answers', ['p50', 'p95'], time),
  first: new Chart('Time to first token', ['p50', 'p95'], time),
  tokens: new Chart('Tokens per second', ['input', 'output'], (v) => v === null ? '–' : num(v) + '/s'),
};
let timer = 0, slowAt = 0, busy = false, limits = [], spend = null;

const tile = (name, value, note, tone) => el('div', {}, el('dt', {}, name), el('dd', { class: tone }, value, note && el('small', {}, note)));
const tone = (s) => ({ open: 'bad', 'half-open': 'warn', closed: 'good', rolled_back: 'bad', paused: 'warn', running: 'good', set_aside: 'warn' }[s] || 'muted');
const badge = (s) => el('span', { class: tone(s) }, s === 'closed' ? '● closed' : s === 'open' ? '▲ open' : s);

function confirm(text) {
  const d = byId('confirm');
  byId('confirm-text').textContent = text;
  d.returnValue = 'no';
  d.showModal();
  return new Promise((done) => d.addEventListener('close', () => done(d.returnValue === 'yes'), { once: true }));
}

function tiles(o, s) {
  const t = o.total, span = o.step_seconds * o.points.length;
  const budget = limits.find((l) => l.scope === 'gateway') || {};
  const spent = (kind) => {
    const sum = kind === 'day' ? spend?.today : spend?.month, b = budget[kind];
    return [money(sum ?? b?.spent), b ? `of ${money(b.budget)}, ${share(b.spent, b.budget)}` : 'no budget', b && b.spent >= b.budget * 0.9 ? 'bad' : null];
  };
  put(byId('tiles'),
    tile('Requests', num(t.requests), num(t.requests / span) + ' per s'),
    tile('Errors', share(t.errors, t.requests), `${num(t.errors)} failed, ${num(t.refused)} refused`, t.errors ? 'bad' : null),
    tile('Latency p95', time(t.p95_ms), 'p50 ' + time(t.p50_ms)),
    tile('First token p95', time(t.ttft_p95_ms), 'p50 ' + time(t.ttft_p50_ms)),
    tile('In flight', num(s.requests_in_flight), num(s.streams_in_flight) + ' streams' + (s.overload?.bound ? `, bound ${s.overload.bound}` : '')),
    tile('Tokens', num(t.input_tokens + t.output_tokens), `${num(t.input_tokens)} in, ${num(t.output_tokens)} out`),
    tile('Cache hits', share(t.cache_hits, t.cache_lookups), `${num(t.cache_hits)} of ${num(t.cache_lookups)}`),
    tile('Fallbacks', share(t.fallbacks, t.requests), num(t.retries) + ' further attempts'),
    tile('Spent today', ...spent('day')), tile('Spent this month', ...spent('month')));
}

function groups(box, caption, list) {
  put(box, table(caption, [['Name'], ['Requests', true], ['Errors', true], ['p50', true], ['p95', true], ['TTFT p50', true], ['TTFT p95', true], ['Cost', true], ['Requests']],
    list.map((g) => [g.name, num(g.total.requests), el('span', { class: g.total.errors ? 'bad' : null }, share(g.total.errors, g.total.requests)), time(g.total.p50_ms), time(g.total.p95_ms), time(g.total.ttft_p50_ms), time(g.total.ttft_p95_ms), money(g.total.cost), spark(g.requests, `requests of ${g.name}`)]), 'No traffic in this window.'));
}

function drawCharts(o) {
  const at = o.points.map((p) => p.start), per = (f) => o.points.map((p) => f(p) / o.step_seconds);
  charts.traffic.draw(at, [per((p) => p.requests), per((p) => p.errors)]);
  charts.latency.draw(at, [o.points.map((p) => p.p50_ms), o.points.map((p) => p.p95_ms)]);
  charts.first.draw(at, [o.points.map((p) => p.ttft_p50_ms), o.points.map((p) => p.ttft_p95_ms)]);
  charts.tokens.draw(at, [per((p) => p.input_tokens), per((p) => p.output_tokens)]);
}

function requests(list) {
  put(byId('request-table'), table('Newest first, without content', [['Time'], ['Key'], ['Route'], ['Answered by'], ['Status'], ['Took', true], ['TTFT', true], ['Tokens', true], ['Cost', true], ['Path through attempts', false, true]],
    list.map((r) => [el('span', { title: r.request_id }, clock(r.time)), r.key || 'anonymous', r.route || '–', r.provider ? `${r.provider}/${r.model || '?'}` : '–',
      el('span', { class: r.status >= 500 || r.status === 429 ? 'bad' : r.status >= 400 ? 'warn' : 'good' }, String(r.status), r.kind ? ` ${r.kind}` : ''),
      time(r.ms), time(r.ttft_ms), `${num(r.tokens.input)} + ${num(r.tokens.output)}`, money(r.cost),
      (r.path ? r.path.replaceAll('>', ' → ') : 'straight') + (r.attempts > 1 ? ` (${r.attempts} attempts)` : '') + (r.cache ? `, cache ${r.cache}` : '')])));
}

function circuits(providers, routes) {
  const cool = {};
  for (const r of routes) for (const t of r.targets) if (t.cool_until) cool[`${t.provider}/${t.model}`] = t.cool_until;
  const rows = providers.flatMap((p) => p.targets.map((t) => [`${p.name}/${t.model}`, p.type, p.host || '–', t.circuit ? badge(t.circuit.state) : '–', t.circuit ? ago(t.circuit.since) : '–', t.circuit ? `${t.circuit.failures} of ${t.circuit.requests}` : '–',
    cool[`${p.name}/${t.model}`] ? 'until ' + clock(cool[`${p.name}/${t.model}`]) : '–', p.limits?.concurrency ? `${p.limits.in_flight} of ${p.limits.concurrency}` : '–']));
  put(byId('circuit-table'), table('Circuits', [['Target'], ['Type'], ['Host'], ['Circuit'], ['Since'], ['Failed', true], ['Cooling down'], ['Slots', true]], rows, 'No target was asked yet.'));
}

function canaries(list) {
  byId('canaries').hidden = !list?.length;
  if (!list?.length) return;
  const act = (route, action) => async () => {
    if (!await confirm(`${action} the canary of ${route}?`)) return;
    try { await api(`/admin/v1/canaries/${encodeURIComponent(route)}`, { method: 'POST', body: { action } }); } catch (e) { byId('trouble').textContent = e.message; return; }
    slowAt = 0; poll();
  };
  const f = (name, w) => w?.requests ? [name, num(w.requests), share(w.errors ?? 0, w.requests), time(w.latency_p50_ms), time(w.latency_p95_ms), time(w.ttft_p50_ms || null), time(w.ttft_p95_ms || null)] : [name, '0'];
  const box = byId('canary-list');
  const cards = list.map((c) => el('div', { class: 'card' },
    el('h3', {}, `${c.route}: `, badge(c.state), ` at ${c.percent} %, step ${c.step} of ${c.steps.length} (${c.steps.join(', ')} %), since ${ago(c.since)}${c.reason ? ': ' + c.reason : ''}`),
    el('progress', { max: 100, value: c.percent, 'aria-label': `share of the canary of ${c.route}` }),
    table('In the window', [['Side'], ['Requests', true], ['Errors', true], ['p50', true], ['p95', true], ['TTFT p50', true], ['TTFT p95', true]], [f('candidate ' + c.candidate, c.window?.candidate), f('baseline ' + (c.baseline || []).join(', '), c.window?.baseline)]),
    el('div', { class: 'row' }, ...[['promote', 'Promote'], ['rollback', 'Roll back'], ['pause', 'Pause'], ['resume', 'Resume']].map(([a, t]) => el('button', { type: 'button', class: a === 'rollback' ? 'danger' : null, 'data-focus': c.route + a, onclick: act(c.route, a) }, t)))));
  put(box, ...cards);
}

function shadows(list) {
  byId('shadows').hidden = !list?.length;
  if (list?.length) put(byId('shadow-table'), table('Copies of requests', [['Route'], ['Target'], ['Share', true], ['Copied', true], ['Failed', true], ['Spent today', true], ['Latency ratio', true], ['Cost ratio', true]],
    list.map((s) => [s.route, s.target, s.percent + ' %', num(s.copied), num(s.failed), money(s.spent_today), num(s.compared?.latency_ratio), num(s.compared?.cost_ratio)])));
}

const bounds = (l) => [l?.rps && l.rps + ' rps', l?.tpm && num(l.tpm) + ' tpm', l?.budget?.day && money(l.budget.day) + '/day', l?.budget?.month && money(l.budget.month) + '/month'].filter(Boolean).join(', ') || 'none';
function keys(list) {
  byId('keys').hidden = byId('nav-keys').hidden = !list;
  if (!list) return;
  const revoke = (name) => async () => {
    if (!await confirm(`Revoke the key ${name}? It stops working at once.`)) return;
    try { await api('/admin/v1/keys/' + encodeURIComponent(name), { method: 'DELETE' }); } catch (e) { byId('key-error').textContent = e.message; }
    slowAt = 0; poll();
  };
  put(byId('key-table'), table('API keys', [['Name'], ['Tenant'], ['Models'], ['Limits'], ['Source'], ['Fingerprint'], ['Revocation']],
    list.map((k) => [k.name, k.tenant || '–', k.models?.join(', ') || 'all', bounds(k.limits), k.source, el('code', {}, k.fingerprint || '–'),
      k.source === 'runtime' ? el('button', { type: 'button', class: 'danger', 'data-focus': 'k' + k.name, 'aria-label': `Revoke ${k.name}`, onclick: revoke(k.name) }, 'Revoke') : 'in the file']), 'There is no key.'));
}

function system(s, credentials) {
  const pct = (p) => p ? `${num(p.used ?? p.spent)} of ${num(p.limit ?? p.tpm ?? p.budget)}` : '–';
  put(byId('limit-table'), table('Limits in use', [['Scope'], ['Name'], ['Requests left', true], ['Tokens', true], ['Slots', true], ['Day', true], ['Month', true]],
    limits.slice(0, 50).map((l) => [l.scope, l.name || '–', l.requests ? `${l.requests.remaining} of ${l.requests.burst}` : '–', pct(l.tokens), pct(l.concurrency), l.day ? `${money(l.day.spent)} of ${money(l.day.budget)}` : '–', l.month ? `${money(l.month.spent)} of ${money(l.month.budget)}` : '–']), 'No limits.'));
  put(byId('spend-table'), table('Top keys today', [['Key'], ['Requests', true], ['Tokens', true], ['Cost', true]],
    (spend?.keys || []).slice(0, 10).map((k) => [k.key || (k.requests ? 'anonymous' : 'copies for shadows'), num(k.requests), num(k.input_tokens + k.output_tokens), money(k.cost)]), 'Nothing was used today.'));
  put(byId('status-table'), table('Gateway', [['What'], ['State', false, true]], [['Version', `${s.version} (${s.commit}), ${s.go}`], ['Started', ago(s.started)], ['Configuration', `loaded ${ago(s.configuration.loaded_at)}`],
    ['Redis', s.redis ? (s.redis.up ? 'answers' : 'does not answer') : 'not used'], ['Ledger', `${s.ledger.store}: ${num(s.ledger.written)} written, ${s.ledger.waiting} waiting, ${s.ledger.lost} lost`], ['Memory', num(s.heap_bytes) + 'B, ' + s.goroutines + ' goroutines'], ...s.configuration.warnings.map((w) => ['Warning', w])]));
  put(byId('credential-table'), table('Credentials of providers', [['Provider'], ['Fingerprint'], ['State'], ['Last used'], ['Requests', true]],
    credentials.map((c) => [c.provider, el('code', {}, c.fingerprint), el('span', { class: tone(c.state) }, c.state.replace('_', ' '), c.reason ? ': ' + c.reason : ''), ago(c.last_used), num(c.requests)]), 'None.'));
}

async function slowly() {
  const today = new Date().toISOString().slice(0, 10);
  const [l, c, k, day, month, models] = await Promise.all([api('/admin/v1/limits'), api('/admin/v1/credentials'), maybe('/admin/v1/keys'),
    maybe(`/admin/v1/usage?group_by=key&from=${today}`).catch(() => null), maybe('/admin/v1/usage').catch(() => null), api('/admin/v1/routes')]);
  limits = l.limits;
  spend = { today: day?.total.cost ?? null, month: month?.total.cost ?? null, keys: (day?.rows || []).sort((a, b) => b.cost - a.cost || b.requests - a.requests) };
  keys(k?.keys);
  put(byId('play-models'), ...models.routes.map((r) => el('option', { value: r.name })));
  return c.credentials;
}

let credentials = [];
async function poll() {
  clearTimeout(timer);
  if (busy || document.hidden || byId('board').hidden) return;
  busy = true;
  try {
    if (Date.now() - slowAt >= SLOW) { slowAt = Date.now(); credentials = await slowly(); }
    const [s, o, p, r, q, c, sh] = await Promise.all([api('/admin/v1/status'), api('/admin/v1/overview?window=' + byId('window').value), api('/admin/v1/providers'), api('/admin/v1/routes'),
      api('/admin/v1/requests?limit=40'), maybe('/admin/v1/canaries'), maybe('/admin/v1/shadows')]);
    byId('state').textContent = `${s.version} · ${s.state}`;
    tiles(o, s); drawCharts(o); groups(byId('route-table'), 'Routes', o.routes); groups(byId('provider-table'), 'Providers', o.providers);
    circuits(p.providers, r.routes); requests(q.requests); canaries(c?.canaries); shadows(sh?.shadows); system(s, credentials);
    byId('trouble').textContent = '';
  } catch (e) {
    if (e.status === 401) return show(false);
    byId('trouble').textContent = 'The gateway does not answer: ' + e.message;
  } finally { busy = false; timer = setTimeout(poll, FAST); }
}

function show(signedIn) {
  byId('sign-in').hidden = signedIn;
  for (const id of ['board', 'nav', 'window-box', 'sign-out']) byId(id).hidden = !signedIn;
  if (signedIn) { slowAt = 0; poll(); } else { clearTimeout(timer); byId('state').textContent = ''; byId('token').focus(); }
}

function theme() {
  const order = ['auto', 'light', 'dark'], b = byId('theme');
  const set = (t) => { b.textContent = 'Theme: ' + t; if (t === 'auto') delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = t; };
  let now = localStorage.getItem('theme') || 'auto';
  set(now);
  b.addEventListener('click', () => { now = order[(order.indexOf(now) + 1) % 3]; localStorage.setItem('theme', now); set(now); });
}

function forms() {
  byId('sign-in-form').addEventListener('submit', async (e) => {
    e.preventDefault();
    const field = byId('token');
    byId('sign-in-error').textContent = '';
    try { await api('/dashboard/session', { method: 'POST', body: { token: field.value } }); field.value = ''; show(true); byId('main').focus(); } catch (err) { byId('sign-in-error').textContent = err.message; field.select(); }
  });
  byId('sign-out').addEventListener('click', async () => { try { await api('/dashboard/session', { method: 'DELETE' }); } finally { show(false); } });
  byId('window').addEventListener('change', poll);
  byId('reload').addEventListener('click', async () => {
    if (!await confirm('Read the configuration anew and put it into force?')) return;
    const out = byId('reload-result');
    try { const r = await api('/admin/v1/reload', { method: 'POST' }); out.className = 'good'; out.textContent = r.changes.length ? 'Changed: ' + r.changes.join('; ') : 'Nothing changed.'; } catch (e) { out.className = 'bad'; out.textContent = e.message; }
    slowAt = 0; poll();
  });
  byId('key-form').addEventListener('submit', async (e) => {
    e.preventDefault();
    const v = (id) => byId(id).value.trim(), n = (id) => Number(v(id)) || undefined; // what is undefined is not sent
    const budget = n('key-day') || n('key-month') ? { day: n('key-day'), month: n('key-month') } : undefined;
    const body = { name: v('key-name'), tenant: v('key-tenant') || undefined, models: v('key-models').split(',').map((s) => s.trim()).filter(Boolean), limits: { rps: n('key-rps'), tpm: n('key-tpm'), budget } };
    byId('key-error').textContent = '';
    try {
      const k = await api('/admin/v1/keys', { method: 'POST', body });
      byId('new-key').hidden = false;
      byId('new-key').replaceChildren(`The key of ${k.name}, shown this once: `, el('code', {}, k.key));
      byId('key-form').reset(); slowAt = 0; poll();
    } catch (err) { byId('key-error').textContent = err.message; }
  });
}

byId('charts').append(...Object.values(charts).map((c) => c.node));
document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
theme(); forms(); playground();
api('/dashboard/session').then((s) => show(s.signed_in)).catch(() => show(false));
