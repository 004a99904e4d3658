// Keys and the audit log, as operators read them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../src/api";
import type { AuditEntry, AuditPage, Key, OperatorClient } from "../../src/operator/api";
import { AUDIT_PAGE, AuditLog, chainWords, NO_FILTER, wantedOf, whoWords } from "../../src/operator/audit";
import { expiryWords, isExpired, keyBody, scopeWords, termWords, usedWords } from "../../src/operator/keys";

const NOW = Date.parse("2026-11-22T16:04:05Z");
const KEY: Key = { id: "k1", name: "boxes", role: "device", scopes: [], market: null, max_height: null, features: null, origin: "operator", created_at: "2026-11-22T10:00:00.000Z", expires_at: null, last_used_at: null };

test("a key says what it opens, until when, and when it was used", () => {
  assert.deepEqual([scopeWords(KEY), termWords(KEY)], ["devices' routes", ""]);
  assert.equal(termWords({ ...KEY, market: "de", max_height: 720, features: ["low_latency"] }), "market de, up to 720 rows, low latency");
  assert.equal(termWords({ ...KEY, features: [] }), "no features");
  const operator = (scopes: string[] | null) => scopeWords({ ...KEY, role: "operator", scopes });
  assert.equal(operator(null), "all");
  assert.equal(operator(["games:read", "games:write", "sessions:write", "usage:read"]), "changes games and sessions; reads usage");
  assert.equal(operator([]), "none");
  assert.deepEqual([expiryWords(KEY, NOW), usedWords(KEY, NOW)], ["when it is revoked", "not since the start"]);
  assert.equal(expiryWords({ ...KEY, expires_at: "2027-06-30T00:00:00Z" }, NOW), "30 Jun 00:00:00 2027");
  assert.deepEqual(["2026-11-22T16:04:05Z", "2026-11-22T16:04:06Z"].map((expires_at) => isExpired({ ...KEY, expires_at }, NOW)), [true, false]);
});

test("a form's key is sent with what its role has", () => {
  const fields = { name: " boxes ", role: "device" as const, scopes: ["games:read"], market: "de", height: "720", features: ["dolby"], expires: "2027-06-30T00:00" };
  assert.deepEqual(keyBody(fields), { name: "boxes", role: "device", market: "de", max_height: 720, features: ["dolby"], expires_at: "2027-06-30T00:00:00Z" });
  assert.deepEqual(keyBody({ ...fields, role: "operator", expires: "" }), { name: "boxes", role: "operator", scopes: ["games:read"], expires_at: null });
  assert.deepEqual(keyBody({ ...fields, market: "", height: " ", features: null }), { name: "boxes", role: "device", market: null, max_height: null, features: null, expires_at: "2027-06-30T00:00:00Z" });
});

/** A service with `count` entries, and a page's log on it. */
function logOf(count: number) {
  const asked: string[] = [];
  const files: [string, Blob][] = [];
  const entry = (seq: number): AuditEntry => ({ seq, at: "2026-11-22T16:00:00.000Z", who: "k1", method: "PUT", path: "/v1/operator/games/a", status: 200, digest: "0".repeat(64) });
  let fails: Problem | null = null;
  const audit = (wanted: Record<string, string>): Promise<AuditPage> => {
    if (fails !== null) return Promise.reject(fails);
    asked.push(new URLSearchParams(wanted).toString());
    const { order, cursor, limit } = wanted;
    const newest = order === "newest";
    const from = cursor === undefined ? (newest ? count : 1) : Number(cursor) + (newest ? -1 : 1);
    const rest = newest ? from : count - from + 1;
    const entries = Array.from({ length: Math.max(0, Math.min(Number(limit), rest)) }, (_, at) => entry(newest ? from - at : from + at));
    return Promise.resolve({ entries, next_cursor: rest > Number(limit) ? String(entries.at(-1)?.seq) : null });
  };
  const client = { audit, auditChain: () => Promise.resolve({ holds: true, entries: count, head: "ab", broken_at: null }) } as unknown as OperatorClient;
  const log = new AuditLog({ ask: (question) => question(client), nowMs: () => NOW, save: (name, content) => files.push([name, content]), say: () => undefined });
  return { log, asked, files, fail: (problem: Problem | null) => (fails = problem) };
}

test("the audit log is read newest first, further back when asked, and keeps what was read when a reading fails", async () => {
  const { log, asked, fail } = logOf(AUDIT_PAGE + 2);
  await log.look();
  assert.deepEqual([log.state.entries?.length, log.state.entries?.[0]?.seq, log.state.next], [AUDIT_PAGE, AUDIT_PAGE + 2, "3"]);
  await log.more();
  assert.deepEqual([log.state.entries?.length, log.state.next], [AUDIT_PAGE + 2, null]);
  assert.deepEqual(asked, [`order=newest&limit=${AUDIT_PAGE}`, `order=newest&limit=${AUDIT_PAGE}&cursor=3`]);
  fail(new Problem(503, "store_unavailable", "The store cannot be reached", ""));
  await log.look();
  assert.deepEqual([log.state.entries?.length, log.state.trouble?.code], [AUDIT_PAGE + 2, "store_unavailable"]);
  await log.look({ ...NO_FILTER, who: "k2" });
  assert.equal(log.state.entries, null, "what another question was answered with is not shown for it");
  log.close();
  assert.deepEqual([log.state.trouble, log.state.filter], [null, NO_FILTER]);
});

test("the audit log's file has every entry, oldest first, with its digest", async () => {
  const { log, asked, files } = logOf(2_500);
  await log.look({ ...NO_FILTER, path: "/v1/operator/games", outcome: "done", from: "2026-11-22T16:00" });
  await log.save();
  assert.equal(asked.at(-1), "path=%2Fv1%2Foperator%2Fgames&refused=false&from=2026-11-22T16%3A00%3A00Z&limit=1000&cursor=2000");
  const [name, content] = files[0] ?? ["", new Blob()];
  const lines = (await content.text()).trimEnd().split("\n").map((line) => JSON.parse(line) as AuditEntry);
  assert.deepEqual([name, lines.length, lines[0]?.seq, lines.at(-1)?.seq, lines[0]?.digest.length], ["quadrille-audit-2026-11-22.jsonl", 2_500, 1, 2_500, 64]);
});

test("the chain's state is said in a sentence, and who did something by the key's name", async () => {
  const { log } = logOf(3);
  await log.check();
  assert.deepEqual(log.state.chain, { holds: true, entries: 3, head: "ab", broken_at: null });
  assert.equal(chainWords({ holds: true, entries: 1_200, head: "ab", broken_at: null }), "The chain holds: 1,200 entries, none changed, none missing.");
  assert.match(chainWords({ holds: false, entries: 4, head: null, broken_at: 5 }), /^The chain is broken: entry 5 .* The 4 entries before it hold\.$/);
  assert.deepEqual([whoWords("k1", [KEY]), whoWords("kim", [KEY]), whoWords("k1", null)], ["boxes", "kim", "k1"]);
  assert.deepEqual(wantedOf({ ...NO_FILTER, outcome: "refused" }), { refused: "true" });
});
