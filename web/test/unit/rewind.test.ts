// Going back with a player that answers from a script: when it seeks, when another playlist is loaded, and when it is live again.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "../../src/api";
import type { Player } from "../../src/player";
import { Rewind } from "../../src/rewind";
import { INITIAL, type ViewerState } from "../../src/state";

Object.defineProperty(globalThis, "location", { value: { href: "http://quadrille.test/" } });

const NOON = Date.parse("2026-11-27T12:00:00Z");
const ago = (seconds: number) => NOON - 1000 * seconds;

/** A session with ten minutes of past, of which the player lists the newest thirty seconds. */
function playing(startOverS: number | null = 600) {
  const told: string[] = [];
  let span = { from: ago(30), to: ago(1), live: ago(8) };
  let date = ago(8);
  let state: ViewerState = { ...INITIAL, phase: "watching", pulse: "live" };
  const player = {
    span: () => span,
    date: () => date,
    sample: () => ({ latency_to_edge_s: (NOON - date) / 1000 - 1, glass_to_glass_s: (NOON - date) / 1000 }),
    seek: (at: number) => {
      told.push(`seek ${(at - NOON) / 1000}`);
      date = at;
      return true;
    },
    goLive: () => void told.push("goLive"),
    resume: () => void told.push("resume"),
  } as unknown as Player;
  const rewind = new Rewind({
    state: () => state,
    player: () => player,
    session: () => ({}) as Session,
    load: (begin) => void told.push(begin === null ? "load live" : `load ${(begin - NOON) / 1000}`),
    set: (change) => (state = { ...state, ...change }),
    log: () => undefined,
  });
  rewind.begin({ playback_url: "/v1/play/t/index.m3u8", start_over_s: startOverS } as Session);
  const sample = () => (state = { ...state, reach: rewind.reach() });
  sample();
  return {
    rewind,
    told,
    state: () => state,
    sample,
    /** Another picture, and what is listed by then. */
    shows: (at: number, from = span.from) => {
      date = at;
      span = { ...span, from };
      rewind.shows(at);
      sample();
    },
    stop: () => rewind.begin(null),
    reaches: (oldest: number) => (state = { ...state, reach: { ...state.reach!, oldest } }),
    pulse: (pulse: ViewerState["pulse"]) => (state = { ...state, pulse }),
  };
}

test("without a window there is no bar, and live is live as ever", () => {
  const { rewind, state, told, stop } = playing(null);
  assert.equal(state().reach, null);
  rewind.to(ago(20));
  rewind.by(-10);
  rewind.goOn();
  rewind.live();
  assert.deepEqual(told, ["resume", "goLive"]);
  stop();
});

test("what is listed is a seek, what is not another playlist, and live the plain one again", () => {
  const { rewind, state, told, reaches, stop } = playing();
  assert.ok(state().reach?.isLive);
  rewind.to(ago(18));
  assert.ok(state().rewound && !state().reach?.isLive);
  assert.match(state().said, /^18 seconds behind live, /);
  reaches(ago(600));
  rewind.to(ago(300));
  assert.equal(state().reach?.at, ago(300), "where it goes is told before it is there");
  rewind.live();
  assert.ok(!state().rewound);
  rewind.live();
  assert.deepEqual(told, ["seek -18", "load -300", "load live", "goLive"]);
  stop();
});

test("presses that come fast are one jump, and none goes beyond live", async () => {
  const { rewind, told, reaches, stop } = playing();
  reaches(ago(600));
  rewind.by(10);
  assert.deepEqual(told, [], "it is live already");
  for (let press = 0; press < 3; press++) rewind.by(-10);
  await new Promise((done) => setTimeout(done, 400));
  rewind.by(60);
  await new Promise((done) => setTimeout(done, 400));
  assert.deepEqual(told, ["load -38", "load live"]);
  stop();
});

test("who went back within the live window keeps what it loses", () => {
  const { rewind, told, shows, pulse, stop } = playing();
  rewind.to(ago(20));
  pulse("behind");
  shows(ago(20));
  shows(ago(19), ago(24));
  assert.deepEqual(told, ["seek -20"]);
  shows(ago(19), ago(20));
  assert.deepEqual(told, ["seek -20", "load -19"]);
  stop();
});

test("a pause goes on where it was: from the window, or from the past when that has moved on", () => {
  const short = playing();
  short.pulse("paused");
  short.rewind.goOn();
  assert.deepEqual(short.told, ["resume"]);
  short.stop();
  const long = playing();
  long.pulse("paused");
  long.shows(ago(100), ago(30));
  long.reaches(ago(600));
  assert.deepEqual(long.told, [], "nothing is loaded while it is paused");
  long.rewind.goOn();
  assert.equal(long.told.length, 1);
  assert.match(long.told[0] ?? "", /^load -/);
  assert.ok(long.state().rewound);
  long.stop();
});

test("addresses that went bad are asked for again, once", () => {
  const { rewind, told, reaches, stop } = playing();
  assert.ok(!rewind.recover(), "a live stream that is gone is gone");
  reaches(ago(600));
  rewind.to(ago(300));
  assert.ok(rewind.recover());
  assert.ok(!rewind.recover());
  assert.deepEqual(told, ["load -300", "load -300"]);
  stop();
});
