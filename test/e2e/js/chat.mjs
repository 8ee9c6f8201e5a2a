// The official OpenAI SDK's chat completions against targets of every dialect.
import OpenAI from 'openai';
import { check, equal, ok, fails, targets } from './check.mjs';

const client = new OpenAI({ baseURL: process.env.GATEWAY + '/v1', apiKey: process.env.KEY, maxRetries: 0 });
const hello = [{ role: 'user', content: 'Hello there' }];
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const tools = ['weather', 'clock'].map((name) => ({ type: 'function', function: { name, description: name, parameters: city } }));
// What OpenAI itself would refuse in a message, its targets must not be sent.
const sendable = (target, m) => (target === 'oai' ? { role: m.role, content: m.content, tool_calls: m.tool_calls } : m);

for (const target of targets) {
  await check(`${target}: unary`, async () => {
    const r = await client.chat.completions.create({ model: `${target}/mock/echo`, messages: [{ role: 'system', content: 'Be brief.' }, ...hello] });
    equal(r.choices[0].message.content, 'Hello there');
    equal(r.usage.total_tokens, r.usage.prompt_tokens + r.usage.completion_tokens, 'total');
  });
  await check(`${target}: stream`, async () => {
    const stream = client.chat.completions.stream({ model: `${target}/mock/lorem-40`, messages: hello, stream_options: { include_usage: true } });
    let chunks = 0;
    for await (const _ of stream) chunks++;
    const r = await stream.finalChatCompletion();
    equal(r.choices[0].message.content.trim().split(/\s+/).length, 40, 'words');
    ok(chunks > 20 && r.usage.completion_tokens >= 40, `${chunks} chunks`);
  });
  await check(`${target}: reasoning and parallel tools`, async () => {
    const params = { model: `${target}/mock/chat`, tools, reasoning_effort: 'high' };
    const messages = [{ role: 'user', content: 'Ask weather and clock' }];
    const first = await client.chat.completions.create({ ...params, messages });
    const m = first.choices[0].message;
    equal(m.tool_calls.map((c) => c.function.name), ['weather', 'clock']);
    ok(m.reasoning_content, 'no reasoning');
    ok(first.usage.completion_tokens_details.reasoning_tokens > 0, 'reasoning tokens');
    messages.push(sendable(target, m), ...m.tool_calls.map((c) => ({ role: 'tool', tool_call_id: c.id, content: '21 degrees' })));
    const second = await client.chat.completions.create({ ...params, messages });
    ok(second.choices[0].message.content.includes('21 degrees'), JSON.stringify(second.choices));
  });
  await check(`${target}: structured output`, async () => {
    const r = await client.chat.completions.parse({ model: `${target}/mock/chat`, messages: hello, response_format: { type: 'json_schema', json_schema: { name: 'place', schema: city, strict: true } } });
    equal(typeof JSON.parse(r.choices[0].message.content).city, 'string');
  });
  await check(`${target}: embeddings`, async () => {
    if (target === 'ant') return fails(() => client.embeddings.create({ model: `${target}/mock/embed`, input: 'x' }), OpenAI.BadRequestError, 400);
    const r = await client.embeddings.create({ model: `${target}/mock/embed`, input: ['one', 'two'], dimensions: 16 });
    equal(r.data.map((d) => d.embedding.length), [16, 16]);
  });
  await check(`${target}: errors`, async () => {
    const ask = (model, extra) => client.chat.completions.create({ model: `${target}/mock/${model}`, messages: hello, ...extra });
    await fails(() => ask('nonsense'), OpenAI.NotFoundError, 404);
    await fails(() => ask('status-429'), OpenAI.RateLimitError, 429);
    await fails(() => ask('status-401'), OpenAI.InternalServerError, 502);
    await fails(async () => {
      for await (const _ of await ask('lorem-40+error-after-9', { stream: true })) ;
    }, OpenAI.APIError);
  });
}
