import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, Problem, problemOf, retryAfterSeconds } from "../../src/api";
import { explain } from "../../src/problems";

const NOW_MS = Date.UTC(2026, 8, 1);

function answer(status: number, body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers });
}

test("a refusal keeps its code, its words and its further members", async () => {
  const body = { type: "about:blank", title: "Unknown layout", status: 404, code: "layout_unknown", detail: "No 5X.", allowed: ["1", "4E"] };
  const problem = await problemOf(answer(404, JSON.stringify(body)), NOW_MS);
  assert.equal(problem.code, "layout_unknown");
  assert.equal(problem.detail, "No 5X.");
  assert.deepEqual(problem.members, { allowed: ["1", "4E"] });
  assert.equal(explain(problem).advice, "Allowed: 1 and 4E.");
});

test("an answer that is no problem document still becomes a problem", async () => {
  for (const body of ["<html>Bad gateway</html>", "", "null", "[1]", '"text"']) {
    const problem = await problemOf(answer(502, body), NOW_MS);
    assert.equal(problem.code, "http_502");
    assert.ok(problem.title.length > 0);
    assert.ok(explain(problem).canRetry);
  }
});

test("no room says what can be done and when", async () => {
  const body = JSON.stringify({ title: "No room", code: "capacity", detail: "Busy." });
  const explained = explain(await problemOf(answer(503, body, { "Retry-After": "7" }), NOW_MS));
  assert.match(explained.advice, /others are watching.*in 7 s/);
  assert.ok(explained.canRetry);
});

test("Retry-After is seconds or a date", () => {
  assert.equal(retryAfterSeconds("7", NOW_MS), 7);
  assert.equal(retryAfterSeconds("Tue, 01 Sep 2026 00:00:30 GMT", NOW_MS), 30);
  assert.equal(retryAfterSeconds("Mon, 31 Aug 2026 00:00:00 GMT", NOW_MS), 0);
  assert.equal(retryAfterSeconds("soon", NOW_MS), null);
  assert.equal(retryAfterSeconds(null, NOW_MS), null);
});

test("a change carries the key and the entity tag it was made from", async () => {
  const seen: { url: string; init: RequestInit }[] = [];
  const fetcher = async (url: unknown, init?: RequestInit) => {
    seen.push({ url: String(url), init: init ?? {} });
    return new Response(JSON.stringify({ id: "s/1", revision: 4 }), { status: 200, headers: { ETag: '"4"' } });
  };
  const client = new Client("dev-1", fetcher as typeof fetch, "http://quadrille.test");
  const { etag } = await client.change("s/1", { audio: "b" }, '"3"');
  assert.equal(etag, '"4"');
  assert.equal(seen[0]?.url, "http://quadrille.test/v1/sessions/s%2F1");
  const headers = seen[0]?.init.headers as Record<string, string>;
  assert.equal(headers["If-Match"], '"3"');
  assert.equal(headers["Authorization"], "Bearer dev-1");
  assert.equal(headers["Content-Type"], "application/json");
  assert.equal(seen[0]?.init.body, '{"audio":"b"}');
});

test("no answer at all is a problem too", async () => {
  const client = new Client("dev-1", (async () => Promise.reject(new TypeError("failed"))) as unknown as typeof fetch);
  await assert.rejects(client.games(), (error) => error instanceof Problem && error.code === "unreachable" && error.status === 0);
});
