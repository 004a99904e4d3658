// The operators' page in a real browser against the real service, while sessions are watched.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { Page, Route } from "playwright-core";
import type { UsageReport } from "../src/operator/api";
import type {} from "../src/operator";
import { openBrowser, unnamed, violationsOf, type Browser } from "./support/browser";
import { OPERATOR_KEY, startSmall, type Service } from "./support/service";

const POLL_MS = 1_500;
const ROOM_WITHIN_MS = 120_000;
// More than fit on a page of the table.
const VIEWERS = 23;

let service: Service;
let browser: Browser;
let page: Page;
let games: string[];
const viewers: string[] = [];
const complaints: string[] = [];
const foreign: string[] = [];
let watching: NodeJS.Timeout | undefined;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
const state = () => page.evaluate(() => window.quadrilleDesk.state);
const button = (name: string | RegExp) => page.getByRole("button", { name, exact: typeof name === "string" });
const panel = (name: string) => page.getByRole("region", { name, exact: true });

async function ask(path: string, key: string, init: RequestInit = {}): Promise<Response> {
  return fetch(new URL(path, service.origin), { ...init, headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" } });
}

async function until(what: string, ready: () => Promise<boolean>, timeoutMs = 40_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await ready())) {
    if (Date.now() > deadlineMs) assert.fail(`${what} did not come within ${timeoutMs} ms\n${JSON.stringify(await state(), null, 1).slice(0, 4_000)}\n${service.log()}`);
    await pause(100);
  }
}

/** A session as a set-top box has it: made, and its playlist asked for again and again. */
async function view(body: Record<string, unknown>): Promise<void> {
  const deadlineMs = Date.now() + ROOM_WITHIN_MS;
  let made = await ask("/v1/sessions", service.key, { method: "POST", body: JSON.stringify(body) });
  while (made.status === 503 && Date.now() < deadlineMs) {
    await pause(3_000);
    made = await ask("/v1/sessions", service.key, { method: "POST", body: JSON.stringify(body) });
  }
  assert.equal(made.status, 201, await made.clone().text());
  const { playback_url } = (await made.json()) as { playback_url: string };
  const top = await (await fetch(playback_url)).text();
  const video = top.split("\n").find((line) => line !== "" && !line.startsWith("#")) ?? "";
  viewers.push(new URL(video, playback_url).href);
}

/** One more session, with the first game and others of the first four: however many there are, four tiles make them all. */
function another(at: number): Record<string, unknown> {
  const [first, ...others] = games.slice(0, 4);
  const turned = others.map((_, index) => others[(index + at) % others.length]);
  return {
    games: [first, ...turned].slice(0, 2 + (at % 3)),
    layout: ["2EH", "3EL", "4E"][at % 3],
    device_id: `stb-${4100 + 7 * at}`,
    ...(at % 4 === 0 ? {} : { labels: { plan: at % 2 === 0 ? "gold" : "silver" } }),
  };
}

before(async () => {
  service = await startSmall();
  games = ((await (await ask("/v1/games", service.key)).json()) as { id: string }[]).map(({ id }) => id);
  await view({ games: games.slice(0, 4), device_id: "stb-living-room", labels: { plan: "gold" } });
  await view({ games: games.slice(0, 2), layout: "2EH", device_id: "<b>stb</b>", labels: { plan: "silver" } });
  while (viewers.length < VIEWERS) await view(another(viewers.length));
  watching = setInterval(() => viewers.forEach((url) => void fetch(url).catch(() => undefined)), POLL_MS);
  browser = await openBrowser();
  page = browser.context.pages()[0] ?? (await browser.context.newPage());
  page.setDefaultTimeout(30_000);
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(service.origin) && !url.startsWith("blob:") && !url.startsWith("data:")) foreign.push(url);
  });
});

after(async () => {
  clearInterval(watching);
  await browser?.close();
  await service?.stop();
});

/** Complaints are cleared where a test makes the service refuse. */
const expected = () => complaints.splice(0);

const violations = () => violationsOf(page);

const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);

test("a wrong key and a device key are told as what they are", async () => {
  await page.goto(`${service.origin}/operator`);
  const field = page.getByRole("textbox", { name: "Key" });
  await field.waitFor();
  assert.deepEqual(await violations(), []);
  await field.fill("not-a-key");
  await page.keyboard.press("Enter");
  await page.getByText("This key is not known").waitFor();
  await field.fill(service.key);
  await page.keyboard.press("Enter");
  await page.getByText("It is a device key").waitFor();
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert.deepEqual(await violations(), []);
  assert.equal(expected().length, 2, "a 401 and a 403");
});

test("the operator key is asked for once, and is in no address", async () => {
  await page.getByRole("textbox", { name: "Key" }).fill(OPERATOR_KEY);
  await button("Open").click();
  await panel("Live sessions").waitFor();
  await page.reload();
  await panel("Live sessions").waitFor();
  assert.equal(page.url(), `${service.origin}/operator`);
});

test("live sessions are there with what an operator needs, a page at a time", async () => {
  const rows = panel("Live sessions").locator("tbody tr");
  await until("the first page", async () => (await rows.count()) === 20);
  assert.equal(await page.locator("[data-figure=sessions]").textContent(), String(VIEWERS));
  await until("billed time", async () => /^\d+:\d\d$/.test((await rows.first().locator("td").nth(4).textContent()) ?? "") && (await rows.first().locator("td").nth(4).textContent()) !== "0:00");
  await button("Older").click();
  await until("the second page", async () => (await rows.count()) === VIEWERS - 20);
  const first = panel("Live sessions").getByRole("row", { name: "stb-living-room" });
  const cells = (await first.locator("th, td").allTextContents()).map((words) => words.trim());
  const titles = (await state()).games.value?.filter(({ id }) => games.slice(0, 4).includes(id)).map(({ title }) => title) ?? [];
  assert.match(cells[0] ?? "", /^stb-living-room[0-9a-f]{32}$/);
  // Below them stands why one has no picture, where one has none.
  assert.deepEqual((await first.locator(".titles").innerText()).split(", ").sort(), titles.sort());
  assert.deepEqual([cells[2], cells[7]], ["4E", "plan=gold"]);
  assert.match(cells[3] ?? "", /^(stitch|render)$/);
  assert.match(cells[4] ?? "", /^(\d+ \w+ )?\d\d:\d\d:\d\d$/);
  assert.match(cells[6] ?? "", /^\d+ s ago$/);
  assert.equal(await panel("Live sessions").getByText("<b>stb</b>").count(), 1, "a device's name is text and nothing else");
});

test("renewals move neither focus nor scrolling", async () => {
  const row = panel("Live sessions").getByRole("row", { name: "stb-living-room" });
  await page.setViewportSize({ width: 1200, height: 400 });
  await row.getByRole("button", { name: /^End/ }).focus();
  await page.evaluate(() => {
    window.scrollBy(0, 60);
    (window as unknown as { held: unknown }).held = document.activeElement;
  });
  const before = { y: await page.evaluate(() => window.scrollY), minutes: await row.locator("td").nth(4).textContent() };
  await until("another figure", async () => (await row.locator("td").nth(4).textContent()) !== before.minutes);
  assert.ok(await page.evaluate(() => document.activeElement === (window as unknown as { held: unknown }).held), "the same element has the focus");
  assert.equal(await page.evaluate(() => window.scrollY), before.y);
  await page.setViewportSize({ width: 1600, height: 1000 });
});

test("games tell their health in words, have a picture, and say who watches", async () => {
  const items = panel("Games").locator(".game");
  assert.equal(await items.count(), games.length);
  await until("thumbnails", () => page.evaluate(() => [...document.querySelectorAll<HTMLImageElement>(".game img")].every((image) => !image.hidden && image.naturalWidth > 0)));
  await until("all games to be live", async () => (await items.locator(".mark.live").count()) === games.length);
  const told = await items.first().innerText();
  assert.match(told, /Live/);
  assert.match(told, new RegExp(`${VIEWERS} sessions`));
  assert.match(told, /test:\/\//);
  assert.equal(await page.locator("[data-figure=games]").textContent(), `${games.length} of ${games.length}`);
});

test("a game without a picture says why and for how long, and shows no secret", async () => {
  const secret = "http://bob:hunter2@origin.invalid:9/live/a.m3u8?token=hunter2";
  const body = { id: "dark", title: "Owls at Larks", sources: [secret, "srt://encoder.invalid:9?streamid=#!::r=hunter2&passphrase=hunter2hunter2&latency=200"] };
  const made = await ask("/v1/operator/games", OPERATOR_KEY, { method: "POST", body: JSON.stringify(body) });
  assert.equal(made.status, 201, await made.clone().text());
  const item = panel("Games").locator(".game", { hasText: "Owls at Larks" });
  await until("its reason", async () => (await item.count()) === 1 && /reconnect/.test(await item.innerText()));
  const told = await item.innerText();
  assert.match(told, /No picture since \d\d:\d\d:\d\d, for \d+ (s|min): its source/);
  assert.match(told, /reconnects?\. Last: /);
  assert.ok(told.includes("http://…@origin.invalid:9/live/a.m3u8?token=…"), told);
  assert.ok(told.includes("srt://encoder.invalid:9?streamid=…&passphrase=…&latency=200"), told);
  assert.match(told, /being tried/);
  assert.ok(!(await page.content()).includes("hunter2"));
  await page.setViewportSize({ width: 320, height: 640 });
  assert.ok(await fits(), "a long source breaks");
  assert.deepEqual(await violations(), []);
  const path = process.env["SCREENSHOT_OPERATOR"];
  if (path !== undefined) await item.screenshot({ path: path.replace(/(\.\w+)?$/, "-dark-game-narrow$1") });
  await page.setViewportSize({ width: 1600, height: 1000 });
  if (path !== undefined) await item.screenshot({ path: path.replace(/(\.\w+)?$/, "-dark-game$1") });
  assert.deepEqual(await violations(), []);
  assert.equal((await ask("/v1/operator/games/dark", OPERATOR_KEY, { method: "DELETE" })).status, 204);
  await until("the game to go", async () => (await item.count()) === 0);
});

test("today's hours are drawn, and can be read as a table", async () => {
  const today = panel("Today");
  await until("a bar", async () => (await today.locator(".chart .bar-draft").count()) > 0);
  const drawn = today.getByRole("img", { name: /^Minutes billed by hour today/ });
  assert.match((await drawn.getAttribute("aria-label")) ?? "", /\d+(\.\d+)? minutes\./);
  await today.getByText("Hours as a table").click();
  const row = today.locator("tbody tr").last();
  assert.match(await row.innerText(), /^\d\d:00\s+\d+\s+\d+\.\d+\s+Draft$/);
  await today.getByRole("img", { name: /^Cost in EUR by hour today/ }).waitFor();
  assert.match((await page.locator("[data-figure=cost]").textContent()) ?? "", /^\d+\.\d+ EUR$/);
  assert.deepEqual(await violations(), []);
  await today.getByText("Hours as a table").click();
});

/** What the service reports of this month. */
async function report(groupBy: string): Promise<UsageReport> {
  const { from, to } = (await state()).month.value ?? { from: "", to: "" };
  return (await ask(`/v1/operator/usage?${new URLSearchParams({ from, to, group_by: groupBy })}`, OPERATOR_KEY)).json() as Promise<UsageReport>;
}

test("a month's usage is grouped as one likes", async () => {
  const usage = panel("Usage by month");
  const rows = usage.locator("tbody tr");
  for (const [group, label, count] of [
    ["Session", "session", VIEWERS],
    ["Game", "game", 4],
    ["Layout", "layout", 3],
    ["Tier", "tier", 1],
    ["Day", "day", 1],
  ] as const) {
    await usage.getByLabel("Group by").selectOption({ label: group });
    await until(`usage by ${label}`, async () => (await state()).month.value?.group_by === label && (await rows.count()) >= count);
    const { month } = await state();
    assert.equal(await rows.count(), month.value?.rows.length);
    const total = await usage.locator("tfoot").innerText();
    assert.match(total, /^Total\s+[\d,]+/);
    assert.ok(total.includes(`${month.value?.costs?.[0]?.cost} EUR`), total);
    assert.ok((await report(label)).total_billable_seconds >= (month.value?.total_billable_seconds ?? Infinity), "time goes on");
    assert.match(await rows.first().innerText(), /Draft$/);
  }
  await usage.getByLabel("Group by").selectOption({ label: "Label…" });
  await usage.getByLabel("Label's name").fill("plan");
  await page.keyboard.press("Enter");
  await until("usage by label", async () => (await state()).month.value?.group_by === "label:plan");
  const told = await usage.locator("tbody").innerText();
  for (const words of ["gold", "silver", "Without this label"]) assert.ok(told.includes(words), told);
  await usage.getByLabel("Month").selectOption({ index: 12 });
  await usage.getByText(/^Nothing was watched in/).waitFor();
});

test("reports are saved as files", async () => {
  const usage = panel("Usage by month");
  await usage.getByLabel("Month").selectOption({ index: 0 });
  await usage.getByLabel("Group by").selectOption({ label: "Session" });
  await until("usage by session", async () => (await state()).month.value?.group_by === "session");
  const { month } = (await state()).choice;
  for (const [name, ending, first] of [
    ["CSV", ".csv", /^session_id,/],
    ["JSON", ".json", /^\{/],
    ["FOCUS", "-focus.csv", /BilledCost/],
  ] as const) {
    const coming = page.waitForEvent("download");
    await usage.getByRole("button", { name: `Download ${name}` }).click();
    const file = await coming;
    assert.equal(file.suggestedFilename(), `quadrille-usage-${month}-by-session${ending}`);
    const words = await readFile(await file.path(), "utf8");
    assert.match(words.split("\r\n")[0] ?? "", first);
    if (name === "JSON") assert.equal((JSON.parse(words) as UsageReport).rows.length, VIEWERS);
    await until("the end of the download", async () => (await state()).downloading === null);
  }
  await usage.getByLabel("Group by").selectOption({ label: "Day" });
});

test("a session is ended with the keyboard, after a question", async () => {
  await until("the newer page", async () => {
    if ((await state()).sessionsPage > 0) await button("Newer").click();
    const { sessions, sessionsPage } = await state();
    return sessionsPage === 0 && !sessions.waits;
  });
  const { id } = (await state()).sessions.value!.sessions[0]!;
  const end = panel("Live sessions").locator("tbody tr").first().getByRole("button", { name: /^End/ });
  await end.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "End this session?" });
  await dialog.waitFor();
  assert.deepEqual(await violations(), []);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.ok(await end.evaluate((element) => element === document.activeElement), "the focus is back");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  await until("its row to go", async () => (await panel("Live sessions").getByText(id, { exact: true }).count()) === 0);
  assert.equal(await page.evaluate(() => document.activeElement?.id), "sessions-title", "the focus is not lost");
  const { sessions } = (await (await ask("/v1/operator/sessions?state=ended", OPERATOR_KEY)).json()) as { sessions: { id: string; end_reason: string }[] };
  assert.deepEqual(sessions.map((session) => [session.id, session.end_reason]), [[id, "operator"]]);
  await until("the new count", async () => (await page.locator("[data-figure=sessions]").textContent()) === String(VIEWERS - 1));
  assert.match(await page.getByRole("status").last().innerText(), /has ended/);
});

test("everything is reached by the keyboard, and the focus is seen", async () => {
  await page.reload();
  await until("all of the page", async () => {
    const { sessions, month, today } = await state();
    return [sessions, month, today].every(({ value }) => value !== null);
  });
  const reached = new Set<string>();
  for (let step = 0; step < 100; step++) {
    await page.keyboard.press("Tab");
    const { name, outline } = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { name: element.getAttribute("aria-label") ?? element.id ?? "", outline: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 };
    });
    const words = await page.evaluate(() => document.activeElement?.textContent ?? "");
    if (await page.evaluate(() => document.activeElement === document.body)) break;
    assert.ok(outline, `nothing shows that ${name || words} has the focus`);
    reached.add(name === "" ? words : name);
  }
  for (const name of ["Pause updates", "Forget key", "Table of live sessions", "Newer", "Older", "Hours as a table", "usage-month", "usage-group", "Read again", "Download CSV", "Download FOCUS", "Table of usage"]) {
    assert.ok(reached.has(name), `${name} is not among ${[...reached].join(", ")}`);
  }
  const session = await browser.context.newCDPSession(page);
  assert.deepEqual(await unnamed(session), []);
  await session.detach();
});

test("it reads well in the dark and in the light, wide, narrow and enlarged", async () => {
  const path = process.env["SCREENSHOT_OPERATOR"];
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.mouse.move(5, 5);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [name, size] of [
      ["", { width: 1600, height: 1000 }],
      // 1600 by 1000 at 200 %, and what is left of 1280 at 400 %.
      ["-enlarged", { width: 800, height: 500 }],
      ["-narrow", { width: 320, height: 640 }],
    ] as const) {
      await page.setViewportSize(size);
      await pause(300);
      assert.ok(await fits(), `something sticks out sideways at ${size.width}`);
      assert.deepEqual(await violations(), [], `${colorScheme} at ${size.width}`);
      if (path !== undefined) await page.screenshot({ path: path.replace(/(\.\w+)?$/, `${name}${colorScheme === "dark" ? "" : "-light"}$1`), fullPage: name !== "" });
    }
  }
  await page.setViewportSize({ width: 1600, height: 1000 });
});

test("what fails says so where it is, and can be tried again", async () => {
  const down = (route: Route) =>
    route.fulfill({ status: 503, contentType: "application/problem+json", headers: { "Retry-After": "2" }, body: '{"title":"The store cannot be reached","status":503,"code":"store_unavailable","detail":"The disk is full."}' });
  await page.route("**/v1/operator/usage*", down);
  await panel("Usage by month").getByRole("button", { name: "Read again" }).click();
  const alert = panel("Usage by month").getByRole("alert").first();
  await alert.getByText("The store cannot be reached. The disk is full.").waitFor();
  assert.match(await alert.innerText(), /read at \d\d:\d\d:\d\d UTC/);
  assert.ok((await panel("Usage by month").locator("tbody tr").count()) > 0, "what was read stays");
  assert.deepEqual(await violations(), []);
  await page.unroute("**/v1/operator/usage*");
  await alert.getByRole("button", { name: /^Try again/ }).click();
  await alert.getByRole("button").waitFor({ state: "hidden" });

  await page.route("**/v1/operator/**", (route) => route.abort());
  await panel("Live sessions").getByText("The service does not answer").waitFor();
  await page.unroute("**/v1/operator/**");
  await panel("Live sessions").getByText("The service does not answer").waitFor({ state: "hidden" });
  expected();
});

test("a pause stops what changes by itself", async () => {
  await button("Pause updates").click();
  await pause(1_000);
  const atMs = (await state()).sessions.atMs;
  await pause(4_000);
  assert.equal((await state()).sessions.atMs, atMs);
  await button("Pause updates").click();
  await until("news", async () => (await state()).sessions.atMs !== atMs);
});

test("the key is forgotten when told so", async () => {
  await button("Forget key").click();
  await page.getByRole("textbox", { name: "Key" }).waitFor();
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage })), "{}");
  assert.equal((await state()).sessions.value, null);
  assert.ok(await page.getByRole("textbox", { name: "Key" }).evaluate((element) => element === document.activeElement));
  await page.reload();
  await page.getByRole("textbox", { name: "Key" }).waitFor();
  assert.deepEqual(complaints, [], "the console is clean");
  assert.deepEqual(foreign, [], "nothing is fetched from elsewhere");
});
