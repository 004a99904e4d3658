// The viewer's page as the tests see it: what it knows, and waiting for what is to come.

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type {} from "../../src/main";
import type { Service } from "./service";

const ROOM_WITHIN_MS = 120_000;
const SAID_WITHIN_MS = 10_000;
const POLL_MS = 100;
const RETRY_MS = 3_000;

export const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

export class ViewerPage {
  /** How often the service had no room; the browser writes each such answer into its console. */
  refusals = 0;

  constructor(
    readonly page: Page,
    private readonly service: Service,
  ) {}

  state() {
    return this.page.evaluate(() => window.quadrille.state);
  }

  sample() {
    return this.page.evaluate(() => window.quadrille.player.sample(performance.now(), Date.now()));
  }

  call(path: string, init: RequestInit = {}, key = this.service.key): Promise<Response> {
    return fetch(this.service.origin + path, { ...init, headers: { Authorization: `Bearer ${key}`, ...init.headers } });
  }

  card(at: number) {
    return this.page.locator(".games .card").nth(at);
  }

  slot(at: number) {
    return this.page.locator(".slot-pick").nth(at);
  }

  /** Waits until `ready` holds of the page's state; says what the page and the service had to say if it never does. */
  async until(what: string, ready: string, timeoutMs = 40_000): Promise<void> {
    // Asked from outside: a poll inside the page would need `eval`, which the page's content security policy forbids.
    const deadlineMs = Date.now() + timeoutMs;
    while (!(await this.holds(ready))) {
      if (Date.now() > deadlineMs) {
        const known = await this.page.evaluate(() => JSON.stringify({ state: { ...window.quadrille.state, games: [], layouts: [] }, events: window.quadrille.events.slice(-30) }, null, 1));
        assert.fail(`${what} did not come within ${timeoutMs} ms\n${known}\n${this.service.log()}`);
      }
      await pause(POLL_MS);
    }
  }

  /** Waits until `read` gives what `pattern` matches: what a picture that moves says of itself may be another word for a moment. */
  async says(what: string, read: () => Promise<string | null>, pattern: RegExp): Promise<void> {
    const deadlineMs = Date.now() + SAID_WITHIN_MS;
    for (;;) {
      const said = (await read()) ?? "";
      if (pattern.test(said)) return;
      if (Date.now() > deadlineMs) assert.match(said, pattern, what);
      await pause(POLL_MS);
    }
  }

  private async holds(ready: string): Promise<boolean> {
    try {
      return await this.page.evaluate(`(() => { if (!window.quadrille) return false; const { state, player, events } = window.quadrille; return Boolean(${ready}); })()`);
    } catch (error) {
      // A reload takes the page's world away while it is asked.
      if (/context was destroyed|navigation/i.test(String(error))) return false;
      throw error;
    }
  }

  /** Waits as `until`, pressing "Try again" as a viewer would when a busy machine has no room for a new mosaic yet. */
  async admitted(what: string, ready: string): Promise<void> {
    const deadlineMs = Date.now() + ROOM_WITHIN_MS;
    for (;;) {
      await this.until(what, `(${ready}) || state.problem !== null`);
      const { problem } = await this.state();
      if (problem === null) return;
      assert.equal(problem.code, "capacity", `${what}: ${problem.title} ${problem.detail}`);
      assert.ok(Date.now() < deadlineMs, `${what}: no room for ${ROOM_WITHIN_MS} ms. ${problem.detail}`);
      this.refusals += 1;
      await pause(RETRY_MS);
      await this.page.getByRole("button", { name: "Try again" }).click();
    }
  }

  /** Picks the first `count` games of the list, in their order. */
  async pickFirst(count: number): Promise<void> {
    await this.until("the list of games", "state.connection === 'ready' && state.games.length >= 5");
    for (let at = 0; at < count; at++) await this.card(at).click();
  }

  async watch(): Promise<void> {
    await this.page.locator(".controls").getByRole("button", { name: "Watch" }).click();
    await this.admitted("the first picture", "state.phase === 'watching' && state.sample?.segment != null");
  }
}
