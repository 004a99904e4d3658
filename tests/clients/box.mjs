// The set-top box's example in a real browser: `node box.mjs ORIGIN DEVICE_KEY`. Its language is checked first: a box knows ECMAScript 5 and no more.

import { parse } from "acorn";
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const [origin, key] = process.argv.slice(2);
const source = await readFile(new URL("../../examples/set-top-box.js", import.meta.url), "utf8");
parse(source, { ecmaVersion: 5 });

const browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage();
  // Of another origin, as a box's own page is.
  await page.addScriptTag({ content: source });
  const seen = await page.evaluate(
    async ({ origin, key }) => {
      const box = window.QuadrilleBox({ origin, key, deviceId: "stb-4100" });
      const asked = (start) => new Promise((done) => start((error, value) => done({ error, value })));
      const games = (await asked(box.games)).value.map(({ id }) => id);
      const watched = await asked((done) => box.watch({ games: games.slice(0, 2) }, done));
      // Two at once: one after the other, each on top of what the first left.
      const both = await Promise.all([asked((done) => box.swap(0, games[2], done)), asked((done) => box.listen(games[1], done))]);
      // Somebody else changes the session in between.
      await fetch(`${origin}/v1/sessions/${watched.value.id}`, {
        method: "PATCH",
        headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
        body: JSON.stringify({ audio: games[2] }),
      });
      const swapped = await asked((done) => box.swap(1, games[0], done));
      const refused = await asked((done) => box.arrange(games.slice(0, 2), "7XL", done));
      const stopped = await asked(box.stop);
      const idle = await asked((done) => box.swap(0, games[0], done));
      return { games, watched, both, swapped, refused, stopped, idle };
    },
    { origin, key },
  );
  const { games, watched, both, swapped, refused, stopped, idle } = seen;
  assert.equal(watched.error, null);
  assert.deepEqual(both.map(({ error }) => error), [null, null]);
  assert.deepEqual([both[1].value.games, both[1].value.audio], [[games[2], games[1]], games[1]]);
  assert.deepEqual([swapped.error, swapped.value?.games], [null, [games[2], games[0]]]);
  assert.equal(swapped.value.playback_url, watched.value.playback_url);
  assert.deepEqual([refused.error.code, refused.error.field], ["layout_unknown", "layout"]);
  assert.ok(refused.error.allowed.includes("2EH"), refused.error.allowed);
  assert.deepEqual([stopped.error, idle.error.code], [null, "no_session"]);
  console.log("set-top box: a whole session's life, in ECMAScript 5");
} finally {
  await browser.close();
}
