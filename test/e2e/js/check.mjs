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
