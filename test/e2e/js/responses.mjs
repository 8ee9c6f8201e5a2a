// The Responses API of the official OpenAI SDK, without a store, against targets of every dialect.
import OpenAI from 'openai';
import { check, equal, ok, fails, targets, canceled, noticed } from './check.mjs';

const client = new OpenAI({ baseURL: process.env.GATEWAY + '/v1', apiKey: process.env.KEY, maxRetries: 0 });
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const tools = ['weather', 'clock'].map((name) => ({ type: 'function', name, description: name, parameters: city }));

for (const target of targets) {
  await check(`${target}: unary`, async () => {
    const r = await client.responses.create({ model: `${target}/mock/echo`, input: 'Hello there', instructions: 'Be brief.', store: false });
    equal(r.output_text, 'Hello there');
    equal([r.object, r.status], ['response', 'completed']);
    equal(r.usage.total_tokens, r.usage.input_tokens + r.usage.output_tokens, 'total');
  });
  await check(`${target}: stream`, async () => {
    const stream = await client.responses.create({ model: `${target}/mock/lorem-40`, input: 'Hi', store: false, stream: true });
    const seen = [];
    let text = '', last = -1, final;
    for await (const ev of stream) {
      ok(ev.sequence_number === last + 1, `${ev.sequence_number} follows ${last}`);
      last = ev.sequence_number;
      if (seen.at(-1) !== ev.type) seen.push(ev.type);
      if (ev.type === 'response.output_text.delta') text += ev.delta;
      if (ev.type === 'response.completed') final = ev.response;
    }
    equal(seen, ['response.created', 'response.in_progress', 'response.output_item.added', 'response.content_part.added', 'response.output_text.delta',
      'response.output_text.done', 'response.content_part.done', 'response.output_item.done', 'response.completed']);
    equal(text.trim().split(/\s+/).length, 40, 'words');
    equal(final.output[0].content[0].text, text);
    ok(final.usage.output_tokens >= 40, 'usage');
  });
  for (const stream of [false, true]) {
    await check(`${target}: reasoning and parallel tools, ${stream ? 'streamed' : 'whole'}`, async () => {
      const params = { model: `${target}/mock/chat`, tools, store: false, reasoning: { effort: 'high', summary: 'auto' }, include: ['reasoning.encrypted_content'] };
      const ask = async (input) => (stream ? client.responses.stream({ ...params, input }).finalResponse() : client.responses.create({ ...params, input }));
      const input = [{ role: 'user', content: 'Ask weather and clock' }];
      const first = await ask(input);
      const calls = first.output.filter((o) => o.type === 'function_call');
      equal(calls.map((c) => c.name), ['weather', 'clock']);
      ok(calls.every((c) => typeof JSON.parse(c.arguments).city === 'string'), JSON.stringify(calls));
      ok(first.output.some((o) => o.type === 'reasoning'), 'no reasoning');
      ok(first.usage.output_tokens_details.reasoning_tokens > 0, 'reasoning tokens');
      input.push(...first.output.map(({ parsed_arguments, ...item }) => item));
      for (const c of calls) input.push({ type: 'function_call_output', call_id: c.call_id, output: '21 degrees' });
      const second = await ask(input);
      ok(second.output_text.includes('21 degrees'), JSON.stringify(second.output));
    });
  }
  await check(`${target}: structured output`, async () => {
    const r = await client.responses.create({ model: `${target}/mock/chat`, input: 'Where?', store: false, text: { format: { type: 'json_schema', name: 'place', schema: city, strict: true } } });
    equal(typeof JSON.parse(r.output_text).city, 'string');
  });
  await check(`${target}: errors`, async () => {
    const ask = (model, extra) => client.responses.create({ model: `${target}/mock/${model}`, input: 'Hi', store: false, ...extra });
    await fails(() => ask('nonsense'), OpenAI.NotFoundError, 404);
    await fails(() => ask('status-429'), OpenAI.RateLimitError, 429);
    await fails(() => ask('status-500'), OpenAI.InternalServerError, 502);
    const e = await fails(() => ask('echo', { previous_response_id: 'resp_1' }), OpenAI.BadRequestError, 400);
    ok(/previous.response/i.test(e.message), e.message);
    await fails(async () => {
      for await (const _ of await ask('lorem-40+cut-after-9', { stream: true })) ;
    }, OpenAI.APIError);
  });
  await check(`${target}: abort`, async () => {
    const before = await canceled('mock/lorem-2000+pace-20ms');
    const stream = await client.responses.create({ model: `${target}/mock/lorem-2000+pace-20ms`, input: 'Hi', store: false, stream: true });
    let n = 0;
    for await (const ev of stream) {
      if (ev.type === 'response.output_text.delta' && ++n === 3) stream.controller.abort();
    }
    ok(n >= 3 && n < 100, `${n} pieces`); // some may have been on their way
    await noticed('mock/lorem-2000+pace-20ms', before);
  });
}
