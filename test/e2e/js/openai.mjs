// The official OpenAI SDK, unmodified but for base URL and key.
import OpenAI from 'openai';
import { check, equal, ok, fails } from './check.mjs';

const base = process.env.GATEWAY + '/v1';
const client = new OpenAI({ baseURL: base, apiKey: process.env.KEY, maxRetries: 0 });
const hello = [{ role: 'user', content: 'Hello there' }];
const weather = {
  type: 'function',
  function: {
    name: 'get_weather', description: 'The weather in a city',
    parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 } }, required: ['city', 'days'] },
  },
};

await check('unary', async () => {
  const { data: r, response } = await client.chat.completions.create({ model: 'mock/echo', messages: hello }).withResponse();
  equal(r.object, 'chat.completion');
  equal(r.choices[0].message.content, 'Hello there');
  equal(r.choices[0].finish_reason, 'stop');
  ok(r.usage.prompt_tokens > 0 && r.usage.completion_tokens > 0, 'usage');
  equal(r.usage.total_tokens, r.usage.prompt_tokens + r.usage.completion_tokens, 'total');
  ok(response.headers.get('x-request-id'), 'x-request-id');
  equal(response.headers.get('x-gateway-attempts'), '1');
});

await check('stream with usage', async () => {
  const stream = await client.chat.completions.create({ model: 'mock/lorem-50', messages: hello, stream: true, stream_options: { include_usage: true } });
  let text = '', finish, usage, chunks = 0;
  for await (const c of stream) {
    chunks++;
    text += c.choices[0]?.delta?.content ?? '';
    finish = c.choices[0]?.finish_reason ?? finish;
    usage = c.usage ?? usage;
  }
  ok(chunks > 10, `only ${chunks} chunks`);
  equal(text.trim().split(/\s+/).length, 50, 'words');
  equal(finish, 'stop');
  ok(usage.completion_tokens >= 50, 'usage');
});

await check('stream without usage shows none', async () => {
  const stream = await client.chat.completions.create({ model: 'mock/lorem-5', messages: hello, stream: true });
  for await (const c of stream) {
    ok(!c.usage, 'a usage chunk that was not asked for');
    equal(c.choices.length, 1, 'choices');
  }
});

await check('tool call and result', async () => {
  const messages = [{ role: 'user', content: 'What is the weather in Paris?' }];
  const first = await client.chat.completions.create({ model: 'mock/echo', messages, tools: [weather], tool_choice: 'required' });
  equal(first.choices[0].finish_reason, 'tool_calls');
  const call = first.choices[0].message.tool_calls[0];
  equal(call.function.name, 'get_weather');
  const args = JSON.parse(call.function.arguments);
  ok(typeof args.city === 'string' && Number.isInteger(args.days) && args.days >= 1, call.function.arguments);
  messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: '21 degrees' });
  const second = await client.chat.completions.create({ model: 'mock/echo', messages, tools: [weather] });
  equal(second.choices[0].finish_reason, 'stop');
  ok(second.choices[0].message.content.includes('21 degrees'), second.choices[0].message.content);
});

await check('streamed tool call', async () => {
  const runner = client.chat.completions.stream({ model: 'mock/echo', messages: hello, tools: [weather], tool_choice: { type: 'function', function: { name: 'get_weather' } } });
  const done = await runner.finalChatCompletion();
  const call = done.choices[0].message.tool_calls[0];
  equal(call.function.name, 'get_weather');
  JSON.parse(call.function.arguments);
});

await check('structured output', async () => {
  const schema = { type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0, maximum: 120 }, tags: { type: 'array', items: { enum: ['a', 'b'] }, minItems: 1 } }, required: ['name', 'age', 'tags'], additionalProperties: false };
  const r = await client.chat.completions.create({ model: 'mock/echo', messages: hello, response_format: { type: 'json_schema', json_schema: { name: 'person', schema, strict: true } } });
  const v = JSON.parse(r.choices[0].message.content);
  ok(typeof v.name === 'string' && v.age >= 0 && v.age <= 120 && v.tags.every((t) => t === 'a' || t === 'b'), r.choices[0].message.content);
});

await check('embeddings', async () => {
  const r = await client.embeddings.create({ model: 'mock/embed', input: ['one', 'two'], dimensions: 16 });
  equal(r.data.length, 2);
  equal(r.data[0].embedding.length, 16);
  ok(Math.abs(r.data[0].embedding.reduce((s, x) => s + x * x, 0) - 1) < 1e-3, 'unit length');
  ok(r.usage.total_tokens > 0, 'usage');
});

await check('models', async () => {
  const ids = [];
  for await (const m of client.models.list()) ids.push(m.id);
  ok(Array.isArray(ids), 'a list');
});

await check('abort a stream', async () => {
  const stream = await client.chat.completions.create({ model: 'mock/lorem-2000+pace-20ms', messages: hello, stream: true });
  let n = 0;
  for await (const _ of stream) {
    if (++n === 3) { stream.controller.abort(); break; }
  }
  equal(n, 3);
});

await check('abort a unary call', async () => {
  const c = new AbortController();
  setTimeout(() => c.abort(), 100);
  await fails(() => client.chat.completions.create({ model: 'mock/slow-20000ms', messages: hello }, { signal: c.signal }), OpenAI.APIUserAbortError);
});

await check('error classes', async () => {
  const bad = new OpenAI({ baseURL: base, apiKey: 'gw_wrong', maxRetries: 0 });
  const e = await fails(() => bad.chat.completions.create({ model: 'mock/echo', messages: hello }), OpenAI.AuthenticationError, 401);
  equal(e.code, 'invalid_api_key');
  await fails(() => client.chat.completions.create({ model: 'mock/echo', messages: [] }), OpenAI.BadRequestError, 400);
  const nf = await fails(() => client.chat.completions.create({ model: 'mock/no-such-word', messages: hello }), OpenAI.NotFoundError, 404);
  equal(nf.code, 'model_not_found');
  const rl = await fails(() => client.chat.completions.create({ model: 'mock/status-429+retry-after-60', messages: hello }), OpenAI.RateLimitError, 429);
  ok(Number(rl.headers.get('retry-after')) > 0, 'retry-after');
  await fails(() => client.chat.completions.create({ model: 'mock/status-500', messages: hello }), OpenAI.InternalServerError, 502);
});

await check('a cut stream is loud', async () => {
  await fails(async () => {
    const stream = await client.chat.completions.create({ model: 'mock/cut-after-5', messages: hello, stream: true });
    for await (const _ of stream) ;
  }, OpenAI.APIError);
});

await check('SDK retries do not multiply ours', async () => {
  const eager = new OpenAI({ baseURL: base, apiKey: process.env.KEY, maxRetries: 2 });
  const before = await (await fetch(process.env.MOCK + '/mock/stats')).json();
  const e = await fails(() => eager.chat.completions.create({ model: 'mock/status-503', messages: hello, user: 'retries' }), OpenAI.InternalServerError);
  equal(e.headers.get('x-should-retry'), 'false');
  const after = await (await fetch(process.env.MOCK + '/mock/stats')).json();
  const count = (s) => s.models?.['mock/status-503']?.requests ?? 0;
  ok(count(after) - count(before) <= 3, `the upstream saw ${count(after) - count(before)} requests`);
});
