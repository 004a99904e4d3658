import assert from "node:assert/strict";
import { test } from "node:test";
import { clamped, clock, lengthOf, mediaTimeOf, placeWords, slipsAway, spokenLength, spokenPlace, streamUrl, wayTo, type Reach } from "../../src/past";

const NOON = Date.parse("2026-11-27T12:00:00Z");
const ago = (seconds: number) => NOON - 1000 * seconds;
const SPAN = { from: ago(30), to: ago(1), live: ago(8) };
const REACH: Reach = { oldest: ago(600), live: ago(8), now: NOON, at: ago(8), isLive: true };

test("what the playlist lists is a seek away, the rest another playlist, and what is near live is live", () => {
  assert.equal(wayTo(ago(15), SPAN.live, SPAN, true), "seek");
  assert.equal(wayTo(ago(25), SPAN.live, SPAN, true), "load", "the window would lose it");
  assert.equal(wayTo(ago(25), SPAN.live, SPAN, false), "seek", "a playlist of the past keeps it");
  assert.equal(wayTo(ago(31), SPAN.live, SPAN, false), "load");
  assert.equal(wayTo(ago(9), SPAN.live, SPAN, true), "live");
  assert.equal(wayTo(NOON, SPAN.live, SPAN, true), "live");
  assert.equal(wayTo(ago(100), SPAN.live, null, true), "load");
});

test("who plays the end of the window is about to lose it", () => {
  assert.ok(slipsAway(ago(28), SPAN));
  assert.ok(!slipsAway(ago(20), SPAN));
  assert.ok(!slipsAway(ago(28), null));
});

test("instants stay between the oldest and live", () => {
  assert.equal(clamped(ago(9_000), REACH), REACH.oldest);
  assert.equal(clamped(NOON + 5_000, REACH), REACH.live);
  assert.equal(clamped(ago(60), REACH), ago(60));
  assert.equal(clamped(ago(60), { oldest: ago(5), live: ago(8) }), ago(5), "nothing is there before the first picture");
});

test("the date of a picture leads to its media time; over a gap to what comes next", () => {
  const segment = (at: number, gap = false) => ({ start: 100 + at, duration: 2, programDateTime: NOON + 1000 * at, gap });
  const segments = [segment(0), segment(2), segment(4, true), segment(6, true), segment(8)];
  assert.equal(mediaTimeOf(segments, NOON), 100);
  assert.equal(mediaTimeOf(segments, NOON + 3_500), 103.5);
  assert.equal(mediaTimeOf(segments, NOON + 5_000), 108);
  assert.equal(mediaTimeOf(segments, NOON - 1), null);
  assert.equal(mediaTimeOf(segments, NOON + 10_000), null);
  assert.equal(mediaTimeOf([], NOON), null);
});

test("the address says where to begin, and keeps what it says already", () => {
  const live = "http://quadrille.test/v1/play/t/index.m3u8?all_sounds=true&low_latency=true";
  assert.equal(streamUrl("/v1/play/t/index.m3u8", "http://quadrille.test/", null), live);
  assert.equal(streamUrl("/v1/play/t/index.m3u8", "http://quadrille.test/", NOON), `${live}&start=2026-11-27T12%3A00%3A00.000Z`);
});

test("lengths are as exact as matters", () => {
  for (const [length, short, spoken] of [
    [22.44, "22.4 s", "22 seconds"],
    [60, "1 min", "1 minute"],
    [200.9, "3 min 20 s", "3 minutes 20 seconds"],
    [61, "1 min 1 s", "1 minute 1 second"],
    [725, "12 min", "12 minutes"],
    [3600, "1 h", "1 hour"],
    [4330, "1 h 12 min", "1 hour 12 minutes"],
    [7200, "2 h", "2 hours"],
  ] as const) {
    assert.equal(lengthOf(length), short);
    assert.equal(spokenLength(length), spoken);
  }
});

test("places are told with how far behind live they are, and live is called live alone", () => {
  assert.equal(spokenPlace(ago(720), REACH), `12 minutes behind live, ${clock(ago(720))}`);
  assert.equal(spokenPlace(ago(8), REACH), `live, ${clock(ago(8))}`);
  assert.equal(placeWords(ago(40), REACH), "40 s behind live");
  assert.equal(placeWords(ago(8), REACH), "Live");
  assert.match(clock(NOON), /^\d\d:00:00$/);
});
