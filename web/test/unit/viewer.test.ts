// The viewer against a service that answers from a script: what is asked, in which order, and what is made of refusals.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { Client, type Session } from "../../src/api";
import type { Player } from "../../src/player";
import { Viewer } from "../../src/viewer";
import { game, LAYOUTS } from "./samples";

// What a browser has and Node, or an old Node, has not.
Object.defineProperty(globalThis, "location", { value: { href: "http://quadrille.test/" } });
if (!("crypto" in globalThis)) Object.defineProperty(globalThis, "crypto", { value: webcrypto });

interface Request {
  method: string;
  path: string;
  body: Record<string, unknown> | null;
  ifMatch: string | null;
}

/** A service with one session; `refuse` may answer a request in its stead. */
class Service {
  readonly requests: Request[] = [];
  refuse: (request: Request) => Response | null = () => null;
  /** Holds answers back until it resolves. */
  gate: Promise<void> = Promise.resolve();
  session: Session = {
    id: "s1",
    state: "active",
    revision: 1,
    playback_url: "/v1/play/t/index.m3u8",
    layout: "4E",
    engine: "render",
    games: ["a", "b", "c", "d"],
    slots: [],
    audio: "a",
    created_at: "2026-09-01T00:00:00Z",
    effective_segment: 100,
    billable_seconds: 0,
  };

  readonly fetch = (async (url: unknown, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as Record<string, unknown>) : null;
    const request = { method: init.method ?? "GET", path: String(url), body, ifMatch: headers.get("If-Match") };
    if (request.path !== "/v1/games" && request.path !== "/v1/layouts") this.requests.push(request);
    await this.gate;
    return this.refuse(request) ?? this.answer(request);
  }) as typeof fetch;

  private answer({ method, path, body }: Request): Response {
    if (path === "/v1/games") return Response.json(["a", "b", "c", "d", "e"].map((id) => game(id)));
    if (path === "/v1/layouts") return Response.json(LAYOUTS);
    if (method === "DELETE") {
      this.session = { ...this.session, state: "ended" };
      return new Response(null, { status: 204 });
    }
    if (method === "PATCH") {
      const revision = this.session.revision + 1;
      this.session = { ...this.session, ...body, revision, effective_segment: 100 + revision } as Session;
    }
    if (method === "POST") this.session = { ...this.session, ...body } as Session;
    return Response.json(this.session, { headers: { ETag: `"${this.session.revision}"` } });
  }

  asked(method: string): Request[] {
    return this.requests.filter((request) => request.method === method);
  }
}

function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ title: code, status, code, detail: "Why." }, { status, headers });
}

/** Lets everything that is already answered run its course. */
const settle = () => new Promise((done) => setTimeout(done, 0)).then(() => new Promise((done) => setTimeout(done, 0)));

async function watching(service: Service): Promise<{ viewer: Viewer; heard: string[]; loaded: string[] }> {
  const viewer = new Viewer("web-test", (key) => new Client(key, service.fetch));
  const heard: string[] = [];
  const loaded: string[] = [];
  viewer.usePlayer({
    load: (url: string) => loaded.push(url),
    listen: (one: { id: string }) => heard.push(one.id),
    stop: () => undefined,
    renditions: () => [],
  } as unknown as Player);
  assert.ok(await viewer.connect("dev-1"));
  for (const id of ["a", "b", "c", "d"]) viewer.chooseGame(id);
  await viewer.watch();
  viewer.hear({ kind: "playing" });
  viewer.hear({ kind: "segment", segment: 99, rendition: "1080p" });
  assert.equal(viewer.state.phase, "watching");
  return { viewer, heard, loaded };
}

test("a swap is one PATCH; picture and sound follow when its segment shows; nothing is loaded anew", async () => {
  const service = new Service();
  const { viewer, heard, loaded } = await watching(service);
  viewer.selectSlot(0);
  viewer.chooseGame("e");
  await settle();
  const [patch] = service.asked("PATCH");
  assert.deepEqual(patch?.body, { games: ["e", "b", "c", "d"], layout: "4E", audio: "e" });
  assert.equal(patch?.ifMatch, '"1"');
  assert.equal(viewer.state.shown?.games[0], "a", "not on the screen yet");
  assert.equal(heard.at(-1), "a", "nor to be heard");
  viewer.hear({ kind: "segment", segment: 102, rendition: "1080p" });
  assert.equal(viewer.state.shown?.games[0], "e");
  assert.equal(viewer.state.pending, null);
  assert.equal(heard.at(-1), "e");
  assert.equal(loaded.length, 1);
});

test("while a change is on its way the next ones wait, and only the last wish is asked for", async () => {
  const service = new Service();
  const { viewer } = await watching(service);
  let open = () => {};
  service.gate = new Promise((done) => (open = done));
  viewer.put("e", 1);
  viewer.exchangeSlots(0, 1);
  viewer.exchangeSlots(2, 3);
  await settle();
  assert.equal(service.asked("PATCH").length, 1);
  open();
  await settle();
  await settle();
  assert.deepEqual(service.asked("PATCH").map((one) => one.body?.["games"]), [["a", "e", "c", "d"], ["e", "a", "d", "c"]]);
  assert.deepEqual(service.session.games, viewer.state.picks.games);
});

test("a stale change is asked for again on what the session is now", async () => {
  const service = new Service();
  const { viewer } = await watching(service);
  service.refuse = (request) => {
    if (request.method !== "PATCH" || request.ifMatch !== '"1"') return null;
    service.session = { ...service.session, revision: 7 };
    return problem(412, "revision_stale");
  };
  viewer.put("e", 3);
  await settle();
  await settle();
  assert.deepEqual(service.asked("PATCH").map((one) => one.ifMatch), ['"1"', '"7"']);
  assert.equal(viewer.state.session?.games[3], "e");
  assert.equal(viewer.state.problem, null);
});

test("a change without room leaves the session as it is, and can be asked for again", async () => {
  const service = new Service();
  const { viewer } = await watching(service);
  service.refuse = (request) => (request.method === "PATCH" ? problem(503, "capacity", { "Retry-After": "5" }) : null);
  viewer.put("e", 2);
  await settle();
  assert.deepEqual(viewer.state.picks.games, ["a", "b", "c", "d"]);
  assert.equal(viewer.state.phase, "watching");
  assert.equal(viewer.state.problem?.code, "capacity");
  service.refuse = () => null;
  viewer.retry();
  await settle();
  assert.equal(viewer.state.session?.games[2], "e");
  assert.equal(viewer.state.problem, null);
});

test("a session that comes after the viewer has left is ended at once", async () => {
  const service = new Service();
  const viewer = new Viewer("web-test", (key) => new Client(key, service.fetch));
  viewer.usePlayer({ stop: () => undefined, load: () => assert.fail("nothing is to be played") } as unknown as Player);
  await viewer.connect("dev-1");
  viewer.chooseGame("a");
  let open = () => {};
  service.gate = new Promise((done) => (open = done));
  const watch = viewer.watch();
  await viewer.leave();
  open();
  await watch;
  assert.deepEqual(service.requests.map((one) => one.method), ["POST", "DELETE"]);
  assert.equal(viewer.state.phase, "idle");
});

test("four slots are taken: a fifth game is held until a slot is chosen", async () => {
  const service = new Service();
  const { viewer } = await watching(service);
  viewer.chooseGame("e");
  assert.equal(viewer.state.heldGame, "e");
  viewer.selectSlot(2);
  await settle();
  assert.equal(viewer.state.heldGame, null);
  assert.deepEqual(service.session.games, ["a", "b", "e", "d"]);
});
