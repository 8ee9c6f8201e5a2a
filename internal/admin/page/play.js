// The playground: one streamed call through /v1/generate, as any client makes it.
import { byId, money, time, num } from './api.js';

let stop = null;

function request() {
  const more = byId('play-more').value.trim();
  const body = { ...(more ? JSON.parse(more) : {}), prompt: byId('play-prompt').value, stream: true };
  if (byId('play-model').value.trim()) body.model = byId('play-model').value.trim();
  return body;
}

function curl(body) {
  const auth = byId('play-key').value ? ` \\\n  -H "Authorization: Bearer $GATEWAY_KEY"` : '';
  return `curl -N ${location.origin}/v1/generate \\\n  -H 'Content-Type: application/json'${auth} \\\n  -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
}

// events reads server-sent events until the stream ends.
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split('\n');
      const name = lines.find((l) => l.startsWith('event:'))?.slice(6).trim();
      const data = lines.filter((l) => l.startsWith('data:')).map((l) => l.slice(5)).join('\n');
      if (name && data) yield [name, JSON.parse(data)];
    }
  }
}

async function send(body) {
  const answer = byId('play-answer'), facts = byId('play-facts');
  const headers = { 'Content-Type': 'application/json' };
  if (byId('play-key').value) headers.Authorization = 'Bearer ' + byId('play-key').value;
  const began = performance.now();
  let first = 0, calls = {};
  const r = await fetch('/v1/generate', { method: 'POST', headers, body: JSON.stringify(body), signal: stop.signal, credentials: 'omit' });
  if (!r.ok) { const e = await r.json(); throw new Error(`${r.status} ${e.error?.kind ?? ''}: ${e.message}`); }
  for await (const [name, data] of events(r.body)) {
    first ||= performance.now() - began;
    if (name === 'delta') answer.append(data.text);
    else if (name === 'reasoning') { const n = document.createElement('span'); n.className = 'muted'; n.textContent = data.text; answer.append(n); }
    else if (name === 'tool_call') {
      let n = calls[data.index];
      if (!n) { n = calls[data.index] = document.createElement('div'); n.textContent = `tool call ${data.name ?? ''} `; answer.append(n); }
      n.append(data.arguments ?? '');
    } else if (name === 'done') {
      facts.textContent = `${data.provider} / ${data.model} · ${data.finish_reason} · first token ${time(first)} · ${time(performance.now() - began)} · ${num(data.usage?.input_tokens)} in, ${num(data.usage?.output_tokens)} out · ${data.cost ? money(data.cost.amount) : 'no price'} · attempts ${data.attempts ?? 1}${data.cache ? ' · cache ' + data.cache : ''}`;
    } else if (name === 'error') throw new Error(`${data.error?.kind}: ${data.message}`);
  }
}

export function playground() {
  byId('play-stop').addEventListener('click', () => stop?.abort());
  byId('play-form').addEventListener('submit', async (e) => {
    e.preventDefault();
    const facts = byId('play-facts');
    facts.className = 'muted';
    let body;
    try { body = request(); } catch { facts.textContent = 'The further members are no JSON object.'; return; }
    byId('play-answer').replaceChildren();
    facts.textContent = 'Waiting for the first token …';
    byId('play-curl').textContent = curl(body);
    stop = new AbortController();
    byId('play-send').disabled = true; byId('play-stop').disabled = false;
    try { await send(body); } catch (err) { facts.className = 'bad'; facts.textContent = err.name === 'AbortError' ? 'Stopped.' : err.message; }
    byId('play-send').disabled = false; byId('play-stop').disabled = true;
  });
}
