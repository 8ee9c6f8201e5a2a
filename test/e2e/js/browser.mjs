// Starts a real browser at the operators' page. SHOTS=folder keeps pictures.
import { chromium } from 'playwright-core';
import { readFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';

export const { GATEWAY, TOKEN, KEY, SHOTS, CHROMIUM = '/usr/bin/chromium' } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
if (SHOTS) mkdirSync(SHOTS, { recursive: true });

export const call = (body) => fetch(GATEWAY + '/v1/generate', {
  method: 'POST', headers: { 'Content-Type': 'application/json', ...(KEY ? { Authorization: 'Bearer ' + KEY } : {}) }, body: JSON.stringify(body),
}).then((r) => r.text());

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
export const context = await browser.newContext({ viewport: { width: 1366, height: 900 }, colorScheme: 'light' });
export const page = await context.newPage();

// What must not happen: errors on the console, violations of the policy, requests
// to other hosts. Answers of these statuses are refusals that a script asks for.
const faults = [];
const wanted = new Set(['401', '404']);
export const expect = (status) => wanted.add(String(status));
page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !wanted.has(/status of (\d+)/.exec(m.text())?.[1])) faults.push(m.text()); });
page.on('pageerror', (e) => faults.push(String(e)));
page.on('request', (r) => { if (!r.url().startsWith(GATEWAY) && !r.url().startsWith('data:')) faults.push('asks another host: ' + r.url()); });
await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (e) => console.error('CSP ' + e.violatedDirective + ' ' + e.blockedURI)));
export async function end(name) {
  assert.deepEqual(faults, []);
  await browser.close();
  console.log(JSON.stringify({ name, ok: true }));
}

export const shot = (name, full = true) => SHOTS ? page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: full }) : null;
export const text = (sel) => page.locator(sel).innerText();
export async function until(what, check) {
  for (let last = Date.now() + 20000; ;) {
    const got = await check();
    if (got) return got;
    assert.ok(Date.now() < last, 'never: ' + what);
    await page.waitForTimeout(100);
  }
}
// Axe is evaluated from outside, so that the page's own policy need not let it in.
export async function accessible(where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target + ' ' + n.failureSummary).join('; ')}`), [], 'axe: ' + where);
}
export async function signIn() {
  await page.goto(GATEWAY + '/dashboard');
  await page.locator('#token').waitFor();
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await page.locator('#board').waitFor();
  await until('figures', async () => (await page.locator('#tiles dd').count()) > 0);
}
