// Going back, on the page and in a real browser: the bar, its keys, its previews, and the way to live again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { unnamed, violationsOf, type Browser } from "./support/browser";
import { openPage } from "./support/opened";
import { startConfigured, type Service } from "./support/service";
import { pause, ViewerPage } from "./support/viewer-page";

const GAMES = [
  ["hawks-ravens", "Hawks at Ravens", "ball"],
  ["otters-herons", "Otters at Herons", "smpte"],
  ["comets-owls", "Comets at Owls", "pinwheel"],
  ["storks-wolves", "Storks at Wolves", "ball"],
  ["lynx-pikes", "Lynx at Pikes", "ball"],
] as const;

const CONFIG = `
[[tenants]]
id = "test"
operator_keys = ["operator"]
device_keys = ["device"]
${GAMES.map(([id, title, picture]) => `[[games]]\nid = "${id}"\ntitle = "${title}"\nsources = ["test://${picture}?size=640x360&fps=30&tone=330&captions=en"]`).join("\n")}
[output]
fps = "30"
segment_frames = 60
[[output.renditions]]
name = "360p"
width = 640
height = 360
bitrate = 800_000
[start_over]
window_s = 600
gigabytes = 1
`;

const SCREENSHOTS = process.env["SCREENSHOTS"];

let service: Service;
let browser: Browser;
let page: Page;
let viewer: ViewerPage;
let complaints: string[];

before(async () => {
  service = await startConfigured(CONFIG, "device");
  ({ browser, page, complaints } = await openPage(service));
  viewer = new ViewerPage(page, service);
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

const slider = () => page.getByRole("slider", { name: "Rewind" });
const liveButton = () => page.locator(".rewind-live");
const chip = () => page.locator(".live-chip");
const chipSays = (pattern: RegExp) => viewer.says("the chip", () => chip().innerText(), pattern);
const sliderSays = (pattern: RegExp) => viewer.says("the slider", () => slider().getAttribute("aria-valuetext"), pattern);

/** How far behind now the picture on the screen is, by its date. */
const ageS = () => page.evaluate(() => (Date.now() - (window.quadrille.player.date() ?? NaN)) / 1000);

/** Waits for a picture that moves and is `seconds` old. */
async function plays(what: string, seconds: number, within = 3): Promise<void> {
  const age = "(Date.now() - player.date()) / 1000";
  await viewer.until(what, `player.date() !== null && ['live', 'behind'].includes(state.pulse) && Math.abs(${age} - ${seconds}) < ${within}`);
  const before = await page.evaluate(() => [window.quadrille.player.date()!, window.quadrille.player.sample(performance.now(), Date.now()).frames_total] as const);
  await pause(2_000);
  const later = await page.evaluate(() => [window.quadrille.player.date()!, window.quadrille.player.sample(performance.now(), Date.now()).frames_total] as const);
  assert.ok(later[0] - before[0] > 1_000 && later[1] > before[1] + 15, `${what}: it stands, ${before} ${later}`);
  assert.ok(Math.abs((await ageS()) - seconds) < within + 1, `${what}: ${await ageS()} s behind, not ${seconds}`);
}

async function shoot(name: string): Promise<void> {
  if (SCREENSHOTS !== undefined) await page.screenshot({ path: `${SCREENSHOTS}/rewind-${name}.png` });
}

let liveAge = 0;

test("the bar is there once pictures are, and says that they are live", async () => {
  await page.goto(service.url);
  await viewer.pickFirst(2);
  assert.ok(await page.locator(".rewind").isHidden(), "nothing plays yet");
  await viewer.watch();
  await viewer.until("the live edge", "state.phase === 'watching' && !state.stands && state.pulse === 'live' && state.reach?.isLive", 60_000);
  assert.ok(await slider().isVisible());
  await sliderSays(/^live, \d\d:\d\d:\d\d$/);
  assert.ok(await liveButton().isDisabled());
  assert.ok(await page.locator(".go-live").isHidden(), "one way to live is enough");
  await viewer.until("a minute of past", "state.reach.isLive && state.reach.live - state.reach.oldest > 50_000", 120_000);
  liveAge = await ageS();
});

test("keys step back, within the playlist first and then beyond it, and forward again", async () => {
  await slider().focus();
  await page.keyboard.press("ArrowLeft");
  await plays("ten seconds back", liveAge + 10);
  await chipSays(/^\d\d\.\d s behind live$/);
  assert.equal(await liveButton().isEnabled(), true);
  for (let press = 0; press < 3; press++) await page.keyboard.press("ArrowLeft");
  await plays("forty seconds back", liveAge + 40);
  await sliderSays(/^\d\d seconds behind live, \d\d:\d\d:\d\d$/);
  assert.ok((await page.evaluate(() => window.quadrille.events.filter((event) => event.kind === "rewind").map((event) => event["way"]))).includes("load"));
  await page.keyboard.press("ArrowRight");
  await plays("thirty seconds back", liveAge + 30);
  const { session } = await viewer.state();
  assert.equal(session?.state, "active");
});

test("who went back stays there", async () => {
  const before = await ageS();
  await pause(10_000);
  assert.ok(Math.abs((await ageS()) - before) < 2, `${before} s behind became ${await ageS()}`);
  assert.equal(await page.evaluate(() => document.querySelector("video")!.playbackRate), 1);
  assert.doesNotMatch(await chip().innerText(), /Live/);
});

test("the bar is named for screen readers, and nothing is wrong with the page", async () => {
  const session = await browser.context.newCDPSession(page);
  assert.deepEqual(await unnamed(session), []);
  await session.detach();
  assert.deepEqual(await violationsOf(page), []);
});

test("captions come from a menu or a key, and each game's stands in its own picture", async () => {
  await viewer.until("captions to choose from", "state.captions.length >= 4");
  const menu = page.getByLabel("Captions");
  assert.deepEqual(await menu.locator("option").allInnerTexts(), ["Captions off", "Main (en)", "All games (en)", "Comets at Owls (en)", "Hawks at Ravens (en)"]);
  await menu.selectOption("all-en");
  const showing = "[...document.querySelector('video').textTracks].filter((track) => track.mode === 'showing').flatMap((track) => [...(track.activeCues ?? [])])";
  await viewer.until("the captions of both games", `${showing}.length === 2`);
  const cues = await page.evaluate<{ text: string; left: number }[]>(`${showing}.map((cue) => ({ text: cue.text, left: cue.position }))`);
  for (const [title, isLeft] of [["Comets at Owls", true], ["Hawks at Ravens", false]] as const) {
    const cue = cues.find((one) => one.text.startsWith(title));
    assert.match(cue?.text ?? "", /\nIt is \d\d:\d\d:\d\d$/, JSON.stringify(cues));
    assert.equal((cue?.left ?? NaN) < 50, isLeft, JSON.stringify(cues));
  }
  await shoot("captions");
  await slider().focus();
  await page.keyboard.press("c");
  await viewer.until("no captions", `state.caption === null && ${showing}.length === 0`);
  assert.equal(await menu.inputValue(), "");
  await page.keyboard.press("c");
  await viewer.until("captions again", `state.caption === 'all-en' && ${showing}.length > 0`);
  assert.deepEqual(await violationsOf(page), []);
});

test("a preview shows the picture and its time of day", async () => {
  const box = (await slider().boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.4, box.y + box.height / 2);
  const preview = page.locator(".rewind-preview");
  await preview.waitFor({ state: "visible" });
  assert.match(await preview.innerText(), /\d\d:\d\d:\d\d\s+.*behind live/s);
  await page.locator(".rewind-picture").waitFor({ state: "visible" });
  const lit = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>(".rewind-picture")!;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, at) => at % 4 !== 3 && value > 60).length / ((data.length * 3) / 4);
  });
  assert.ok(lit > 0.1, `${lit} of the preview's samples are lit`);
  await shoot("wide");
  await page.mouse.move(5, 5);
  await preview.waitFor({ state: "hidden" });
});

test("a break is marked on the bar, named for screen readers, and told by the preview", async () => {
  const { picks } = await viewer.state();
  const game = picks.games[0]!;
  const path = `/v1/operator/games/${game}/breaks`;
  const headers = { "Content-Type": "application/json" };
  const begun = await viewer.call(path, { method: "POST", body: JSON.stringify({ id: "ad", duration_s: 60 }), headers }, "operator");
  assert.equal(begun.status, 201);
  const item = page.getByRole("list", { name: "Breaks" }).getByRole("listitem");
  await viewer.until("the mark of the break that runs", `state.breaks.length === 1 && state.reach.live > state.breaks[0].from + 6_000`, 60_000);
  const title = GAMES.find(([id]) => id === game)![1];
  assert.match((await item.textContent())!, new RegExp(`^Break in ${title} since \\d\\d:\\d\\d:\\d\\d$`));
  assert.equal((await viewer.call(`${path}/ad`, { method: "DELETE" }, "operator")).status, 200);
  await viewer.until("its end", "state.breaks.length === 1 && state.breaks[0].to !== null && state.reach.live > state.breaks[0].to", 60_000);
  const { breaks, reach } = await viewer.state();
  const { from, to } = breaks[0]!;
  await viewer.until("its words", `document.querySelector(".rewind-breaks li")?.textContent?.startsWith("Break in ${title} from ")`);
  // It lies on the bar where the slider's thumb would be.
  const [bar, mark] = [(await slider().boundingBox())!, (await item.boundingBox())!];
  const share = (at: number) => bar.x + 8 + ((at - reach!.oldest) / (reach!.live - reach!.oldest)) * (bar.width - 16);
  assert.ok(Math.abs(mark.x - share(from)) < 12 && Math.abs(mark.x + mark.width - share(to!)) < 12, `${JSON.stringify(mark)} ${share(from)} ${share(to!)}`);
  assert.ok(mark.y >= bar.y && mark.y + mark.height <= bar.y + bar.height + 1, "below the bar, within its row");
  await page.mouse.move(mark.x + mark.width / 2, bar.y + bar.height / 2);
  await page.locator(".rewind-in-break").waitFor({ state: "visible" });
  assert.match(await page.locator(".rewind-in-break").innerText(), new RegExp(`^Break: ${title}$`));
  await shoot("break");
  await page.mouse.move(5, 5);
  assert.deepEqual(await violationsOf(page), []);
});

test("a press on the bar plays from there; Live returns", async () => {
  const box = (await slider().boundingBox())!;
  const { reach } = await viewer.state();
  const share = 0.5;
  await page.mouse.click(box.x + 8 + share * (box.width - 16), box.y + box.height / 2);
  await plays("the middle of the bar", (reach!.now - (reach!.oldest + share * (reach!.live - reach!.oldest))) / 1000, 6);
  await page.mouse.move(5, 5);
  await liveButton().click();
  await viewer.until("live again", "state.pulse === 'live' && state.reach?.isLive");
  await plays("live", liveAge, 4);
  await chipSays(/^Live · /);
  assert.equal((await viewer.state()).rewound, false);
});

test("Home goes to the oldest there is, and a swap there to live", async () => {
  await slider().focus();
  await page.keyboard.press("Home");
  const { reach } = await viewer.state();
  await viewer.until("the oldest", `state.rewound && ['live', 'behind'].includes(state.pulse) && player.date() - ${reach!.oldest} < 12_000`);
  await sliderSays(/minute/);
  await chipSays(/^\d+ min( \d+ s)? behind live$/);
  const { picks } = await viewer.state();
  await viewer.slot(0).click();
  await viewer.card(2).click();
  await viewer.admitted("the swap at live", `state.pulse === 'live' && state.shown?.games[0] !== ${JSON.stringify(picks.games[0])} && state.pending === null && !state.rewound`);
  await viewer.until("that it is live", "state.reach?.isLive");
});

test("before the swap the page names what was shown then", async () => {
  const { picks } = await viewer.state();
  await slider().focus();
  await page.keyboard.press("PageDown");
  await viewer.until("a minute ago", "state.rewound && ['live', 'behind'].includes(state.pulse) && state.reach.now - player.date() > 45_000");
  const { shown, pending } = await viewer.state();
  assert.notEqual(shown?.games[0], picks.games[0]);
  assert.equal(pending, null);
  assert.equal(await page.locator(".slot.coming").count(), 0);
  await page.keyboard.press("End");
  await viewer.until("live again", "state.pulse === 'live' && state.reach?.isLive && !state.rewound");
});

test("a pause longer than the live window goes on where it was", async () => {
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  await page.keyboard.press("Space");
  await viewer.until("the pause", "state.pulse === 'paused'");
  const at = await page.evaluate(() => window.quadrille.player.date()!);
  await viewer.until("the window to move on", `player.span().from > ${at}`, 60_000);
  await page.keyboard.press("Space");
  await viewer.until("pictures", `['live', 'behind'].includes(state.pulse) && Math.abs(player.date() - ${at}) < 6_000`);
  await page.keyboard.press("l");
  await viewer.until("ten seconds on", `player.date() - ${at} > 9_000`);
  await page.keyboard.press("j");
});

test("on a phone the bar is there and nothing sticks out", async () => {
  for (const [width, height] of [[390, 844], [360, 640], [844, 390]] as const) {
    await page.setViewportSize({ width, height });
    await page.evaluate(() => window.scrollTo(0, 0));
    await pause(300);
    const box = (await slider().boundingBox())!;
    assert.ok(box.width > 120 && box.x >= 0 && box.x + box.width <= width, `${width}x${height}: ${JSON.stringify(box)}`);
    assert.ok(!(await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)), `${width}x${height}`);
    await page.mouse.move(box.x + box.width * 0.1, box.y + box.height / 2);
    await page.locator(".rewind-picture").waitFor({ state: "visible" });
    await shoot(`${width}x${height}`);
    await page.mouse.move(5, 5);
  }
  await page.setViewportSize({ width: 1600, height: 1000 });
  await page.locator(".brand").click();
  await page.keyboard.press("f");
  await viewer.until("full screen", "document.fullscreenElement !== null && document.querySelector('.rewind').parentElement === document.fullscreenElement");
  await page.mouse.move(500, 500);
  await pause(400);
  await shoot("full");
  await page.keyboard.press("f");
  await viewer.until("the page again", "document.fullscreenElement === null && document.querySelector('.rewind').parentElement.classList.contains('controls')");
});

test("nothing was complained about", async () => {
  const others = complaints.filter((text) => !/503|404/.test(text));
  assert.deepEqual(others, []);
  assert.equal((await viewer.sample()).fatal_errors, 0);
});
