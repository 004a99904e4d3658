// A game's health in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lasting, losses, madeOf, triedFacts, triedWords, why } from "../../src/operator/health";
import { HEALTH } from "./samples";

const NOW = Date.parse("2026-11-22T16:03:00Z");

test("a slate has a reason and an age, and a picture needs no words", () => {
  assert.equal(why(HEALTH, NOW), "");
  assert.equal(why({ ...HEALTH, status: "slate", reason: "unauthorized" }, NOW), "No picture since 16:00:00, for 3 min: its source refuses access");
  assert.equal(why({ ...HEALTH, status: "slate", since: "?" }, NOW), "No picture");
  assert.equal(why({ ...HEALTH, reason: "no_sound" }, NOW), "Not as it should be: its sound is lost");
  assert.equal(why({ ...HEALTH, status: "off" }, NOW), "Off since 16:00:00, for 3 min");
  assert.equal(why({ ...HEALTH, status: "slate", reason: "moon_phase" as never }, NOW), "No picture since 16:00:00, for 3 min: moon phase", "of a newer service");
  assert.deepEqual([0, 89, 600, 7_200, 400_000].map((seconds) => lasting(seconds * 1000)), ["0 s", "89 s", "10 min", "2 h", "5 d"]);
});

test("what was lost is counted, and said why", () => {
  assert.equal(losses(HEALTH), "");
  assert.equal(losses({ ...HEALTH, reconnects: 1 }), "1 reconnect");
  assert.equal(losses({ ...HEALTH, reconnects: 1_200, last_error: "no picture for 3 s" }), "1,200 reconnects. Last: no picture for 3 s");
});

test("a source is described as far as it is known", () => {
  assert.equal(madeOf(HEALTH), "");
  const video = { codec: "h264", width: 1920, height: 1080, fps: 29.97, interlaced: true, colour: "bt709" };
  const audio = { codec: "aac", channels: 2, sample_rate: 48_000 };
  const known = { ...HEALTH, video, audio, container: "mpeg-ts", bitrate_bps: 6_240_000, av_offset_ms: 12 };
  assert.equal(madeOf(known), "h264 1920×1080 interlaced 29.97/s bt709 · aac stereo 48 kHz · mpeg-ts · 6.2 Mb/s · sound +12 ms");
  const little = { ...HEALTH, video: { ...video, codec: null, fps: null, interlaced: null, colour: null }, audio: { codec: "ac3", channels: 6, sample_rate: null } };
  assert.equal(madeOf(little), "1920×1080 · ac3 6 channels");
});

test("a source that was tried is told by name, and what it does not have is left out", () => {
  const tried = {
    source: "https://o.example/a.m3u8?token=…", works: true, reason: null, detail: null, container: "mpeg-ts", bitrate_bps: 6_200_000, av_offset_ms: -12, thumbnail: null, took_ms: 4_100,
    video: { codec: "h264", width: 1920, height: 1080, fps: 29.97, interlaced: true, colour: "bt709" },
    audio: { codec: "aac", channels: 2, sample_rate: 48_000 },
    sounds: [{ id: "main", language: "und", label: "Main sound" }, { id: "deu", language: "de", label: "German" }],
    texts: [{ id: "en", language: "en", kind: "captions" }],
  };
  assert.deepEqual(triedFacts(tried), [
    ["Container", "mpeg-ts"],
    ["Picture", "h264 1920×1080 interlaced"],
    ["Rate", "29.97 pictures a second"],
    ["Colour", "bt709"],
    ["Sound", "aac stereo 48 kHz"],
    ["Sounds to choose from", "Main sound, German (de)"],
    ["Captions and subtitles", "en (captions)"],
    ["Bit rate", "6.2 Mb/s"],
    ["Sound off picture", "-12 ms"],
  ]);
  const nothing = { ...tried, container: null, video: null, audio: null, sounds: [], texts: [], bitrate_bps: null, av_offset_ms: null };
  assert.deepEqual(triedFacts(nothing), [["Sounds to choose from", "none"], ["Captions and subtitles", "none seen"]]);
  assert.deepEqual(triedWords(tried), { word: "Works", sentence: "" });
  assert.deepEqual(triedWords({ ...nothing, works: false, reason: "unreachable", detail: "connection refused" }), { word: "Does not work", sentence: "Its source cannot be reached: connection refused" });
});
