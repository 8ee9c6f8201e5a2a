// LangChain's ChatOpenAI against targets of every dialect.
import { ChatOpenAI } from '@langchain/openai';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { check, equal, ok, targets } from './check.mjs';

const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false };
const tools = ['weather', 'clock'].map((name) => ({ type: 'function', function: { name, description: name, parameters: city } }));

for (const target of targets) {
  const model = (m, more) => new ChatOpenAI({ model: `${target}/mock/${m}`, apiKey: process.env.KEY, configuration: { baseURL: process.env.GATEWAY + '/v1' }, maxRetries: 0, ...more });
  await check(`${target}: invoke`, async () => {
    const r = await model('echo').invoke('Hello there');
    equal(r.content, 'Hello there');
    ok(r.usage_metadata.input_tokens > 0 && r.usage_metadata.output_tokens > 0, 'usage');
  });
  await check(`${target}: stream`, async () => {
    let text = '', n = 0, usage;
    for await (const c of await model('lorem-40', { streamUsage: true }).stream('Hi')) { text += c.content; n++; usage = c.usage_metadata ?? usage; }
    equal(text.trim().split(/\s+/).length, 40, 'words');
    ok(n > 20 && usage.output_tokens >= 40, `${n} chunks`);
  });
  if (target !== 'gem') { // it drops the member that carries Gemini's signatures
    await check(`${target}: parallel tools`, async () => {
      const bound = model('chat').bindTools(tools);
      const messages = [new HumanMessage('Ask weather and clock')];
      const first = await bound.invoke(messages);
      equal(first.tool_calls.map((c) => c.name), ['weather', 'clock']);
      messages.push(first, ...first.tool_calls.map((c) => new ToolMessage({ content: '21 degrees', tool_call_id: c.id, name: c.name })));
      const second = await bound.invoke(messages);
      ok(second.content.includes('21 degrees'), JSON.stringify(second.content));
    });
  }
  await check(`${target}: structured output`, async () => {
    const r = await model('chat').withStructuredOutput(city, { name: 'place', method: 'jsonSchema', strict: true }).invoke('Where?');
    equal(typeof r.city, 'string');
  });
  await check(`${target}: errors`, async () => {
    const e = await model('status-429').invoke('Hi').catch((e) => e);
    equal(e.status, 429);
  });
}
