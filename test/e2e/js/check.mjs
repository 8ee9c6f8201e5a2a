// One check: runs f, prints a JSON line with its outcome.
export async function check(name, f) {
  try {
    await f();
    console.log(JSON.stringify({ name, ok: true }));
  } catch (e) {
    console.log(JSON.stringify({ name, ok: false, detail: String(e?.stack ?? e) }));
  }
}
export function equal(got, want, what = 'value') {
  const g = JSON.stringify(got), w = JSON.stringify(want);
  if (g !== w) throw new Error(`${what}: got ${g}, want ${w}`);
}
export function ok(cond, what) {
  if (!cond) throw new Error(what);
}
export async function fails(f, cls, status) {
  try {
    await f();
  } catch (e) {
    ok(e instanceof cls, `${e?.constructor?.name} is not ${cls.name}: ${e}`);
    if (status !== undefined) equal(e.status, status, 'status');
    return e;
  }
  throw new Error(`no ${cls.name} was thrown`);
}
// The targets that stand behind the gateway: one of each provider dialect.
export const targets = (process.env.TARGETS ?? '').split(',').filter(Boolean);
// How many requests for a model the upstream has seen abandoned.
export async function canceled(model) {
  const stats = await (await fetch(process.env.MOCK + '/mock/stats')).json();
  return stats.models?.[model]?.canceled ?? 0;
}
// Waits until the upstream has noticed that one more client left.
export async function noticed(model, before) {
  for (let i = 0; i < 250; i++) {
    if ((await canceled(model)) > before) return;
    await new Promise((r) => setTimeout(r, 20));
  }
  throw new Error('the upstream goes on for a client that left');
}
