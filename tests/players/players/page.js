// Players in headless Chromium: each in a page of its own, which its recorder serves.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { OWN } from "../lib/recorder.js";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

/** A seek later than this is a jump over something that was missing. */
const JUMP_AFTER_S = 1;

export async function openBrowser() {
  const profile = await mkdtemp(join(tmpdir(), "quadrille-players-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
    viewport: { width: 1000, height: 600 },
  });
  return {
    context,
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** What the recorder of a player serves besides the service. */
export async function pagesOf(bundles) {
  const pages = {};
  for (const [name, file] of Object.entries(bundles)) {
    pages[`${name}.js`] = { type: "text/javascript", body: await readFile(file) };
    const html = `<!doctype html><link rel="icon" href="data:,"><video playsinline width="960" height="540"></video><script src="${name}.js"></script>`;
    pages[`${name}.html`] = { type: "text/html", body: html };
  }
  return pages;
}

/** `bundle` is the file in `page/`, `player` its entry in `window.players`. */
export function pagePlayer(bundle, player) {
  return {
    needsBrowser: true,
    async open({ watch, recorder, browser }) {
      const page = await browser.context.newPage();
      page.on("pageerror", (error) => watch.error(`the page: ${error.message}`));
      page.on("crash", () => watch.over("the page crashed"));
      await page.exposeFunction("told", (told) => take(told, watch));
      await page.goto(`${recorder.origin}${OWN}${bundle}.html`);
      return {
        /** `clockPlace` is where the picture has a clock, in shares of its width and height. */
        play: async (url, clockPlace) => {
          await page.evaluate((place) => (window.clockPlace = place), clockPlace);
          await page.evaluate(([name, at]) => window.players[name].play(at), [player, url]);
        },
        chooseSound: async (name) => {
          const chosen = await page.evaluate((one) => window.chooseSound(one), name);
          if (chosen === false) watch.note("sound: the browser's own HLS offers no choice of sound");
        },
        /** What it would show of them while a viewer seeks; `undefined` where it has no call for that. */
        images: () => page.evaluate(() => window.images?.()),
        /** Answers whether there are any of that name. */
        showCaptions: (name) => page.evaluate((one) => window.showCaptions(one), name),
        captionsShown: () => page.evaluate(() => window.captionsShown()),
        seek: (seconds) => page.evaluate((by) => window.seekBy(by), seconds),
        stop: () => page.close(),
      };
    },
  };
}

function take({ frames, events, ages, droppedVideoFrames }, watch) {
  for (const frame of frames) watch.frame(frame);
  watch.ages.push(...ages.filter((age) => age !== undefined && age !== null));
  watch.dropped = droppedVideoFrames;
  for (const { kind, text, at } of events) {
    if (kind === "error") watch.error(text);
    if (kind === "wait") watch.wait(at);
    if (kind === "anew") watch.anew(text);
    if (kind === "seek" && watch.position > JUMP_AFTER_S) watch.error(`jumped ${text}`);
  }
}
