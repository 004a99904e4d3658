// What the operators' page makes of art, skins, markets, games, breaks and searches.

import assert from "node:assert/strict";
import { test } from "node:test";
import { layoutsOf, Problem } from "../../src/api";
import type { Market, OperatedSession, OperatorClient, RunningBreak, SessionPage } from "../../src/operator/api";
import { artNames, assetWords, clipAround, dressed, size, skinsWith } from "../../src/operator/art";
import { breakWords, secondsOf } from "../../src/operator/breaks";
import { idFrom, labelLines, labelsOf, linesOf } from "../../src/operator/game";
import { facts } from "../../src/operator/health";
import { bodyOf, breakPolicyWords, breaksOf, errorWords, featureWords, fillWords, gamesWords, heightWords, idsOf, regionsOf, regionWords } from "../../src/operator/market";
import { trouble } from "../../src/operator/problems";
import { FOUND_MAX, matches, PAGES_MAX, search } from "../../src/operator/search";
import { hatching } from "../../src/view/diagram";
import { HEALTH } from "./samples";

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
  assert.equal(assetWords({ ...ASSET, type: "video/mp4", bytes: 2_345_678, duration_s: 6.04 }), "video/mp4, 1920×1080, 2.3 MB, 6.0 s", "as a newer service has it");
  assert.equal(size(812), "812 B");
  const red = { id: "red", art: { frame: ASSET.id }, origin: "operator" as const };
  assert.deepEqual(skinsWith(ASSET.id, [red, { ...red, id: "none", art: {} }]), ["red"]);
  assert.deepEqual(artNames(LAYOUTS).map(({ name, layouts }) => [name, layouts.map(({ id }) => id)]), [["banner", ["1B"]], ["frame", ["1F"]]]);
  assert.deepEqual(dressed(red, LAYOUTS).map(({ id }) => id), ["1F"]);
  assert.deepEqual(LAYOUTS.map(({ slots, art }) => [slots.length, art.length]), [[1, 2], [1, 1], [1, 0]]);
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

test("what a source is made of is told by name, and what is not known as that", () => {
  const health = { ...HEALTH, container: "mpegts", video: { codec: "h264", width: 1920, height: 1080, fps: 29.97, interlaced: true, colour: "bt709" }, audio: { codec: "aac", channels: 2, sample_rate: 48_000 }, bitrate_bps: 6_200_000 };
  const offered = { id: "a", title: "A", status: "live" as const, audio: [{ id: "main", language: "en", label: "A" }, { id: "deu", language: "de", label: "" }], texts: [{ id: "en", language: "en", kind: "captions" }], thumbnail_url: null };
  const told = new Map(facts(health, offered));
  assert.equal(told.get("Picture"), "h264 1920×1080 interlaced");
  assert.equal(told.get("Rate"), "29.97 pictures a second");
  assert.equal(told.get("Sound"), "aac stereo 48 kHz");
  assert.equal(told.get("Sounds to choose from"), "English, German");
  assert.equal(told.get("Captions and subtitles"), "en (captions)");
  const nothing = new Map(facts(HEALTH, null));
  assert.equal(nothing.get("Picture"), "not known yet");
  assert.equal(nothing.get("Losses"), "none");
});

const session = (at: number): OperatedSession =>
  ({ id: `s${at}`, device_id: `stb-${at}`, state: "active", layout: "4E", games: ["hawks"], market: at % 2 === 0 ? "de" : null, labels: { plan: at % 10 === 0 ? "gold" : "silver" } }) as unknown as OperatedSession;

/** A service with `count` sessions, of which it tells as many at once as are asked for. */
function listed(count: number): { client: OperatorClient; asked: string[] } {
  const all = Array.from({ length: count }, (_, at) => session(at));
  const asked: string[] = [];
  const sessions = (cursor: string | null, limit: number, state: string): Promise<SessionPage> => {
    asked.push(`${state} ${cursor ?? ""}`);
    const from = Number(cursor ?? 0);
    const next = from + limit < count ? String(from + limit) : null;
    return Promise.resolve({ sessions: all.slice(from, from + limit), next_cursor: next, active_sessions: count });
  };
  return { client: { sessions } as unknown as OperatorClient, asked };
}

test("sessions are looked through page by page, and it is said how many", async () => {
  assert.ok(matches(session(10), "gold STB-10"));
  assert.ok(matches(session(10), "ravens", () => "Hawks at Ravens"));
  assert.ok(!matches(session(11), "gold"));
  const { client, asked } = listed(2_500);
  const find = (words: string) => search(client, { words, state: "all" }, (game) => game, () => true);
  const one = await find("stb-2499");
  assert.deepEqual([one.sessions.map(({ id }) => id), one.searched, one.all], [["s2499"], 2_500, true]);
  assert.deepEqual(asked, ["all ", "all 1000", "all 2000"]);
  const many = await find("gold");
  assert.deepEqual([many.sessions.length, many.searched, many.all], [FOUND_MAX, 991, false]);
  const huge = listed(1_000 * PAGES_MAX + 1);
  const none = await search(huge.client, { words: "nobody", state: "active" }, (game) => game, () => true);
  assert.deepEqual([none.sessions.length, none.searched, none.all, huge.asked.length], [0, 1_000 * PAGES_MAX, false, PAGES_MAX]);
});

test("a refusal says which field it is about", () => {
  assert.equal(trouble(new Problem(422, "field_invalid", "Wrong", "No.", null, { field: "tier.max_height" })).field, "tier.max_height");
  assert.equal(trouble(new Problem(503, "capacity", "Full", "")).field, null);
});
