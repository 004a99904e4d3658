// What an operator does on the operators' page, and what of it a viewer sees: art, skins, markets, games, breaks, sessions looked for.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import type { Market, RegisteredGame, Skin } from "../src/operator/api";
import type {} from "../src/operator";
import { stills, unnamed, violationsOf, type Browser } from "./support/browser";
import { openPage } from "./support/opened";
import { startConfigured, type Service } from "./support/service";
import { pause, ViewerPage } from "./support/viewer-page";

const OPERATOR = "operator";
const POLL_MS = 100;

const GAMES = [
  ["hawks-ravens", "Hawks at Ravens"],
  ["otters-herons", "Otters at Herons"],
  ["comets-owls", "Comets at Owls"],
] as const;

const CONFIG = `
[[tenants]]
id = "test"
operator_keys = ["${OPERATOR}"]
device_keys = ["device"]
${GAMES.map(([id, title]) => `[[games]]\nid = "${id}"\ntitle = "${title}"\nsources = ["test://ball?size=160x90&fps=30&tone=330&captions=en"]`).join("\n")}
[output]
fps = "30"
segment_frames = 60
[[output.renditions]]
name = "180p"
width = 320
height = 180
bitrate = 500_000
[sessions]
idle_s = 600
`;

/** A picture as large as the canvas, of one colour. */
const svg = (colour: string) => Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="1920" height="1080"><rect width="1920" height="1080" fill="${colour}"/></svg>`);
/** Art is known by the SHA-256 of its file. */
const idOf = (file: Buffer) => createHash("sha256").update(file).digest("hex");
const [RED, BLUE] = [idOf(svg("#d00000")), idOf(svg("#0000d0"))];
const DOT = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==", "base64");

let service: Service;
let browser: Browser;
let page: Page;
let complaints: string[];

before(async () => {
  service = await startConfigured(CONFIG, "device");
  ({ browser, page, complaints } = await openPage(service));
  await page.goto(`${service.origin}/operator`);
  await page.getByRole("textbox", { name: "Key" }).fill(OPERATOR);
  await page.keyboard.press("Enter");
  await panel("Live sessions").waitFor();
});

after(async () => {
  await browser?.close();
  await service?.stop();
});

const panel = (name: string) => page.getByRole("region", { name, exact: true });
const button = (name: string | RegExp, within: Page | Locator = page) => within.getByRole("button", { name, exact: typeof name === "string" });
const dialog = (name: string) => page.getByRole("dialog", { name, exact: true });
const view = (name: string) => page.getByRole("navigation", { name: "Views" }).getByRole("link", { name }).click();
const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
const held = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.id ?? "");

async function ask<T>(path: string, init: RequestInit = {}, key = OPERATOR): Promise<T> {
  const answer = await fetch(service.origin + path, { ...init, headers: { Authorization: `Bearer ${key}`, ...(init.body === undefined ? {} : { "Content-Type": "application/json" }) } });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return (answer.status === 204 ? null : await answer.json()) as T;
}

async function until(what: string, ready: () => Promise<boolean>, timeoutMs = 40_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await ready())) {
    if (Date.now() > deadlineMs) assert.fail(`${what} did not come within ${timeoutMs} ms\n${(await page.locator("body").innerText()).slice(0, 4_000)}\n${service.log()}`);
    await pause(POLL_MS);
  }
}

const tells = (what: string, locator: Locator, pattern: RegExp, timeoutMs?: number) => until(what, async () => (await locator.count()) > 0 && pattern.test(await locator.first().innerText()), timeoutMs);

/** The colours that are seen at `points`, in parts of the element's size. */
async function colours(element: Locator, points: [x: number, y: number][]): Promise<number[][]> {
  const picture = (await element.screenshot()).toString("base64");
  return page.evaluate(
    async ({ picture, points }) => {
      const image = new Image();
      image.src = `data:image/png;base64,${picture}`;
      await image.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.width, image.height];
      const drawing = canvas.getContext("2d") as CanvasRenderingContext2D;
      drawing.drawImage(image, 0, 0);
      return points.map(([x, y]) => Array.from(drawing.getImageData(Math.floor(x * image.width), Math.floor(y * image.height), 1, 1).data.slice(0, 3)));
    },
    { picture, points },
  );
}

const isRed = ([r = 0, g = 0, b = 0]: number[]) => r > 150 && g < 90 && b < 90;
const isBlue = ([r = 0, g = 0, b = 0]: number[]) => b > 150 && r < 90 && g < 90;

async function shot(name: string, wide: Locator | Page = page): Promise<void> {
  const path = process.env["SCREENSHOT_OPERATOR"];
  if (path !== undefined) await wide.screenshot({ path: path.replace(/(\.\w+)?$/, `-${name}$1`) });
}

// ---- art and skins -----------------------------------------------------------------------------------------------

test("art is chosen or dropped, and told with what it is; what is not taken says why", async () => {
  await view("Art and skins");
  await panel("Art").getByText("There is no art yet.").waitFor();
  await page.locator("#art-files").setInputFiles([
    { name: "red.svg", mimeType: "image/svg+xml", buffer: svg("#d00000") },
    { name: "dot.png", mimeType: "image/png", buffer: DOT },
    { name: "words.svg", mimeType: "image/svg+xml", buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>Ad</text></svg>') },
  ]);
  await tells("the refusal", panel("Art").locator(".upload-line[data-state=refused]"), /^words\.svg .*SVG/);
  await until("two files", async () => (await panel("Art").locator(".asset").count()) === 2);
  const drop = (name: string, bytes: number[]) =>
    page.evaluate(
      ({ name, bytes }) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/svg+xml" }));
        const area = document.querySelector(".drop") as HTMLElement;
        for (const kind of ["dragenter", "dragover", "drop"]) area.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
      },
      { name, bytes },
    );
  await drop("blue.svg", [...svg("#0000d0")]);
  await drop("red-again.svg", [...svg("#d00000")]);
  await tells("the same file", panel("Art").locator(".upload-line", { hasText: "red-again.svg" }), /It was there already/);
  await until("the third file", async () => (await panel("Art").locator(".asset").count()) === 3);
  const told = await panel("Art").locator(".asset-words").allInnerTexts();
  assert.deepEqual(told.sort(), ["PNG · 1×1 · 70 B", `SVG · 1920×1080 · ${svg("#0000d0").length} B`, `SVG · 1920×1080 · ${svg("#d00000").length} B`].sort());
  await until("their pictures", () => page.evaluate(() => [...document.querySelectorAll<HTMLImageElement>(".asset img")].every((image) => image.naturalWidth > 0 && !image.hidden)));
  assert.deepEqual(await violationsOf(page), []);
  assert.equal(complaints.splice(0).length, 1, "the browser's word on the file that was refused");
});

test("a skin is made with the keyboard alone, and seen in its slots where it will stand", async () => {
  const added = button("New skin", panel("Skins"));
  await added.focus();
  await page.keyboard.press("Enter");
  const form = dialog("A new skin");
  await form.waitFor();
  assert.equal(await held(), "skin-id");
  await page.keyboard.type("red");
  // Each name of slots of art is a group; its first choice is nothing.
  const frame = form.getByRole("group", { name: "frame" });
  await frame.getByRole("radio", { name: "Nothing" }).focus();
  for (let step = 0; step < 4; step++) {
    await page.keyboard.press("ArrowRight");
    if (await page.evaluate((id) => (document.activeElement as HTMLInputElement).value === id, RED)) break;
  }
  const canvas = frame.locator(".canvas[data-layout='1F']");
  await until("the picture in its slots", () => canvas.locator(".canvas-art").evaluate((image: HTMLImageElement) => image.naturalWidth > 0));
  // The frame's four sides, and what it goes around.
  const seen = await colours(canvas, [[0.5, 0.04], [0.05, 0.5], [0.95, 0.5], [0.5, 0.95], [0.3, 0.3], [0.7, 0.7]]);
  assert.deepEqual(seen.map(isRed), [true, true, true, true, false, false], JSON.stringify(seen));
  assert.equal(await canvas.getAttribute("aria-label"), "One in a frame: art in frame");
  const bar = form.getByRole("group", { name: "bar" }).locator(".canvas[data-layout='1L']");
  assert.ok((await colours(bar, [[0.1, 0.5]])).every((one) => !isRed(one)), "nothing is in the bar");
  assert.deepEqual(await violationsOf(page), []);
  await shot("skin-form");
  await page.keyboard.press("Enter");
  await form.waitFor({ state: "hidden" });
  assert.deepEqual(await ask<Skin>("/v1/operator/skins/red"), { id: "red", art: { frame: RED }, origin: "operator" });
  const listed = panel("Skins").locator(".skin", { hasText: "red" });
  await listed.locator(".canvas[data-layout='1F']").waitFor();
  assert.equal(await listed.locator(".canvas").count(), 1, "of the layouts that it has something for");
  await until("where the art is", async () => (await panel("Art").locator(".asset-used", { hasText: "In skin red" }).count()) === 1);
});

test("a skin is edited, and another name is not taken twice", async () => {
  await button("Edit skin red").click();
  const form = dialog("Skin red");
  assert.ok(await form.getByRole("textbox", { name: "Name" }).isDisabled());
  await form.getByRole("group", { name: "banner" }).getByRole("radio", { name: /PNG/ }).check({ force: true });
  await button("Save skin", form).click();
  await form.waitFor({ state: "hidden" });
  assert.deepEqual(Object.keys((await ask<Skin>("/v1/operator/skins/red")).art), ["banner", "frame"]);
  await until("the other layout", async () => (await panel("Skins").locator(".skin .canvas").count()) === 2);

  await button("New skin").click();
  await page.keyboard.type("red");
  await page.keyboard.press("Enter");
  const again = dialog("A new skin");
  await again.getByText("There is a skin red already").waitFor();
  assert.equal(await again.getByRole("textbox", { name: "Name" }).getAttribute("aria-invalid"), "true");
  await again.getByRole("textbox", { name: "Name" }).fill("blue");
  const frame = again.getByRole("group", { name: "frame" });
  await frame.locator(`input[value="${BLUE}"]`).check({ force: true });
  await until("its picture", async () => (await colours(frame.locator(".canvas[data-layout='1F']"), [[0.05, 0.5]])).every(isBlue));
  await button("Save skin", again).click();
  await again.waitFor({ state: "hidden" });
  assert.deepEqual((await ask<Skin>("/v1/operator/skins/blue")).art, { frame: BLUE });
});

test("art that a skin has is not let go, and says why; other art is", async () => {
  const used = panel("Art").locator(".asset", { hasText: "In skin blue" });
  const remove = used.getByRole("button");
  await remove.focus();
  await page.keyboard.press("Enter");
  const asked = dialog("Delete this art?");
  await button("Delete it", asked).click();
  await asked.getByText(/is shown by skin/).waitFor();
  await page.keyboard.press("Escape");
  await asked.waitFor({ state: "hidden" });
  assert.ok(await remove.evaluate((element) => element === document.activeElement), "the focus is back");
  complaints.splice(0);
  await page.locator("#art-files").setInputFiles([{ name: "green.svg", mimeType: "image/svg+xml", buffer: svg("#00d000") }]);
  const free = panel("Art").locator(".asset", { hasText: "In no skin" });
  await until("more art", async () => (await free.count()) === 1);
  await free.getByRole("button").click();
  await button("Delete it", asked).click();
  await until("its end", async () => (await free.count()) === 0);
  assert.equal(await held(), "assets-title");
});

test("a clip has a picture where it is listed and where it is chosen, and a word until there is one", async () => {
  const arguments_ = ["-v", "error", "-f", "lavfi", "-i", "color=red:size=320x36:rate=30:duration=1", "-c:v", "libx264", "-pix_fmt", "yuv420p"];
  const clip = execFileSync("ffmpeg", [...arguments_, "-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "-"]);
  await page.route("**/preview?*", async (route) => {
    await pause(1_000);
    await route.continue();
  });
  await page.locator("#art-files").setInputFiles([{ name: "red.mp4", mimeType: "video/mp4", buffer: clip }]);
  const listed = panel("Art").locator(".asset", { hasText: "MP4 ·" });
  await until("the clip", async () => (await listed.count()) === 1);
  assert.equal(await listed.locator(".asset-kind").innerText(), "MP4");
  const image = listed.locator("img");
  await until("its picture", () => image.evaluate((image: HTMLImageElement) => image.naturalWidth > 0 && !image.hidden && getComputedStyle(image).visibility === "visible"));
  await page.unroute("**/preview?*");
  // In a banner, which is the fifth of the canvas at its bottom.
  const inBanner: [number, number][] = [[0.5, 0.9], [0.5, 0.4]];
  assert.deepEqual((await colours(listed.locator(".asset-still"), inBanner)).map(isRed), [true, false]);
  await shot("clip", listed);
  await button("New skin").click();
  const form = dialog("A new skin");
  const choice = form.getByRole("group", { name: "banner" }).locator(".art-choice", { has: page.locator(`input[value="${idOf(clip)}"]`) });
  await choice.scrollIntoViewIfNeeded();
  await until("its picture in the form", () => choice.locator("img").evaluate((image: HTMLImageElement) => image.naturalWidth > 0 && !image.hidden));
  assert.deepEqual(await violationsOf(page), []);
  await shot("clip-form");
  await page.keyboard.press("Escape");
  await form.waitFor({ state: "hidden" });
});

// ---- markets -----------------------------------------------------------------------------------------------------

test("a market is made, listed and edited; a field that is wrong is marked", async () => {
  await view("Markets");
  await panel("Markets").getByText("There are no markets").waitFor();
  await button("New market").click();
  const form = dialog("A new market");
  await form.getByLabel("Title").fill("Germany");
  await form.getByLabel("Id", { exact: true }).fill("de");
  await form.getByLabel("Sound's language").fill("not a language");
  await button("Save market", form).click();
  await until("the field", async () => (await form.getByLabel("Sound's language").getAttribute("aria-invalid")) === "true");
  assert.equal(await held(), "market-sound");
  complaints.splice(0);
  await form.getByLabel("Sound's language").fill("de");
  await form.getByRole("group", { name: "Games" }).getByLabel("Only these").check();
  for (const title of ["Hawks at Ravens", "Comets at Owls"]) await form.getByLabel(title).check();
  await form.getByLabel("Games that are not there yet").fill("final, semi-final");
  await form.getByLabel("Regions").fill("de, at");
  await form.getByLabel("Skin").selectOption("red");
  await form.getByLabel("Tallest picture").fill("720");
  await form.getByRole("group", { name: "Features" }).getByLabel("Only these").check();
  await form.getByLabel("Low latency").check();
  assert.ok(!(await form.getByLabel("Who decides on them").isVisible()));
  await form.getByLabel("In breaks its sessions see").selectOption("squeeze_back");
  await form.getByLabel("Layout in breaks").selectOption("1L");
  await form.getByLabel("In breaks its sessions see").selectOption("advertisement");
  await form.getByLabel("Who decides on them").fill("gopher://ads.example");
  await form.getByLabel("Decided").selectOption("session");
  await button("Save market", form).click();
  await until("the field", async () => (await form.getByLabel("Who decides on them").getAttribute("aria-invalid")) === "true");
  complaints.splice(0);
  await form.getByLabel("Who decides on them").fill("https://ads.example/vast?game=[GAME]");
  assert.deepEqual(await violationsOf(page), []);
  await shot("market-form");
  await button("Save market", form).click();
  await form.waitFor({ state: "hidden" });
  const expected = {
    id: "de",
    title: "Germany",
    sound_language: "de",
    text_language: null,
    games: ["comets-owls", "hawks-ravens", "final", "semi-final"],
    regions: ["DE", "AT"],
    skin: "red",
    breaks: { policy: "advertisement", decision_url: "https://ads.example/vast?game=[GAME]", decided_for: "session", layout: null, skin: null },
    tier: { max_height: 720, features: ["low_latency"] },
    origin: "operator",
  };
  const { games, ...made } = await ask<Market>("/v1/operator/markets/de");
  const { games: wanted, ...rest } = expected;
  assert.deepEqual([made, games?.sort()], [rest, wanted.sort()]);
  const row = panel("Markets").getByRole("row", { name: "Germany" });
  assert.deepEqual((await row.locator("td").allInnerTexts()).slice(0, 8), ["de", "none", "Comets at Owls, Hawks at Ravens, final and semi-final", "DE, AT", "red", "up to 720 rows", "low latency", "advertisements, for each session"]);
  await panel("Breaks of the last thirty days").getByText("No market has shown anything else").waitFor();

  await button("Edit Germany").click();
  const again = dialog("Germany");
  assert.equal(await again.getByLabel("Games that are not there yet").inputValue(), "final, semi-final");
  await again.getByRole("group", { name: "Features" }).getByLabel("All that there are").check();
  await again.getByLabel("Tallest picture").fill("");
  await again.getByLabel("In breaks its sessions see").selectOption("slate");
  await button("Save market", again).click();
  await again.waitFor({ state: "hidden" });
  const changed = await ask<Market>("/v1/operator/markets/de");
  assert.deepEqual([changed.tier, changed.breaks?.policy, changed.breaks?.decision_url], [{ max_height: null, features: null }, "slate", null]);
});

// ---- games, breaks, sessions -------------------------------------------------------------------------------------

test("sources are tried before there is a game with them, and told with what they are or why they do not work", async () => {
  await view("Overview");
  await button("Add a game").click();
  const form = dialog("A new game");
  await form.getByLabel("Title").fill("Larks at Öwls");
  assert.equal(await form.getByLabel("Id", { exact: true }).inputValue(), "larks-at-owls");
  await form.getByLabel("Sources").fill("test://smpte?size=320x180&fps=30&tone=440&captions=en\nhttp://origin.invalid:9/a.m3u8?token=hunter2\ngopher://old.example");
  await button("Try the sources", form).focus();
  await page.keyboard.press("Enter");
  const tried = form.locator(".tried");
  await until("all three", async () => (await tried.count()) === 3);
  const [works, away, unknown] = [tried.nth(0), tried.nth(1), tried.nth(2)];
  assert.match(await works.locator(".trial-state").innerText(), /^Works/);
  assert.ok(await works.locator("img").evaluate((image: HTMLImageElement) => image.naturalWidth > 0), "its picture");
  await tells("what it is", works.locator(".facts"), /Picture\s+.*320×180[\s\S]*Rate\s+30 pictures a second[\s\S]*Captions and subtitles\s+en \(captions\)/);
  assert.match(await away.innerText(), /token=…[\s\S]*Does not work[\s\S]*\w/);
  assert.ok(!(await away.innerText()).includes("hunter2"), "no secret is repeated");
  assert.match(await unknown.innerText(), /Does not work[\s\S]*gopher/);
  assert.match(await form.getByRole("status").innerText(), /^Source 1 works\. Source 2 does not work\. Source 3 was not tried\.$/);
  assert.deepEqual((await ask<RegisteredGame[]>("/v1/operator/games")).map(({ id }) => id).includes("larks-at-owls"), false, "no game is made");
  assert.deepEqual(await violationsOf(page), []);
  await shot("trial");
  complaints.splice(0);

  await button("Save game", form).click();
  await form.getByRole("alert").getByText(/gopher/).waitFor();
  complaints.splice(0);
  await form.getByLabel("Sources").fill("test://smpte?size=320x180&fps=30&tone=440&captions=en");
  await form.getByLabel("Labels").fill("league=nba\nlate");
  await button("Save game", form).click();
  await form.waitFor({ state: "hidden" });
  const game = await ask<RegisteredGame>("/v1/operator/games/larks-at-owls");
  assert.deepEqual([game.title, game.labels], ["Larks at Öwls", { late: "", league: "nba" }]);
});

test("a game is changed and removed; those of the configuration are not", async () => {
  const item = panel("Games").locator(".game", { hasText: "Larks at Öwls" });
  await button("Edit Larks at Öwls").click();
  const form = dialog("Larks at Öwls");
  await form.getByLabel("In a break its slot shows").selectOption("slate");
  await form.getByLabel("Title").fill("Larks at Owls");
  await button("Save game", form).click();
  await form.waitFor({ state: "hidden" });
  const game = await ask<RegisteredGame>("/v1/operator/games/larks-at-owls");
  assert.deepEqual([game.title, game.break_policy, game.labels["league"], game.rights ?? null], ["Larks at Owls", "slate", "nba", null]);
  // Rights are limits, a mistake in them is said of its field, and what else is changed leaves them as they are.
  await button("Edit Larks at Owls").click();
  const again = dialog("Larks at Owls");
  await again.getByLabel("Countries").fill("GB, UK");
  await button("Save game", again).click();
  await again.getByRole("alert").getByText(/UK/).waitFor();
  complaints.splice(0);
  assert.equal(await again.getByLabel("Countries").getAttribute("aria-invalid"), "true");
  await again.getByLabel("Countries").fill("GB, IE");
  await button("Save game", again).click();
  await again.waitFor({ state: "hidden" });
  await button("Edit Larks at Owls").click();
  await again.getByLabel("Labels").fill("league=nba");
  await button("Save game", again).click();
  await again.waitFor({ state: "hidden" });
  assert.deepEqual((await ask<RegisteredGame>("/v1/operator/games/larks-at-owls")).rights?.regions, ["GB", "IE"]);
  await tells("its new title", item.or(panel("Games").locator(".game", { hasText: "Larks at Owls" })), /Larks at Owls/);
  await button("Remove Larks at Owls").click();
  await button("Remove it", dialog("Remove this game?")).click();
  await until("its end", async () => (await panel("Games").locator(".game", { hasText: "Larks at Owls" }).count()) === 0);
  assert.equal(await held(), "games-title");
  assert.equal(await button("Edit Hawks at Ravens").count(), 0);
});

test("a break is started by hand, told while it runs, and ended early", async () => {
  const item = panel("Games").locator(".game[data-game=hawks-ravens]");
  const start = button("Start a break of Hawks at Ravens");
  await start.focus();
  await page.keyboard.press("Enter");
  const form = dialog("A break of Hawks at Ravens");
  await page.keyboard.type("never");
  await page.keyboard.press("Enter");
  await form.getByText("The duration is a number of seconds").waitFor();
  await form.getByLabel("Duration").fill("90");
  assert.deepEqual(await violationsOf(page), []);
  await page.keyboard.press("Enter");
  await form.waitFor({ state: "hidden" });
  await tells("the break", item.locator(".game-break"), /^In a break since \d\d:\d\d:\d\d, for \d+ s more$/);
  await shot("break", item);
  const cues = async () => (await ask<{ events: { kind: string; state: string; planned_duration_s: number; duration_s: number }[] }>("/v1/games/hawks-ravens/cues")).events;
  assert.deepEqual((await cues()).map(({ state, planned_duration_s }) => [state, planned_duration_s]), [["open", 90]]);
  await button("End the break of Hawks at Ravens").focus();
  await page.keyboard.press("Enter");
  await until("its end", async () => (await item.locator(".game-break").isHidden()) && (await start.count()) === 1);
  const [ended] = await cues();
  assert.ok(ended?.state === "ended" && ended.duration_s < 90, JSON.stringify(ended));
  assert.ok(await start.evaluate((element) => element === document.activeElement), "the focus stays");

  // Without a length it runs until it is ended.
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await tells("a break without an end", item.locator(".game-break"), /, until it is ended$/);
  await button("End the break of Hawks at Ravens").click();
  await until("its end", async () => (await item.locator(".game-break").isHidden()));
});

test("a session says which of its slots is on slate, why, and since when; sessions are looked for", async () => {
  const dark = { id: "dark", title: "Owls at Larks", sources: ["http://origin.invalid:9/a.m3u8"] };
  await ask("/v1/operator/games", { method: "POST", body: JSON.stringify(dark) });
  const session = async (body: object) => {
    const init = { method: "POST", body: JSON.stringify(body), headers: { Authorization: "Bearer device", "Content-Type": "application/json" } };
    let made = await fetch(`${service.origin}/v1/sessions`, init);
    // A busy machine has room a little later.
    for (const deadlineMs = Date.now() + 120_000; made.status === 503 && Date.now() < deadlineMs; made = await fetch(`${service.origin}/v1/sessions`, init)) await pause(3_000);
    assert.equal(made.status, 201, await made.clone().text());
    return (await made.json()) as { id: string };
  };
  await session({ games: ["hawks-ravens", "dark"], device_id: "stb-1", labels: { plan: "gold" } });
  const left = await session({ games: ["hawks-ravens"], device_id: "stb-2", labels: { plan: "silver" } });
  await ask(`/v1/sessions/${left.id}`, { method: "DELETE" }, "device");
  const sessions = page.locator(".sessions-panel");
  const row = sessions.getByRole("row", { name: "stb-1" });
  await tells("why", row.locator(".slot-why"), /^Owls at Larks: no picture since \d\d:\d\d:\d\d, for \d+ (s|min): \w/);

  await sessions.getByText("By label and time").click();
  const search = async (what: Record<string, string>, state: string) => {
    for (const [label, value] of Object.entries({ "Device or session": "", Label: "", "There from, UTC": "", "Until, UTC": "", ...what })) await sessions.getByLabel(label, { exact: true }).fill(value);
    await sessions.getByLabel("State").selectOption(state);
    await sessions.getByLabel("Device or session").press("Enter");
  };
  await search({ Label: "plan=silver" }, "ended");
  await tells("what is found", sessions.locator(".tally"), /^1 found/);
  assert.match(await sessions.locator("tbody tr").first().innerText(), /stb-2[\s\S]*Ended \d\d:\d\d:\d\d by its device/);
  assert.equal(await sessions.locator("tbody .end:visible").count(), 0, "there is nothing to end");
  await button("Details of the session of stb-2").click();
  const details = dialog("stb-2");
  await tells("what was billed", details.locator(".facts"), /State\s+Ended [\s\S]*Billable time\s+\d+:\d\d[\s\S]*Billed\s+\d+ minutes?, no tariff prices them, draft/);
  assert.deepEqual(await violationsOf(page), []);
  await shot("session");
  await page.keyboard.press("Escape");
  await details.waitFor({ state: "hidden" });
  await search({ "Device or session": "STB" }, "all");
  await tells("both", sessions.locator(".tally"), /^2 found/);
  await sessions.getByLabel("Game", { exact: true }).selectOption({ label: "Owls at Larks" });
  await search({ "Device or session": "STB" }, "all");
  await tells("one of them", sessions.locator(".tally"), /^1 found/);
  await button("Details of the session of stb-1").click();
  await tells("which slot is on slate", dialog("stb-1").locator(".slot-why"), /^Owls at Larks: No picture since/);
  await page.keyboard.press("Escape");
  await search({ "Until, UTC": "2026-01-01T00:00" }, "all");
  await sessions.getByText("No session is like that.").waitFor();
  assert.deepEqual(await violationsOf(page), []);
  await button("Back to live sessions").click();
  await panel("Live sessions").waitFor();
  await ask("/v1/operator/games/dark", { method: "DELETE" });
});

// ---- all of it ---------------------------------------------------------------------------------------------------

test("each view reads well in the dark and in the light, wide and narrow, and is reached by its address", async () => {
  for (const [hash, name] of [["art", "Art and skins"], ["markets", "Markets"]] as const) {
    await page.goto(`${service.origin}/operator#${hash}`);
    await page.reload();
    await page.getByRole("group", { name, exact: true }).waitFor();
    assert.equal(await page.getByRole("link", { name }).getAttribute("aria-current"), "page");
    if (hash === "art") await panel("Skins").locator(".canvas-art").first().waitFor();
    else await panel("Markets").getByRole("row", { name: "Germany" }).waitFor();
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const [size, width] of [["", 1600], ["-narrow", 320]] as const) {
        await page.setViewportSize({ width, height: 900 });
        await pause(300);
        assert.ok(await fits(), `something of ${hash} sticks out sideways at ${width}`);
        assert.deepEqual(await violationsOf(page), [], `${hash} ${colorScheme} at ${width}`);
        await shot(`${hash}${size}${colorScheme === "light" ? "-light" : ""}`);
      }
    }
    if (hash === "art") {
      await button("New skin").click();
      assert.ok(await fits());
      assert.deepEqual(await violationsOf(page), [], "the form, narrow");
      await shot("skin-form-narrow");
      await page.keyboard.press("Escape");
    }
    await page.setViewportSize({ width: 1600, height: 1000 });
    const session = await browser.context.newCDPSession(page);
    assert.deepEqual(await unnamed(session), []);
    await session.detach();
  }
  assert.deepEqual(complaints, [], "the console is clean");
});

// ---- the viewer's page -------------------------------------------------------------------------------------------

test("a viewer chooses market and skin, and sees the art where the form showed it", async () => {
  const own = await browser.context.newPage();
  own.setDefaultTimeout(30_000);
  await own.emulateMedia({ colorScheme: "dark" });
  const viewer = new ViewerPage(own, service);
  // The market has regions.
  const address = new URL(service.url);
  address.searchParams.set("region", "de");
  await own.goto(address.href);
  await viewer.until("the games", "state.connection === 'ready' && state.games.length >= 3");
  const layouts = own.locator(".layouts .choice");
  const offered = async () => (await layouts.allTextContents()).filter((words) => words.includes("with art"));
  assert.deepEqual((await offered()).length, 2, "those that a skin has something for");
  await own.getByLabel("Market", { exact: true }).selectOption("de");
  await viewer.until("the market's games", "state.games.length === 2");
  assert.equal(await own.getByLabel("Skin", { exact: true }).locator("option").first().innerText(), "The market's: red");
  await viewer.card(0).click();
  await layouts.filter({ hasText: "One in a frame" }).click();
  assert.deepEqual((await viewer.state()).picks.games.length, 1, "slots of art take no game");
  assert.match(own.url(), /\?region=de&games=comets-owls&layout=1F&market=de$/);
  await viewer.watch();
  await viewer.until("a picture that moves", "state.phase === 'watching' && !state.stands", 60_000);
  const side = { x: 0.02, y: 0.2, width: 0.06, height: 0.6 };
  const middle = { x: 0.3, y: 0.3, width: 0.4, height: 0.4 };
  const mean = (still: number[] | undefined) => [0, 1, 2].map((channel) => (still ?? []).filter((_, at) => at % 3 === channel).reduce((sum, value, _, all) => sum + value / all.length, 0));
  const seen = async () => (await stills(own, [side, middle])).map(mean);
  const [frame, game] = await seen();
  assert.ok(isRed(frame ?? []) && !isRed(game ?? []), JSON.stringify([frame, game]));
  const { session } = await viewer.state();
  assert.deepEqual([session?.market, session?.skin], ["de", "red"]);
  assert.deepEqual(await violationsOf(own), []);
  if (process.env["SCREENSHOT"] !== undefined) await own.screenshot({ path: process.env["SCREENSHOT"].replace(/(\.\w+)?$/, "-skin$1") });

  // Another skin comes at the same URL; the address has it, and a reload finds all of it.
  await own.getByLabel("Skin", { exact: true }).selectOption("blue");
  await viewer.until("the change", "state.session?.skin === 'blue'");
  assert.match(own.url(), /&market=de&skin=blue$/);
  let colour = (await seen())[0] ?? [];
  for (const deadlineMs = Date.now() + 60_000; Date.now() < deadlineMs && !isBlue(colour); colour = (await seen())[0] ?? []) await pause(500);
  assert.ok(isBlue(colour), JSON.stringify(colour));
  assert.equal((await viewer.state()).session?.id, session?.id);
  await own.reload();
  await viewer.until("the picture after the reload", "state.phase === 'watching' && state.sample?.segment != null", 60_000);
  const found = await viewer.state();
  assert.deepEqual([found.session?.id, found.terms], [session?.id, { market: "de", skin: "blue" }]);

  // A session stays in its market.
  await own.getByLabel("Market", { exact: true }).selectOption("");
  await viewer.admitted("another session", `state.phase === 'watching' && state.session?.id !== ${JSON.stringify(session?.id)}`);
  assert.equal((await viewer.state()).session?.market, null);
  assert.ok((await viewer.state()).games.length >= 3, "all games are there again");
  await own.getByRole("button", { name: "Leave" }).click();
  await own.close();
});
