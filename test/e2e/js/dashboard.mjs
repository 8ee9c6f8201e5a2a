// Drives the operators' page in a real browser.
import { GATEWAY, TOKEN, KEY, SHOTS, accessible, call, context, end, expect, page, shot, text, until } from './browser.mjs';
import assert from 'node:assert/strict';

const load = async (n) => { for (let i = 0; i < n; i++) await call({ model: i % 3 ? 'chat' : 'code', prompt: 'load ' + i, stream: i % 2 === 0 }); };
const requests = async () => Number((await text('#tiles dd >> nth=0')).split('\n')[0]);

// Sign-in, by keyboard alone; the wrong token first.
await page.goto(GATEWAY + '/dashboard');
await page.locator('#token').waitFor();
await accessible('sign-in');
await shot('sign-in', false);
await page.keyboard.type('wrong-token-0000');
await page.keyboard.press('Enter');
await until('the refusal', async () => /wrong/.test(await text('#sign-in-error')));
await page.keyboard.type(TOKEN);
await page.keyboard.press('Enter');
await page.locator('#board').waitFor();
const cookies = await context.cookies();
assert.ok(cookies.every((c) => c.httpOnly && c.sameSite === 'Strict' && !c.value.includes(TOKEN)), 'cookie');

// Live figures under load, without a reload of the page.
await until('figures', async () => (await page.locator('#tiles dd').count()) > 0);
const before = await requests();
await load(30);
await until('the load in the figures', async () => (await requests()) >= before + 30);
assert.match(await text('#request-table'), /chat/);
assert.match(await text('#request-table'), /→/, 'the path through attempts');
await until('an open circuit', async () => /open/.test(await text('#circuit-table')));
assert.equal(await page.locator('.chart svg').count(), 4);

// A chart reads out by arrow keys, and as a table.
const chart = page.locator('.chart').first();
await chart.locator('svg').focus();
await page.keyboard.press('ArrowLeft');
assert.match(await chart.locator('[role=status]').innerText(), /requests .*\/s/);
await chart.locator('summary').press('Enter');
await until('the table', async () => (await chart.locator('tbody tr').count()) === 60);
await chart.locator('summary').press('Enter');

// The playground streams.
await page.fill('#play-model', 'code');
await page.fill('#play-prompt', 'Say hello');
if (KEY) await page.fill('#play-key', KEY);
await page.press('#play-prompt', 'Tab');
await page.click('#play-send');
await until('the answer', async () => /attempts/.test(await text('#play-facts')));
assert.ok((await text('#play-answer')).length > 3);
assert.match(await page.locator('#play-curl').textContent(), /curl -N .*\/v1\/generate/);
await page.locator('#play-form summary').click();
expect(400);
await page.fill('#play-more', '{"max_tokens": -1}');
await page.click('#play-send');
await until('the playground\'s refusal', async () => /400/.test(await text('#play-facts')));

// Keys are made and revoked where the gateway has them.
if (await page.locator('#keys').isVisible()) {
  await page.locator('#keys details summary').click();
  await page.fill('#key-name', 'made-by-page');
  await page.fill('#key-rps', '5');
  await page.locator('#key-form button').click();
  await until('the new key', async () => /gw_/.test(await text('#new-key')));
  await until('its row', async () => /made-by-page/.test(await text('#key-table')));
  await page.getByRole('button', { name: 'Revoke made-by-page' }).click();
  await page.locator('#confirm button.danger').click();
  await until('its end', async () => !/made-by-page/.test(await text('#key-table')));
  console.log(JSON.stringify({ name: 'keys created and revoked', ok: true }));
} else console.log('skipped: this gateway has no endpoint for keys');

// A picture for people needs some minutes of traffic to show; no check does.
if (SHOTS) {
  for (const end = Date.now() + 60000; Date.now() < end;) await Promise.all([load(4), call({ model: 'trial', prompt: 'hi', metadata: { session_id: String(Date.now()) } }), page.waitForTimeout(700 + 900 * Math.random())]);
  await page.evaluate(() => scrollTo(0, 0));
  await page.setViewportSize({ width: 1366, height: 980 });
  await page.waitForTimeout(3500);
  await shot('readme', false);
  await page.setViewportSize({ width: 1366, height: 900 });
}

// A canary is rolled back by an operator, and the page says so.
await until('the canary', async () => /trial/.test(await text('#canary-list')));
await page.locator('#canary-list .card', { hasText: 'trial:' }).getByRole('button', { name: 'Roll back' }).click();
await page.locator('#confirm button.danger').click();
await until('the rollback', async () => /trial: rolled_back at 0 %/.test(await text('#canary-list')));

// A reload of the configuration, confirmed.
await page.click('#reload');
await page.locator('#confirm button.danger').click();
await until('the reload', async () => /changed|Changed/.test(await text('#reload-result')));

await until('all tables', async () => /Ledger/.test(await text('#status-table')) && /fingerprint/i.test(await text('#credential-table')));
assert.equal(await page.locator('#trouble').textContent(), '');
await page.evaluate(() => scrollTo(0, 0));
await accessible('light');
await shot('light');
await page.emulateMedia({ colorScheme: 'dark' });
assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(17, 21, 27)');
await accessible('dark');
await shot('dark');
await page.emulateMedia({ colorScheme: 'light' });
await page.click('#theme'); await page.click('#theme');
assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(17, 21, 27)', 'the toggle');
await page.click('#theme');
await page.setViewportSize({ width: 360, height: 740 });
await page.waitForTimeout(300);
assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 360), 'scrolls sideways at phone width');
await accessible('phone');
await shot('phone');

// Signed out, the cookie is gone and the API is shut.
await page.setViewportSize({ width: 1366, height: 900 });
await page.click('#sign-out');
await page.locator('#sign-in').waitFor();
assert.equal((await context.cookies()).length, 0);
assert.equal((await page.request.get(GATEWAY + '/admin/v1/status')).status(), 401);
await end('dashboard');
