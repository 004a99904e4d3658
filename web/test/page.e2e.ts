// The page in a real browser against the real service: the main job of Quadrille, as a viewer does it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { changedSamples, distance, loudestFrequency, mean, pictureEdges, QUADRANTS, STILL, stills, unnamed, type Browser } from "./support/browser";
import { openPage } from "./support/opened";
import { startDemo, type Service } from "./support/service";
import { pause, ViewerPage } from "./support/viewer-page";

const SAMPLES_AFTER_MS = 250;
// A picture that is live now is on the screen by then.
const LATENCY_MS = 10_000;
// The demo's `idle_s` and what it takes to look after every session.
const IDLE_WITHIN_MS = 60_000;

let service: Service;
let browser: Browser;
let page: Page;
let viewer: ViewerPage;
let complaints: string[];
let foreign: string[];

before(async () => {
  service = await startDemo();
  ({ browser, page, complaints, foreign } = await openPage(service));
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

/** Slots whose game is live: a machine that is too small for six puts some on hold, at most one of four that are watched. */
async function liveSlots(): Promise<number[]> {
  const games = (await (await viewer.call("/v1/games")).json()) as { id: string; status: string }[];
  const isLive = (id: string) => games.some((game) => game.id === id && game.status === "live");
  return ((await state()).session?.games ?? []).flatMap((id, slot) => (isLive(id) ? [slot] : []));
}

/** Means of the four quadrants over about two seconds, so that what moves does not count. */
async function quadrantMeans(): Promise<number[][]> {
  const rounds: number[][][] = [];
  for (let round = 0; round < 6; round++) {
    rounds.push(await stills(page, QUADRANTS));
    await pause(SAMPLES_AFTER_MS);
  }
  return QUADRANTS.map((_, quadrant) => mean(rounds.map((round) => round[quadrant] as number[])));
}

test("the games of the key's tenant are offered, and the key leaves the address bar", async () => {
  await page.goto(service.url);
  await until("the list of games", "state.connection === 'ready' && state.games.length >= 5");
  assert.ok(!page.url().includes("key="), page.url());
  await until("a thumbnail", "[...document.querySelectorAll('.games img')].some((image) => !image.hidden && image.naturalWidth > 0)");
  // No skin is there to fill slots of art, nor a market to choose.
  assert.equal(await page.locator(".layouts .choice").count(), (await state()).layouts.filter(({ art }) => art.length === 0).length);
  assert.ok(await page.locator(".terms-panel").isHidden());
  assert.ok(await page.getByRole("button", { name: "Watch" }).isDisabled(), "nothing is picked yet");
});

test("four games come back as one moving picture", async () => {
  for (const at of [0, 1, 2, 3]) await card(at).click();
  assert.equal((await state()).picks.layout, "4E");
  await page.getByRole("button", { name: "Watch" }).click();
  await admitted("the first picture", "state.phase === 'watching' && state.sample?.segment != null");
  const started = await page.evaluate(() => document.querySelector("video")!.currentTime);
  await pause(3_000);
  const video = await page.evaluate(() => {
    const element = document.querySelector("video")!;
    return { time: element.currentTime, width: element.videoWidth, height: element.videoHeight };
  });
  assert.ok(video.time > started + 1.5, `currentTime went from ${started} to ${video.time}`);
  assert.ok(video.width > 0 && Math.abs(video.width / video.height - 16 / 9) < 0.01, `${video.width}x${video.height}`);

  // Nobody watched this mosaic before: it stands still for what comes before its first picture, eight seconds and a little at most.
  let earlier: number[][] = [];
  let later: number[][] = [];
  for (let second = 0; second < 15; second++) {
    earlier = await stills(page, QUADRANTS);
    await pause(1_000);
    later = await stills(page, QUADRANTS);
    if ([0, 1, 2, 3].every((at) => changedSamples(earlier[at] as number[], later[at] as number[]) > 0)) break;
  }
  for (const at of [0, 1, 2, 3]) {
    const moved = changedSamples(earlier[at] as number[], later[at] as number[]);
    assert.ok(moved > 0.0005 * STILL.width * STILL.height, `quadrant ${at} stands still: ${moved} samples changed`);
    for (let other = at + 1; other < 4; other++) {
      const apart = distance(later[at] as number[], later[other] as number[]);
      assert.ok(apart > 4, `quadrants ${at} and ${other} look alike: ${apart}`);
    }
  }
  assert.equal((await sample()).fatal_errors, 0);
});

test("the figures are there: latency, billed time, session", async () => {
  await until("billed seconds", "(state.session?.billable_seconds ?? 0) > 0");
  const { session, sample: figures } = await state();
  assert.ok((figures?.latency_to_edge_s ?? 0) > 0 && (figures?.latency_to_edge_s ?? 99) < 30, `${figures?.latency_to_edge_s} s to the edge`);
  assert.ok((figures?.glass_to_glass_s ?? 0) > 0 && (figures?.glass_to_glass_s ?? 99) < 40, `${figures?.glass_to_glass_s} s glass to glass`);
  assert.match((await page.locator("[data-figure=billed]").textContent()) ?? "", /^(\d+ min )?\d+ s$/);
  assert.equal(await page.locator("[data-figure=session]").textContent(), session?.id);
  assert.match((await page.locator("[data-figure=glass]").textContent()) ?? "", /^\d+\.\d s$/);
});

test("every control has a name", async () => {
  const session = await browser.context.newCDPSession(page);
  assert.deepEqual(await unnamed(session), []);
  await session.detach();
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

test("twenty mosaics in a row are stitched into one stream that plays on", async () => {
  const { games, session } = await state();
  assert.equal(session?.engine, "stitch");
  const mosaics = new Set([session?.games.join()]);
  const earlier = await sample();
  const position = () => page.evaluate(() => ({ media_s: document.querySelector("video")!.currentTime, real_s: performance.now() / 1000 }));
  const from = await position();
  for (let turn = 0; turn < 20; turn++) {
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
  assert.equal(mosaics.size, 21);
  await until("the last mosaic on the screen", "state.pending === null && state.sample?.segment >= state.lastSwapSegment");
  const to = await position();
  const later = await sample();
  assert.equal(later.fatal_errors, 0);
  assert.equal(later.stalls, earlier.stalls, "playback never waited");
  assert.equal(await page.evaluate(() => document.querySelector("video")!.buffered.length), 1, "what is buffered has no hole");
  const [media_s, real_s] = [to.media_s - from.media_s, to.real_s - from.real_s];
  assert.ok(Math.abs(media_s - real_s) < 3, `${media_s} s were played in ${real_s} s`);
});

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
      assert.ok(area > 0.94, `slot ${quadrant} is filled to ${area}: ${JSON.stringify(rung[quadrant])}`);
    }
  }
});

test("it looks like a product", async () => {
  const path = process.env["SCREENSHOT"];
  const wide = await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  assert.ok(wide, "nothing sticks out sideways");
  await page.evaluate(() => {
    (document.activeElement as HTMLElement | null)?.blur();
    window.scrollTo(0, 0);
  });
  await page.mouse.move(10, 10);
  await pause(600);
  if (path !== undefined) await page.screenshot({ path });
  await page.setViewportSize({ width: 390, height: 844 });
  const narrow = await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  assert.ok(narrow, "nor on a telephone");
  if (path !== undefined) await page.screenshot({ path: path.replace(/(\.\w+)?$/, "-narrow$1"), fullPage: true });
  await page.setViewportSize({ width: 1600, height: 1000 });
});

test("leaving ends the session", async () => {
  const id = (await state()).session?.id ?? "";
  await page.getByRole("button", { name: "Leave" }).click();
  await until("the end", "events.some((event) => event.kind === 'left')");
  const ended = (await (await viewer.call(`/v1/sessions/${id}`)).json()) as { state: string; billable_seconds: number };
  assert.equal(ended.state, "ended");
  assert.ok(ended.billable_seconds > 0);
  assert.equal((await state()).phase, "idle");
  const unexpected = complaints.filter((line) => !/status of 503/.test(line));
  assert.deepEqual(unexpected, [], "the console is clean");
  assert.ok(complaints.length - unexpected.length <= viewer.refusals, `${complaints.length} refusals in the console, ${viewer.refusals} told to the viewer`);
  assert.deepEqual(foreign, [], "nothing is fetched from elsewhere");
});

// With a past the session waits for `pause_s`, longer than a test: that the meter stands is to be seen all the same.
const METER_STANDS_AFTER_MS = 15_000;

test("a page that is closed is billed no longer, and its session ends by itself", async () => {
  const other = await browser.context.newPage();
  const closing = new ViewerPage(other, service);
  await other.goto(service.url);
  await closing.until("the list of games", "state.connection === 'ready' && state.picks.games.length > 0");
  await closing.watch();
  await closing.until("billed seconds", "(state.session?.billable_seconds ?? 0) > 0");
  const id = (await closing.state()).session?.id;
  const keepsPast = (await closing.state()).session?.start_over_s != null;
  await other.close();
  const atClose = ((await (await viewer.call(`/v1/sessions/${id}`)).json()) as { billable_seconds: number }).billable_seconds;
  const closedMs = Date.now();
  let last: { state: string; billable_seconds: number; end_reason?: string | null };
  do {
    assert.ok(Date.now() < closedMs + IDLE_WITHIN_MS, `the session is still active\n${service.log()}`);
    await pause(500);
    last = (await (await viewer.call(`/v1/sessions/${id}`)).json()) as typeof last;
  } while (last.state !== "ended" && !(keepsPast && Date.now() > closedMs + METER_STANDS_AFTER_MS));
  assert.ok((last.end_reason ?? "idle") === "idle", `${last.end_reason}`);
  // After the last playlist a target duration is billed.
  assert.ok(last.billable_seconds <= atClose + 4, `${atClose} s at the close, ${last.billable_seconds} s in the end`);
});

test("a refusal is told in words", async () => {
  await page.getByRole("textbox", { name: "Device key" }).fill("not-a-key");
  await page.getByRole("button", { name: "Connect" }).click();
  await until("the refusal", "state.connection === 'refused'");
  const words = await page.getByRole("alert").innerText();
  assert.match(words, /unauthorized/);
  assert.match(words, /device key/);
  await page.reload();
  await until("the key that worked before", "state.connection === 'ready'");
});
