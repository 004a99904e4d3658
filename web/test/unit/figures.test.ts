import assert from "node:assert/strict";
import { test } from "node:test";
import { billed, bitrate, dropped, initials, list, seconds } from "../../src/format";
import { FrameGaps, Stalls } from "../../src/health";
import { gameOfAudioUrl, gameOfSound, soundId, soundNote, trackOf } from "../../src/tracks";

test("the longest gap between frames, the open one included", () => {
  const gaps = new FrameGaps();
  assert.equal(gaps.worstMs(5_000), 0, "nothing was shown yet");
  gaps.frame(1_000, 1);
  gaps.frame(1_033, 2);
  gaps.frame(1_233, 5);
  assert.equal(gaps.largestGapMs, 200);
  assert.equal(gaps.worstMs(2_000), 767);
  gaps.interrupt();
  gaps.frame(60_000, 6);
  assert.equal(gaps.largestGapMs, 200, "a hidden page is no gap");
  gaps.reset();
  gaps.frame(60_050, 7);
  assert.equal(gaps.largestGapMs, 50);
  assert.equal(gaps.presented, 7);
});

test("stalls count after the first picture only", () => {
  const stalls = new Stalls();
  stalls.waiting(10);
  assert.equal(stalls.playing(500), null, "waiting for the first picture is not a stall");
  stalls.waiting(1_000);
  stalls.waiting(1_100);
  assert.ok(stalls.stalled());
  assert.equal(stalls.playing(1_400), 400);
  assert.equal(stalls.count, 1);
  assert.equal(stalls.totalMs, 400);
});

test("a game's sound is found by address, else by name", () => {
  const tracks = [
    { name: "Knicks at Celtics", url: "http://host/v1/play/t0k/audio/nyk-bos.m3u8" },
    { name: "Final", url: "http://host/v1/play/t0k/audio/a%20b.m3u8?x=1/2.m3u8" },
    { name: "Opaque", url: "http://host/v1/play/t0k/audio/9f2c.m3u8" },
  ];
  assert.equal(trackOf(tracks, { id: "nyk-bos", title: "?" }), 0);
  assert.equal(trackOf(tracks, { id: "a b", title: "?" }), 1);
  assert.equal(trackOf(tracks, { id: "op", title: "Opaque" }), 2);
  assert.equal(trackOf(tracks, { id: "none", title: "None" }), -1);
  assert.equal(gameOfAudioUrl("audio/%E0%A4%A.m3u8"), "%E0%A4%A", "a broken escape is taken as it is");
});

test("figures read as people write them", () => {
  assert.equal(seconds(4.25), "4.3 s");
  assert.equal(seconds(null), "–");
  assert.equal(seconds(Number.NaN), "–");
  assert.deepEqual([billed(59.9), billed(90), billed(3_600)], ["59 s", "1 min 30 s", "60 min 0 s"]);
  assert.equal(bitrate(6_000_000), "6.0 Mb/s");
  assert.equal(bitrate(128_000), "128 kb/s");
  assert.equal(dropped(3, 5_400), "3 of 5,400");
  assert.equal(initials("Knicks at Celtics"), "KC");
  assert.equal(initials("derby"), "D");
  assert.equal(initials(""), "");
  assert.equal(list(["a", "b", "c"]), "a, b and c");
});

test("a sound beside a game's main one has a name of its own, and is found by its address", () => {
  const tracks = [
    { name: "Knicks at Celtics", url: "https://x/v1/play/t/audio/nyk-bos.m3u8?start=1" },
    { name: "Knicks at Celtics: German", url: "https://x/v1/play/t/audio/nyk-bos~deu.m3u8" },
  ];
  assert.equal(trackOf(tracks, { id: "nyk-bos/deu", title: "?" }), 1);
  assert.equal(trackOf(tracks, { id: "nyk-bos", title: "?" }), 0);
  assert.equal(gameOfSound("nyk-bos/deu"), "nyk-bos");
  assert.equal(gameOfSound(null), null);
  const german = { id: "deu", language: "de", label: "German" };
  assert.equal(soundId("nyk-bos", german), "nyk-bos/deu");
  assert.equal(soundId("nyk-bos", { ...german, id: "main" }), "nyk-bos");
  assert.equal(soundNote("Knicks at Celtics", german), "German");
  assert.equal(soundNote("K", { id: "main", language: "de", label: "K" }), "German");
  assert.equal(soundNote("K", undefined), "no sound");
});
