// A page in a browser of its own, with what it complains of and what it fetches from elsewhere.

import type { Page } from "playwright-core";
import { openBrowser, type Browser } from "./browser";
import type { Service } from "./service";

export interface Opened {
  readonly browser: Browser;
  readonly page: Page;
  /** What stood in the console, and what was thrown, in order. */
  readonly complaints: string[];
  /** Addresses that are not the service's. */
  readonly foreign: string[];
}

export interface Wishes {
  /** For each thing that is waited for. */
  timeoutMs?: number;
  /** What of the console is a complaint. */
  levels?: readonly string[];
}

/** The first page of a browser, still empty. Whoever opens it closes the browser. */
export async function openPage(service: Service, { timeoutMs = 30_000, levels = ["error"] }: Wishes = {}): Promise<Opened> {
  const browser = await openBrowser();
  const page = browser.context.pages()[0] ?? (await browser.context.newPage());
  page.setDefaultTimeout(timeoutMs);
  const complaints: string[] = [];
  const foreign: string[] = [];
  page.on("console", (message) => {
    if (levels.includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    // What a page makes itself comes from nowhere.
    if (protocol !== "data:" && origin !== service.origin) foreign.push(request.url());
  });
  return { browser, page, complaints, foreign };
}
