// Some players that watch at the same time, each a session of its own.

import os from "node:os";
import { PLAYERS } from "../players/index.js";
import { BUSY_MOST, wrongWith, EXPECTED } from "../expectations.js";
import { Recorder } from "./recorder.js";
import { act } from "./scenario.js";
import { titleOf } from "./service.js";
import { createSession, endSession } from "./sessions.js";
import { Watch } from "./watch.js";

/** Players that ask for parts. */
const PARTS = new Set(["hls.js low latency", "hls.js near live"]);

/** A first frame that takes longer is none. */
const FIRST_FRAME_MS = 45_000;

/** Plays a round: `{ name, kind, scenario, players }`. The answer has a row for each player. */
export async function playRound(round, context) {
  const machine = processorTime();
  const seats = await Promise.all(round.players.map((name) => takeSeat(name, context)));
  try {
    // Only now, when every page is loaded: what one does to get ready must not disturb another that plays already.
    await Promise.all(seats.map((seat) => sit(seat, round, context)));
  } finally {
    await Promise.all(seats.map((seat) => seat.recorder.close()));
  }
  const busy = busySince(machine);
  const isOverloaded = context.mayLeaveOut && busy > BUSY_MOST;
  return seats.map((seat) => ({ ...rowOf(seat, round, busy), ...(isOverloaded ? { strict: false, isOverloaded } : {}) }));
}

async function takeSeat(name, { service, audit, browser, tools, pages, spoil, watches }) {
  const watch = new Watch(name);
  watches.add(watch);
  const recorder = new Recorder(() => service.origin, { pages, spoil: spoil(), heard: audit.heard });
  await recorder.listen();
  const player = await PLAYERS[name].open({ watch, recorder, browser, tools });
  return { name, watch, recorder, player };
}

async function sit(seat, { scenario }, { signal, watches }) {
  const { watch, recorder, player } = seat;
  let session;
  try {
    seat.posted = Date.now();
    session = await createSession(recorder.origin, scenario.wish, (refusal) => watch.note(refusal));
    // Parts are for those who ask for them.
    const url = PARTS.has(seat.name) ? `${session.playback_url}?low_latency=true` : `${session.playback_url}${scenario.query ?? ""}`;
    await player.play(url, placeOf(session.slots[scenario.clockSlot]));
    await watch.reached(0, FIRST_FRAME_MS);
    const chooseSound = (game) => choose(titleOf(game), seat);
    seat.changes = await act(scenario, { watch, origin: recorder.origin, session, player, chooseSound, signal });
    hasSeen(seat);
    if (scenario.steps.some((step) => step.breaks !== undefined)) hasSeenBreak(seat);
  } catch (error) {
    watch.error(error.message);
  } finally {
    watch.close();
    watches.delete(watch);
    await player.stop();
    if (session !== undefined) await endSession(recorder.origin, session.id).catch((error) => watch.note(error.message));
  }
}

/** Of a slot, if any, on a canvas of 1920x1080: in shares of the picture. */
function placeOf(slot) {
  return slot && { x: slot.x / 1920, y: slot.y / 1080, width: slot.width / 1920, height: slot.height / 1080 };
}

/** The player's own choice, by the sound's name and its place among the sounds of the playlist that the player read. */
async function choose(name, { watch, player, recorder }) {
  watch.soundChosen();
  const index = recorder.playlists.find(({ text }) => text.includes("#EXT-X-STREAM-INF"))?.text ?? "";
  const names = [...index.matchAll(/^#EXT-X-MEDIA:TYPE=AUDIO.*NAME="([^"]*)"/gm)].map(([, one]) => one);
  await player.chooseSound?.(name, names.indexOf(name));
}

/** Frames that went on prove nothing if they were of the old mosaic. */
function hasSeen({ watch, recorder, changes }) {
  const fetched = recorder.videoSegments();
  for (const [at, change] of changes.entries()) {
    const until = changes[at + 1]?.from ?? Infinity;
    if (until <= change.from) watch.note(`${change.what}: never shows, since the next change shows from segment ${until} and it from ${change.from}`);
    else if (!fetched.some(({ number }) => number >= change.from && number < until)) watch.error(`${change.what}: no segment of it was fetched`);
  }
  const shown = new Set(changes.filter(({ from }, at) => from < (changes[at + 1]?.from ?? Infinity)).map(({ shows }) => shows)).size;
  const mosaics = new Set(fetched.map((segment) => segment.mosaic)).size;
  if (mosaics < shown) watch.error(`${shown} mosaics were shown, and ${mosaics} were fetched`);
}

/** What stands in for a game is another mosaic's, and then the first one's come again. */
function hasSeenBreak({ watch, recorder }) {
  const fetched = recorder.videoSegments().map(({ mosaic }) => mosaic);
  const runs = fetched.filter((mosaic, at) => mosaic !== fetched[at - 1]);
  if (!runs.some((mosaic, at) => at > 1 && mosaic === runs[at - 2])) watch.error(`break: ${new Set(fetched).size} mosaics were fetched, and none came again`);
}

function rowOf({ name, watch, recorder, posted, changes = [] }, { name: round, kind }, busy) {
  dateFrames(watch, recorder);
  const shownAfter = (what) => changes.filter((change) => change.what === what).map(({ asked, date }) => (watch.shown(date) - asked) / 1000).filter((s) => s > 0);
  const figures = { ...watch.figures(posted), swapsS: shownAfter("swap") };
  const errors = [...watch.errors, ...recorder.refusals()];
  const row = { player: name, round, kind, strict: EXPECTED[kind].strict, figures, errors, notes: watch.notes, busy };
  return { ...row, wrong: wrongWith(row), changes, requests: recorder.requests, playlists: recorder.playlists };
}

/**
 * A player that does not say what instant it shows begins with the first picture of a segment that it asked for, and the playlist has
 * that segment's date: of the first one that its neighbour follows, since some look into another one before.
 */
function dateFrames(watch, recorder) {
  const fetched = recorder.videoSegments();
  const first = fetched.find(({ number }, at) => Math.abs((fetched[at + 1]?.number ?? number) - number) <= 1);
  if (first === undefined || watch.frames.some((frame) => frame.date !== undefined)) return;
  const listed = recorder.playlists.findLast(({ at, text }) => at <= first.at && text.includes(first.path));
  const date = listed && new RegExp(`DATE-TIME:(.*)\n(?:#.*\n)*.*${first.path}`).exec(listed.text)?.[1];
  if (date === undefined) return;
  for (const frame of watch.frames) frame.date = Date.parse(date) + (frame.pts - watch.frames[0].pts) * 1000;
}

function processorTime() {
  const sums = os.cpus().map(({ times }) => ({ idle: times.idle, all: Object.values(times).reduce((sum, one) => sum + one, 0) }));
  return { idle: sums.reduce((sum, one) => sum + one.idle, 0), all: sums.reduce((sum, one) => sum + one.all, 0) };
}

/** Share of the processors' time that was not idle. */
function busySince(before) {
  const now = processorTime();
  return 1 - (now.idle - before.idle) / (now.all - before.all);
}
