// What a viewer does to a mosaic that plays, in a real browser: swaps, another sound, mosaic after mosaic. Small pictures, so that a busy machine holds none up.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { distance, loudestFrequency, mean, pictureEdges, QUADRANTS, stills, type Browser } from "./support/browser";
import { openPage } from "./support/opened";
import { startSmall, type Service } from "./support/service";
import { pause, ViewerPage } from "./support/viewer-page";

const SAMPLES_AFTER_MS = 250;
// A picture that is live now is on the screen by then.
const LATENCY_MS = 10_000;
const MOSAICS = 8;

let service: Service;
let browser: Browser;
let page: Page;
let viewer: ViewerPage;

before(async () => {
  service = await startSmall(["270p"]);
  ({ browser, page } = await openPage(service));
  viewer = new ViewerPage(page, service);
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

const state = () => viewer.state();
const sample = () => viewer.sample();
const until = (what: string, ready: string, timeoutMs?: number) => viewer.until(what, ready, timeoutMs);
const admitted = (what: string, ready: string) => viewer.admitted(what, ready);
const card = (at: number) => viewer.card(at);
const slot = (at: number) => viewer.slot(at);

/** Means of the four quadrants over about two seconds, so that what moves does not count. */
async function quadrantMeans(): Promise<number[][]> {
  const rounds: number[][][] = [];
  for (let round = 0; round < 6; round++) {
    rounds.push(await stills(page, QUADRANTS));
    await pause(SAMPLES_AFTER_MS);
  }
  return QUADRANTS.map((_, quadrant) => mean(rounds.map((round) => round[quadrant] as number[])));
}

test("four games are watched", async () => {
  await page.goto(service.url);
  await viewer.pickFirst(4);
  await viewer.watch();
  // What is seen of a mosaic that nobody watched before stands still at first.
  await until("pictures that move", "state.pulse === 'live' && !state.stands");
});

/** Carries out `swap`, waits for it on the screen, and holds that playback never noticed. */
async function swapped(quadrant: number, swap: () => Promise<void>): Promise<void> {
  const source = await page.evaluate(() => document.querySelector("video")!.currentSrc);
  const before = await quadrantMeans();
  const revision = (await state()).session?.revision ?? 0;
  await page.evaluate(() => window.quadrille.player.resetGaps());
  const earlier = await sample();
  await swap();
  await admitted("the answer to the swap", `(state.session?.revision ?? 0) > ${revision}`);
  await until("the swap on the screen", "state.pending === null && state.sample?.segment >= state.lastSwapSegment");
  await pause(2_000);
  const now = await sample();
  const after = await quadrantMeans();

  const moves = QUADRANTS.map((_, at) => distance(before[at] as number[], after[at] as number[]));
  const others = moves.filter((_, at) => at !== quadrant);
  assert.ok((moves[quadrant] ?? 0) > 5, `quadrant ${quadrant} kept its picture: ${moves}`);
  assert.ok((moves[quadrant] ?? 0) > 1.5 * Math.max(...others), `it is not quadrant ${quadrant} that changed: ${moves}`);
  assert.equal(await page.evaluate(() => document.querySelector("video")!.currentSrc), source, "same source: nothing was reloaded");
  assert.ok(now.frames_total > earlier.frames_total + 30, "frames keep coming");
  // A splice that does not fit shows as a hole in what is buffered. How long a frame stays on the screen says more about how
  // busy the machine is than about the stream, so it is told and not judged.
  const ranges = await page.evaluate(() => document.querySelector("video")!.buffered.length);
  assert.equal(ranges, 1, "what is buffered has no hole");
  console.log(`swap: at most ${Math.round(now.largest_gap_ms)} ms without a frame`);
  assert.equal(now.fatal_errors, 0);
  assert.ok((now.segment ?? 0) >= ((await state()).lastSwapSegment ?? Infinity));
}

test("a game is swapped with the keyboard: slot, then game; the stream goes on", async () => {
  await swapped(0, async () => {
    await slot(0).focus();
    await page.keyboard.press("Enter");
    assert.equal((await state()).selectedSlot, 0);
    await card(4).focus();
    await page.keyboard.press("Enter");
  });
  const { session, games } = await state();
  assert.equal(session?.games[0], games[4]?.id);
  assert.equal(session?.audio, games[4]?.id, "the sound of the game that left gives way to the one in its slot");
});

test("a game is swapped by dragging it onto a slot", async () => {
  const game = (await state()).games[0]?.id;
  await swapped(1, () => card(0).dragTo(slot(1)));
  assert.equal((await state()).session?.games[1], game);
});

test("the sound goes over to another game and the picture goes on", async () => {
  const { picks, games } = await state();
  const wanted = games.find((game) => game.id === picks.games[2])!;
  const before = await loudestFrequency(page);
  await page.evaluate(() => window.quadrille.player.resetGaps());
  const earlier = await sample();
  await page.getByRole("radio", { name: wanted.title }).check();
  await until("the sound", `state.sample?.sound === ${JSON.stringify(wanted.title)}`);
  // What was buffered of the former sound is flushed by the player, not played out.
  await pause(3_000);
  const after = await loudestFrequency(page);
  assert.ok(before > 20 && after > 20, `silence: ${before} Hz, ${after} Hz`);
  assert.ok(Math.abs(after - before) > 10, `the sound is the same: ${before} Hz, ${after} Hz`);
  const now = await sample();
  assert.equal(now.fatal_errors, 0);
  assert.ok(now.frames_total > earlier.frames_total + 30, "frames keep coming");
  console.log(`sound: at most ${Math.round(now.largest_gap_ms)} ms without a frame`);
  const { session } = await state();
  assert.equal(session?.audio, wanted.id, "the service knows the choice");
});

test("mosaic after mosaic is stitched into one stream that plays on", async () => {
  const { games, session } = await state();
  assert.equal(session?.engine, "stitch");
  const mosaics = new Set([session?.games.join()]);
  const earlier = await sample();
  const position = () => page.evaluate(() => ({ media_s: document.querySelector("video")!.currentTime, real_s: performance.now() / 1000 }));
  const from = await position();
  for (let turn = 0; turn < MOSAICS; turn++) {
    // Slot by slot, each time the first game that makes a mosaic that was not there yet. One that is on the picture already
    // changes places with the one in the slot.
    const now = (await state()).session!;
    const place = turn % 4;
    const changedTo = (id: string) => now.games.map((shown, at) => (at === place ? id : shown === id ? now.games[place] : shown)).join();
    const next = games.findIndex((game) => !mosaics.has(changedTo(game.id)));
    await slot(place).click();
    await card(next).click();
    await admitted("the answer to the swap", `(state.session?.revision ?? 0) > ${now.revision} && state.session?.games[${place}] === ${JSON.stringify(games[next]?.id)}`);
    const changed = (await state()).session!;
    assert.equal(changed.engine, "stitch");
    mosaics.add(changed.games.join());
    // A segment's length, so that each mosaic is on the screen for one.
    await pause(2_000);
  }
  assert.equal(mosaics.size, MOSAICS + 1);
  await until("the last mosaic on the screen", "state.pending === null && state.sample?.segment >= state.lastSwapSegment");
  const to = await position();
  const later = await sample();
  assert.equal(later.fatal_errors, 0);
  assert.equal(later.stalls, earlier.stalls, "playback never waited");
  assert.equal(await page.evaluate(() => document.querySelector("video")!.buffered.length), 1, "what is buffered has no hole");
  const [media_s, real_s] = [to.media_s - from.media_s, to.real_s - from.real_s];
  assert.ok(Math.abs(media_s - real_s) < 3, `${media_s} s were played in ${real_s} s`);
});

/** Slots whose game is live: a machine that is too small for six puts some on hold, at most one of four that are watched. */
async function liveSlots(): Promise<number[]> {
  const games = (await (await viewer.call("/v1/games")).json()) as { id: string; status: string }[];
  const isLive = (id: string) => games.some((game) => game.id === id && game.status === "live");
  return ((await state()).session?.games ?? []).flatMap((id, slot) => (isLive(id) ? [slot] : []));
}

test("pictures are where they belong on every rung, as a browser shows them", async () => {
  // What was picked while it was on hold comes back in place of what nobody watches.
  for (let second = 0; second < 60 && (await liveSlots()).length < 3; second++) await pause(1_000);
  const liveBefore = await liveSlots();
  await pause(LATENCY_MS);
  const rungs = await page.evaluate(() => window.quadrille.player.renditions());
  const seen: number[][][] = [];
  for (const { index, name } of rungs) {
    await page.evaluate((rung) => window.quadrille.player.chooseRendition(rung), index);
    const height = Number.parseInt(name, 10);
    await until(`a picture of ${name}`, `document.querySelector("video").videoHeight === ${height}`);
    // What moves may look like background for a moment.
    const rounds: number[][][] = [];
    for (let round = 0; round < 5; round++) {
      await pause(SAMPLES_AFTER_MS);
      rounds.push(await pictureEdges(page));
    }
    assert.equal(await page.evaluate(() => document.querySelector("video")!.videoHeight), height, "the rung was left meanwhile");
    seen.push(
      QUADRANTS.map((_, quadrant) =>
        [0, 1, 2, 3].map((edge) => {
          const at = rounds.map((round) => round[quadrant]?.[edge] ?? NaN);
          return edge < 2 ? Math.min(...at) : Math.max(...at);
        }),
      ),
    );
  }
  await page.evaluate(() => window.quadrille.player.chooseRendition(-1));
  const liveAfter = await liveSlots();
  const judged = liveBefore.filter((slot) => liveAfter.includes(slot));
  assert.ok(judged.length >= 3, `slots whose games were live: ${liveBefore}, then ${liveAfter}\n${service.log()}`);
  for (const quadrant of judged) {
    for (const edge of [0, 1, 2, 3]) {
      const at = seen.map((rung) => rung[quadrant]?.[edge] ?? NaN);
      assert.ok(Math.max(...at) - Math.min(...at) <= 0.0101, `slot ${quadrant}, edge ${edge}: ${JSON.stringify(at)}`);
    }
    for (const rung of seen) {
      const [left = 0, top = 0, right = 0, bottom = 0] = rung[quadrant] ?? [];
      const area = (right - left) * (bottom - top) * 4 * (9 / 16);
      // Tiles are whole macroblocks: what that leaves of a slot is more of a small picture.
      assert.ok(area > 0.88, `slot ${quadrant} is filled to ${area}: ${JSON.stringify(rung[quadrant])}`);
    }
  }
});
