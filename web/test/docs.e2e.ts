// The reference page in a real browser against the real service.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { unnamed, violationsOf, type Browser } from "./support/browser";
import { openPage } from "./support/opened";
import { startConfigured, type Service } from "./support/service";

const CONFIG = `
[[tenants]]
id = "docs"
device_keys = ["docs-device"]
[output]
fps = "30"
segment_frames = 60
[[output.renditions]]
name = "small"
width = 320
height = 180
bitrate = 200_000
`;

let service: Service;
let browser: Browser;
let page: Page;
let complaints: string[];
let foreign: string[];

before(async () => {
  service = await startConfigured(CONFIG, "docs-device");
  ({ browser, page, complaints, foreign } = await openPage(service, { levels: ["error", "warning"] }));
  await page.goto(`${service.origin}/docs`);
  await page.getByRole("heading", { name: "API reference" }).waitFor();
});

after(async () => {
  await browser?.close();
  assert.equal(await service?.stop(), 0);
});

test("every route of the document stands there, with its answers", async () => {
  const told = (await (await fetch(`${service.origin}/openapi.json`)).json()) as { paths: Record<string, Record<string, { operationId: string; responses: object }>> };
  const operations = Object.values(told.paths).flatMap((item) => Object.values(item));
  assert.ok(operations.length > 60);
  const shown = await page.evaluate(() => Array.from(document.querySelectorAll("main article > h3[id]"), ({ id }) => id));
  for (const { operationId } of operations) assert.ok(shown.includes(operationId), operationId);
  const create = page.getByRole("article", { name: "POST /v1/sessions", exact: true });
  assert.match(await create.innerText(), /idempotency_conflict/);
  assert.match(await create.innerText(), /429[\s\S]*rate_limited/);
  assert.match(await create.getByRole("region", { name: /with curl/ }).innerText(), new RegExp(`${service.origin}/v1/sessions`));
});

test("a search leaves what it means, and every link leads somewhere", async () => {
  const search = page.getByRole("searchbox", { name: "Search" });
  await search.fill("usage quote");
  await page.getByRole("status").getByText("1 route", { exact: true }).waitFor();
  assert.equal(await page.getByRole("article", { name: /\/v1\// }).count(), 1);
  await search.fill("");
  const broken = await page.evaluate(() =>
    Array.from(document.querySelectorAll<HTMLAnchorElement>('a[href^="#"]'), (link) => link.hash.slice(1)).filter((id) => document.getElementById(id) === null),
  );
  assert.deepEqual(broken, []);
});

test("the page is accessible, keeps to itself and complains of nothing", async () => {
  assert.deepEqual(await violationsOf(page), []);
  const session = await page.context().newCDPSession(page);
  assert.deepEqual(await unnamed(session), []);
  await page.emulateMedia({ colorScheme: "light" });
  // Colours alone are others, and every route has the same.
  const search = page.getByRole("searchbox", { name: "Search" });
  await search.fill("sessions");
  assert.deepEqual(await violationsOf(page), []);
  await search.fill("");
  await page.setViewportSize({ width: 400, height: 800 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= 400), true);
  const answer = await fetch(`${service.origin}/docs`);
  assert.match(answer.headers.get("content-security-policy") ?? "", /default-src 'self'/);
  assert.deepEqual([foreign, complaints], [[], []]);
});
