// Does on the operators' page what an operator does there, in a real browser.
import { GATEWAY, KEY, accessible, call, context, end, expect, page, signIn, text, until } from './browser.mjs';
import { execFileSync } from 'node:child_process';
import assert from 'node:assert/strict';

await signIn();
const asked = [];
page.on('request', (r) => asked.push(r.url()));
const done = (name) => console.log(JSON.stringify({ name, ok: true }));

// The playground shows a tool's call, what it cost and how long it took; its curl
// line does the same from a shell.
await page.fill('#play-model', 'tools');
await page.fill('#play-prompt', "What's the weather in Paris?");
await page.fill('#play-key', KEY);
await page.locator('#play-form summary').click();
await page.fill('#play-more', JSON.stringify({ tools: [{ type: 'function', function: { name: 'get_weather', description: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }] }));
await page.click('#play-send');
await until('the end of the answer', async () => /attempts/.test(await text('#play-facts')));
assert.match(await text('#play-answer'), /tool call get_weather \{.*"city"/s);
assert.match(await text('#play-facts'), /steady \/ .* · tool_calls · first token [\d.]+ m?s · [\d.]+ m?s · \d+ in, \d+ out · \$0\.0\d+ · attempts 1/);
await page.getByText('The same by curl').click();
const line = await page.locator('#play-curl').innerText();
const out = execFileSync('bash', ['-c', line.replace('curl', 'curl -sS --max-time 10')], { env: { ...process.env, GATEWAY_KEY: KEY }, encoding: 'utf8' });
assert.match(out, /event: tool_call/);
assert.match(out, /event: done/);
assert.ok(!line.includes(KEY), 'the key is in the line');
done('playground: tools, cost, timing, curl');

// A stream is shown as it comes, and can be stopped.
await page.fill('#play-more', '');
await page.fill('#play-model', 'slow');
await page.click('#play-send');
const length = async () => (await page.locator('#play-answer').textContent()).length;
const first = await until('the beginning of the answer', length);
await until('more of the answer', async () => (await length()) > first);
await page.click('#play-stop');
await until('the stop', async () => /Stopped/.test(await text('#play-facts')));
assert.ok(await page.locator('#play-send').isEnabled());
done('playground: streams and stops');

// Copies of requests, with their figures.
for (let i = 0; i < 5; i++) await call({ model: 'code', prompt: 'copy me ' + i });
await until('the shadow', async () => /code\s+steady\/lorem-20\s+100 %\s+[5-9]/.test(await text('#shadow-table')));
done('shadows');

// A canary goes on by one step, then one that fails is rolled back by itself.
await until('the canary', async () => /trial: .*running at 5 %/.test(await text('#canary-list')));
const trial = page.locator('#canary-list .card', { hasText: 'trial:' });
await trial.getByRole('button', { name: 'Promote' }).click();
await page.keyboard.press('Escape'); // not confirmed: nothing happens
await page.waitForTimeout(300);
assert.match(await trial.innerText(), /at 5 %/);
await trial.getByRole('button', { name: 'Promote' }).click();
await page.locator('#confirm').getByRole('button', { name: 'Do it' }).click();
await until('the next step', async () => /trial: .*at 25 %, step 2 of 3/.test(await trial.innerText()));
await trial.getByRole('button', { name: 'Pause' }).click();
await page.locator('#confirm').getByRole('button', { name: 'Do it' }).click();
await until('the pause', async () => /paused/.test(await trial.innerText()));
const risky = page.locator('#canary-list .card', { hasText: 'risky:' });
for (let n = 0; n < 600 && !/rolled_back/.test(await risky.innerText()); n += 20) {
  await Promise.all(Array.from({ length: 20 }, (_, i) => call({ model: 'risky', prompt: 'try ' + n, metadata: { session_id: `s-${n + i}` } })));
}
await until('the rollback', async () => /risky: .*rolled_back at 0 %.*: .+/.test(await risky.innerText()));
done('canaries: promoted, paused, rolled back by itself');

// Nobody else's page can change anything: without our header, or from elsewhere,
// a change is refused though the cookie is sent.
expect(403);
const refused = await page.evaluate(async () => [
  (await fetch('/admin/v1/reload', { method: 'POST' })).status,
  (await fetch('/admin/v1/keys', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"name":"forged"}' })).status,
]);
assert.deepEqual(refused, [403, 403]);
const elsewhere = await page.request.post(GATEWAY + '/admin/v1/reload', { headers: { Origin: 'https://evil.example', 'X-Gateway-CSRF': '1' } });
assert.equal(elsewhere.status(), 403);
assert.ok(!(await (await page.request.get(GATEWAY + '/admin/v1/keys')).text()).includes('forged'));
done('forged requests');

// By keyboard: the skip link, a dialog that is left by Escape and confirmed by
// Enter, focus that survives the next poll.
await page.reload(); // and the session goes on
await until('the canaries again', async () => /trial/.test(await page.locator('#canary-list').textContent()));
await page.keyboard.press('Tab');
assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
await page.keyboard.press('Enter');
assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
await page.locator('#reload').focus();
await page.keyboard.press('Enter');
assert.ok(await page.locator('#confirm').evaluate((d) => d.open));
await page.keyboard.press('Escape');
assert.equal(await text('#reload-result'), '');
assert.equal(await page.evaluate(() => document.activeElement.id), 'reload', 'focus after a dialog');
await trial.getByRole('button', { name: 'Resume' }).focus();
const polls = () => asked.filter((u) => u.includes('/admin/v1/overview')).length;
const before = polls();
await until('two polls', async () => polls() >= before + 2);
assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Resume', 'focus after a poll');
done('keyboard');

// A page that nobody sees asks for nothing.
const show = (hidden) => page.evaluate((h) => {
  Object.defineProperty(document, 'hidden', { value: h, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}, hidden);
await show(true);
await page.waitForTimeout(3500); // a poll that was under way
const seen = asked.length;
await page.waitForTimeout(6500);
assert.equal(asked.length, seen, 'a hidden page asks');
await show(false);
await until('polls again', async () => asked.length > seen);
done('hidden');

for (const scheme of ['light', 'dark']) {
  await page.emulateMedia({ colorScheme: scheme });
  for (const width of [1366, 768, 360]) {
    await page.setViewportSize({ width, height: 800 });
    await page.waitForTimeout(200);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `scrolls sideways at ${width}`);
    await accessible(`${scheme} at ${width}`);
  }
}
assert.equal((await context.cookies()).length, 1);
await end('operator');
