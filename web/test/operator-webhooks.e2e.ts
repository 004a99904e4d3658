// Webhooks on the operators' page, in a real browser against the real service and a receiver that really gets what is sent.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import type { Webhook } from "../src/operator/api";
import type {} from "../src/operator";
import { unnamed, violationsOf, type Browser } from "./support/browser";
import { openPage } from "./support/opened";
import { startReceiver, type Receiver } from "./support/receiver";
import { startConfigured, type Service } from "./support/service";
import { pause } from "./support/viewer-page";

const OPERATOR = "operator";
const POLL_MS = 100;

const CONFIG = `
[[tenants]]
id = "test"
operator_keys = ["${OPERATOR}"]
device_keys = ["device"]
[[games]]
id = "ball"
title = "Ball"
sources = ["test://ball?size=160x90&fps=25"]
[sources]
networks = ["127.0.0.0/8"]
[output]
fps = "25"
segment_frames = 50
preset = "ultrafast"
[[output.renditions]]
name = "90p"
width = 160
height = 90
bitrate = 100_000
`;

let service: Service;
let receiver: Receiver;
let browser: Browser;
let page: Page;
let secret = "";
let complaints: string[];

before(async () => {
  receiver = await startReceiver();
  service = await startConfigured(CONFIG, "device");
  ({ browser, page, complaints } = await openPage(service, { timeoutMs: 15_000 }));
  await page.goto(`${service.origin}/operator`);
  await page.getByRole("textbox", { name: "Key", exact: true }).fill(OPERATOR);
  await page.keyboard.press("Enter");
  await panel("Live sessions").waitFor();
  await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Webhooks" }).click();
});

after(async () => {
  await browser?.close();
  await service?.stop();
  await receiver?.close();
});

const panel = (name: string) => page.getByRole("region", { name, exact: true });
const button = (name: string | RegExp, within: Page | Locator = page) => within.getByRole("button", { name, exact: typeof name === "string" });
const dialog = (name: string) => page.getByRole("dialog", { name, exact: true });
const row = () => panel("Webhooks").locator("tbody tr").filter({ hasText: receiver.url });
const sent = () => dialog("Recent deliveries").locator("tbody tr");
const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);

async function ask<T>(method: string, path: string, body?: unknown, key = OPERATOR): Promise<T> {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const answer = await fetch(service.origin + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return (answer.status === 204 ? null : await answer.json()) as T;
}

const webhooks = () => ask<Webhook[]>("GET", "/v1/operator/webhooks");

async function until(what: string, ready: () => Promise<boolean> | boolean, timeoutMs = 30_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await ready())) {
    if (Date.now() > deadlineMs) assert.fail(`${what} did not come within ${timeoutMs} ms\n${(await page.locator("body").innerText()).slice(0, 4_000)}\n${service.log()}`);
    await pause(POLL_MS);
  }
}

async function shot(name: string): Promise<void> {
  const path = process.env["SCREENSHOT_OPERATOR"];
  if (path !== undefined) await page.screenshot({ path: path.replace(/(\.\w+)?$/, `-${name}$1`) });
}

/** Begins a session: something that is told. */
const begin = () => ask<{ id: string }>("POST", "/v1/sessions", { games: ["ball"] }, "device");

test("a webhook is made with the keyboard; what is wrong is said of its field, and its secret is told once", async () => {
  await panel("Webhooks").getByText("There are no webhooks: nobody is told what happens.").waitFor();
  await button("New webhook").focus();
  await page.keyboard.press("Enter");
  const form = dialog("A new webhook");
  await form.waitFor();
  const address = form.getByLabel("Address");
  for (const [url, why] of [["", /needs an address/], ["ftp://ops.example/", /https:\/\/HOST/], ["http://10.1.2.3/", /10\.1\.2\.3/]] as const) {
    await address.fill(url);
    await page.keyboard.press("Enter");
    await form.getByText(why).waitFor();
    await until("the field", async () => (await address.getAttribute("aria-invalid")) === "true");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "webhook-url");
    await shot("webhook-form");
  }
  // Those refusals are the browser's to tell of, too.
  complaints.splice(0);
  await address.fill(receiver.url);
  assert.equal(await address.getAttribute("aria-invalid"), null, "what is being put right is not wrong");
  await form.getByLabel("Only these").check();
  await button("Save webhook", form).click();
  await form.getByText("Choose a type of event at least, or all.").waitFor();
  for (const type of ["session.started", "session.ended"]) await form.getByLabel(new RegExp(`^${type}:`)).check();
  assert.deepEqual(await violationsOf(page), []);
  await button("Save webhook", form).click();
  const told = dialog("The webhook's secret");
  await told.waitFor();
  secret = await told.getByLabel("Secret", { exact: true }).inputValue();
  assert.match(secret, /^whsec_/);
  assert.deepEqual(await violationsOf(page), []);
  await page.keyboard.press("Escape");
  await told.waitFor({ state: "hidden" });
  assert.equal(await focused(), "New webhook", "the focus is back where it was");
  assert.ok(!(await page.evaluate(() => [...document.querySelectorAll("input")].map(({ value }) => value).join(" "))).includes(secret), "it is nowhere on the page any more");
  await row().waitFor();
  assert.match(await row().innerText(), /wh_[0-9a-f]+[\s\S]*session\.started, session\.ended[\s\S]*Active[\s\S]*nothing taken yet[\s\S]*0/);
});

test("a test event goes out, and the page tells what came of it", async () => {
  await button(`Test: ${receiver.url}`).click();
  const box = dialog("Recent deliveries");
  await box.getByText(/The test event was taken: status 204, in [\d,]+ ms\./).waitFor();
  const test = receiver.got.at(-1);
  assert.deepEqual([test?.type, test?.signedBy(secret)], ["webhook.test", 1]);
  await until("the attempt", async () => (await sent().count()) === 1);
  assert.match(await sent().first().innerText(), /\d\d:\d\d:\d\d\s+webhook\.test\s*msg_[0-9a-f]+\s+1\s+Taken\s*status 204/);
  receiver.answer(500);
  await button("Send a test event", box).click();
  await box.getByText(/The test event was not taken: status 500, after/).waitFor();
  await until("both", async () => (await sent().count()) === 2);
  assert.match(await sent().first().innerText(), /Not taken\s*status 500, after [\d,]+ ms; not sent again/);
  receiver.answer(204);
  await page.keyboard.press("Escape");
  await box.waitFor({ state: "hidden" });
  assert.equal(await focused(), `Test: ${receiver.url}`);
});

test("what happens is told; what is refused is shown with the reason, and sent again by itself", async () => {
  receiver.answer(503);
  await begin();
  await until("the failure", async () => /Failing\s*since \d\d:\d\d:\d\d[\s\S]*status 503[\s\S]*1/.test(await row().innerText()));
  await panel("Webhooks").getByText("1 in all, 1 failing").waitFor();
  await button(`Deliveries: ${receiver.url}`).click();
  const box = dialog("Recent deliveries");
  await until("the attempts", async () => /session\.started\s*msg_[0-9a-f]+\s+\d+\s+Not taken\s*status 503, after [\d,]+ ms; again from \d\d:\d\d:\d\d on/.test(await sent().first().innerText()));
  assert.deepEqual(await violationsOf(page), []);
  await shot("deliveries");
  receiver.answer(204);
  // Without a word from the person: the box follows.
  await until("its end", async () => /session\.started\s*msg_[0-9a-f]+\s+\d+\s+Taken\s*status 204/.test(await sent().first().innerText()), 60_000);
  const ids = new Set(receiver.got.filter(({ type }) => type === "session.started").map(({ id }) => id));
  assert.equal(ids.size, 1, "one event, however often it was sent");
  await button("Close", box).click();
  await until("its return", async () => /Active[\s\S]*taken \d\d:\d\d:\d\d/.test(await row().innerText()));
});

test("another secret is told once, and for a day both sign", async () => {
  await button(`New secret: ${receiver.url}`).click();
  const asked = dialog("Give it another secret?");
  assert.deepEqual(await violationsOf(page), []);
  await button("New secret", asked).click();
  const told = dialog("The webhook's secret");
  await told.waitFor();
  const next = await told.getByLabel("Secret", { exact: true }).inputValue();
  assert.ok(next.startsWith("whsec_") && next !== secret);
  await button("Done", told).click();
  await row().getByText(/signed with the former secret, too, until \d+ \w+ \d\d:\d\d:\d\d/).waitFor();
  await button(`Test: ${receiver.url}`).click();
  await dialog("Recent deliveries").getByText(/The test event was taken/).waitFor();
  const test = receiver.got.at(-1);
  assert.deepEqual([test?.signedBy(next), test?.signedBy(secret)], [1, 1]);
  await page.keyboard.press("Escape");
});

test("one that says that it is gone is disabled, told so, and resumed", async () => {
  await button(`Edit: ${receiver.url}`).click();
  const form = dialog("This webhook");
  assert.equal(await form.getByLabel("Address").inputValue(), receiver.url);
  await form.getByLabel(/^All, /).check();
  await button("Save webhook", form).click();
  await form.waitFor({ state: "hidden" });
  await until("all of it", async () => (await row().locator(".events-cell").innerText()) === "all");
  receiver.answer(410);
  await begin();
  await until("its end", async () => /Disabled\s*since \d\d:\d\d:\d\d: it answered that it is gone \(410\)/.test(await row().innerText()));
  receiver.answer(204);
  await button(`Resume: ${receiver.url}`).click();
  await button("Resume it", dialog("Resume this webhook?")).click();
  await until("its return", async () => /Active/.test(await row().innerText()) && !(await button(`Resume: ${receiver.url}`).isVisible()));
  const { id } = await begin();
  await until("the event", () => receiver.got.filter(({ type }) => type === "session.started").length > 0 && receiver.got.at(-1)?.type === "session.started");
  await ask("DELETE", `/v1/sessions/${id}`, undefined, "device");
});

test("the view reads well in the dark and in the light, wide and narrow", async () => {
  await page.reload();
  await row().waitFor();
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [size, width] of [["", 1280], ["-narrow", 320]] as const) {
      await page.setViewportSize({ width, height: 900 });
      await pause(200);
      const name = `${size}${colorScheme === "light" ? "-light" : ""}`;
      assert.ok(await fits(), `something sticks out sideways at ${width}`);
      assert.deepEqual(await violationsOf(page), [], `${colorScheme} at ${width}`);
      await shot(`webhooks${name}`);
      for (const [opener, title] of [[`Deliveries: ${receiver.url}`, "Recent deliveries"], [`Edit: ${receiver.url}`, "This webhook"]] as const) {
        await button(opener).click();
        await dialog(title).waitFor();
        await pause(200);
        assert.ok(await fits(), `${title} at ${width}`);
        assert.deepEqual(await violationsOf(page), [], `${title}, ${colorScheme} at ${width}`);
        await shot(`${title === "This webhook" ? "webhook-form" : "deliveries"}${name}`);
        await page.keyboard.press("Escape");
      }
    }
  }
  await page.setViewportSize({ width: 1600, height: 1000 });
  const session = await browser.context.newCDPSession(page);
  assert.deepEqual(await unnamed(session), []);
  await session.detach();
});

test("a webhook is deleted after a question, and a key without the scope is told what it lacks", async () => {
  await button(`Delete: ${receiver.url}`).click();
  const asked = dialog("Delete this webhook?");
  await button("Keep it", asked).click();
  assert.equal((await webhooks()).length, 1);
  await button(`Delete: ${receiver.url}`).click();
  await button("Delete it", asked).click();
  await until("its end", async () => (await row().count()) === 0);
  assert.deepEqual(await webhooks(), []);
  assert.equal(await focused(), "Webhooks", "the heading has the focus");
  assert.deepEqual(complaints, [], "the console is clean");
  const { key } = await ask<{ key: string }>("POST", "/v1/operator/keys", { role: "operator", scopes: ["games:read"] });
  await button("Forget key").click();
  await page.getByRole("textbox", { name: "Key", exact: true }).fill(key);
  await page.keyboard.press("Enter");
  await panel("Webhooks").getByText("It lacks the scope webhooks:read.").waitFor();
});
