// What the operators' page makes of art, skins, markets, games, breaks and searches.

import assert from "node:assert/strict";
import { test } from "node:test";
import { layoutsOf, Problem } from "../../src/api";
import type { Market, OperatedSession, OperatorClient, RunningBreak, SessionDetail, SessionPage } from "../../src/operator/api";
import { artNames, assetWords, clipAround, dressed, isClip, lookedAtIn, size, skinsWith } from "../../src/operator/art";
import { breakWords, secondsOf } from "../../src/operator/breaks";
import { idFrom, isShut, labelLines, labelsOf, limitWords, linesOf, rightsOf, rightsText } from "../../src/operator/game";
import { bodyOf, breakPolicyWords, breaksOf, errorWords, featureWords, fillWords, gamesWords, heightWords, idsOf, regionsOf, regionWords } from "../../src/operator/market";
import { trouble } from "../../src/operator/problems";
import { FOUND_PAGE, goOn, PAGES_MAX, search, wantedOf, type Question } from "../../src/operator/search";
import { endReason, endWords, sessionFacts } from "../../src/operator/session";
import { hatching } from "../../src/view/diagram";

const CANVAS = { width: 1920, height: 1080 };
const rect = (x: number, y: number, width: number, height: number) => ({ x, y, width, height });
const LAYOUTS = layoutsOf([
  { id: "1F", name: "Frame", engines: [], canvas: CANVAS, slots: [{ ...rect(192, 96, 1536, 864), kind: "game" }, { ...rect(0, 0, 1920, 96), kind: "art", name: "frame" }, { ...rect(0, 96, 192, 864), kind: "art", name: "frame" }] },
  { id: "1B", name: "Banner", engines: [], canvas: CANVAS, slots: [{ ...rect(192, 0, 1536, 864), kind: "game" }, { ...rect(0, 864, 1920, 216), kind: "art", name: "banner" }] },
  { id: "1", name: "One", engines: [], canvas: CANVAS, slots: [rect(0, 0, 1920, 1080)] },
]);
const ASSET = { id: "ab".repeat(32), type: "image/png", width: 1920, height: 1080, bytes: 34_400, duration_s: 0, state: "ready" };

test("art is told with what it is, and where it is", () => {
  assert.equal(assetWords(ASSET), "PNG, 1920×1080, 34 kB");
  const clip = { ...ASSET, type: "video/mp4", bytes: 2_345_678, duration_s: 6.04, pictures: 181, has_sound: true };
  const loops = (percent: number) => ({ wanted: 8, made: 3, failed: 0, retried: 0, percent });
  assert.equal(assetWords({ ...clip, loops: loops(40) }), "MP4, 1920×1080, 2.3 MB, 6.0 s, without its sound, 40 % ready");
  assert.equal(assetWords({ ...clip, has_sound: false, loops: loops(100) }), "MP4, 1920×1080, 2.3 MB, 6.0 s");
  assert.equal(assetWords({ ...ASSET, type: "video/quicktime" }), "video/quicktime, 1920×1080, 34 kB", "as a newer service has it");
  assert.equal(size(812), "812 B");
  const red = { id: "red", art: { frame: ASSET.id }, origin: "operator" as const };
  assert.deepEqual(skinsWith(ASSET.id, [red, { ...red, id: "none", art: {} }]), ["red"]);
  assert.deepEqual(artNames(LAYOUTS).map(({ name, layouts }) => [name, layouts.map(({ id }) => id)]), [["banner", ["1B"]], ["frame", ["1F"]]]);
  assert.deepEqual(dressed(red, LAYOUTS).map(({ id }) => id), ["1F"]);
  assert.deepEqual(LAYOUTS.map(({ slots, art }) => [slots.length, art.length]), [[1, 2], [1, 1], [1, 0]]);
});

test("a clip is looked at where all of it is seen", () => {
  assert.deepEqual([ASSET, { ...ASSET, type: "video/mp2t" }].map(isClip), [false, true]);
  assert.deepEqual(lookedAtIn(LAYOUTS), { layout: "1B", slot: "banner" });
  assert.deepEqual(lookedAtIn(LAYOUTS.slice(0, 1)), { layout: "1F", slot: "frame" });
  assert.equal(lookedAtIn(LAYOUTS.slice(2)), null);
});

/** Whether a point in percent lies in a polygon, by the nonzero rule that clip paths follow. */
function lies([x, y]: [number, number], path: string): boolean {
  const points = path.slice(8, -1).split(", ").map((pair) => pair.split(" ").map(parseFloat) as [number, number]);
  let winding = 0;
  points.forEach(([x1, y1], at) => {
    const [x2, y2] = points[(at + 1) % points.length] as [number, number];
    const side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1);
    if (y1 <= y && y2 > y && side > 0) winding += 1;
    if (y1 > y && y2 <= y && side < 0) winding -= 1;
  });
  return winding !== 0;
}

test("art is seen in its pieces, and not between them", () => {
  const frame = [rect(0, 0, 1920, 96), rect(0, 96, 192, 864), rect(1728, 96, 192, 864), rect(0, 960, 1920, 120)];
  const path = clipAround(frame, CANVAS);
  for (const point of [[50, 4], [5, 50], [95, 50], [50, 95], [1, 1], [99, 99]] as [number, number][]) assert.ok(lies(point, path), String(point));
  for (const point of [[50, 50], [12, 50], [88, 85], [11, 11]] as [number, number][]) assert.ok(!lies(point, path), String(point));
});

test("hatching stays in its rectangle", () => {
  for (const box of [rect(3, 5, 40, 6), rect(0, 0, 6, 40), rect(1, 1, 1, 1)]) {
    for (const [, x, y] of hatching(box).matchAll(/[ML]([\d.]+) ([\d.]+)/g)) {
      assert.ok(Number(x) >= box.x && Number(x) <= box.x + box.width && Number(y) >= box.y && Number(y) <= box.y + box.height, `${x} ${y}`);
    }
  }
  assert.ok(hatching(rect(0, 0, 60, 10)).split("M").length > 10);
});

const MARKET: Market = { id: "de", title: "Germany", sound_language: "de", text_language: null, games: null, regions: null, skin: null, tier: { max_height: null, features: null }, origin: "operator" };

test("markets are told in words, and what is sent of one has all that was read", () => {
  const title = (game: string) => game.toUpperCase();
  assert.deepEqual([gamesWords(null, title), gamesWords([], title), gamesWords(["a", "b"], title), gamesWords(["a", "b", "c", "d", "e", "f"], title)], ["all", "none", "A and B", "A, B, C and 3 more"]);
  assert.deepEqual([heightWords(MARKET.tier), heightWords({ max_height: 540, features: [] })], ["all", "up to 540 rows"]);
  assert.deepEqual([featureWords(MARKET.tier), featureWords({ max_height: null, features: [] }), featureWords({ max_height: null, features: ["low_latency", "dolby", "new_thing"] })], ["all", "none", "low latency, Dolby sound, new thing"]);
  assert.deepEqual(idsOf(" a, b\nc a"), ["a", "b", "c"]);
  const newer = { ...MARKET, of_tomorrow: 7 };
  assert.deepEqual(Object.keys(bodyOf(newer)).sort(), ["games", "id", "of_tomorrow", "regions", "skin", "sound_language", "text_language", "tier", "title"]);
});

test("what a market does in breaks: each policy has what is its own, and what it came to is told", () => {
  const all = { decision_url: "https://a/", decided_for: "session", layout: "1L", skin: "red" } as const;
  assert.deepEqual(breaksOf({ policy: "slate", ...all }), { policy: "slate", decision_url: null, decided_for: "market", layout: null, skin: null });
  assert.deepEqual(breaksOf({ policy: "advertisement", ...all }), { policy: "advertisement", decision_url: "https://a/", decided_for: "session", layout: null, skin: null });
  assert.deepEqual(breaksOf({ policy: "squeeze_back", ...all }), { policy: "squeeze_back", decision_url: null, decided_for: "market", layout: "1L", skin: "red" });
  assert.deepEqual([breakPolicyWords(undefined), breakPolicyWords({ policy: "advertisement", ...all })], ["the programme", "advertisements, for each session"]);
  assert.deepEqual([regionsOf(" gb, IE  fr"), regionsOf(" "), regionWords(["GB"]), regionWords(null)], [["GB", "IE", "FR"], null, "GB", "all"]);
  const fill = { market: "de", decisions: 3, decided: 2, play_outs: 4, completes: 3, advertisement_s: 30, slate_s: 10, break_s: 40, fill: 0.75, errors: { 303: 2, 405: 1 }, sessions: 2, billable_seconds: 60, billed_minutes: 1, costs: [] };
  assert.deepEqual([fillWords(fill), errorWords(fill)], ["75 %", "303: 2 times, 405: once"]);
  assert.deepEqual([fillWords({ ...fill, fill: null }), errorWords({ ...fill, errors: {} })], ["–", "none"]);
});

test("a game's form: lines, labels, an id made of the title", () => {
  assert.deepEqual(linesOf(" a \n\n b"), ["a", "b"]);
  const labels = { league: "nba", late: "", note: "a=b" };
  assert.deepEqual(labelsOf(labelLines(labels)), labels);
  assert.deepEqual(["Hawks at Ravens", " Ö & Ü! ", "比赛", "x".repeat(90)].map(idFrom), ["hawks-at-ravens", "o-u", "", "x".repeat(64)]);
});

test("a break is told with its beginning and what is left of it", () => {
  const now = Date.parse("2026-11-27T20:14:30Z");
  const running: RunningBreak = { id: "x", starts_at: "2026-11-27T20:14:05Z", ends_at: "2026-11-27T20:15:00Z" };
  assert.equal(breakWords(running, now), "In a break since 20:14:05, for 30 s more");
  assert.equal(breakWords({ ...running, ends_at: null }, now), "In a break since 20:14:05, until it is ended");
  assert.deepEqual([breakWords(null, now), breakWords(undefined, now)], ["", ""]);
  assert.deepEqual([secondsOf(" "), secondsOf("30"), secondsOf("1,5")], [null, 30, 1.5]);
  for (const text of ["0", "-1", "x", "Infinity"]) assert.ok(Number.isNaN(secondsOf(text)), text);
});

/** A service that tells `count` sessions, and some of its pages have none of those that are looked for. */
function listed(count: number, emptyPages = 0): { client: OperatorClient; asked: string[] } {
  const asked: string[] = [];
  const sessions = (cursor: string | null, limit: number, wanted: Record<string, string>): Promise<SessionPage> => {
    asked.push(`${new URLSearchParams(wanted)} ${cursor ?? ""} ${limit}`);
    if (asked.length <= emptyPages) return Promise.resolve({ sessions: [], next_cursor: "0", active_sessions: 0 });
    const from = Number(cursor ?? 0);
    const told = Array.from({ length: Math.min(limit, count - from) }, (_, at) => ({ id: `s${from + at}` }) as OperatedSession);
    return Promise.resolve({ sessions: told, next_cursor: from + limit < count ? String(from + limit) : null, active_sessions: count });
  };
  return { client: { sessions } as unknown as OperatorClient, asked };
}

const ANY: Question = { text: "", state: "all", game: "", label: "", from: "", to: "" };

test("the service is asked for what a search says, and for nothing else", () => {
  assert.deepEqual(wantedOf(ANY), {});
  assert.deepEqual(wantedOf({ text: "stb", state: "ended", game: "hawks", label: "plan=gold", from: "2026-11-22T16:00", to: "2026-11-22T17:00:30" }), {
    state: "ended", q: "stb", game: "hawks", label: "plan=gold", from: "2026-11-22T16:00:00Z", to: "2026-11-22T17:00:30Z",
  });
});

test("a search goes on over pages with nothing in them, shows some, and more when it is told to", async () => {
  const few = listed(3, 2);
  const found = await search(few.client, { ...ANY, text: "stb" }, () => true);
  assert.deepEqual([found.sessions.length, found.next, few.asked], [3, null, ["q=stb  50", "q=stb 0 50", "q=stb 0 50"]]);
  const many = listed(120);
  const first = await search(many.client, ANY, () => true);
  const second = await goOn(many.client, first, () => true);
  const third = await goOn(many.client, second, () => true);
  assert.deepEqual([first, second, third].map(({ sessions, next }) => [sessions.length, next]), [[FOUND_PAGE, "50"], [100, "100"], [120, null]]);
  assert.deepEqual(third.sessions.map(({ id }) => id).at(-1), "s119");
  const empty = listed(1, 1_000);
  const none = await search(empty.client, ANY, () => true);
  assert.deepEqual([none.sessions.length, none.next, empty.asked.length], [0, "0", PAGES_MAX], "it stops, and can go on");
});

test("a session is told with why it ended and what was billed of it", () => {
  const session = { id: "s", state: "ended", layout: "4E", engine: "stitch", games: ["hawks"], market: "de", region: null, skin: null, labels: { plan: "gold" }, billable_seconds: 141, created_at: "2026-11-22T16:00:00Z", last_seen_at: "2026-11-22T16:02:20Z", ended_at: "2026-11-22T16:02:21Z", end_reason: "idle", billed: { state: "draft", billable_seconds: 141, minutes: 3, costs: [{ cost: "0.0120", currency: "EUR" }] } } as unknown as SessionDetail;
  assert.deepEqual(sessionFacts(session, Date.parse("2026-11-22T17:00:00Z"), () => "Hawks at Ravens"), [
    ["State", "Ended 16:02:21: no playlist was asked for any more"],
    ["Begun", "16:00:00 UTC"],
    ["Last seen", "16:02:20 UTC"],
    ["Games", "Hawks at Ravens"],
    ["Layout", "4E, stitch"],
    ["Market", "de"],
    ["Labels", "plan=gold"],
    ["Billable time", "2:21"],
    ["Billed", "3 minutes, 0.0120 EUR, draft, may still grow"],
  ]);
  assert.equal(endReason("moon_phase"), "moon phase", "of a newer service");
  assert.deepEqual(["idle", "moon_phase", null].map((end_reason) => endWords({ ...session, end_reason }, Date.parse("2026-11-23T00:00:00Z"))), ["Ended 22 Nov 16:02:21 as idle", "Ended 22 Nov 16:02:21 (moon phase)", "Ended 22 Nov 16:02:21"]);
});

test("a refusal says which field it is about", () => {
  assert.equal(trouble(new Problem(422, "field_invalid", "Wrong", "No.", null, { field: "tier.max_height" })).field, "tier.max_height");
  assert.equal(trouble(new Problem(503, "capacity", "Full", "")).field, null);
});

test("rights of a game are text and come back, and no limit is none", () => {
  const none = { regions: "", device_classes: " ", markets: ",", from: "", until: "" };
  assert.equal(rightsOf(none), null);
  const rights = { regions: ["GB", "IE"], device_classes: ["tv"], markets: null, from: null, until: "2026-11-27T22:00:00.000Z" };
  assert.deepEqual(rightsOf(rightsText(rights)), rights);
  assert.deepEqual(rightsOf({ ...none, regions: "GB IE,FR" })?.regions, ["GB", "IE", "FR"]);
  assert.deepEqual(rightsText(null), { regions: "", device_classes: "", markets: "", from: "", until: "" });
});

test("a game that devices cannot pick, or not everywhere, says so", () => {
  const now = Date.parse("2026-11-27T12:00:00Z");
  const rights = { regions: null, device_classes: null, markets: null, from: null, until: null };
  assert.equal(limitWords(null, now), "");
  assert.equal(limitWords(undefined, now), "");
  const later = { ...rights, from: "2026-12-27T19:30:00Z" };
  assert.equal(limitWords(later, now), "Not yet: from 27 Dec 2026, 19:30 UTC.");
  assert.equal(limitWords({ ...later, regions: ["GB", "IE"] }, now), "Not yet: from 27 Dec 2026, 19:30 UTC; only in GB, IE.");
  assert.equal(limitWords(later, Date.parse("2026-12-27T19:30:00Z")), "", "from then on nothing limits it");
  const over = { ...rights, until: "2026-11-27T12:00:00Z", device_classes: ["tv"], markets: ["isles"] };
  assert.equal(limitWords(over, now), "No longer: until 27 Nov 2026, 12:00 UTC; only on tv; only in market isles.");
  assert.deepEqual([later, over, rights, null].map((its) => isShut(its, now)), [true, true, false, false]);
});
