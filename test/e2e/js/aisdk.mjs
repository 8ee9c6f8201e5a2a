// The AI SDK with three of its providers, against targets of every dialect.
import { generateText, streamText, generateObject, jsonSchema, tool, stepCountIs } from 'ai';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { createAnthropic } from '@ai-sdk/anthropic';
import { check, equal, ok, targets } from './check.mjs';

globalThis.AI_SDK_LOG_WARNINGS = false;
// The name google is the one under which the compatible provider keeps Gemini's signatures.
const base = { baseURL: process.env.GATEWAY + '/v1', apiKey: process.env.KEY };
const openai = createOpenAI(base), compatible = createOpenAICompatible({ ...base, name: 'google', includeUsage: true, supportsStructuredOutputs: true }), anthropic = createAnthropic(base);
const providers = {
  'openai responses': { model: (m) => openai.responses(m), providerOptions: { openai: { store: false, forceReasoning: true, reasoningEffort: 'high', include: ['reasoning.encrypted_content'] } } },
  'openai chat': { model: (m) => openai.chat(m) },
  'openai-compatible': { model: (m) => compatible(m) },
  anthropic: { model: (m) => anthropic(m), providerOptions: { anthropic: { thinking: { type: 'adaptive' } } } },
};
const schema = jsonSchema({ type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false });
const tools = Object.fromEntries(['weather', 'clock'].map((name) => [name, tool({ description: name, inputSchema: schema, execute: async ({ city }) => `${name} of ${city}: 21` })]));
const once = { maxRetries: 0, maxOutputTokens: 4000 };

// @ai-sdk/openai drops the member of a tool call that carries Gemini's signature.
const keepsState = (name, target) => !(name === 'openai chat' && target === 'gem');

for (const [name, p] of Object.entries(providers)) {
  for (const target of targets) {
    const at = (m) => ({ ...once, model: p.model(`${target}/mock/${m}`), providerOptions: p.providerOptions });
    await check(`${name} to ${target}: unary`, async () => {
      const r = await generateText({ ...at('echo'), prompt: 'Hello there' });
      equal(r.text, 'Hello there');
      equal(r.finishReason, 'stop');
      ok(r.usage.inputTokens > 0 && r.usage.outputTokens > 0, JSON.stringify(r.usage));
    });
    await check(`${name} to ${target}: stream`, async () => {
      const r = streamText({ ...at('lorem-40'), prompt: 'Hi', onError: () => {} });
      let n = 0, text = '';
      for await (const piece of r.textStream) { n++; text += piece; }
      equal(text.trim().split(/\s+/).length, 40, 'words');
      ok(n > 20, `${n} pieces`);
      ok((await r.usage).outputTokens >= 40, 'usage');
    });
    if (keepsState(name, target)) await check(`${name} to ${target}: parallel tools in steps`, async () => {
      const r = await generateText({ ...at('chat'), prompt: 'Ask weather and clock', tools, stopWhen: stepCountIs(3) });
      equal(r.steps.length, 2, 'steps');
      equal(r.steps[0].toolCalls.map((c) => c.toolName), ['weather', 'clock']);
      ok(r.text.includes('21'), r.text);
    });
    if (keepsState(name, target)) await check(`${name} to ${target}: streamed tools in steps`, async () => {
      const errors = [];
      const r = streamText({ ...at('chat'), prompt: 'Ask weather and clock', tools, stopWhen: stepCountIs(3), onError: ({ error }) => errors.push(error) });
      const steps = await r.steps.catch((e) => { throw errors[0] ?? e; });
      equal(errors.map(String), []);
      equal(steps[0].toolCalls.length, 2, 'calls');
      ok((await r.text).includes('21'), await r.text);
    });
    await check(`${name} to ${target}: object`, async () => {
      const more = { ...at('chat') };
      if (name === 'anthropic') { // it asks for the object by way of a forced single tool: no thinking, and not every target can be forced
        more.providerOptions = undefined;
        more.headers = { 'X-Gateway-Unsupported': 'drop' };
      }
      const r = await generateObject({ ...more, schema, prompt: 'Where?' });
      equal(typeof r.object.city, 'string');
    });
    await check(`${name} to ${target}: errors and abort`, async () => {
      const e = await generateText({ ...at('status-429'), prompt: 'Hi' }).catch((e) => e);
      equal(e.statusCode, 429);
      const c = new AbortController();
      setTimeout(() => c.abort(), 50);
      const a = await generateText({ ...at('slow-20000ms'), prompt: 'Hi', abortSignal: c.signal }).catch((e) => e);
      equal(a.name, 'AbortError');
    });
  }
}
