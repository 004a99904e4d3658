// What happens to a session while it is watched.

import { CAPTIONS_OF_MAIN, CLOCK, GAMES, MARKET, titleOf } from "./service.js";
import { Refused, beginBreak, changeSession } from "./sessions.js";

const [A, B, C, D] = GAMES;

/** How long a player may take for what lies between two steps, beyond the media's own length. */
const PATIENCE_MS = 25_000;
const ASK_EVERY_MS = 100;

/** The session at first, and then at so many seconds shown. A swap is asked for some eight seconds before it is seen. */
export const WARM = {
  wish: { games: [A, B, C, D], layout: "4E", audio: A },
  seconds: 30,
  steps: [
    { at: 2, what: "swap", change: { games: [B, A, C, D] } },
    { at: 6, what: "second swap", change: { games: [B, C, D, A] } },
    { at: 10, what: "layout", change: { layout: "4PL" } },
    // A service that does not take `engine` in PATCH changes engines where a layout wants the other one.
    { at: 14, what: "engine", change: { engine: "render" }, instead: { games: [A, B], layout: "pip" } },
    { at: 18, what: "sound", change: { audio: B }, sound: B },
  ],
};

/** What stands beside pictures and sound: who knows it finds it, and nobody is disturbed by it. */
export const BESIDE = {
  wish: WARM.wish,
  seconds: 20,
  query: "?images=true",
  steps: [
    { at: 2, what: "captions", captions: A },
    { at: 8, what: "images", images: true },
    { at: 9, what: "sound", sound: B },
    { at: 13, what: "swap", change: { games: [B, A, C, D], audio: B } },
  ],
};

/** Back to half a minute ago, on from there and back again. A clock in the picture says where that was. */
export const PAST = {
  wish: { games: [CLOCK, B, C, D], layout: "4E", audio: B },
  clockSlot: 0,
  query: "?start=40",
  beforeMs: 45_000,
  seconds: 4,
  steps: [
    { at: 5, what: "on", seek: 15 },
    // Not to the very beginning: Shaka stays some seconds away from where a live playlist begins.
    { at: 5, what: "back", seek: -14 },
    { at: 4, what: "on a little", seek: 3.3 },
  ],
};

/** Every game is a slot further on. */
const turned = (turn) => [...[A, B, C, D].slice(turn), ...[A, B, C, D].slice(0, turn)];

/** Swaps at ever other places of a segment, of tiles that run, and an engine that does not. */
export const SWAPS = {
  wish: WARM.wish,
  seconds: 38,
  steps: [
    // Who hurries has come to where the playlist wants it by then.
    ...[1, 2, 3, 0, 1, 2, 3, 0, 1, 2].map((turn, n) => ({ at: 8 + 2.3 * n, what: "swap", change: { games: turned(turn) } })),
    { at: 33, what: "engine", change: { engine: "render" } },
  ],
};

/** Nothing but a clock to be read off. */
export const CLOCKED = { wish: { games: [CLOCK, B, C, D], layout: "4E", audio: B }, clockSlot: 0, seconds: 20, steps: [] };

/** A game goes into its break, with an advertisement in its slot, and comes back, while the others go on. */
export const BREAK = {
  wish: { ...WARM.wish, market: MARKET },
  seconds: 34,
  steps: [
    { at: 2, what: "break", breaks: { game: B, wish: { id: "sold", starts_in_s: 6, duration_s: 10 } } },
    // Nothing is done in it.
    { at: 18, what: "in it" },
  ],
};

export const COLD = (engine) => ({
  wish: { games: [A, B, C, D], layout: "4E", audio: A, engine },
  seconds: 20,
  steps: [],
});

/** What others watch meanwhile: other mosaics of the same tiles as those that the scenario comes to. */
export const OTHERS = [
  { games: [D, C, B, A], layout: "4E", audio: D },
  { games: [B, A, D, C], layout: "4PL", audio: D },
];

/**
 * Plays a scenario: each step at its time. What is refused is an error of the watch. The answer has the changes that were made, as
 * `{ what, at, asked, ms, from, date, shows }`: the media time and when, how long the answer took, from which segment and instant the change shows, and what.
 */
export async function act(scenario, { watch, origin, session, player, chooseSound, signal }) {
  const changes = [];
  for (const step of scenario.steps) {
    await watch.reached(step.at, PATIENCE_MS);
    signal.throwIfAborted();
    if (step.images === true) await hasImages({ watch, player, origin });
    if (step.captions !== undefined) await showsCaptions(step, { watch, player });
    if (step.seek !== undefined) await seeks(step, { watch, player });
    if (step.breaks !== undefined) await beginBreak(origin, step.breaks.game, step.breaks.wish);
    if (step.change === undefined) {
      if (step.sound !== undefined) await chooseSound(step.sound);
      continue;
    }
    const asked = Date.now();
    const changed = await change(step, { watch, origin, session });
    if (step.sound !== undefined) await chooseSound(step.sound);
    else if (changed !== undefined) changes.push({ what: step.what, at: step.at, asked, ms: Date.now() - asked, from: changed.effective_segment, date: Date.parse(changed.effective_at), shows: [changed.layout, changed.engine, ...changed.games].join(" ") });
  }
  await watch.reached(scenario.seconds, PATIENCE_MS);
  return changes;
}

const CAPTIONS_WITHIN_MS = 8_000;
/** A caption stands for a second, and the play head is asked a little later. */
const CAPTION_OFF_MOST_MS = 1_500;

/** Captions that a player offers are read over the picture, and say the time that the picture was taken at. */
async function showsCaptions({ what, captions }, { watch, player }) {
  if (player.showCaptions === undefined) return;
  if (!(await player.showCaptions(CAPTIONS_OF_MAIN))) return watch.error(`${what}: the player offers none named ${CAPTIONS_OF_MAIN}`);
  const deadline = Date.now() + CAPTIONS_WITHIN_MS;
  for (;;) {
    const { texts, date } = await player.captionsShown();
    const [text] = texts;
    if (text !== undefined && date !== undefined) {
      const said = new RegExp(`^${titleOf(captions)}\nIt is (\\d\\d:\\d\\d:\\d\\d)$`).exec(text)?.[1];
      const off = said === undefined ? NaN : Date.parse(`${new Date(date).toISOString().slice(0, 10)}T${said}Z`) - date;
      if (!(Math.abs(off) < CAPTION_OFF_MOST_MS)) watch.error(`${what}: ${JSON.stringify(texts)} at ${new Date(date).toISOString()}`);
      return;
    }
    if (Date.now() > deadline) return watch.error(`${what}: none were shown`);
    await new Promise((again) => setTimeout(again, ASK_EVERY_MS));
  }
}

/** Images that a player shows while viewers seek: those of the player that has a call for them are there, and are JPEGs. */
async function hasImages({ watch, player, origin }) {
  const images = await player.images?.();
  if (images === undefined) return;
  if (images.length < 3) watch.error(`images: the player found ${images.length}`);
  for (const { uri, width, height } of images) {
    const answer = await fetch(new URL(uri, origin));
    const type = answer.headers.get("content-type");
    if (answer.status !== 200 || type !== "image/jpeg") watch.error(`images: ${uri} is ${answer.status}, ${type}`);
    if (width !== 320 || height !== 180) watch.error(`images: ${uri} is shown as ${width}x${height}`);
  }
}

/** How far a seek may land from where it was to. */
const LANDS_WITHIN_S = 0.5;
/** The clock in the picture is read to a frame or two, and a picture stands in for one that came late. */
const SHOWS_WITHIN_S = 0.2;

/** Seeks, and compares what instant is shown then, by the player's date and by the clock in the picture, with what was shown before. */
async function seeks({ what, seek }, { watch, player }) {
  const before = dated(watch.frames);
  await player.seek(seek);
  await watch.reached(2, PATIENCE_MS);
  const after = dated(watch.frames);
  if (before === undefined || after === undefined) return watch.error(`${what}: no clock was read`);
  // From the last frame before to the first after, less what was played between the two.
  const moved = (after.date - before.date - (after.at - watch.frames[0].at)) / 1000;
  if (Math.abs(moved - seek) > LANDS_WITHIN_S + 1) watch.error(`${what}: went ${moved.toFixed(2)} s, and was to go ${seek}`);
  const off = (after.date - after.made - (before.date - before.made)) / 1000;
  if (Math.abs(off) > SHOWS_WITHIN_S) watch.error(`${what}: the picture and its date part by ${off.toFixed(2)} s`);
  else watch.note(`${what}: went ${moved.toFixed(2)} s of ${seek}, the picture is ${off.toFixed(2)} s off its date`);
}

/** The last frame of which both the date and the clock are known. */
function dated(frames) {
  return frames.findLast((frame) => frame.date !== undefined && frame.made !== undefined);
}

async function change(step, { watch, origin, session }) {
  try {
    return await changeSession(origin, session.id, step.change, (refusal) => watch.note(`${step.what}: ${refusal}`));
  } catch (error) {
    const unknown = error instanceof Refused && error.code === "field_unknown";
    if (unknown && step.instead !== undefined) {
      watch.note(`${step.what}: PATCH does not take ${Object.keys(step.change)} yet (${error.status}); a layout that wants the other one instead`);
      return change({ ...step, change: step.instead, instead: undefined }, { watch, origin, session });
    }
    watch.error(`${step.what}: ${error.message}`);
    return undefined;
  }
}
