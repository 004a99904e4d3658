// The demo's page in a real browser: a newcomer's first minutes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { changedSamples, distance, QUADRANTS, STILL, stills, unnamed, type Browser } from "./support/browser";
import { openPage } from "./support/opened";
import { startDemo, type Service } from "./support/service";
import { pause, ViewerPage } from "./support/viewer-page";

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
