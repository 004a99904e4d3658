import assert from "node:assert/strict";
import { test } from "node:test";
import { holdBackS } from "../../src/holdback";
import { behindS, isLate, PictureWatch, STILL_AFTER_MS, type Pulse, type Seen } from "../../src/pulse";
import { INITIAL, type ViewerState } from "../../src/state";
import { liveWords } from "../../src/view/controls";
import { wordsOver } from "../../src/view/overlay";

const SEEN: Seen = { paused: false, unreachable: false, latency_to_edge_s: 6.5, hold_back_s: 6 };

function watch(movedMs: number): PictureWatch {
  const pictures = new PictureWatch();
  pictures.start(0);
  pictures.moved(movedMs);
  return pictures;
}

test("a picture that stands for 300 ms is not live, and one that moves is so at once", () => {
  const pictures = watch(1_000);
  assert.equal(pictures.pulse(1_000 + STILL_AFTER_MS - 1, SEEN), "live");
  assert.equal(pictures.pulse(1_000 + STILL_AFTER_MS, SEEN), "buffering");
  assert.equal(pictures.pulse(9_000, { ...SEEN, unreachable: true }), "reconnecting");
  pictures.moved(9_001);
  assert.equal(pictures.pulse(9_001, SEEN), "live");
  assert.equal(pictures.pulse(9_002, { ...SEEN, unreachable: true }), "live", "what is buffered still plays");
});

test("nothing is told before the first picture", () => {
  const pictures = new PictureWatch();
  pictures.moved(10);
  assert.equal(pictures.pulse(5_000, SEEN), "none");
  pictures.start(5_000);
  assert.equal(pictures.pulse(5_100, SEEN), "live");
  assert.equal(pictures.pulse(5_300, SEEN), "buffering", "the sound has begun and no picture came");
});

test("paused is paused, however long the picture stands", () => {
  assert.equal(watch(0).pulse(60_000, { ...SEEN, paused: true, unreachable: true }), "paused");
});

test("live ends where playback lags more than the hold-back explains", () => {
  assert.equal(watch(0).pulse(1, { ...SEEN, latency_to_edge_s: 12 }), "behind");
  assert.ok(!isLate(9.5, 6) && isLate(9.7, 6));
  assert.ok(!isLate(2.4, 1) && isLate(2.6, 1), "with parts a second and a half is late already");
  assert.ok(!isLate(null, 6) && !isLate(99, null), "what is not known is not late");
});

test("how far behind: by the picture's date, unless the clocks can not agree", () => {
  assert.equal(behindS({ latency_to_edge_s: 6, glass_to_glass_s: 8.2 }), 8.2);
  assert.equal(behindS({ latency_to_edge_s: 6, glass_to_glass_s: -3_600 }), 6);
  assert.equal(behindS({ latency_to_edge_s: 6, glass_to_glass_s: 3_600 }), 6);
  assert.equal(behindS({ latency_to_edge_s: 6, glass_to_glass_s: 4 }), 6, "a picture can not be younger than its place in the playlist");
  assert.equal(behindS({ latency_to_edge_s: null, glass_to_glass_s: 8 }), 8);
  assert.equal(behindS(null), null);
});

test("the hold-back is the playlist's own; low latency takes parts where there are some", () => {
  const none = { targetduration: 2, holdBack: 0, partTarget: 0, partHoldBack: 0, hasParts: false };
  assert.equal(holdBackS(none, false), 6, "RFC 8216: three target durations");
  assert.equal(holdBackS({ ...none, holdBack: 7 }, false), 7);
  assert.equal(holdBackS(none, true), 4);
  const parts = { targetduration: 2, holdBack: 6, partTarget: 0.33, partHoldBack: 1.2, hasParts: true };
  assert.equal(holdBackS(parts, true), 1.2);
  assert.ok(Math.abs(holdBackS({ ...parts, partHoldBack: 0 }, true) - 0.99) < 1e-9);
  assert.equal(holdBackS(parts, false), 6, "switched off, parts change nothing");
  assert.equal(holdBackS({ ...parts, hasParts: false }, true), 4, "a PART-HOLD-BACK without parts is of no use");
});

const PULSES: Pulse[] = ["none", "live", "behind", "paused", "buffering", "reconnecting"];

function stateWith(change: Partial<ViewerState>): ViewerState {
  return { ...INITIAL, phase: "watching", picks: { layout: "1", games: ["a"] }, connection: "ready", ...change };
}

test("only a picture that moves near the edge is called live", () => {
  for (const pulse of PULSES) {
    const chip = liveWords(stateWith({ pulse }));
    assert.equal(/^Live/.test(chip), pulse === "live", `${pulse}: ${chip}`);
  }
  const sample = { latency_to_edge_s: 20, glass_to_glass_s: 22.4 } as ViewerState["sample"];
  assert.equal(liveWords(stateWith({ pulse: "live", sample })), "Live · 22.4 s behind");
  assert.equal(liveWords(stateWith({ pulse: "live", stands: true, sample })), "Starting");
  assert.equal(liveWords(stateWith({ pulse: "behind", sample })), "22.4 s behind live");
  assert.equal(liveWords(stateWith({ pulse: "live", rewound: true, sample })), "22.4 s behind live", "who went back is never told that it is live");
  for (const phase of ["idle", "starting", "ended"] as const) assert.equal(liveWords(stateWith({ phase, pulse: "live" })), "");
});

test("what stands over the picture says what is going on, and nothing while pictures move", () => {
  const titles = PULSES.map((pulse) => wordsOver(stateWith({ pulse }))?.title ?? null);
  assert.deepEqual(titles, [null, null, null, "Paused", "Buffering", "Reconnecting"]);
  assert.equal(wordsOver(stateWith({ phase: "starting", blocked: true }))?.action, "Play");
  assert.equal(wordsOver(stateWith({ phase: "idle" })), null, "the stills of the picks speak for themselves");
});
