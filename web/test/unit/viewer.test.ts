// The viewer against a service that answers from a script: what is asked, in which order, and what is made of refusals.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { Client, type MarketChoice, type Session, type SkinChoice } from "../../src/api";
import type { Player } from "../../src/player";
import { layoutsOffered, NO_TERMS } from "../../src/terms";
import { Viewer } from "../../src/viewer";
import { NO_VISIT, type Visit, type Visits } from "../../src/visit";
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

/** When segment `n` begins. */
const at = (n: number) => new Date(n * 2000).toISOString();

/** A service with one session; `refuse` may answer a request in its stead. */
class Service {
  readonly requests: Request[] = [];
  layouts: unknown[] = LAYOUTS;
  markets: MarketChoice[] = [];
  skins: SkinChoice[] = [];
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
    effective_at: at(100),
    billable_seconds: 0,
  };

  readonly fetch = (async (url: unknown, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as Record<string, unknown>) : null;
    const request = { method: init.method ?? "GET", path: String(url), body, ifMatch: headers.get("If-Match") };
    if (!/^\/v1\/(games|layouts|markets|skins)\b/.test(request.path) || request.path.includes("market=")) this.requests.push(request);
    await this.gate;
    return this.refuse(request) ?? this.answer(request);
  }) as typeof fetch;

  private answer({ method, path, body }: Request): Response {
    if (path === "/v1/games") return Response.json(["a", "b", "c", "d", "e"].map((id) => game(id)));
    if (path === "/v1/games?market=de") return Response.json(["a", "b", "c"].map((id) => game(id)));
    if (path === "/v1/layouts") return Response.json(this.layouts);
    if (path === "/v1/markets") return Response.json(this.markets);
    if (path === "/v1/skins") return Response.json(this.skins);
    if (method === "DELETE") {
      this.session = { ...this.session, state: "ended" };
      return new Response(null, { status: 204 });
    }
    if (method === "PATCH") {
      const revision = this.session.revision + 1;
      const skin = body?.["skin"] === "" ? null : (body?.["skin"] ?? this.session.skin);
      this.session = { ...this.session, ...body, skin, revision, effective_segment: 100 + revision, effective_at: at(100 + revision) } as Session;
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
    captions: () => [],
    chooseCaptions: () => undefined,
  } as unknown as Player);
  assert.ok(await viewer.connect("dev-1"));
  for (const id of ["a", "b", "c", "d"]) viewer.picking.chooseGame(id);
  await viewer.watch();
  viewer.hear({ kind: "playing" });
  viewer.hear({ kind: "shows", at: Date.parse(at(99)) });
  assert.equal(viewer.state.phase, "watching");
  return { viewer, heard, loaded };
}

test("a swap is one PATCH; picture and sound follow when its segment shows; nothing is loaded anew", async () => {
  const service = new Service();
  const { viewer, heard, loaded } = await watching(service);
  viewer.picking.selectSlot(0);
  viewer.picking.chooseGame("e");
  await settle();
  const [patch] = service.asked("PATCH");
  assert.deepEqual(patch?.body, { games: ["e", "b", "c", "d"], layout: "4E", audio: "e" });
  assert.equal(patch?.ifMatch, '"1"');
  assert.equal(viewer.state.shown?.games[0], "a", "not on the screen yet");
  assert.equal(heard.at(-1), "a", "nor to be heard");
  viewer.hear({ kind: "shows", at: Date.parse(at(102)) });
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
  viewer.picking.put("e", 1);
  viewer.picking.exchangeSlots(0, 1);
  viewer.picking.exchangeSlots(2, 3);
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
  viewer.picking.put("e", 3);
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
  viewer.picking.put("e", 2);
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
  viewer.usePlayer({ stop: () => undefined, chooseCaptions: () => undefined, load: () => assert.fail("nothing is to be played") } as unknown as Player);
  await viewer.connect("dev-1");
  viewer.picking.chooseGame("a");
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
  viewer.picking.chooseGame("e");
  assert.equal(viewer.state.heldGame, "e");
  viewer.picking.selectSlot(2);
  await settle();
  assert.equal(viewer.state.heldGame, null);
  assert.deepEqual(service.session.games, ["a", "b", "e", "d"]);
});

// ---- reloads, links and ends -------------------------------------------------------------------------------------

/** A player of which is noted what it is told. */
function notedPlayer(told: string[]): Player {
  const note = (name: string) => (detail?: unknown) => void told.push(typeof detail === "string" ? `${name} ${detail}` : name);
  return {
    load: note("load"),
    listen: () => undefined,
    stop: note("stop"),
    pause: note("pause"),
    resume: note("resume"),
    goLive: note("goLive"),
    setLowLatency: note("setLowLatency"),
    renditions: () => [],
    captions: () => [],
    chooseCaptions: () => undefined,
    sample: () => null,
  } as unknown as Player;
}

async function opened(service: Service, visit: Visit, linked = false): Promise<{ viewer: Viewer; kept: Visit[]; told: string[] }> {
  const kept: Visit[] = [];
  const visits: Visits = { begin: () => ({ visit, linked }), keep: (one) => kept.push(one) };
  const viewer = new Viewer("web-test", (key) => new Client(key, service.fetch), visits);
  const told: string[] = [];
  viewer.usePlayer(notedPlayer(told));
  await viewer.connect("dev-1");
  await settle();
  return { viewer, kept, told };
}

const BEFORE: Visit = { picks: { layout: "4E", games: ["a", "b", "c", "d"] }, terms: NO_TERMS, audio: "b", session: "s1" };

test("a reload goes on with the session that is still there", async () => {
  const service = new Service();
  service.session = { ...service.session, audio: "b" };
  const { viewer, kept, told } = await opened(service, BEFORE);
  assert.deepEqual(service.requests.map(({ method, path }) => `${method} ${path}`), ["GET /v1/sessions/s1"], "no second session");
  assert.deepEqual(told, ["load http://quadrille.test/v1/play/t/index.m3u8?all_sounds=true&low_latency=true"]);
  assert.equal(viewer.state.phase, "starting");
  assert.equal(viewer.state.audio, "b");
  assert.equal(kept.at(-1)?.session, "s1");
  viewer.hear({ kind: "playing" });
  assert.equal(viewer.state.phase, "watching");
});

test("what was changed elsewhere during a reload stands", async () => {
  const service = new Service();
  service.session = { ...service.session, games: ["e", "b", "c", "d"], audio: "c" };
  const { viewer } = await opened(service, BEFORE);
  assert.deepEqual(viewer.state.picks.games, ["e", "b", "c", "d"]);
  assert.equal(viewer.state.audio, "c");
  assert.equal(service.asked("PATCH").length, 0);
});

test("a session that is gone gives way to another with the same picks", async () => {
  for (const gone of ["unknown", "idle", "unrestorable", "not said"]) {
    const service = new Service();
    if (gone === "unknown") service.refuse = ({ method, path }) => (method === "GET" && path.includes("/sessions/") ? problem(404, "session_unknown") : null);
    else service.session = { ...service.session, state: "ended", ...(gone === "not said" ? {} : { end_reason: gone }) };
    const { viewer, told } = await opened(service, BEFORE);
    const [created] = service.asked("POST");
    assert.deepEqual(created?.body?.["games"], BEFORE.picks.games, gone);
    assert.equal(created?.body?.["layout"], "4E");
    assert.equal(created?.body?.["audio"], "b");
    assert.equal(told.length, 1, gone);
    assert.equal(viewer.state.phase, "starting");
  }
});

test("a session that somebody ended during a reload does not begin anew by itself", async () => {
  for (const reason of ["operator", "device"]) {
    const service = new Service();
    service.session = { ...service.session, state: "ended", end_reason: reason };
    const { viewer, kept, told } = await opened(service, BEFORE);
    assert.equal(service.asked("POST").length, 0, reason);
    assert.equal(viewer.state.phase, "ended");
    assert.equal(viewer.state.ending?.reason, reason);
    assert.deepEqual(viewer.state.picks, BEFORE.picks, "and can be had again");
    assert.ok(!told.some((one) => one.startsWith("load")));
    assert.equal(kept.at(-1)?.session, null, "a second reload does not ask again");
  }
});

test("a service that does not answer is no reason to forget the session", async () => {
  const service = new Service();
  service.refuse = ({ path }) => (path.includes("/sessions/") ? problem(503, "not_ready") : null);
  const { viewer, kept } = await opened(service, BEFORE);
  assert.equal(viewer.state.phase, "idle");
  assert.equal(viewer.state.problem?.code, "not_ready");
  assert.ok(!kept.some((one) => one.session === null), "the next reload tries again");
  service.refuse = () => null;
  viewer.retry();
  await settle();
  assert.equal(viewer.state.phase, "starting");
  assert.equal(service.asked("POST").length, 0, "and so does Try again");
});

test("a link is shown for who opens it, and nobody is billed before Watch", async () => {
  const service = new Service();
  const link: Visit = { picks: { layout: "2PL", games: ["d", "b"] }, terms: NO_TERMS, audio: null, session: null };
  const { viewer } = await opened(service, link, true);
  assert.deepEqual(viewer.state.picks, link.picks);
  assert.equal(viewer.state.audio, "d");
  assert.deepEqual(service.requests, []);
  await viewer.watch();
  assert.deepEqual(service.asked("POST")[0]?.body?.["games"], ["d", "b"]);
});

test("a link into a tab that watches changes its session", async () => {
  const service = new Service();
  const { viewer } = await opened(service, { ...BEFORE, picks: { layout: "2PL", games: ["d", "e"] } }, true);
  await settle();
  assert.deepEqual(service.requests.map((one) => one.method), ["GET", "PATCH"]);
  assert.deepEqual(service.session.games, ["d", "e"]);
  assert.deepEqual(viewer.state.picks, { layout: "2PL", games: ["d", "e"] });
});

test("games of a link that are not offered are named", async () => {
  const { viewer } = await opened(new Service(), { picks: { layout: "3EL", games: ["a", "old-1", "old-2"] }, terms: NO_TERMS, audio: null, session: null }, true);
  assert.deepEqual(viewer.state.picks, { layout: "1", games: ["a"] });
  assert.equal(viewer.state.problem?.code, "link");
  assert.match(viewer.state.problem?.detail ?? "", /old-1 and old-2/);
});

test("picks that were kept wait for the first key that is accepted", async () => {
  const service = new Service();
  const kept: Visit[] = [];
  const visits: Visits = { begin: () => ({ visit: { ...BEFORE, session: null }, linked: false }), keep: (one) => kept.push(one) };
  const viewer = new Viewer("web-test", (key) => new Client(key, key === "good" ? service.fetch : ((async () => problem(401, "unauthorized")) as typeof fetch)), visits);
  viewer.usePlayer(notedPlayer([]));
  assert.ok(!(await viewer.connect("bad")));
  assert.deepEqual(kept, [], "nothing is overwritten meanwhile");
  assert.ok(await viewer.connect("good"));
  assert.deepEqual(viewer.state.picks, BEFORE.picks);
});

test("every pick is kept, and the session with it until it is left", async () => {
  const service = new Service();
  const { viewer, kept } = await opened(service, { picks: { layout: "", games: [] }, terms: NO_TERMS, audio: null, session: null });
  viewer.picking.chooseGame("c");
  viewer.picking.chooseGame("e");
  assert.deepEqual(kept.at(-1), { picks: { layout: "2EH", games: ["c", "e"] }, terms: NO_TERMS, audio: "c", session: null });
  await viewer.watch();
  assert.equal(kept.at(-1)?.session, "s1");
  viewer.listen("e");
  assert.equal(kept.at(-1)?.audio, "e");
  await viewer.leave();
  assert.equal(kept.at(-1)?.session, null);
});

test("the page says why a stream ended", async () => {
  for (const [reason, words] of [["operator", /operator/], ["idle", /pause/], [undefined, /ended/]] as const) {
    const service = new Service();
    const { viewer } = await opened(service, BEFORE);
    viewer.hear({ kind: "playing" });
    service.session = { ...service.session, state: "ended", billable_seconds: 61, ...(reason === undefined ? {} : { end_reason: reason }) };
    viewer.hear({ kind: "ended" });
    await settle();
    assert.equal(viewer.state.phase, "ended");
    assert.equal(viewer.state.ending?.reason, reason ?? null);
    assert.match(viewer.state.said, words);
    assert.equal(viewer.state.session?.billable_seconds, 61, "the last figure is the final one");
    await viewer.watch();
    assert.equal(viewer.state.ending, null);
    assert.equal(service.asked("POST").length, 1, "and it can be watched again");
  }
});

test("a change of a session that has ended tells of the end and not of the change", async () => {
  const service = new Service();
  const { viewer } = await opened(service, BEFORE);
  viewer.hear({ kind: "playing" });
  service.session = { ...service.session, state: "ended", end_reason: "operator" };
  service.refuse = ({ method }) => (method === "PATCH" ? problem(409, "session_ended") : null);
  viewer.picking.put("e", 0);
  await settle();
  await settle();
  assert.equal(viewer.state.ending?.reason, "operator");
  assert.equal(viewer.state.problem, null);
  assert.deepEqual(viewer.state.picks.games, ["e", "b", "c", "d"], "the next session is as it was wished for");
});

test("a stream that is gone is over even when the service can not say why", async () => {
  const service = new Service();
  const { viewer } = await opened(service, BEFORE);
  viewer.hear({ kind: "playing" });
  service.refuse = () => problem(404, "session_unknown");
  viewer.hear({ kind: "lost", gone: true, details: "levelLoadError" });
  await settle();
  assert.equal(viewer.state.phase, "ended");
  assert.equal(viewer.state.ending?.reason, null);
});

test("space watches, pauses and goes on", async () => {
  const service = new Service();
  const { viewer, told } = await opened(service, { ...BEFORE, session: null });
  viewer.playOrPause();
  await settle();
  assert.equal(service.asked("POST").length, 1);
  viewer.playOrPause();
  assert.ok(!told.includes("pause"), "there is nothing to pause before the first picture");
  viewer.hear({ kind: "playing" });
  viewer.hear({ kind: "pulse", pulse: "live" });
  viewer.playOrPause();
  viewer.hear({ kind: "pulse", pulse: "paused" });
  assert.equal(viewer.state.said, "Paused");
  viewer.playOrPause();
  viewer.hear({ kind: "pulse", pulse: "behind" });
  assert.equal(viewer.state.said, "Playing");
  assert.deepEqual(told.slice(1), ["pause", "resume"]);
});

test("a player that the browser does not let begin is begun by a press", async () => {
  const { viewer, told } = await opened(new Service(), BEFORE);
  viewer.hear({ kind: "muted" });
  assert.ok(viewer.state.silenced);
  viewer.hear({ kind: "blocked" });
  viewer.playOrPause();
  assert.ok(told.includes("resume") && !viewer.state.blocked);
  viewer.heard();
  assert.ok(!viewer.state.silenced);
});

test("a page that comes back from the browser's cache goes to the edge, or says that it is over", async () => {
  const service = new Service();
  const { viewer, told } = await opened(service, BEFORE);
  viewer.hear({ kind: "playing" });
  await viewer.comeBack();
  assert.equal(told.at(-1), "goLive");
  service.session = { ...service.session, state: "ended", end_reason: "idle" };
  await viewer.comeBack();
  assert.equal(viewer.state.ending?.reason, "idle");
  assert.equal(told.at(-1), "stop");
});

// ---- market and skin ---------------------------------------------------------------------------------------------

const FRAMED = { id: "1F", name: "One in a frame", slots: [{ x: 192, y: 96, width: 1536, height: 864, kind: "game" }, { x: 0, y: 0, width: 1920, height: 96, kind: "art", name: "frame" }], canvas: { width: 1920, height: 1080 }, engines: ["stitch"] };

/** A service with a market and two skins, the market's and another. */
function dressed(): Service {
  const service = new Service();
  service.layouts = [...LAYOUTS, FRAMED];
  service.markets = [{ id: "de", title: "Germany", skin: "gold", regions: null }];
  service.skins = [{ id: "gold", slots: ["frame"] }, { id: "red", slots: ["frame"] }];
  return service;
}

test("slots of art are no slots of games", async () => {
  const { viewer } = await opened(dressed(), NO_VISIT);
  viewer.picking.chooseGame("a");
  viewer.picking.takeLayout("1F");
  assert.deepEqual(viewer.state.picks, { layout: "1F", games: ["a"] });
  const framed = viewer.state.layouts.find(({ id }) => id === "1F");
  assert.deepEqual([framed?.slots.length, framed?.art], [1, [{ x: 0, y: 0, width: 1920, height: 96, name: "frame" }]]);
  assert.ok(layoutsOffered(viewer.state.layouts, viewer.state.skins, "").some(({ id }) => id === "1F"));
  assert.ok(!layoutsOffered(viewer.state.layouts, [{ id: "bar", slots: ["bar"] }], "1").some(({ id }) => id === "1F"), "nothing would stand there");
  assert.ok(layoutsOffered(viewer.state.layouts, [], "1F").some(({ id }) => id === "1F"), "it is chosen");
});

test("a session is made in the market and with the skin that are named, of its games", async () => {
  const service = dressed();
  const { viewer, kept } = await opened(service, { ...NO_VISIT, picks: { layout: "2EH", games: ["a", "d"] } });
  await viewer.naming.chooseMarket("de");
  assert.deepEqual(viewer.state.games.map(({ id }) => id), ["a", "b", "c"]);
  assert.deepEqual(viewer.state.picks, { layout: "1", games: ["a"] }, "the market has not the other");
  viewer.naming.chooseSkin("red");
  assert.deepEqual(kept.at(-1)?.terms, { market: "de", skin: "red" });
  await viewer.watch();
  const { market, skin } = service.asked("POST")[0]?.body ?? {};
  assert.deepEqual([market, skin], ["de", "red"]);
});

test("another skin is a change of the session that plays; the market's is one, too", async () => {
  const service = dressed();
  service.session = { ...service.session, market: "de", skin: "gold", games: ["a", "b", "c"], layout: "3EL" };
  const { viewer } = await opened(service, { ...BEFORE, audio: "a" });
  assert.deepEqual(viewer.state.terms, { market: "de", skin: null }, "what is the market's needs no name");
  assert.deepEqual(viewer.state.games.map(({ id }) => id), ["a", "b", "c"]);
  viewer.naming.chooseSkin("red");
  await settle();
  viewer.naming.chooseSkin(null);
  await settle();
  assert.deepEqual(service.asked("PATCH").map(({ body }) => body), [{ skin: "red" }, { skin: "gold" }]);
  assert.equal(service.session.skin, "gold");
});

test("a skin that is refused is not named any more, and is asked for once", async () => {
  const service = dressed();
  const { viewer } = await opened(service, { ...BEFORE, audio: "a" });
  service.refuse = ({ method }) => (method === "PATCH" ? problem(404, "skin_unknown") : null);
  viewer.naming.chooseSkin("red");
  await settle();
  assert.equal(viewer.state.problem?.code, "skin_unknown");
  assert.equal(viewer.state.terms.skin, null);
  assert.equal(service.asked("PATCH").length, 1);
});

test("another market ends the session and begins another", async () => {
  const service = dressed();
  const { viewer } = await opened(service, { ...BEFORE, audio: "a" });
  viewer.hear({ kind: "playing" });
  service.requests.splice(0);
  await viewer.naming.chooseMarket("de");
  assert.deepEqual(service.requests.map(({ method, path }) => `${method} ${path}`), [
    "GET /v1/games?market=de",
    "DELETE /v1/sessions/s1",
    "GET /v1/sessions/s1",
    "POST /v1/sessions",
  ]);
  assert.deepEqual(viewer.state.picks.games, ["a", "b", "c"]);
});

test("a market that cannot be had leaves everything as it was", async () => {
  const service = dressed();
  const { viewer } = await opened(service, { ...NO_VISIT, picks: { layout: "1", games: ["d"] } });
  service.refuse = ({ path }) => (path.includes("market=") ? problem(403, "forbidden") : null);
  await viewer.naming.chooseMarket("de");
  assert.deepEqual([viewer.state.terms, viewer.state.picks.games], [NO_TERMS, ["d"]]);
  assert.equal(viewer.state.problem?.code, "forbidden");
});

test("a link to another market begins another session; what it names and is not there is told", async () => {
  const service = dressed();
  service.session = { ...service.session, market: null };
  await opened(service, { ...BEFORE, terms: { market: "de", skin: null }, picks: { layout: "1", games: ["a"] } }, true);
  assert.deepEqual(service.requests.map(({ method, path }) => `${method} ${path}`).slice(-2), ["DELETE /v1/sessions/s1", "POST /v1/sessions"]);
  const told = await opened(dressed(), { ...NO_VISIT, terms: { market: "de", skin: "blue" } }, true);
  assert.match(told.viewer.state.problem?.detail ?? "", /skin blue/);
  assert.deepEqual(told.viewer.state.terms, { market: "de", skin: null });
});

test("a service without markets and skins is as before", async () => {
  const service = new Service();
  service.refuse = ({ path }) => (path === "/v1/markets" || path === "/v1/skins" ? problem(404, "not_found") : null);
  const { viewer } = await opened(service, NO_VISIT);
  assert.deepEqual([viewer.state.connection, viewer.state.markets, viewer.state.skins], ["ready", [], []]);
});
