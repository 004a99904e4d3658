// The operators' desk against a service that answers from a script.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OperatorClient, REPORT_BYTES_MAX, textWithin, type OperatedSession } from "../../src/operator/api";
import { Desk, SESSIONS_A_PAGE } from "../../src/operator/desk";
import { Poll } from "../../src/operator/poll";
import { HEALTH } from "./samples";

const NOW = Date.parse("2026-11-22T16:04:05Z");

function session(at: number): OperatedSession {
  return {
    id: `s${String(at).padStart(3, "0")}`,
    state: "active",
    revision: 1,
    playback_url: "",
    layout: "1",
    engine: "stitch",
    games: ["a"],
    slots: [],
    audio: "a",
    created_at: "2026-11-22T16:00:00Z",
    effective_segment: 1,
    effective_at: "2026-09-01T00:00:02Z",
    billable_seconds: 60,
    device_id: `stb-${at}`,
    labels: {},
    last_seen_at: "2026-11-22T16:04:04Z",
    ended_at: null,
    end_reason: null,
  };
}

function refusal(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ type: "about:blank", title: code, status, code, detail: "" }, { status, headers });
}

/** A service with sessions; newest first. `refuse` may answer in its stead. */
class Service {
  readonly asked: string[] = [];
  sessions = Array.from({ length: 45 }, (_, at) => session(at));
  status = "live";
  refuse: (path: string, method: string) => Response | Promise<Response> | null = () => null;

  readonly fetch = (async (url: unknown, init: RequestInit = {}) => {
    const path = String(url);
    const method = init.method ?? "GET";
    this.asked.push(`${method} ${path}`);
    if (new Headers(init.headers).get("Authorization") !== "Bearer op") return refusal(401, "unauthorized");
    return (await this.refuse(path, method)) ?? this.answer(new URL(path, "http://quadrille.test"), method);
  }) as typeof fetch;

  private answer({ pathname, searchParams }: URL, method: string): Response {
    if (method === "DELETE") {
      this.sessions = this.sessions.filter(({ id }) => !pathname.endsWith(id));
      return new Response(null, { status: 204 });
    }
    if (pathname === "/v1/operator/sessions") {
      const from = this.sessions.findIndex(({ id }) => id === searchParams.get("cursor")) + 1;
      const to = from + Number(searchParams.get("limit"));
      const sessions = this.sessions.slice(from, to);
      return Response.json({ sessions, next_cursor: to < this.sessions.length ? sessions.at(-1)?.id : null, active_sessions: this.sessions.length });
    }
    const game = { id: "a", title: "Game A", status: this.status };
    if (pathname === "/v1/games") return Response.json([{ ...game, audio: [], thumbnail_url: "/t.jpg" }]);
    if (pathname === "/v1/operator/games") return Response.json([{ ...game, sources: ["test://ball"], health: { ...HEALTH, status: this.status }, labels: {}, origin: "config", active_sessions: 45 }]);
    const group = searchParams.get("group_by") ?? "";
    if (searchParams.get("format") !== "json") return new Response(`${group}\r\n`, { headers: { "Content-Type": "text/csv" } });
    return Response.json({ from: searchParams.get("from"), to: searchParams.get("to"), group_by: group, state: "final", rows: [], total_billable_seconds: 7 });
  }
}

/** Timers that a test lets go off. */
class Timers {
  private set: { run: () => void; atMs: number }[] = [];
  nowMs = 0;
  readonly timer = (run: () => void, afterMs: number) => {
    const one = { run, atMs: this.nowMs + afterMs };
    this.set.push(one);
    return () => void (this.set = this.set.filter((other) => other !== one));
  };

  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    await settled();
    for (;;) {
      const next = this.set.sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.set.shift();
      this.nowMs = next.atMs;
      next.run();
      await settled();
    }
    this.nowMs = untilMs;
  }
}

/** Everything that needs no timer has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((done) => setImmediate(done));
}

function desk(service: Service) {
  const timers = new Timers();
  const saved: [string, string][] = [];
  const made = new Desk({
    makeClient: (key) => new OperatorClient(key, service.fetch),
    nowMs: () => NOW + timers.nowMs,
    save: (name, content) => void content.text().then((words) => saved.push([name, words])),
    setTimer: timers.timer,
  });
  return { desk: made, timers, saved };
}

test("a key that is not known is told, and one that is opens everything", async () => {
  const service = new Service();
  const { desk: one } = desk(service);
  one.useKey("wrong");
  await settled();
  assert.equal(one.state.access, "refused");
  assert.match(one.state.accessTrouble?.title ?? "", /not known/);
  assert.equal(one.acceptedKey(), null);
  one.useKey("op");
  await settled();
  assert.equal(one.state.access, "open");
  assert.equal(one.acceptedKey(), "op");
  assert.equal(one.state.sessions.value?.active_sessions, 45);
  assert.equal(one.state.games.value?.[0]?.thumbnail_url, "/t.jpg");
  assert.equal(one.state.today.value?.group_by, "hour");
  assert.equal(one.state.month.value?.from, "2026-11-01T00:00:00Z");
  assert.ok(service.asked.every((path) => !path.includes("wrong") && !path.includes("key")), "no key is in an address");
});

test("a device key is told as what it is", async () => {
  const service = new Service();
  service.refuse = () => refusal(403, "forbidden");
  const { desk: one } = desk(service);
  one.useKey("op");
  await settled();
  assert.equal(one.state.access, "refused");
  assert.match(one.state.accessTrouble?.detail ?? "", /device key/);
});

test("a key that lacks a scope opens the page, and says so where it is missing", async () => {
  const service = new Service();
  service.refuse = (path) => (path.startsWith("/v1/operator/sessions") ? Response.json({ title: "This key may not do that", status: 403, code: "forbidden", detail: "", scope: "sessions:read" }, { status: 403 }) : null);
  const { desk: one } = desk(service);
  one.useKey("op");
  await settled();
  assert.equal(one.state.access, "open");
  assert.match(one.state.sessions.trouble?.detail ?? "", /sessions:read/);
  assert.ok(one.state.games.value !== null, "the rest is there");
  // What a key may not do does not close the page either.
  service.refuse = () => refusal(403, "forbidden");
  const stood = await one.change((client) => client.revokeKey("k"), "Done");
  assert.deepEqual([stood?.code, one.state.access], ["forbidden", "open"]);
});

test("a key that stops being good closes the page and leaves nothing on it", async () => {
  const service = new Service();
  const { desk: one, timers } = desk(service);
  one.useKey("op");
  await settled();
  service.refuse = () => refusal(401, "unauthorized");
  await timers.pass(3_000);
  assert.equal(one.state.access, "refused");
  assert.equal(one.state.sessions.value, null);
  assert.equal(one.state.games.value, null);
  const asked = service.asked.length;
  await timers.pass(120_000);
  assert.equal(service.asked.length, asked, "nothing more is asked");
});

test("a service that is away is asked again until it is there", async () => {
  const service = new Service();
  service.refuse = () => Promise.reject(new TypeError("no network"));
  const { desk: one, timers } = desk(service);
  one.useKey("op");
  await settled();
  assert.equal(one.state.access, "unreachable");
  service.refuse = () => null;
  await timers.pass(30_000);
  assert.equal(one.state.access, "open");
});

test("pages follow the service's cursors, and a renewal stays on its page", async () => {
  const service = new Service();
  const { desk: one, timers } = desk(service);
  one.useKey("op");
  await settled();
  one.turnPage(-1);
  assert.equal(one.state.sessionsPage, 0, "there is nothing newer");
  one.turnPage(1);
  one.turnPage(1);
  await settled();
  assert.equal(one.state.sessionsPage, 1, "a page at a time");
  assert.equal(one.state.sessions.value?.sessions[0]?.id, `s0${SESSIONS_A_PAGE}`);
  service.sessions.unshift(session(999));
  await timers.pass(3_000);
  assert.equal(one.state.sessions.value?.sessions[0]?.id, `s0${SESSIONS_A_PAGE}`, "a newer session moves nothing");
  one.turnPage(1);
  await settled();
  assert.equal(one.state.sessions.value?.next_cursor, null);
  one.turnPage(1);
  assert.equal(one.state.sessionsPage, 2, "there is nothing older");
  one.turnPage(-1);
  await settled();
  one.turnPage(-1);
  await settled();
  assert.equal(one.state.sessions.value?.sessions[0]?.id, "s999");
});

test("an ended session goes at once, and one that could not be ended says why", async () => {
  const service = new Service();
  const { desk: one } = desk(service);
  one.useKey("op");
  await settled();
  assert.equal(await one.endSession(session(3)), null);
  assert.ok(!one.state.sessions.value?.sessions.some(({ id }) => id === "s003"));
  await settled();
  assert.equal(one.state.sessions.value?.active_sessions, 44);
  service.refuse = (_, method) => (method === "DELETE" ? refusal(503, "store_unavailable", { "Retry-After": "4" }) : null);
  const stood = await one.endSession(session(4));
  assert.equal(stood?.canRetry, true);
  assert.match(stood?.detail ?? "", /4 s/);
  service.refuse = (_, method) => (method === "DELETE" ? refusal(404, "session_unknown") : null);
  assert.equal(await one.endSession(session(5)), null, "one that is gone needs no ending");
});

test("what was read stays while newer answers fail, and the part says so", async () => {
  const service = new Service();
  const { desk: one, timers } = desk(service);
  one.useKey("op");
  await settled();
  service.refuse = (path) => (path.startsWith("/v1/operator/usage") ? refusal(503, "store_unavailable") : null);
  await timers.pass(20_000);
  assert.equal(one.state.today.trouble?.code, "store_unavailable");
  assert.equal(one.state.today.value?.total_billable_seconds, 7);
  assert.equal(one.state.sessions.trouble, null, "the others go on");
  service.refuse = () => null;
  one.refresh("today");
  await settled();
  assert.equal(one.state.today.trouble, null);
});

test("a game that loses its picture is announced once", async () => {
  const service = new Service();
  const { desk: one, timers } = desk(service);
  one.useKey("op");
  await settled();
  service.status = "slate";
  await timers.pass(5_000);
  assert.equal(one.state.said, "Game A: slate");
});

test("a pause and a hidden page ask nothing", async () => {
  const service = new Service();
  const { desk: one, timers } = desk(service);
  one.useKey("op");
  await settled();
  one.setPaused(true);
  const asked = service.asked.length;
  await timers.pass(60_000);
  assert.equal(service.asked.length, asked);
  one.chooseMonth({ month: "2026-10", groupBy: "game" });
  await settled();
  assert.equal(one.state.month.value?.from, "2026-10-01T00:00:00Z", "what a person asks for comes even so");
  one.setPaused(false);
  await settled();
  assert.ok(service.asked.length > asked + 2);
  one.setHidden(true);
  const later = service.asked.length;
  await timers.pass(60_000);
  assert.equal(service.asked.length, later);
});

test("the answer to an older question is dropped", async () => {
  const service = new Service();
  const { desk: one } = desk(service);
  one.useKey("op");
  await settled();
  let late: (answer: Response) => void = () => undefined;
  service.refuse = (path) => (path.includes("group_by=game") ? new Promise<Response>((done) => (late = done)) : null);
  one.chooseMonth({ month: "2026-11", groupBy: "game" });
  await settled();
  one.chooseMonth({ month: "2026-11", groupBy: "layout" });
  late(Response.json({ group_by: "game", rows: [], total_billable_seconds: 99 }));
  await settled();
  assert.equal(one.state.month.value?.group_by, "layout");
});

test("a final month is read once", async () => {
  const service = new Service();
  const { desk: one, timers } = desk(service);
  one.useKey("op");
  await timers.pass(0);
  const asked = () => service.asked.filter((path) => path.includes("group_by=day")).length;
  assert.equal(asked(), 1);
  await timers.pass(300_000);
  assert.equal(asked(), 1);
  one.refreshMonth();
  await settled();
  assert.equal(asked(), 2);
});

test("a report is saved as a file with the month and the grouping in its name", async () => {
  const service = new Service();
  const { desk: one, saved } = desk(service);
  one.useKey("op");
  await settled();
  one.chooseMonth({ month: "2026-10", groupBy: "label:plan" });
  await one.download("focus");
  await settled();
  assert.deepEqual(saved, [["quadrille-usage-2026-10-by-label-plan-focus.csv", "label:plan\r\n"]]);
  assert.ok(service.asked.includes("GET /v1/operator/usage?from=2026-10-01T00%3A00%3A00Z&to=2026-11-01T00%3A00%3A00Z&group_by=label%3Aplan&format=focus"));
  service.refuse = (path) => (path.includes("format=csv") ? refusal(503, "store_unavailable") : null);
  await one.download("csv");
  assert.equal(one.state.downloadTrouble?.code, "store_unavailable");
  assert.equal(one.state.downloading, null);
});

test("a report that no page should hold is not read to its end", async () => {
  const chunk = new Uint8Array(1024 * 1024).fill(0x20);
  let sent = 0;
  const endless = new Response(new ReadableStream({ pull: (stream) => void (sent++, stream.enqueue(chunk)) }));
  await assert.rejects(textWithin(endless, REPORT_BYTES_MAX), { code: "report_too_large" });
  assert.ok(sent < 12, `${sent} MiB were read`);
  assert.equal(await textWithin(new Response("é"), 2), "é");
});

test("failures slow the questions down, and an answer makes them quick again", async () => {
  const timers = new Timers();
  const at: number[] = [];
  let answer: number | null = 0;
  const poll = new Poll(async () => (at.push(timers.nowMs), answer), 3_000, timers.timer);
  poll.start();
  await timers.pass(100_000);
  assert.deepEqual(at, [0, 6_000, 18_000, 42_000, 72_000], "twice as long each time, at most half a minute");
  answer = null;
  at.length = 0;
  await timers.pass(40_000);
  assert.equal((at[2] ?? 0) - (at[1] ?? 0), 3_000);
  answer = 45_000;
  await timers.pass(3_000);
  at.length = 0;
  await timers.pass(42_000);
  assert.deepEqual(at, [], "Retry-After is kept to");
  poll.stop();
  await timers.pass(200_000);
  assert.deepEqual(at, []);
});
