// The official Anthropic SDK, unmodified but for base URL and key, against targets of every dialect.
import Anthropic from '@anthropic-ai/sdk';
import { check, equal, ok, fails, targets, canceled, noticed } from './check.mjs';

const client = new Anthropic({ baseURL: process.env.GATEWAY, apiKey: process.env.KEY, maxRetries: 0 });
const hello = [{ role: 'user', content: 'Hello there' }];
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const tools = [
  { name: 'weather', description: 'The weather', input_schema: city },
  { name: 'clock', description: 'The time', input_schema: city },
];
const text = (m) => m.content.filter((b) => b.type === 'text').map((b) => b.text).join('');
const results = (m) => m.content.filter((b) => b.type === 'tool_use').map((b) => ({ type: 'tool_result', tool_use_id: b.id, content: '21 degrees' }));

for (const target of targets) {
  const base = { max_tokens: 4000, messages: hello };
  await check(`${target}: unary`, async () => {
    const { data: m, response } = await client.messages.create({ ...base, model: `${target}/mock/echo` }).withResponse();
    equal(text(m), 'Hello there');
    equal([m.type, m.role, m.stop_reason], ['message', 'assistant', 'end_turn']);
    ok(m.usage.input_tokens > 0 && m.usage.output_tokens > 0, 'usage');
    ok(m._request_id && m._request_id === response.headers.get('x-request-id'), 'request id');
  });
  await check(`${target}: stream`, async () => {
    let pieces = 0;
    const s = client.messages.stream({ ...base, model: `${target}/mock/lorem-40` });
    s.on('text', () => pieces++);
    const m = await s.finalMessage();
    equal(text(m).trim().split(/\s+/).length, 40, 'words');
    ok(pieces > 20, `${pieces} pieces`);
    equal(m.stop_reason, 'end_turn');
    ok(m.usage.output_tokens >= 40, 'usage');
  });
  for (const [how, ask] of [
    ['whole', (p) => client.messages.create(p)],
    ['streamed', (p) => client.messages.stream(p).finalMessage()],
  ]) {
    await check(`${target}: thinking and parallel tools, ${how}`, async () => {
      const params = { max_tokens: 4000, model: `${target}/mock/chat`, tools, thinking: { type: 'adaptive' }, output_config: { effort: 'high' } };
      const messages = [{ role: 'user', content: 'Ask weather and clock' }];
      const first = await ask({ ...params, messages });
      equal(first.stop_reason, 'tool_use');
      const calls = first.content.filter((b) => b.type === 'tool_use');
      equal(calls.map((c) => c.name), ['weather', 'clock']);
      ok(calls.every((c) => typeof c.input.city === 'string'), JSON.stringify(calls));
      ok(first.content.some((b) => b.type === 'thinking' && b.thinking), 'no thinking');
      messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: results(first) });
      const second = await ask({ ...params, messages });
      equal(second.stop_reason, 'end_turn');
      ok(text(second).includes('21 degrees'), text(second));
    });
  }
  await check(`${target}: structured output`, async () => {
    const m = await client.messages.create({ ...base, model: `${target}/mock/chat`, output_config: { format: { type: 'json_schema', schema: city } } });
    equal(typeof JSON.parse(text(m)).city, 'string');
  });
  await check(`${target}: stop and length`, async () => {
    const m = await client.messages.create({ ...base, model: `${target}/mock/echo`, stop_sequences: ['there'] });
    equal(text(m).trim(), 'Hello');
    const cut = await client.messages.create({ max_tokens: 3, messages: hello, model: `${target}/mock/lorem-40` });
    equal(cut.stop_reason, 'max_tokens');
  });
  await check(`${target}: count tokens`, async () => {
    const { data: n, response } = await client.messages.countTokens({ model: `${target}/mock/echo`, messages: hello }).withResponse();
    ok(n.input_tokens > 2, JSON.stringify(n));
    equal(response.headers.get('x-gateway-estimated'), target === 'oai' ? 'input_tokens' : null);
  });
  await check(`${target}: error classes`, async () => {
    const ask = (model, extra) => client.messages.create({ ...base, model: `${target}/mock/${model}`, ...extra });
    await fails(() => ask('nonsense'), Anthropic.NotFoundError, 404);
    const rl = await fails(() => ask('status-429+retry-after-60'), Anthropic.RateLimitError, 429);
    ok(Number(rl.headers.get('retry-after')) > 0, 'retry-after');
    await fails(() => ask('status-500'), Anthropic.InternalServerError, 502);
    await fails(() => ask('echo', { messages: [] }), Anthropic.BadRequestError, 400);
    const bad = new Anthropic({ baseURL: process.env.GATEWAY, apiKey: 'gw_wrong', maxRetries: 0 });
    const e = await fails(() => bad.messages.create({ ...base, model: `${target}/mock/echo` }), Anthropic.AuthenticationError, 401);
    equal([e.error.type, e.error.error.type], ['error', 'authentication_error']);
    ok(e.requestID, 'request id of an error');
  });
  await check(`${target}: a cut stream is loud`, async () => {
    await fails(() => client.messages.stream({ ...base, model: `${target}/mock/lorem-40+cut-after-9` }).finalMessage(), Anthropic.APIError);
  });
  await check(`${target}: abort`, async () => {
    const before = await canceled('mock/lorem-2000+pace-20ms');
    let n = 0;
    const s = await client.messages.create({ ...base, model: `${target}/mock/lorem-2000+pace-20ms`, stream: true });
    for await (const ev of s) {
      if (ev.type === 'content_block_delta' && ++n === 3) s.controller.abort();
    }
    ok(n >= 3 && n < 100, `${n} pieces`); // some may have been on their way
    await noticed('mock/lorem-2000+pace-20ms', before);
    const c = new AbortController();
    setTimeout(() => c.abort(), 50);
    await fails(() => client.messages.create({ ...base, model: `${target}/mock/slow-20000ms` }, { signal: c.signal }), Anthropic.APIUserAbortError);
  });
}
