// The page over an evening: reloads, standstills, keys, links, ends, and screens of all sizes.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Page, Route } from "playwright-core";
import { openBrowser, unnamed, violationsOf, type Browser } from "./support/browser";
import { startParts } from "./support/parts";
import { OPERATOR_KEY, startSmall, type Service } from "./support/service";
import { pause, ViewerPage } from "./support/viewer-page";

let service: Service;
let browser: Browser;
let page: Page;
let viewer: ViewerPage;

before(async () => {
  service = await startSmall();
  browser = await openBrowser();
  page = browser.context.pages()[0] ?? (await browser.context.newPage());
  page.setDefaultTimeout(30_000);
  viewer = new ViewerPage(page, service);
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

afterEach(async () => {
  // A test that failed in the middle must not spoil those after it.
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await browser.context.setOffline(false);
});

const chip = () => page.locator(".live-chip");
/** On the bar of the past, where there is one. */
const goLiveButton = () => page.locator(".go-live:visible, .rewind-live:visible");
const curtain = () => page.locator(".curtain");
const sessionId = async () => (await viewer.state()).session?.id ?? "";

async function activeSessions(): Promise<{ id: string }[]> {
  const answer = await viewer.call("/v1/operator/sessions?state=active", {}, OPERATOR_KEY);
  return ((await answer.json()) as { sessions: { id: string }[] }).sessions;
}

/** Waits for a picture that moves, near the edge. */
async function live(): Promise<void> {
  await viewer.until("what comes after the stills", "state.phase === 'watching' && !state.stands", 60_000);
  await viewer.until("a picture that moves", "state.phase === 'watching' && (state.pulse === 'live' || state.pulse === 'behind')", 60_000);
  const goLive = goLiveButton();
  if ((await goLive.isVisible()) && (await goLive.isEnabled())) await goLive.click({ timeout: 2_000 }).catch(() => undefined);
  await viewer.until("the live edge", "state.pulse === 'live'", 60_000);
}

/** The pulses that the page felt since its event number `from`. */
async function pulsesSince(from: number): Promise<string[]> {
  const events = await page.evaluate((at) => window.quadrille.events.slice(at).map((event) => (event.kind === "pulse" ? String(event["pulse"]) : "")), from);
  return events.filter((pulse) => pulse !== "");
}

const eventCount = () => page.evaluate(() => window.quadrille.events.length);

// ---- reload ------------------------------------------------------------------------------------------------------

test("a reload goes on with the same session, picks, layout and sound", async () => {
  await page.goto(service.url);
  await viewer.pickFirst(4);
  await page.locator(".layouts .choice", { hasText: "4 games" }).last().click();
  await viewer.watch();
  const wanted = await viewer.state();
  assert.notEqual(wanted.picks.layout, "4E", "another layout than the default");
  await page.locator(".sounds .choice").nth(2).click();
  await viewer.until("the sound", `state.session?.audio === ${JSON.stringify(wanted.picks.games[2])}`);
  const id = await sessionId();

  await page.reload();
  await viewer.until("the picture after the reload", "state.phase === 'watching' && state.sample?.segment != null");
  const found = await viewer.state();
  assert.equal(found.session?.id, id);
  assert.deepEqual(found.picks, wanted.picks);
  assert.equal(found.audio, wanted.picks.games[2]);
  assert.ok(await page.locator(`.layouts input[value="${wanted.picks.layout}"]`).isChecked());
  assert.deepEqual((await activeSessions()).map((one) => one.id), [id], "no second session is billed");
});

test("the demo's address with its key goes on with it, too", async () => {
  const id = await sessionId();
  await page.goto(service.url);
  await viewer.until("the picture", "state.phase === 'watching' && state.sample?.segment != null");
  assert.equal(await sessionId(), id);
  assert.ok(!page.url().includes("key="), page.url());
});

test("a reload after the session is gone makes another with the same picks", async () => {
  const { picks } = await viewer.state();
  const id = await sessionId();
  // As after an hour away: the service does not know it any more.
  await page.route(`**/v1/sessions/${id}`, (route) =>
    route.fulfill({ status: 404, contentType: "application/problem+json", body: '{"title":"No such session","status":404,"code":"session_unknown"}' }),
  );
  await viewer.call(`/v1/sessions/${id}`, { method: "DELETE" });
  await page.reload();
  await viewer.admitted("the picture of another session", "state.phase === 'watching' && state.sample?.segment != null");
  assert.notEqual(await sessionId(), id);
  assert.deepEqual((await viewer.state()).picks, picks);
});

// ---- standstills -------------------------------------------------------------------------------------------------

interface Standstill {
  /** From the last new picture to the words over it. */
  shown_after_ms: number | null;
  /** How many new pictures came under the words. */
  frames_under: number;
  gone: boolean;
}

/** Notes in the page when pictures came and when the curtain hung, since what is asked from outside comes late. */
async function watchCurtain(): Promise<void> {
  await page.evaluate(() => {
    const video = document.querySelector("video") as HTMLVideoElement;
    const cover = document.querySelector(".curtain") as HTMLElement;
    const seen: Standstill = { shown_after_ms: null, frames_under: 0, gone: false };
    let last = performance.now();
    const frame = () => {
      last = performance.now();
      if (seen.shown_after_ms !== null && !seen.gone) seen.frames_under += 1;
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
    const observer = new MutationObserver(() => {
      if (!cover.hidden && seen.shown_after_ms === null) seen.shown_after_ms = performance.now() - last;
      if (cover.hidden && seen.shown_after_ms !== null) {
        seen.gone = true;
        observer.disconnect();
      }
    });
    observer.observe(cover, { attributes: true, attributeFilter: ["hidden"] });
    (window as unknown as { standstill: Standstill }).standstill = seen;
  });
}

const standstill = () => page.evaluate(() => (window as unknown as { standstill: Standstill }).standstill);

test("a picture that stands is called buffering after 300 ms, never live, and the words go at once when it moves", async () => {
  await live();
  assert.match(await chip().innerText(), /^Live · \d+\.\d s behind$/);
  assert.ok(await curtain().isHidden());
  const held: Route[] = [];
  await page.route("**/v1/media/**", (route) => void held.push(route));
  await viewer.until("the end of what is buffered", "state.sample.buffer_s < 1");
  await watchCurtain();
  await viewer.until("a standstill", "state.pulse === 'buffering'");
  assert.equal(await curtain().locator(".curtain-title").innerText(), "Buffering");
  assert.equal(await chip().innerText(), "Buffering");
  assert.doesNotMatch(await page.locator(".screen").innerText(), /\bLive\b/);
  assert.equal(await page.locator(".rewind-live.on").count(), 0, "the way to live is one that can be gone");
  assert.equal(await page.locator(".said[role=status]").innerText(), "Buffering", "it is told to screen readers");

  assert.ok(!(await standstill()).gone, "the words stay as long as the picture stands");
  await page.unroute("**/v1/media/**");
  for (const route of held) await route.continue().catch(() => undefined);
  await viewer.until("moving pictures", "['live', 'behind'].includes(state.pulse)", 60_000);
  assert.ok(await curtain().isHidden());
  const { shown_after_ms, frames_under, gone } = await standstill();
  // Above 300 the machine's business counts in; far above, the page does not look.
  assert.ok((shown_after_ms ?? 0) >= 299 && (shown_after_ms ?? 0) < 3_000, `shown ${shown_after_ms} ms after the last picture`);
  assert.ok(gone && frames_under <= 1, `${frames_under} pictures moved under the words`);
  console.log(`buffering: told ${Math.round(shown_after_ms ?? NaN)} ms after the last picture`);
});

test("without a network it is reconnecting, and goes on by itself when there is one again", async () => {
  await live();
  const id = await sessionId();
  await browser.context.setOffline(true);
  await viewer.until("the words", "state.pulse === 'reconnecting'", 60_000);
  assert.equal(await curtain().locator(".curtain-title").innerText(), "Reconnecting");
  assert.equal(await chip().innerText(), "Reconnecting");
  await browser.context.setOffline(false);
  await live();
  assert.equal(await sessionId(), id);
  await viewer.until("the notice gone", "state.connection === 'ready' && state.problem === null");
});

// ---- keys --------------------------------------------------------------------------------------------------------

const blur = () => page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());

test("space pauses; who paused is told how far behind, and can go to live", async () => {
  await live();
  await blur();
  await page.keyboard.press("Space");
  await viewer.until("the pause", "state.pulse === 'paused' && document.querySelector('video').paused");
  assert.equal(await curtain().locator(".curtain-title").innerText(), "Paused");
  assert.match(await chip().innerText(), /^Paused/);
  await viewer.until("being late", "state.sample.latency_to_edge_s > 1.8 * state.sample.hold_back_s");
  const from = await eventCount();
  assert.deepEqual(await violationsOf(page), []);
  await page.keyboard.press("Space");
  await viewer.until("playing late", "state.pulse === 'behind'");
  assert.match(await chip().innerText(), /^\d+\.\d s behind live$/);
  assert.ok(!(await pulsesSince(from)).includes("live"), "late is not live");
  await goLiveButton().click();
  await viewer.until("the live edge", "state.pulse === 'live'");
  assert.match(await chip().innerText(), /^Live · /);
  assert.ok(!(await goLiveButton().isVisible()) || (await goLiveButton().isDisabled()));
});

test("space after a click on a button pauses instead of pressing it again", async () => {
  await live();
  await page.getByRole("button", { name: "Mute" }).click();
  assert.ok(await page.evaluate(() => document.querySelector("video")!.muted));
  await page.keyboard.press("Space");
  await viewer.until("the pause", "state.pulse === 'paused'");
  assert.ok(await page.evaluate(() => document.querySelector("video")!.muted), "the button was not pressed");
  // Reached by the keyboard, the same button is pressed by space.
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Unmute");
  await page.keyboard.press("Space");
  assert.ok(!(await page.evaluate(() => document.querySelector("video")!.muted)));
  assert.equal((await viewer.state()).pulse, "paused");
  await goLiveButton().click();
  await live();
});

test("m, f and 1 to 4 act, and are told", async () => {
  await blur();
  const said = () => page.locator(".said[role=status]").innerText();
  await page.keyboard.press("m");
  assert.ok(await page.evaluate(() => document.querySelector("video")!.muted));
  assert.equal(await said(), "Sound off");
  assert.equal(await page.locator(".cue").innerText(), "Sound off");
  await page.keyboard.press("m");
  assert.ok(!(await page.evaluate(() => document.querySelector("video")!.muted)));
  assert.equal(await said(), "Sound on");

  const { picks, games } = await viewer.state();
  for (const slot of [3, 0]) {
    await page.keyboard.press(String(slot + 1));
    assert.equal((await viewer.state()).audio, picks.games[slot]);
    assert.equal(await said(), `Sound: ${games.find((game) => game.id === picks.games[slot])?.title}`);
  }
  await page.keyboard.press("f");
  await viewer.until("full screen", "document.fullscreenElement !== null");
  assert.ok(await page.evaluate(() => document.fullscreenElement?.classList.contains("screen")));
  await page.keyboard.press("f");
  await viewer.until("the page again", "document.fullscreenElement === null");
});

test("arrows go from slot to slot and from game to game; with shift two slots change places", async () => {
  // Not `check`: a service without room takes the choice back, and is asked again.
  await page.locator(".layouts input[value='4E']").click();
  await viewer.admitted("four equal slots", "state.shown?.layout === '4E' && state.pending === null");
  const { picks } = await viewer.state();
  const slotInFocus = () => page.evaluate(() => document.activeElement?.closest(".slot")?.getAttribute("data-slot") ?? null);
  await page.keyboard.press("1");
  await blur();
  await page.keyboard.press("ArrowRight");
  assert.equal(await slotInFocus(), "0", "the slot that is heard comes first");
  await page.keyboard.press("ArrowRight");
  assert.equal(await slotInFocus(), "1");
  await page.keyboard.press("ArrowDown");
  assert.equal(await slotInFocus(), "3");
  await page.keyboard.press("ArrowDown");
  assert.equal(await slotInFocus(), "3", "there is nothing below");
  // It fades in.
  await viewer.until("a focus that can be seen", "getComputedStyle(document.activeElement.closest('.slot'), '::after').borderTopColor === 'rgb(255, 255, 255)'");

  await page.keyboard.press("Shift+ArrowLeft");
  assert.equal(await slotInFocus(), "2", "the focus goes with the game");
  await viewer.admitted("the swap", `state.session.games.join() === ${JSON.stringify([picks.games[0], picks.games[1], picks.games[3], picks.games[2]].join())}`);

  await viewer.card(0).focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement?.closest("li")?.getAttribute("data-game")), (await viewer.state()).games[1]?.id);
});

test("the keys are told by a question mark, and rest while somebody types", async () => {
  await blur();
  await page.keyboard.press("?");
  const box = page.getByRole("dialog", { name: "Keys" });
  await box.waitFor({ state: "visible" });
  for (const word of ["Full screen", "Hear the game", "Swap the slot"]) assert.match(await box.innerText(), new RegExp(word));
  const devtools = await browser.context.newCDPSession(page);
  assert.deepEqual(await unnamed(devtools), []);
  await devtools.detach();
  assert.deepEqual(await violationsOf(page), []);
  await page.keyboard.press("f");
  assert.equal(await page.evaluate(() => document.fullscreenElement), null, "the page behind it rests");
  await page.keyboard.press("Escape");
  await box.waitFor({ state: "hidden" });

  const before = await viewer.state();
  const field = page.getByRole("textbox", { name: "Device key" });
  await field.fill("");
  await field.pressSequentially("fm 2?4 k");
  assert.equal(await field.inputValue(), "fm 2?4 k");
  const now = await viewer.state();
  assert.equal(now.audio, before.audio);
  assert.equal(now.pulse === "paused", false);
  assert.ok(await box.isHidden());
  assert.ok(!(await page.evaluate(() => document.querySelector("video")!.muted || document.fullscreenElement !== null)));
  await field.fill(service.key);
  await blur();
});

// ---- sharing -----------------------------------------------------------------------------------------------------

const share = () => page.getByRole("button", { name: "Copy a link to this mosaic" });

test("a link to the mosaic is copied, without a key or a token, and opens it for another viewer", async () => {
  await browser.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: service.origin });
  await share().click();
  await page.locator(".share-bubble").waitFor({ state: "visible" });
  assert.match(await page.locator(".share-said").innerText(), /^Link copied/);
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const { picks, session } = await viewer.state();
  assert.equal(link, `${service.origin}/?games=${picks.games.join(",")}&layout=${picks.layout}`);
  const token = /\/play\/([^/]+)\//.exec(session?.playback_url ?? "")?.[1] ?? "";
  assert.ok(token.length > 8);
  for (const secret of [service.key, token, session?.id ?? ""]) assert.ok(!link.includes(secret), `${link} has ${secret} in it`);

  // By another name of this machine, so that nothing of this viewer is kept there.
  const other = await browser.context.newPage();
  const stranger = new ViewerPage(other, service);
  await other.goto(link.replace("127.0.0.1", "localhost"));
  await stranger.until("the question for a key", "state.connection === 'no_key'");
  await other.getByRole("textbox", { name: "Device key" }).fill(service.key);
  await other.getByRole("button", { name: "Connect" }).click();
  await stranger.until("the mosaic of the link", "state.connection === 'ready' && state.picks.games.length > 0");
  assert.deepEqual((await stranger.state()).picks, picks);
  assert.equal((await stranger.state()).phase, "idle", "nobody is billed by opening a link");
  assert.ok(await other.locator(".controls").getByRole("button", { name: "Watch" }).isEnabled());
  await other.close();
});

test("where a page may not copy, the link stands there to be copied", async () => {
  const other = await browser.context.newPage();
  await other.addInitScript(() => {
    Object.defineProperty(navigator, "clipboard", { value: undefined });
    document.execCommand = () => false;
  });
  await other.goto(`${service.origin}/?games=${(await viewer.state()).picks.games.slice(0, 2).join(",")}&layout=2PL`);
  const shy = new ViewerPage(other, service);
  await shy.until("the mosaic", "state.picks.games.length === 2");
  await other.getByRole("button", { name: "Copy a link to this mosaic" }).click();
  const field = other.getByRole("textbox", { name: "Link to this mosaic" });
  await field.waitFor({ state: "visible" });
  const selected = await other.evaluate(() => {
    const input = document.activeElement as HTMLInputElement;
    return input.value.slice(input.selectionStart ?? 0, input.selectionEnd ?? 0);
  });
  assert.match(selected, /\/\?games=[^&]+,[^&]+&layout=2PL$/);
  assert.equal(selected, await field.inputValue());
  await other.keyboard.press("Escape");
  await field.waitFor({ state: "hidden" });
  await other.close();
});

// ---- low latency -------------------------------------------------------------------------------------------------

test("the low-latency switch plays nearer to live, is kept, and can be taken back", async () => {
  // Anew, since every stall so far has added to what is held back.
  await page.reload();
  await live();
  const standard = await viewer.sample();
  await page.getByRole("switch", { name: "Low latency" }).check();
  await viewer.until("a shorter hold-back", `state.sample.hold_back_s < ${(standard.hold_back_s ?? 0) - 1}`);
  await viewer.until("less latency", `state.pulse === 'live' && state.sample.latency_to_edge_s < ${(standard.latency_to_edge_s ?? 0) - 1}`);
  const low = await viewer.sample();
  assert.equal(low.fatal_errors, 0);
  await page.reload();
  await viewer.until("the picture after the reload", "state.phase === 'watching' && state.sample?.segment != null");
  assert.ok(await page.getByRole("switch", { name: "Low latency" }).isChecked());
  await viewer.until("the shorter hold-back again", `state.pulse === 'live' && state.sample.hold_back_s < ${(standard.hold_back_s ?? 0) - 1}`);
  await page.getByRole("switch", { name: "Low latency" }).uncheck();
  await viewer.until("as much in hand as before", `state.sample.hold_back_s > ${low.hold_back_s} + 1 && state.sample.latency_to_edge_s > ${low.latency_to_edge_s} + 1`);
  await live();
});

// ---- the end -----------------------------------------------------------------------------------------------------

test("a session that the operator ended says so and can be watched again", async () => {
  await live();
  const id = await sessionId();
  const { picks } = await viewer.state();
  // Services before 0.3 do not tell devices why.
  await page.route(`**/v1/sessions/${id}`, async (route) => {
    const response = await route.fetch();
    const session = (await response.json()) as { state: string; end_reason?: string | null };
    if (session.state === "ended") session.end_reason ??= "operator";
    await route.fulfill({ response, json: session });
  });
  const ended = await viewer.call(`/v1/operator/sessions/${id}`, { method: "DELETE" }, OPERATOR_KEY);
  assert.ok(ended.ok, `${ended.status}`);
  await viewer.until("the end", "state.phase === 'ended'");
  assert.equal(await curtain().locator(".curtain-title").innerText(), "Ended by the operator");
  assert.match(await page.locator(".said[role=status]").innerText(), /operator of this service has ended the session/);
  assert.ok(await chip().isHidden());
  await curtain().getByRole("button", { name: "Watch again" }).click();
  await viewer.admitted("the next session", "state.phase === 'watching' && state.sample?.segment != null");
  assert.notEqual(await sessionId(), id);
  assert.deepEqual((await viewer.state()).picks, picks);
});

// ---- sizes -------------------------------------------------------------------------------------------------------

const SCREENSHOTS = process.env["SCREENSHOTS"];

async function shoot(name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return;
  await page.mouse.move(5, 5);
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
}

test("all layouts are to be seen without scrolling where the window is 900 pixels high", async () => {
  for (const width of [1280, 1440, 1920]) {
    await page.setViewportSize({ width, height: 900 });
    await page.evaluate(() => window.scrollTo(0, 0));
    await shoot(`${width}x900`);
    const [bottom, sideways] = await page.evaluate(() => [
      Math.max(...[...document.querySelectorAll(".layouts .choice")].map((one) => one.getBoundingClientRect().bottom)),
      document.documentElement.scrollWidth > window.innerWidth,
    ]);
    assert.ok((bottom as number) <= 900, `at ${width}x900 the last layout ends at ${bottom}`);
    assert.ok(!sideways, `at ${width}x900 something sticks out`);
  }
});

test("on a phone the picture stays in view while games are chosen, upright and on its side", async () => {
  for (const [width, height] of [[390, 844], [360, 640], [844, 390], [820, 1180]] as const) {
    await page.setViewportSize({ width, height });
    const last = page.locator(".games .card").last();
    await page.evaluate(() => window.scrollTo(0, 0));
    await shoot(`${width}x${height}-top`);
    await last.evaluate((element) => element.scrollIntoView({ block: "end" }));
    await shoot(`${width}x${height}-games`);
    const seen = await page.evaluate(() => {
      const { top, bottom, left, right } = document.querySelector(".screen")!.getBoundingClientRect();
      const middle = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
      return { top, bottom, right, onTop: middle?.closest(".screen") !== null, sideways: document.documentElement.scrollWidth > window.innerWidth };
    });
    const where = `${width}x${height}: ${JSON.stringify(seen)}`;
    assert.ok(seen.top >= 0 && seen.bottom <= height && seen.right <= width && seen.onTop, where);
    assert.ok(seen.bottom - seen.top < height * 0.75, `the picture leaves no room: ${where}`);
    assert.ok(!seen.sideways, where);
    // The game is to be seen beside it, not beneath it.
    await last.click({ trial: true });
  }
  assert.deepEqual(await violationsOf(page), []);
  await page.setViewportSize({ width: 1600, height: 1000 });
});

// ---- parts -------------------------------------------------------------------------------------------------------

/** hls.js stays a second further behind after a stall, which a busy machine is enough for. */
const isHeldBack = (seconds: number | null, byPlaylist: number) => seconds === byPlaylist || seconds === byPlaylist + 1;

test("a stream with parts plays a second and a half from live, and goes on when the parts cease", async () => {
  await page.getByRole("button", { name: "Leave" }).click();
  await viewer.until("the end", "state.phase === 'idle'");
  const stream = await startParts();
  // The page may not fetch from elsewhere: its own service's name stands for the stream's.
  await page.route("**/parts/**", (route) => route.continue({ url: route.request().url().replace(`${service.origin}/parts`, stream.origin) }));
  try {
    await page.evaluate((url) => {
      const { player } = window.quadrille;
      player.setLowLatency(true);
      player.load(url, null);
    }, `${service.origin}/parts/index.m3u8`);
    const read = () => viewer.sample();
    const within = async (what: string, holds: (sample: Awaited<ReturnType<typeof read>>) => boolean) => {
      const deadlineMs = Date.now() + 40_000;
      let sample = await read();
      while (!holds(sample)) {
        assert.ok(Date.now() < deadlineMs, `${what}: ${JSON.stringify(sample)}\n${JSON.stringify(await page.evaluate(() => window.quadrille.events.slice(-12)))}`);
        await pause(100);
        sample = await read();
      }
      return sample;
    };
    const near = await within("near the edge", (one) => one.parts && one.frames_total > 60 && (one.latency_to_edge_s ?? 99) < 1.7);
    assert.ok(Math.abs((near.hold_back_s ?? 0) - 3.5 / 3) < 0.35, `held back by ${near.hold_back_s}`);
    assert.ok(stream.partsServed() > 5 && stream.blocked() > 2, `${stream.partsServed()} parts, ${stream.blocked()} playlists waited for`);
    assert.equal(near.fatal_errors, 0);

    await page.evaluate(() => window.quadrille.player.setLowLatency(false));
    const calm = await within("as much in hand as HOLD-BACK says", (one) => isHeldBack(one.hold_back_s, 6) && (one.latency_to_edge_s ?? 0) > 5);
    await page.evaluate(() => window.quadrille.player.setLowLatency(true));
    await within("near again", (one) => (one.latency_to_edge_s ?? 99) < 1.7 && one.frames_total > calm.frames_total);

    stream.withoutParts();
    const without = await within("segments alone", (one) => !one.parts && isHeldBack(one.hold_back_s, 4));
    const later = await within("pictures", (one) => one.frames_total > without.frames_total + 120);
    assert.equal(later.fatal_errors, 0);
  } finally {
    await page.evaluate(() => window.quadrille.player.stop());
    await stream.close();
  }
});
