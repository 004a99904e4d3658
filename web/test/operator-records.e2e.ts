// Keys and the audit log on the operators' page, in a real browser against the real service.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import type { AuditEntry, Key } from "../src/operator/api";
import type {} from "../src/operator";
import { unnamed, violationsOf, type Browser } from "./support/browser";
import { openPage } from "./support/opened";
import { startConfigured, type Service } from "./support/service";
import { pause } from "./support/viewer-page";

const OPERATOR = "operator";
const POLL_MS = 100;

const CONFIG = `
[[tenants]]
id = "test"
operator_keys = ["${OPERATOR}"]
device_keys = ["device"]
[[markets]]
tenant = "test"
id = "de"
title = "Germany"
[output]
fps = "30"
segment_frames = 60
[[output.renditions]]
name = "180p"
width = 320
height = 180
bitrate = 500_000
`;

let service: Service;
let browser: Browser;
let page: Page;
let complaints: string[];

before(async () => {
  service = await startConfigured(CONFIG, "device");
  ({ browser, page, complaints } = await openPage(service, { timeoutMs: 15_000 }));
  await page.goto(`${service.origin}/operator`);
  await enter(OPERATOR);
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
const keys = () => ask<Key[]>("/v1/operator/keys");

async function enter(key: string): Promise<void> {
  await page.getByRole("textbox", { name: "Key", exact: true }).fill(key);
  await page.keyboard.press("Enter");
}

async function ask<T>(path: string, init: RequestInit = {}, key = OPERATOR): Promise<T> {
  const answer = await fetch(service.origin + path, { ...init, headers: { Authorization: `Bearer ${key}`, ...(init.body === undefined ? {} : { "Content-Type": "application/json" }) } });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return (answer.status === 204 ? null : await answer.json()) as T;
}

async function until(what: string, ready: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
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

let secret = "";

test("a key is made with the keyboard, told once, copied, and opens what its scopes say", async () => {
  await view("Keys");
  await panel("Keys").getByRole("row", { name: /config-/ }).first().waitFor();
  assert.equal(await panel("Keys").locator(".end:visible").count(), 0, "those of the configuration are its owner's");
  await button("New key").focus();
  await page.keyboard.press("Enter");
  const form = dialog("A new key");
  await form.waitFor();
  await page.keyboard.type("<b>clerk</b>");
  await form.getByLabel("An operator's").check();
  assert.ok(!(await form.getByLabel("Market", { exact: true }).isVisible()), "that is a device's");
  const scopes = form.getByRole("group", { name: "Scopes" }).first();
  await scopes.getByLabel("Only these; who may write may read").check();
  for (const scope of ["keys: read", "audit: read", "games: write"]) await scopes.getByLabel(scope).check();
  await form.getByLabel("Expires, UTC").fill("2020-01-01T00:00");
  await button("Make the key", form).click();
  await until("the field", async () => (await form.getByLabel("Expires, UTC").getAttribute("aria-invalid")) === "true");
  complaints.splice(0);
  await form.getByLabel("Expires, UTC").fill("2099-06-30T00:00");
  assert.deepEqual(await violationsOf(page), []);
  await shot("key-form");
  await button("Make the key", form).click();
  const told = dialog("The new key");
  await told.waitFor();
  secret = await told.getByLabel("Key", { exact: true }).inputValue();
  assert.ok(secret.length > 20, secret);
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Copy");
  await browser.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: service.origin });
  await page.keyboard.press("Enter");
  await told.getByText("Copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  assert.deepEqual(await violationsOf(page), []);
  await page.keyboard.press("Escape");
  await told.waitFor({ state: "hidden" });
  assert.ok(!(await page.evaluate(() => [...document.querySelectorAll("input")].map(({ value }) => value).join(" "))).includes(secret), "it is nowhere on the page any more");
  const row = panel("Keys").getByRole("row", { name: /clerk/ });
  await row.waitFor();
  assert.match(await row.innerText(), /<b>clerk<\/b>[\s\S]*Operator[\s\S]*changes games; reads audit and keys[\s\S]*30 Jun 00:00:00 2099[\s\S]*not since the start/);
  await ask("/v1/operator/keys", {}, secret);
  // A view that is opened is read at once.
  await view("Markets");
  await view("Keys");
  await until("its use", async () => /\d\d:\d\d:\d\d/.test((await row.locator("td").nth(4).textContent()) ?? ""));
});

test("a device's key has its terms, and a key is revoked after a question", async () => {
  await button("New key").click();
  const form = dialog("A new key");
  await form.getByLabel("Name").fill("boxes");
  await form.getByLabel("Market", { exact: true }).selectOption({ label: "Germany" });
  await form.getByLabel("Tallest picture").fill("180");
  await form.getByRole("group", { name: "Features" }).first().getByLabel("Only these").check();
  await form.getByLabel("low latency").check();
  await button("Make the key", form).click();
  await button("Done", dialog("The new key")).click();
  const row = panel("Keys").getByRole("row", { name: /boxes/ });
  await row.waitFor();
  assert.match(await row.innerText(), /Device[\s\S]*devices' routes[\s\S]*market de, up to 180 rows, low latency[\s\S]*when it is revoked/);
  await button("Revoke boxes").click();
  const asked = dialog("Revoke this key?");
  assert.deepEqual(await violationsOf(page), []);
  await button("Revoke it", asked).click();
  await until("its end", async () => (await row.count()) === 0);
  assert.ok(!(await keys()).some(({ name }) => name === "boxes"));
});

test("the audit log says who did what, is looked through, and its chain is checked", async () => {
  const denied = await fetch(`${service.origin}/v1/operator/markets/de`, { method: "DELETE", headers: { Authorization: `Bearer ${secret}` } });
  assert.equal(denied.status, 403);
  await view("Audit log");
  const log = panel("Audit log");
  const rows = log.locator("tbody tr");
  // A key, a key, its end, a deed that was refused, and a key that was not made.
  await until("the entries", async () => (await rows.count()) === 5);
  assert.match(await rows.first().innerText(), /^5\s+\d\d:\d\d:\d\d\s+<b>clerk<\/b>\s+DELETE \/v1\/operator\/markets\/de\s+Refused\s+403$/);
  assert.match(await rows.last().innerText(), /POST \/v1\/operator\/keys\s+Refused\s+422$/);
  assert.deepEqual(await violationsOf(page), []);
  await log.getByLabel("Outcome").selectOption("Done");
  await log.getByLabel("What").selectOption("keys");
  await button("Look", log).click();
  await until("what was done", async () => (await rows.count()) === 3);
  await log.getByLabel("Who").fill("nobody");
  await page.keyboard.press("Enter");
  await log.getByText("Nothing is like that.").waitFor();
  await log.getByLabel("Who").fill("");
  await log.getByLabel("What").selectOption("Anything");
  await log.getByLabel("Outcome").selectOption("Any");
  await button("Look", log).click();
  await until("all of it", async () => (await rows.count()) === 5);

  await button("Check the chain").click();
  await log.getByText("The chain holds: 5 entries, none changed, none missing.").waitFor();
  const { entries } = await ask<{ entries: AuditEntry[] }>("/v1/operator/audit");
  assert.equal(await log.locator(".chain-head").innerText(), entries.at(-1)?.digest);
  await shot("audit");
  const coming = page.waitForEvent("download");
  await button("Export").click();
  const file = await coming;
  assert.match(file.suggestedFilename(), /^quadrille-audit-\d{4}-\d\d-\d\d\.jsonl$/);
  const lines = (await readFile(await file.path(), "utf8")).trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line) as AuditEntry), entries);
  assert.deepEqual(complaints, [], "the console is clean");
});

test("the audit log is read further back a page at a time", async () => {
  for (let at = 0; at < 50; at++) await fetch(`${service.origin}/v1/operator/markets/nope`, { method: "DELETE", headers: { Authorization: `Bearer ${OPERATOR}` } });
  const log = panel("Audit log");
  await button("Read again", log).click();
  await until("a page", async () => (await log.locator("tbody tr").count()) === 50);
  await button("Further back", log).click();
  await until("all of it", async () => (await log.locator("tbody tr").count()) === 55);
  assert.ok(!(await button("Further back", log).isVisible()));
});

test("both views read well in the dark and in the light, wide and narrow", async () => {
  for (const [hash, name] of [["keys", "Keys"], ["audit", "Audit log"]] as const) {
    await page.goto(`${service.origin}/operator#${hash}`);
    await page.reload();
    await panel(name).locator("tbody tr").first().waitFor();
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const [size, width] of [["", 1280], ["-narrow", 320]] as const) {
        await page.setViewportSize({ width, height: 900 });
        await pause(200);
        assert.ok(await fits(), `something of ${hash} sticks out sideways at ${width}`);
        assert.deepEqual(await violationsOf(page), [], `${hash} ${colorScheme} at ${width}`);
        await shot(`${hash}${size}${colorScheme === "light" ? "-light" : ""}`);
      }
    }
    if (hash === "keys") {
      await button("New key").click();
      assert.ok(await fits());
      assert.deepEqual(await violationsOf(page), [], "the form, narrow");
      await page.keyboard.press("Escape");
    }
    await page.setViewportSize({ width: 1600, height: 1000 });
    const session = await browser.context.newCDPSession(page);
    assert.deepEqual(await unnamed(session), []);
    await session.detach();
  }
  assert.deepEqual(complaints, [], "the console is clean");
});

test("a key with fewer scopes opens the page, and says what it lacks where it lacks it", async () => {
  await button("Forget key").click();
  await page.getByRole("textbox", { name: "Key", exact: true }).waitFor();
  await enter(secret);
  await view("Overview");
  await panel("Live sessions").getByText("It lacks the scope sessions:read.").waitFor();
  await view("Keys");
  await panel("Keys").getByRole("row", { name: /clerk/ }).waitFor();
  complaints.splice(0);
});
